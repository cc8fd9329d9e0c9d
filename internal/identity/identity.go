// Package identity knows people: their e-mail addresses, names and passwords.
//
// A sign-in costs the same and answers the same whether the person is unknown, disabled, locked out or mistyped the password:
//
//	a turn at the Hasher → read the user → read their failures → count the attempt → argon2id
//
// An attempt counts before it is judged, by one conditional write, so that guesses made side by side are not judged side by side. Attempts
// that come before the next is due ([Failures.Due]) are refused unjudged. Those, and attempts on addresses that nobody has, write to one of a fixed number of
// rows instead.
//
// A stored hash carries its own [Cost]. One of another cost than new hashes have is replaced at the next sign-in, so the cost
// can be raised at any time.
package identity

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// User is a person.
type User struct {
	ID     ident.UserID
	Number int64
	// Email as the person wrote it; Canonical is what is unique and counted.
	Email, Canonical string
	Name             string
	Disabled         bool
	// Muted are the kinds of notices they do not want, sorted.
	Muted []notice.Kind
	// PasswordSetAt tells one password from the next: what was judged by an older one counts no more.
	PasswordSetAt        time.Time
	CreatedAt, UpdatedAt time.Time
}

// Person gives the user as others see them.
func (u User) Person() principal.Person {
	return principal.Person{ID: u.ID, Email: u.Email, Name: u.Name}
}

// Store is what identity reads, and what it writes past the ledger: failed sign-ins are counted like uses of a key, and are no changes;
// neither is the same password hashed at another cost.
type Store interface {
	// User is fault.NotFound for one who is deleted.
	User(ctx context.Context, user ident.UserID) (User, error)
	// UserByEmail gives the user and the encoded password ("" for none), or fault.NotFound.
	UserByEmail(ctx context.Context, canonical string) (User, string, error)
	// Failures gives those of the address; zero for none.
	Failures(ctx context.Context, canonical string) (Failures, error)
	// ClaimAttempt replaces the failures of an address, unless they are others by now than they were.
	ClaimAttempt(ctx context.Context, canonical string, was, is Failures) (claimed bool, err error)
	// CountAttempt counts one more in a bucket.
	CountAttempt(ctx context.Context, bucket string, at time.Time) error
	// ForgetFailures of the address.
	ForgetFailures(ctx context.Context, canonical string) error
	// UpgradeHash replaces the stored hash of a password by one of the same password at another cost.
	// It does nothing where another password was set meanwhile.
	UpgradeHash(ctx context.Context, user ident.UserID, was, is string) error
}

// Tx is what identity changes.
type Tx interface {
	Inserter
	// LockUser reads a user and holds them; a deleted one is fault.NotFound.
	LockUser(ctx context.Context, user ident.UserID) (User, error)
	// Rename changes a user's name.
	Rename(ctx context.Context, user ident.UserID, name string, at time.Time) error
	// Mute writes which kinds of notices a user does not want.
	Mute(ctx context.Context, user ident.UserID, kinds []notice.Kind, at time.Time) error
	SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error
	// SetUserDisabled disables the user, or enables them.
	SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error
	// ForgetFailures of the address.
	ForgetFailures(ctx context.Context, canonical string) error
	// EndSessions ends every session of the user.
	EndSessions(ctx context.Context, user ident.UserID) error
	// DeleteSession is fault.NotFound where the session is not the user's, or has ended.
	DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error

	// LockHomes holds the accounts and tenants that the user belongs to, so that their owners and admins stay the same. It comes before LockUser: locks
	// are taken in the order account, tenant, person.
	LockHomes(ctx context.Context, user ident.UserID) error
	// Leads lists the accounts that the user owns and the tenants of which they are an active admin.
	Leads(ctx context.Context, user ident.UserID) ([]ident.AccountID, []ident.TenantID, error)
	// OtherOwners counts the live owners of the account besides the user.
	OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (int, error)
	// OtherAdmins counts the live admins of the tenant besides the user.
	OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (int, error)
	// TenantsOfUser lists the tenants where the user owns keys, is a member or acts by a standing in the account.
	TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error)
	// TenantRules gives the tenant's settings among others.
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// RevokeKeysOf revokes what the owner has in a tenant and is not revoked; in mode policy.Delete it removes it. It gives how many keys that were.
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time, by ident.UserID, reason string) (int64, error)
	// LeaveAll ends the user's memberships and standings.
	LeaveAll(ctx context.Context, user ident.UserID) error
	// DeleteUser blanks the user's row, which stays for what refers to it, and forgets where they signed in from.
	DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error
}

// Service signs people in and keeps their records.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	Rand   io.Reader

	// Passwords bounds how many sign-ins go at once.
	Passwords *Hasher

	signIns SignIns
}

// NewUser is what a user is made from.
type NewUser struct {
	Email    string
	Name     string
	Password credential.Secret
}

// Create makes a user.
func (s *Service) Create(ctx context.Context, who principal.Principal, n NewUser) (User, error) {
	if err := fault.Refuse(n.faults()...); err != nil {
		return User{}, err
	}
	hash, err := s.Passwords.Hash(ctx, admission.Of(who), n.Password)
	if err != nil {
		return User{}, err
	}
	u := s.newUser(n)
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		number, err := tx.InsertUser(ctx, u, hash)
		u.Number = number
		return audit.By(who, audit.ActionUserCreate, target(u)), err
	})
	return u, err
}

func (s *Service) newUser(n NewUser) User {
	now := s.Now()
	return User{
		ID: ident.New[ident.UserID](now, s.Rand), Email: strings.TrimSpace(n.Email), Canonical: CanonicalEmail(n.Email), Name: n.Name,
		PasswordSetAt: now, CreatedAt: now, UpdatedAt: now,
	}
}

func (n NewUser) faults() []fault.Field {
	return append(EmailFaults(n.Email), passwordFaults("password", n.Password, n.Email, n.Name)...)
}

// own gives the signed-in person who asks about themselves.
func own(who principal.Principal) (principal.Session, error) {
	s, ok := who.Session()
	if !ok {
		return principal.Session{}, fault.SessionRequired
	}
	return s, nil
}

func target(u User) audit.Target { return audit.Target{Type: "user", ID: string(u.ID), Name: u.Name} }

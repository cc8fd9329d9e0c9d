// Package identity holds people: their e-mail addresses, names, passwords and preferences.
//
// Who may do what: everybody sees and changes themselves, and may delete themselves; the operator
// finds, disables and enables users, sets their addresses and makes links to set a password; the
// holder of a link sets a password (passwordreset.go), confirms an address (emailchange.go) or
// becomes a user (enrol.go). Nobody sees another person here, but for the avatars of people whom
// they meet in a tenant or an account (avatar.go).
//
// A sign-in costs the same and has the same answer whether the person is unknown, disabled, locked
// out or mistyped the password:
//
//	wait for a turn at the Hasher → read the user → read their known clients →
//	read the failures → reserve the attempt → argon2id
//
// An attempt is reserved, that is, counted as a failure before the password is checked, by one
// conditional write. So guesses that are made at the same time do not get checked at the same time.
// Attempts that come too soon ([Failures.Due]) are refused without a check. These, and attempts on
// addresses that nobody has, are counted in one of a fixed number of shared rows. Attempts from a
// client that the person has signed in from are counted apart from all others, so that nobody else
// can lock the person out.
//
// A stored hash carries its own [Cost]. A hash of another cost than new hashes have is replaced at
// the next sign-in, so the cost can be raised at any time.
package identity

import (
	"context"
	"io"
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
	// Email is the address as the person wrote it. Canonical is its one form for all spellings,
	// which is unique.
	Email, Canonical string
	// EmailProven is set where the address is known to be theirs: they used a link that was mailed
	// to it, or the operator vouches for it.
	EmailProven bool
	Name        string
	Disabled    bool
	// Muted lists the kinds of notices that they do not want, sorted.
	Muted []notice.Kind
	// PasswordSetAt tells one password from the next: a check against an older password no longer
	// counts.
	PasswordSetAt time.Time
	// ShortPassword is set where the password is too short to be the only factor.
	ShortPassword        bool
	CreatedAt, UpdatedAt time.Time
}

// Person returns the user as others see them.
func (u User) Person() principal.Person {
	return principal.Person{ID: u.ID, Email: u.Email, Name: u.Name}
}

// Store is what this package reads, and what it writes past the ledger: failed sign-ins are counted
// like uses of a key, and hashing the same password at another cost changes nothing.
type Store interface {
	// User fails with fault.NotFound for a deleted user.
	User(ctx context.Context, user ident.UserID) (User, error)
	// HasSecondFactor reports whether a user has a second factor.
	HasSecondFactor(ctx context.Context, user ident.UserID) (bool, error)
	// SignInFacts returns how people sign in and when they were last seen, by their ids.
	SignInFacts(ctx context.Context, users []ident.UserID) (map[ident.UserID]SignInFacts, error)
	// UserByEmail returns the user and the encoded password ("" for none), or fault.NotFound.
	UserByEmail(ctx context.Context, canonical string) (User, string, error)
	// KnownClients lists the clients from which a person has signed in since that time, as
	// [principal.Origin.ClientNames] names them.
	KnownClients(ctx context.Context, user ident.UserID, since time.Time) ([]string, error)
	// Failures returns the failures in a bucket; zero for none.
	Failures(ctx context.Context, bucket string) (Failures, error)
	// ReserveAttempt replaces the failures in a bucket, unless they have changed from was.
	ReserveAttempt(ctx context.Context, bucket string, was, is Failures) (reserved bool, err error)
	// CountAttempt adds one to the failures in a bucket.
	CountAttempt(ctx context.Context, bucket string, at time.Time) error
	// DeleteFailures empties a bucket.
	DeleteFailures(ctx context.Context, bucket string) error
	// DeleteOldFailures removes the buckets whose last failure was before that time.
	DeleteOldFailures(ctx context.Context, before time.Time) error
	// Reset returns a link by which a password can be set now, or fault.NotFound.
	Reset(ctx context.Context, token credential.TokenHash, now time.Time) (ResetLink, error)
	// EmailLink returns a link of a change of address that can be used now, or fault.NotFound.
	EmailLink(ctx context.Context, token credential.TokenHash, now time.Time) (EmailLink, error)
	EmailReader
	audit.TrailStore
	// Avatar returns the avatar of a user, or fault.NotFound for none.
	Avatar(ctx context.Context, user ident.UserID) (Avatar, error)
	// AvatarVersion returns the version of a user's avatar; "" for none.
	AvatarVersion(ctx context.Context, user ident.UserID) (string, error)
	// Affiliations returns what a user belongs to.
	Affiliations(ctx context.Context, user ident.UserID) (Affiliations, error)
	// UpgradeHash replaces the stored hash of a password by a hash of the same password at another
	// cost. It does nothing where another password was set in the meantime.
	UpgradeHash(ctx context.Context, user ident.UserID, was, is string) error
}

// The transactions of this package. Each has what one kind of change reads and writes. The order of
// locks is documented in internal/store/locks.go.

// LockTx locks a user.
type LockTx interface {
	// LockUser reads a user and locks them; a deleted one is fault.NotFound.
	LockUser(ctx context.Context, user ident.UserID) (User, error)
}

// EndTx ends what a user could still act with.
type EndTx interface {
	// EndSessions ends every session of the user.
	EndSessions(ctx context.Context, user ident.UserID) error
	// VoidLinks voids the user's links to set a password that were not used, and those of a change
	// of their address.
	VoidLinks(ctx context.Context, user ident.UserID, now time.Time) error
}

// ForgetFailuresTx forgets failed sign-ins.
type ForgetFailuresTx interface {
	// DeleteFailuresOf forgets the failures of an address, and those in all buckets whose names
	// begin with the prefix.
	DeleteFailuresOf(ctx context.Context, canonical, prefix string) error
}

// TenantsTx reads where a user appears.
type TenantsTx interface {
	// TenantsOfUser lists the tenants where the user owns keys, is a member, or acts by a role in
	// the account.
	TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error)
}

// UserTx makes and changes users.
type UserTx interface {
	Inserter
	LockTx
	EndTx
	TenantsTx
	// Rename changes a user's name.
	Rename(ctx context.Context, user ident.UserID, name string, at time.Time) error
	// SetMuted writes which kinds of notices a user does not want.
	SetMuted(ctx context.Context, user ident.UserID, kinds []notice.Kind, at time.Time) error
	// SetUserDisabled disables the user, or enables them.
	SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error
}

// PasswordTx sets passwords, and makes and uses the links for that.
type PasswordTx interface {
	LockTx
	EndTx
	ForgetFailuresTx
	notice.Writer
	SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error
	// MarkShortPassword records that the password, which was just set, is too short to be the only
	// factor.
	MarkShortPassword(ctx context.Context, user ident.UserID, at time.Time) error
	// HasSecondFactor reports whether a user has a second factor.
	HasSecondFactor(ctx context.Context, user ident.UserID) (bool, error)
	// ProveEmail records that the address of a user is known to be theirs.
	ProveEmail(ctx context.Context, user ident.UserID, now time.Time) error
	// RememberClients records the clients from which a user signs in. It returns those that were
	// seen since the given time, and forgets older ones.
	RememberClients(ctx context.Context, user ident.UserID, clients []string,
		now, since time.Time) (known []string, err error)
	// InsertReset writes a link by which a password can be set.
	InsertReset(ctx context.Context, l ResetLink, token credential.TokenHash) error
	// CountMailedResets counts, up to most, the links of a user that were mailed after that time.
	CountMailedResets(ctx context.Context, user ident.UserID, after time.Time, most int) (int, error)
	// UseReset uses a link up. It fails with fault.NotFound where that was done before or the link
	// has expired.
	UseReset(ctx context.Context, token credential.TokenHash, now time.Time) error
}

// DeleteTx deletes users.
type DeleteTx interface {
	LockTx
	EndTx
	ForgetFailuresTx
	TenantsTx
	// LockAccountsAndTenantsOf locks the accounts and tenants that the user belongs to, so that
	// their owners and admins stay the same. It comes before LockUser.
	LockAccountsAndTenantsOf(ctx context.Context, user ident.UserID) error
	// AccountsAndTenantsLedBy lists the accounts that the user owns, and the tenants of which they
	// are an active admin.
	AccountsAndTenantsLedBy(ctx context.Context, user ident.UserID) ([]ident.AccountID, []ident.TenantID, error)
	// OtherOwners counts the active owners of the account besides the user.
	OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (int, error)
	// OtherAdmins counts the active admins of the tenant besides the user.
	OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (int, error)
	// DeleteSession fails with fault.NotFound where the session is not the user's, or has ended.
	DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error
	// ProvingLink returns the link of an invitation to the canonical address that can be used now
	// and proves the address, since it was mailed or the operator made it; otherwise
	// fault.LinkInvalid.
	ProvingLink(ctx context.Context, token credential.TokenHash, canonical string, now time.Time) (ident.LinkID, error)
	// TenantRules returns the settings of a tenant.
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// RevokeKeysOf revokes all keys of a user in a tenant, from the commit on; in mode
	// policy.Delete it deletes them. All calls in a transaction write up to 500 keys.
	// A job writes the others. It returns how many keys it revokes, up to 10,000.
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time,
		by ident.UserID, reason string) (int64, error)
	// RemoveMemberships ends the user's memberships and their roles in accounts.
	RemoveMemberships(ctx context.Context, user ident.UserID) error
	// DeleteUser empties the user's row, which stays for what refers to it, and forgets the clients
	// from which they signed in.
	DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error
}

// Pictures makes avatars. It is package picture's Maker.
type Pictures interface {
	// Avatar returns the PNG that is made of a file.
	Avatar(ctx context.Context, file []byte) ([]byte, error)
}

// Ledgers write the changes of this package.
type Ledgers struct {
	Users     audit.Ledger[UserTx]
	Passwords audit.Ledger[PasswordTx]
	Deletions audit.Ledger[DeleteTx]
	Avatars   audit.Ledger[AvatarTx]
	Emails    audit.Ledger[EmailTx]
}

// Service signs people in and keeps their records.
type Service struct {
	Ledgers Ledgers
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	// Horizon is the time that work which cannot be undone goes by. It is never later than Now.
	Horizon func() time.Time
	Rand    io.Reader

	// Passwords hashes passwords, a few at a time.
	Passwords *Hasher
	// Pictures makes avatars of uploaded files.
	Pictures Pictures
	// Mails is set where a mail server delivers links to people.
	Mails bool

	signIns  SignIns
	requests resetRequests
}

// NewUser describes a user to make.
type NewUser struct {
	Email    string
	Name     string
	Password credential.Secret
	// EmailProven is set where the address is known to be theirs.
	EmailProven bool
}

// Create makes a user. The operator vouches for the address.
func (s *Service) Create(ctx context.Context, who principal.Principal, n NewUser) (User, error) {
	if err := fault.Refuse(n.faults()...); err != nil {
		return User{}, err
	}
	hash, err := s.Passwords.Hash(ctx, admission.ForPrincipal(who), n.Password)
	if err != nil {
		return User{}, err
	}
	n.EmailProven = n.EmailProven || who.Kind() == principal.KindOperator
	u := s.newUser(n)
	err = s.Ledgers.Users.Write(ctx, who, func(ctx context.Context, tx UserTx) (audit.Event, error) {
		number, err := tx.InsertUser(ctx, u, hash)
		u.Number = number
		return audit.By(who, audit.ActionUserCreate, target(u)), err
	})
	return u, err
}

func (s *Service) newUser(n NewUser) User {
	now := s.Now()
	return User{
		ID: ident.New[ident.UserID](now, s.Rand), Email: NormalEmail(n.Email), Canonical: CanonicalEmail(n.Email),
		Name:          n.Name,
		EmailProven:   n.EmailProven,
		PasswordSetAt: now, CreatedAt: now, UpdatedAt: now,
	}
}

// faults returns what is wrong with the address and the password.
func (n NewUser) faults() []fault.Field {
	return append(EmailFaults(n.Email), passwordFaults("password", n.Password, MinPassword, n.Email, n.Name)...)
}

// signedIn returns the session of the caller, or fault.SessionRequired.
func signedIn(who principal.Principal) (principal.Session, error) {
	s, ok := who.Session()
	if !ok {
		return principal.Session{}, fault.SessionRequired
	}
	return s, nil
}

func target(u User) audit.Target { return audit.Target{Type: "user", ID: string(u.ID), Name: u.Name} }

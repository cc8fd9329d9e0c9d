// Package identity knows people: their e-mail addresses, names and passwords.
//
// A sign-in costs the same and answers the same whether the person is unknown, disabled or mistyped the password.
package identity

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
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
	CreatedAt        time.Time
}

// Person gives the user as others see them.
func (u User) Person() principal.Person {
	return principal.Person{ID: u.ID, Email: u.Email, Name: u.Name}
}

// CanonicalEmail folds the spellings of one address into one. All of it is lower-cased: no provider in use tells
// addresses apart by case, and two accounts that differ by case alone are an attack.
func CanonicalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// storable reports whether a text can be in a database at all: PostgreSQL holds neither NUL nor bad UTF-8.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// Store is what identity reads.
type Store interface {
	// UserByEmail gives the user and the encoded password ("" for none), or fault.NotFound.
	UserByEmail(ctx context.Context, canonical string) (User, string, error)
}

// Tx is what identity changes.
type Tx interface {
	Inserter
	SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error
	// EndSessions ends every session of the user.
	EndSessions(ctx context.Context, user ident.UserID) error
}

// Service signs people in and keeps their records.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	Rand   io.Reader

	// Passwords bounds how many argon2id runs go at once.
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
	hash, err := s.Passwords.Hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	now := s.Now()
	u := User{ID: ident.New[ident.UserID](now, s.Rand), Email: strings.TrimSpace(n.Email), Canonical: CanonicalEmail(n.Email), Name: n.Name, CreatedAt: now}
	err = s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		number, err := tx.InsertUser(ctx, u, hash)
		u.Number = number
		return audit.By(who, "user.create", target(u)), err
	})
	return u, err
}

// SetPassword replaces a user's password and ends their sessions.
func (s *Service) SetPassword(ctx context.Context, who principal.Principal, u User, password credential.Secret) error {
	if err := fault.Refuse(passwordFaults(password)...); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := tx.SetPassword(ctx, u.ID, hash, s.Now()); err != nil {
			return audit.Event{}, err
		}
		return audit.By(who, "user.password", target(u)), tx.EndSessions(ctx, u.ID)
	})
}

// SignIn gives the user whose e-mail and password these are, or fault.SignInFailed with one message for every cause.
func (s *Service) SignIn(ctx context.Context, email string, password credential.Secret) (User, error) {
	u, err := s.signIn(ctx, email, password)
	s.signIns.count(err)
	return u, err
}

func (s *Service) signIn(ctx context.Context, email string, password credential.Secret) (User, error) {
	canonical := CanonicalEmail(email)
	if !storable(canonical) {
		canonical = "" // nobody's
	}
	u, hash, err := s.Store.UserByEmail(ctx, canonical)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return User{}, err
	}
	match, err := s.Passwords.Match(ctx, password, hash)
	if err != nil {
		return User{}, err
	}
	if !match || u.Disabled {
		return User{}, fault.New(fault.SignInFailed, "The e-mail address or the password is wrong.")
	}
	return u, nil
}

func target(u User) audit.Target { return audit.Target{Type: "user", ID: string(u.ID), Name: u.Name} }

func (n NewUser) faults() []fault.Field {
	return append(EmailFaults(n.Email), passwordFaults(n.Password)...)
}

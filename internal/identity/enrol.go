package identity

import (
	"context"
	"errors"
	"net/mail"
	"strings"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Enrol takes what a person who comes by a link says about themselves: one who is new to the server will be made by insert, one who is known must have given their
// password. insert belongs into the transaction that uses up the link, and gives the user's number. What is asked of a new person is asked of both, so that nobody can try whether
// an address is known without either making the user or counting as a failed sign-in.
func (s *Service) Enrol(ctx context.Context, from principal.Origin, n NewUser) (u User, insert func(context.Context, Inserter) (int64, error), err error) {
	name, faults := text.Name("name", n.Name)
	if err := fault.Refuse(append(faults, n.faults()...)...); err != nil {
		return User{}, nil, err
	}
	u, _, err = s.Store.UserByEmail(ctx, CanonicalEmail(n.Email))
	if !errors.Is(err, fault.NotFound) {
		if err == nil {
			u, err = s.SignIn(ctx, from, n.Email, n.Password)
		}
		return u, func(context.Context, Inserter) (int64, error) { return u.Number, nil }, err
	}
	hash, err := s.Passwords.Hash(ctx, admission.At(from.IP), n.Password)
	if err != nil {
		return User{}, nil, err
	}
	n.Name = name
	u = s.newUser(n)
	return u, func(ctx context.Context, tx Inserter) (int64, error) { return tx.InsertUser(ctx, u, hash) }, nil
}

// Inserter is a transaction that can make a user.
type Inserter interface {
	// InsertUser gives the user's number; a canonical e-mail that is taken is fault.Conflict.
	InsertUser(ctx context.Context, u User, password string) (number int64, err error)
}

// EmailFaults says what is wrong with an address in the field email. It must be one plain address: mail to it goes to nobody else.
func EmailFaults(email string) []fault.Field {
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != strings.TrimSpace(email) || len(email) > 254 || !text.Plain(address.Address) {
		return []fault.Field{{Name: "email", Code: "form", Message: "Use one plain e-mail address."}}
	}
	return nil
}

package identity

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Enrol accepts what a person who opened a link says about themselves. insert makes a new person,
// and returns the number of the user; it belongs in the transaction that uses the link up. A known
// person must have given their password. Enrol asks the same of both, so that nobody can find out
// whether an address is known without making the user or counting as a failed sign-in.
//
// deleteUnproven is set where the link proves the address. A user who holds the address without
// having proven it then counts only if the password is theirs; otherwise deleteUnproven deletes
// that user, and the person is new. A user without a password, as after a restore, must set one by
// a link first. Where mail works, an unproven user cannot use a link that does not prove the
// address.
func (s *Service) Enrol(
	ctx context.Context, from principal.Origin, n NewUser, deleteUnproven func(context.Context, User) error,
) (u User, insert func(context.Context, Inserter) (int64, error), err error) {
	name, faults := text.Name("name", n.Name)
	if err := fault.Refuse(append(faults, n.faults()...)...); err != nil {
		return User{}, nil, err
	}
	n.Name = name
	u, hash, err := s.Store.UserByEmail(ctx, CanonicalEmail(n.Email))
	switch {
	case errors.Is(err, fault.NotFound):
		return s.prepareNewUser(ctx, from, n)
	case err != nil:
		return User{}, nil, err
	case u.EmailProven, u.Disabled, hash == "": // a user without a password cannot give it
		u, err = s.SignIn(ctx, from, n.Email, n.Password)
	case deleteUnproven != nil:
		same, err := s.passwordMatches(ctx, from, u, hash, n.Password)
		if err != nil {
			return User{}, nil, err
		}
		if !same {
			if err := deleteUnproven(ctx, u); err != nil {
				return User{}, nil, err
			}
			return s.prepareNewUser(ctx, from, n)
		}
		return u, prepareProof(u, s.Now()), nil
	case s.Mails:
		return User{}, nil, errUnproven
	default:
		u, err = s.SignIn(ctx, from, n.Email, n.Password)
	}
	return u, func(context.Context, Inserter) (int64, error) { return u.Number, nil }, err
}

var errUnproven = fault.New(fault.LinkInvalid,
	"Nobody has proven yet that this e-mail address is theirs. Ask for a link by mail: opening it proves the address.")

// prepareNewUser returns a person who is new to the server, and the function that inserts them.
func (s *Service) prepareNewUser(ctx context.Context, from principal.Origin,
	n NewUser,
) (User, func(context.Context, Inserter) (int64, error), error) {
	hash, err := s.Passwords.Hash(ctx, admission.ForAddress(from.IP), n.Password)
	if err != nil {
		return User{}, nil, err
	}
	u := s.newUser(n)
	return u, func(ctx context.Context, tx Inserter) (int64, error) { return tx.InsertUser(ctx, u, hash) }, nil
}

// prepareProof returns the function that records that the address of a known user is theirs.
func prepareProof(u User, now time.Time) func(context.Context, Inserter) (int64, error) {
	return func(ctx context.Context, tx Inserter) (int64, error) { return u.Number, tx.ProveEmail(ctx, u.ID, now) }
}

// passwordMatches compares a password with that of an unproven user. It counts no failure, since it
// is of no use for guessing: a wrong password deletes the user.
func (s *Service) passwordMatches(ctx context.Context, from principal.Origin, u User, hash string,
	password credential.Secret,
) (same bool, err error) {
	err = s.Passwords.inTurn(ctx, admission.ForAddress(from.IP), u.Canonical, func(_ context.Context, t *turn) error {
		compared, err := t.compare(password, hash)
		same = compared.matches
		return err
	})
	return same, err
}

// DeleteUnproven deletes a user whose address was never proven, for somebody who proves it by the
// link of the token. It does what DeleteMe does. It succeeds where the user is already deleted, and
// fails with fault.SignInFailed where the user has proven the address in the meantime.
func (s *Service) DeleteUnproven(ctx context.Context, from principal.Origin, user ident.UserID,
	token credential.TokenHash,
) error {
	who := principal.System().WithOrigin(from)
	return s.Ledgers.Deletions.Write(ctx, who, func(ctx context.Context, tx DeleteTx) (audit.Event, error) {
		if err := tx.LockAccountsAndTenantsOf(ctx, user); err != nil {
			return audit.Event{}, err
		}
		u, err := tx.LockUser(ctx, user)
		switch {
		case errors.Is(err, fault.NotFound):
			return audit.Event{}, audit.ErrNothing
		case err != nil:
			return audit.Event{}, err
		case u.EmailProven:
			return audit.Event{}, fault.SignInFailed
		}
		link, err := tx.ProvingLink(ctx, token, u.Canonical, s.Now())
		if err != nil {
			return audit.Event{}, err
		}
		tenants, revoked, err := s.revokeKeys(ctx, tx, u.ID,
			"Somebody else proved that the owner's e-mail address is theirs.")
		if err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionUserReplace, target(u)).InvalidatesTenants(tenants...)
		e = e.With("invitation", string(link)).With("keys_revoked", strconv.FormatInt(revoked, 10))
		return e.WithEffects(audit.Effect{Kind: audit.EffectUserDeleted, User: u.ID}), s.eraseUser(ctx, tx, u)
	})
}

// Inserter makes a user in a transaction.
type Inserter interface {
	// InsertUser returns the user's number. It fails with fault.Conflict where somebody has the
	// canonical address.
	InsertUser(ctx context.Context, u User, password string) (number int64, err error)
	// ProveEmail records that the address of a user is known to be theirs.
	ProveEmail(ctx context.Context, user ident.UserID, now time.Time) error
}

package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetupLink lets its holder make the first account of a server.
type SetupLink struct {
	ID                   ident.LinkID
	CreatedAt, ExpiresAt time.Time
}

// setupLinkLifetime is how long a set-up link can be used.
const setupLinkLifetime = 24 * time.Hour

// FirstSetupLink returns the set-up link of a server without an account, and its token. It returns
// the link that an earlier start or another node has made, as long as that can be used, or else
// makes a new one. The token is zero once there is an account. Only the operator may.
func (s *Service) FirstSetupLink(ctx context.Context,
	who principal.Principal,
) (l SetupLink, token credential.Secret, err error) {
	if who.Kind() != principal.KindOperator {
		return SetupLink{}, credential.Secret{}, fault.Forbidden
	}
	err = s.Ledgers.Openings.Write(ctx, who, func(ctx context.Context, tx OpenTx) (audit.Event, error) {
		l, token = SetupLink{}, credential.Secret{}
		live, hash, err := tx.LockSetup(ctx, s.Now())
		if err != nil && !errors.Is(err, fault.NotFound) {
			return audit.Event{}, err
		}
		found := err == nil
		accounts, err := tx.CountAccounts(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		if accounts > 0 {
			return audit.Event{}, audit.ErrNothing
		}
		if found {
			if shown, ok := s.Keyring.FindSetupToken(live.ID, hash); ok {
				l, token = live, shown
				return audit.Event{}, audit.ErrNothing
			}
		}
		l = s.newSetupLink()
		token = s.Keyring.DeriveSetupToken(l.ID)
		return l.created(who), tx.InsertSetup(ctx, l, credential.HashToken(token.Reveal()))
	})
	if err != nil {
		return SetupLink{}, credential.Secret{}, err
	}
	return l, token, nil
}

func (s *Service) newSetupLink() SetupLink {
	now := s.Now()
	return SetupLink{ID: ident.New[ident.LinkID](now, s.Rand), CreatedAt: now, ExpiresAt: now.Add(setupLinkLifetime)}
}

func (l SetupLink) created(who principal.Principal) audit.Event {
	return audit.By(who, audit.ActionSetupLink, audit.Target{Type: "setup", ID: string(l.ID)})
}

// Setup is what a person enters at the first set-up.
type Setup struct {
	Account  string
	Email    string
	Name     string
	Password credential.Secret
}

// CheckSetup reports whether a set-up link can still be used: nil, or fault.LinkInvalid, also once
// there is an account. It changes nothing, and reads nothing for a token that this server did not
// make.
func (s *Service) CheckSetup(ctx context.Context, token string) error {
	if !s.Keyring.TokenTagged(credential.SetupToken, token) {
		return errLink
	}
	return linkFault(s.Store.Setup(ctx, credential.HashToken(token), s.Now()))
}

// SetUp makes the first account of a server, its owner and a first tenant, in one transaction. The
// tenant has the preset standard and the name of the account, and the owner is its admin. The link
// works once, and not if there is an account already. SetUp returns the user to sign in.
//
// A known person must give their password. The address of a new person counts as proven: the
// operator, who made the link, vouches for the person who uses it.
func (s *Service) SetUp(ctx context.Context, token string, n Setup, from principal.Origin) (identity.User, error) {
	if !s.Keyring.TokenTagged(credential.SetupToken, token) {
		return identity.User{}, errLink
	}
	a, faults := account.New("account", n.Account, s.Now(), s.Rand)
	t, _ := s.newTenant("account", a.ID, n.Account, policy.Standard, nil)
	faults = append(faults, identity.EmailFaults(n.Email)...)
	if err := fault.Refuse(faults...); err != nil {
		return identity.User{}, err
	}
	// Check the link before the password: otherwise a used link would still reveal who is known
	// here.
	if err := s.CheckSetup(ctx, token); err != nil {
		return identity.User{}, err
	}
	hash := credential.HashToken(token)
	u, enrol, err := s.People.Enrol(ctx, from,
		identity.NewUser{Email: n.Email, Name: n.Name, Password: n.Password, EmailProven: true}, nil)
	if err != nil {
		return identity.User{}, err
	}
	who := invited(u, from)
	err = s.Ledgers.Openings.Write(ctx, who, func(ctx context.Context, tx OpenTx) (audit.Event, error) {
		if err := s.useSetup(ctx, tx, hash); err != nil {
			return audit.Event{}, err
		}
		u.Number, err = enrol(ctx, tx)
		if err != nil {
			return audit.Event{}, err
		}
		a.Number, err = account.Found(ctx, tx, a, u.Person(), true)
		if err != nil {
			return audit.Event{}, err
		}
		t.Number, err = foundTenant(ctx, tx, t, t.Preset.Scopes(), u.Person())
		e := a.Created(who).With("owner", u.Email).With("tenant", string(t.ID))
		return t.withKeyHeader(e), err
	})
	return u, err
}

// useSetup uses a set-up link up. It returns errLink if the link cannot be used, or if there is an
// account already. No other transaction makes an account meanwhile.
func (s *Service) useSetup(ctx context.Context, tx OpenTx, token credential.TokenHash) error {
	if _, _, err := tx.LockSetup(ctx, s.Now()); err != nil {
		return linkFault(err)
	}
	accounts, err := tx.CountAccounts(ctx)
	if err != nil {
		return err
	}
	if accounts > 0 {
		return errLink
	}
	return linkFault(tx.UseSetup(ctx, token, s.Now()))
}

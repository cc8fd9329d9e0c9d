package tenancy

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetupLink lets its holder make an account.
type SetupLink struct {
	ID                   ident.LinkID
	CreatedAt, ExpiresAt time.Time
}

// settingUp is how long a set-up link can be used.
const settingUp = 24 * time.Hour

// NewSetupLink makes a set-up link and gives its ticket, once; earlier ones are void from then on. It is the operator's.
func (s *Service) NewSetupLink(ctx context.Context, who principal.Principal) (SetupLink, credential.Secret, error) {
	return s.setupLink(ctx, who, func(context.Context, Tx) error { return nil })
}

// FirstSetupLink is NewSetupLink for as long as there is no account. From then on it makes none and gives no ticket.
func (s *Service) FirstSetupLink(ctx context.Context, who principal.Principal) (SetupLink, credential.Secret, error) {
	return s.setupLink(ctx, who, func(ctx context.Context, tx Tx) error {
		accounts, err := tx.CountAccounts(ctx)
		if err == nil && accounts > 0 {
			return audit.ErrNothing
		}
		return err
	})
}

// setupLink makes a link unless the transaction says no.
func (s *Service) setupLink(ctx context.Context, who principal.Principal, wanted func(context.Context, Tx) error) (SetupLink, credential.Secret, error) {
	if who.Kind() != principal.ByOS {
		return SetupLink{}, credential.Secret{}, fault.Forbidden
	}
	now := s.Now()
	l := SetupLink{ID: ident.New[ident.LinkID](now, s.Rand), CreatedAt: now, ExpiresAt: now.Add(settingUp)}
	ticket := s.Keyring.MintTicket(credential.SetupTicket)
	made := false
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := wanted(ctx, tx); err != nil {
			return audit.Event{}, err
		}
		made = true
		return audit.By(who, audit.ActionSetupLink, audit.Target{Type: "setup", ID: string(l.ID)}), tx.InsertSetup(ctx, l, credential.HashTicket(ticket.Reveal()))
	})
	if err != nil || !made {
		return SetupLink{}, credential.Secret{}, err
	}
	return l, ticket, nil
}

// NewHouse is what set-up is made from.
type NewHouse struct {
	Account  string
	Email    string
	Name     string
	Password credential.Secret
}

// SetUp makes an account, its owner and a first standard tenant of the account's name with the owner as its admin: all of it, once, or nothing. It gives the
// user to sign in. An e-mail address that is known already must come with its password.
func (s *Service) SetUp(ctx context.Context, ticket string, n NewHouse, from principal.Origin) (identity.User, error) {
	if !s.Keyring.OwnTicket(credential.SetupTicket, ticket) {
		return identity.User{}, errLink
	}
	a, faults := s.newAccount("account", n.Account)
	t, _ := s.newTenant("account", a.ID, n.Account, policy.Standard, nil)
	faults = append(faults, identity.EmailFaults(n.Email)...)
	if err := fault.Refuse(faults...); err != nil {
		return identity.User{}, err
	}
	hash := credential.HashTicket(ticket)
	if err := s.Store.Setup(ctx, hash, s.Now()); err != nil { // or a link that is used up would still tell who is known here
		return identity.User{}, linkFault(err)
	}
	u, enrol, err := s.People.Enrol(ctx, from, identity.NewUser{Email: n.Email, Name: n.Name, Password: n.Password})
	if err != nil {
		return identity.User{}, err
	}
	who := itself(u, from)
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := tx.UseSetup(ctx, hash, s.Now()); err != nil {
			return audit.Event{}, linkFault(err)
		}
		if u.Number, err = enrol(ctx, tx); err != nil {
			return audit.Event{}, err
		}
		if a.Number, err = foundAccount(ctx, tx, a, u.Person(), true); err != nil {
			return audit.Event{}, err
		}
		t.Number, err = foundTenant(ctx, tx, t, u.Person())
		e := audit.By(who, audit.ActionAccountCreate, a.target()).Of(a.ID).With("owner", u.Email).With("tenant", string(t.ID))
		return t.announces(e), err
	})
	return u, err
}

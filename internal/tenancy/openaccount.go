package tenancy

import (
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// AccountSpec describes an account to open.
type AccountSpec struct {
	Name string
	// OwnerEmail is the address of the person who will own the account.
	OwnerEmail string
	// OwnerName is the person's name where they give none; "" where they must give one.
	OwnerName string
	// Tenant is the name of the first tenant; "" for the name of the account.
	Tenant string
	Preset policy.Preset
}

// OpenAccountResult is a new account. Nobody belongs to it until its owner accepts the invitation.
// The token of the invitation is returned this once.
type OpenAccountResult struct {
	Account    account.Account
	Tenant     Tenant
	Invitation Invitation
	Token      credential.Secret
}

// OpenAccount makes an account, its first tenant and the invitation of its owner, in one
// transaction. Only the operator may.
func (s *Service) OpenAccount(ctx context.Context, who principal.Principal, o AccountSpec) (OpenAccountResult, error) {
	if who.Kind() != principal.KindOperator {
		return OpenAccountResult{}, fault.Forbidden
	}
	n, err := s.newOpenAccountResult(who, o)
	if err != nil {
		return OpenAccountResult{}, err
	}
	err = s.Ledgers.Openings.Write(ctx, who, func(ctx context.Context, tx OpenTx) (audit.Event, error) {
		var err error
		n.Account.Number, err = account.Found(ctx, tx, n.Account, principal.Person{}, o.Preset.AutoExpires())
		if err != nil {
			return audit.Event{}, err
		}
		n.Tenant.Number, err = foundTenant(ctx, tx, n.Tenant, n.Tenant.Preset.Scopes(), principal.Person{})
		if err != nil {
			return audit.Event{}, err
		}
		e := n.Account.Created(who).With("invited_owner", n.Invitation.Email).
			With("tenant", string(n.Tenant.ID)).With("preset", string(n.Tenant.Preset))
		return n.Tenant.withKeyHeader(e), tx.InsertInvitation(ctx, n.Invitation, credential.HashToken(n.Token.Reveal()))
	})
	return n, err
}

// newOpenAccountResult returns what OpenAccount writes, or the faults of what was asked for.
func (s *Service) newOpenAccountResult(who principal.Principal, o AccountSpec) (n OpenAccountResult, err error) {
	field := "tenant"
	if o.Tenant == "" {
		field, o.Tenant = "name", o.Name
	}
	a, faults := account.New("name", o.Name, s.Now(), s.Rand)
	t, more := s.newTenant(field, a.ID, o.Tenant, o.Preset, nil)
	faults = slices.Compact(append(faults, more...)) // one name for both has one fault
	for _, f := range identity.EmailFaults(o.OwnerEmail) {
		f.Name = "owner_email"
		faults = append(faults, f)
	}
	n = OpenAccountResult{Account: a, Tenant: t}
	n.Invitation, n.Token = s.newInvitation(who, t.ID, o.OwnerEmail, scope.Admin)
	n.Invitation.Owns = a.ID
	if o.OwnerName != "" {
		n.Invitation.Name, more = text.Name("owner_name", o.OwnerName)
		faults = append(faults, more...)
	}
	return n, fault.Refuse(faults...)
}

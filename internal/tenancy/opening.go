package tenancy

import (
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Opening is what an account is opened from.
type Opening struct {
	Name string
	// OwnerEmail is whose account it will be. OwnerName is what they are called where they do not say so themselves; "" where they must.
	OwnerEmail, OwnerName string
	// Tenant is the name of the first tenant; "" for the account's own.
	Tenant string
	Preset policy.Preset
}

// Opened is a new account. Nobody belongs to it until its owner accepts the invitation, whose ticket is given once.
type Opened struct {
	Account    Account
	Tenant     Tenant
	Invitation Invitation
	Ticket     credential.Secret
}

// OpenAccount makes an account, its first tenant and an invitation by which its owner comes in: all of it or nothing. It is the operator's.
func (s *Service) OpenAccount(ctx context.Context, who principal.Principal, o Opening) (Opened, error) {
	if who.Kind() != principal.ByOS {
		return Opened{}, fault.Forbidden
	}
	n, err := s.opened(who, o)
	if err != nil {
		return Opened{}, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		var err error
		if n.Account.Number, err = foundAccount(ctx, tx, n.Account, principal.Person{}, o.Preset.AutoExpires()); err != nil {
			return audit.Event{}, err
		}
		if n.Tenant.Number, err = foundTenant(ctx, tx, n.Tenant, principal.Person{}); err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionAccountCreate, n.Account.target()).Of(n.Account.ID).
			With("invited_owner", n.Invitation.Email).With("tenant", string(n.Tenant.ID)).With("preset", string(n.Tenant.Preset))
		return n.Tenant.announces(e), tx.InsertInvitation(ctx, n.Invitation, credential.HashTicket(n.Ticket.Reveal()))
	})
	return n, err
}

// opened gives what is to be written, once nothing is wrong with it.
func (s *Service) opened(who principal.Principal, o Opening) (n Opened, err error) {
	field := "tenant"
	if o.Tenant == "" {
		field, o.Tenant = "name", o.Name
	}
	a, faults := s.newAccount("name", o.Name)
	t, more := s.newTenant(field, a.ID, o.Tenant, o.Preset, nil)
	faults = slices.Compact(append(faults, more...)) // a name that is both is at fault once
	for _, f := range identity.EmailFaults(o.OwnerEmail) {
		f.Name = "owner_email"
		faults = append(faults, f)
	}
	n = Opened{Account: a, Tenant: t}
	n.Invitation, n.Ticket = s.newInvitation(who, t.ID, o.OwnerEmail, scope.Admin)
	n.Invitation.Owns = a.ID
	if o.OwnerName != "" {
		n.Invitation.Name, more = text.Name("owner_name", o.OwnerName)
		faults = append(faults, more...)
	}
	return n, fault.Refuse(faults...)
}

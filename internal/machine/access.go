package machine

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// AccessTx reads who may make a change, and whether the database is ready for it.
type AccessTx interface {
	tenancy.LockTx
	tenancy.AuthorityTx
	// LockPeople locks people in the order of their ids.
	LockPeople(ctx context.Context, people ...ident.UserID) error
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished.
	RequireUpgrade(ctx context.Context) error
}

// admin is who makes a change in a tenant: a signed-in admin of the tenant, or the operator.
type admin struct {
	tenant tenancy.Tenant
	// account is the person's role in the tenant's account, "" for none. The operator acts as an
	// owner.
	account scope.AccountRole
	// party is who made what the change creates.
	party principal.Party
	// others is what the other people whom the change concerns may do in the tenant.
	others map[ident.UserID]principal.Authority
}

// gives reports whether the admin may let a service account have the role: only owners and admins
// of the account make one an admin of the tenant.
func (a admin) gives(role scope.Role) bool { return role != scope.Admin || a.account.Valid() }

// adminOf returns who asks for a change in a tenant that is locked. It locks the person, and the
// others whom the change concerns. It fails with fault.NotFound for a person without a role in the
// tenant, and with fault.Forbidden for one who is not an admin.
func adminOf(ctx context.Context, tx AccessTx, who principal.Principal, t tenancy.Tenant,
	others ...ident.UserID,
) (admin, error) {
	s, signedIn := who.Session()
	people := others
	if signedIn {
		people = append(others[:len(others):len(others)], s.User.ID)
	}
	if err := tx.LockPeople(ctx, people...); err != nil {
		return admin{}, err
	}
	by, err := tenancy.ActsIn(ctx, tx, who, t)
	switch {
	case err != nil:
		return admin{}, err
	case by.EffectiveRole() != scope.Admin:
		return admin{}, tenancy.ErrNotAdmin
	}
	party := principal.Party{ID: ident.PartyID(ident.OperatorParty)}
	if signedIn {
		party = s.User.Party()
	}
	a := admin{tenant: t, account: by.Account, party: party, others: map[ident.UserID]principal.Authority{}}
	for _, id := range others {
		a.others[id], err = tx.Authority(ctx, t.ID, id)
		if err != nil {
			return admin{}, err
		}
	}
	return a, nil
}

// inTenant runs a change by an admin of the tenant with the tenant and the others locked, and
// records its event there. It is refused until the upgrade of the database is finished.
func inTenant[T AccessTx](ctx context.Context, ledger audit.Ledger[T], who principal.Principal, id ident.TenantID,
	others []ident.UserID, change func(context.Context, T, admin) (audit.Event, error),
) error {
	return tenancy.InTenant(ctx, ledger, who, id,
		func(ctx context.Context, tx T, t tenancy.Tenant) (audit.Event, error) {
			by, err := adminOf(ctx, tx, who, t, others...)
			if err == nil {
				err = tx.RequireUpgrade(ctx)
			}
			if err != nil {
				return audit.Event{}, err
			}
			return change(ctx, tx, by)
		})
}

// Tenants finds the tenants that a caller sees. [tenancy.Service] implements it.
type Tenants interface {
	// Tenant fails with fault.NotFound where the tenant does not exist for the caller.
	Tenant(ctx context.Context, who principal.Principal, id ident.TenantID) (tenancy.Tenant, error)
}

var errNotReader = fault.New(fault.Forbidden, "Only admins and auditors of the tenant may see this. Ask one of them.")

// readerOf returns the tenant of which a signed-in admin or auditor reads service accounts,
// subjects, plans or management keys. It fails with fault.NotFound for a person without a role in
// the tenant, and with fault.Forbidden for a member.
func readerOf(ctx context.Context, tenants Tenants, who principal.Principal,
	id ident.TenantID,
) (tenancy.Tenant, error) {
	if _, ok := who.Session(); !ok {
		return tenancy.Tenant{}, fault.SessionRequired
	}
	t, err := tenants.Tenant(ctx, who, id)
	if err != nil {
		return tenancy.Tenant{}, err
	}
	if r := who.RoleIn(t.ID, t.Account); r != scope.Admin && r != scope.Auditor {
		return tenancy.Tenant{}, errNotReader
	}
	return t, nil
}

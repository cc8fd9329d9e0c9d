package machine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
)

// ServiceAccount owns keys in a tenant as a member does, without being a person.
type ServiceAccount struct {
	ID          ident.ServiceAccountID
	Number      int64
	Tenant      ident.TenantID
	Name        string
	Description string
	// Role limits the scopes of its keys at every decision.
	Role scope.Role
	// Stewards are people of the tenant who get the notices about its keys and see the keys, in the
	// order of their ids. In a change only their ids count.
	Stewards             []principal.Person
	Disabled             bool
	CreatedBy            principal.Party
	CreatedAt, UpdatedAt time.Time
}

// Party returns the service account as an owner of keys.
func (a ServiceAccount) Party() principal.Party {
	return principal.Party{ID: ident.PartyID(a.ID), Name: a.Name}
}

func (a ServiceAccount) stewardIDs() []ident.UserID {
	ids := make([]ident.UserID, len(a.Stewards))
	for i, s := range a.Stewards {
		ids[i] = s.ID
	}
	return ids
}

// setStewards replaces the stewards by people of whom only the ids are known.
func (a *ServiceAccount) setStewards(ids []ident.UserID) {
	a.Stewards = nil
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		a.Stewards = append(a.Stewards, principal.Person{ID: id})
	}
}

// ServiceAccountStore is what [ServiceAccounts] reads outside transactions.
type ServiceAccountStore interface {
	// ServiceAccount fails with fault.NotFound for a deleted service account.
	ServiceAccount(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) (ServiceAccount, error)
	// ServiceAccounts lists those that are not deleted, newest first.
	ServiceAccounts(ctx context.Context, tenant ident.TenantID, page paging.Page) ([]ServiceAccount, error)
	// FoundServiceAccounts returns up to most service accounts of whose names the words are
	// beginnings.
	FoundServiceAccounts(ctx context.Context, tenant ident.TenantID, words text.WordQuery,
		most int) ([]ServiceAccount, error)
}

// ServiceAccountTx reads and changes service accounts. The order of locks is documented in
// internal/store/locks.go.
type ServiceAccountTx interface {
	AccessTx
	tenancy.EndOwnerTx
	// CountServiceAccounts counts those that are not deleted, up to most.
	CountServiceAccounts(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	InsertServiceAccount(ctx context.Context, a ServiceAccount) (number int64, err error)
	// LockServiceAccount reads a service account and locks it. It fails with fault.NotFound for a
	// deleted one.
	LockServiceAccount(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) (ServiceAccount, error)
	// UpdateServiceAccount writes name, description, role and state.
	UpdateServiceAccount(ctx context.Context, a ServiceAccount) error
	// ReplaceStewards writes the stewards, who are locked.
	ReplaceStewards(ctx context.Context, a ServiceAccount) error
	// DeleteServiceAccount leaves the id, and revokes the management keys.
	DeleteServiceAccount(ctx context.Context, a ServiceAccount, at time.Time, by ident.PartyID, reason string) error
}

// ServiceAccounts reads and changes service accounts, for admins of their tenant. Auditors read.
type ServiceAccounts struct {
	Ledger  audit.Ledger[ServiceAccountTx]
	Store   ServiceAccountStore
	Tenants Tenants
	Now     func() time.Time
	Rand    io.Reader
}

const (
	maxServiceAccounts = 200 // of a tenant
	maxStewards        = 10  // of a service account
)

// NewServiceAccount is what an admin asks for.
type NewServiceAccount struct {
	Name, Description string
	Role              scope.Role
	Stewards          []ident.UserID
}

// Create makes a service account. Only owners and admins of the account, and the operator, make one
// an admin.
func (s *ServiceAccounts) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	n NewServiceAccount,
) (a ServiceAccount, err error) {
	c := ServiceAccountChange{Name: &n.Name, Description: &n.Description, Role: &n.Role, Stewards: &n.Stewards}
	if err := fault.Refuse(c.normalize()...); err != nil {
		return ServiceAccount{}, err
	}
	now := s.Now()
	id := ident.New[ident.ServiceAccountID](now, s.Rand)
	err = inTenant(ctx, s.Ledger, who, tenant, n.Stewards,
		func(ctx context.Context, tx ServiceAccountTx, by admin) (audit.Event, error) {
			a = c.apply(ServiceAccount{
				ID: id, Tenant: tenant, CreatedBy: by.party, CreatedAt: now, UpdatedAt: now,
			})
			count, err := tx.CountServiceAccounts(ctx, tenant, maxServiceAccounts)
			err = account.CheckLimit(count, err, maxServiceAccounts, "This tenant has %d of %d service accounts.",
				"Delete one first.")
			if err == nil {
				err = by.check(ServiceAccount{}, &a, n.Stewards)
			}
			if err != nil {
				return audit.Event{}, err
			}
			a.Number, err = tx.InsertServiceAccount(ctx, a)
			return a.event(who, audit.ActionServiceAccountCreate), err
		})
	return a, err
}

// check refuses a role that the admin may not give, and new stewards who are not active members of
// the tenant. sent are the stewards that the request names. check adds the names and addresses of
// the stewards.
func (a admin) check(before ServiceAccount, after *ServiceAccount, sent []ident.UserID) error {
	var faults []fault.Field
	if after.Role != before.Role && !a.gives(after.Role) {
		faults = append(faults, fault.Field{
			Name: "role", Code: "beyond_role",
			Message: "Only an owner or admin of the account may give a service account the role admin. " +
				"Ask one of them.",
		})
	}
	known := map[ident.UserID]principal.Person{}
	for _, p := range before.Stewards {
		known[p.ID] = p
	}
	for i, id := range sent {
		if _, stays := known[id]; stays {
			continue
		}
		may := a.others[id]
		if may.Member == "" {
			faults = append(faults, fault.Field{
				Name: "stewards." + strconv.Itoa(i), Code: "not_a_member",
				Message: "The steward is not an active member of the tenant. Add or enable the member first.",
			})
			continue
		}
		known[id] = may.Person
	}
	for i, p := range after.Stewards {
		after.Stewards[i] = known[p.ID]
	}
	return fault.Refuse(faults...)
}

// event records what happened to the service account, and invalidates the cached facts of its keys.
func (a ServiceAccount) event(who principal.Principal, action audit.Action) audit.Event {
	target := audit.Target{Type: string(ident.ServiceAccountParty), ID: string(a.ID), Name: a.Name}
	var stewards []string
	for _, id := range a.stewardIDs() {
		stewards = append(stewards, string(id))
	}
	return audit.By(who, action, target).With("role", string(a.Role)).With("stewards", strings.Join(stewards, " ")).
		InvalidatesOwners(ident.PartyID(a.ID))
}

// effect returns an effect on the service account.
func (a ServiceAccount) effect(kind audit.EffectKind) audit.Effect {
	return audit.Effect{Kind: kind, Tenant: a.Tenant, Owner: ident.PartyID(a.ID)}
}

// ServiceAccountChange is a change of a service account. What is nil stays as it is.
type ServiceAccountChange struct {
	// Expected is the version that the service account must have; "" for any.
	Expected          etag.Tag
	Name, Description *string
	Role              *scope.Role
	Stewards          *[]ident.UserID
}

// normalize cleans the texts, and returns what is wrong.
func (c *ServiceAccountChange) normalize() (faults []fault.Field) {
	if c.Name != nil {
		name, more := text.Name("name", *c.Name)
		c.Name, faults = &name, more
	}
	if c.Description != nil {
		description, more := text.Description("description", *c.Description)
		c.Description, faults = &description, append(faults, more...)
	}
	if c.Role != nil && !c.Role.Valid() {
		faults = append(faults, fault.Field{Name: "role", Code: "unknown", Message: "Use admin, member or auditor."})
	}
	if c.Stewards != nil {
		faults = append(faults, stewardFaults(*c.Stewards)...)
	}
	return faults
}

// stewardFaults returns what is wrong with a list of stewards.
func stewardFaults(ids []ident.UserID) (faults []fault.Field) {
	if len(ids) > maxStewards {
		return []fault.Field{{
			Name: "stewards", Code: "too_many", Message: fmt.Sprintf("Name at most %d stewards.", maxStewards),
		}}
	}
	for i, id := range ids {
		if _, err := ident.Parse[ident.UserID](string(id)); err != nil {
			faults = append(faults, fault.Field{
				Name: "stewards." + strconv.Itoa(i), Code: "form",
				Message: "Use the id of a user, which begins with usr_.",
			})
		}
	}
	return faults
}

// apply returns the service account with the change made.
func (c ServiceAccountChange) apply(a ServiceAccount) ServiceAccount {
	if c.Name != nil {
		a.Name = *c.Name
	}
	if c.Description != nil {
		a.Description = *c.Description
	}
	if c.Role != nil {
		a.Role = *c.Role
	}
	if c.Stewards != nil {
		a.setStewards(*c.Stewards)
	}
	return a
}

// Version returns the version of what an edit can change in the service account.
func (a ServiceAccount) Version() etag.Tag {
	return etag.Of(a.Name, a.Description, a.Role, slices.Sorted(slices.Values(a.stewardIDs())))
}

// Edit changes a service account. Its keys are allowed what it is allowed from that moment. With
// [etag.ErrChanged] it also returns the service account as it is.
func (s *ServiceAccounts) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ServiceAccountID, c ServiceAccountChange,
) (a ServiceAccount, err error) {
	if err := fault.Refuse(c.normalize()...); err != nil {
		return ServiceAccount{}, err
	}
	var stewards []ident.UserID
	if c.Stewards != nil {
		stewards = *c.Stewards
	}
	err = inTenant(ctx, s.Ledger, who, tenant, stewards,
		func(ctx context.Context, tx ServiceAccountTx, by admin) (audit.Event, error) {
			before, err := tx.LockServiceAccount(ctx, tenant, id)
			if err != nil {
				return audit.Event{}, err
			}
			a = before
			if err := c.Expected.Check(a.Version()); err != nil {
				return audit.Event{}, err
			}
			a = c.apply(a)
			if err := by.check(before, &a, stewards); err != nil {
				return audit.Event{}, err
			}
			e := a.event(who, audit.ActionServiceAccountEdit)
			if a.equal(before) {
				return e, audit.ErrNothing
			}
			if a.Role != before.Role {
				f := a.effect(audit.EffectServiceAccountRoleSet)
				f.Role = string(a.Role)
				e = e.WithEffects(f)
			}
			a.UpdatedAt = s.Now()
			if !slices.Equal(a.stewardIDs(), before.stewardIDs()) {
				if err := tx.ReplaceStewards(ctx, a); err != nil {
					return audit.Event{}, err
				}
			}
			return e, tx.UpdateServiceAccount(ctx, a)
		})
	return a, err
}

// equal reports whether both have the same values.
func (a ServiceAccount) equal(b ServiceAccount) bool {
	return a.Name == b.Name && a.Description == b.Description && a.Role == b.Role && a.Disabled == b.Disabled &&
		slices.Equal(a.stewardIDs(), b.stewardIDs())
}

// SetDisabled disables or enables a service account. Its keys are not written: while it is disabled
// all of them are refused, and after it is enabled each is what it was.
func (s *ServiceAccounts) SetDisabled(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ServiceAccountID, disabled bool,
) (a ServiceAccount, err error) {
	action, kind := audit.ActionServiceAccountEnable, audit.EffectServiceAccountEnabled
	if disabled {
		action, kind = audit.ActionServiceAccountDisable, audit.EffectServiceAccountDisabled
	}
	err = inTenant(ctx, s.Ledger, who, tenant, nil,
		func(ctx context.Context, tx ServiceAccountTx, _ admin) (audit.Event, error) {
			a, err = tx.LockServiceAccount(ctx, tenant, id)
			if err != nil {
				return audit.Event{}, err
			}
			e := a.event(who, action).WithEffects(a.effect(kind))
			if a.Disabled == disabled {
				return e, audit.ErrNothing
			}
			a.Disabled, a.UpdatedAt = disabled, s.Now()
			return e, tx.UpdateServiceAccount(ctx, a)
		})
	return a, err
}

const deletedReason = "The service account was deleted."

// Delete deletes a service account. From that moment its keys and management keys are revoked.
func (s *ServiceAccounts) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ServiceAccountID,
) error {
	return inTenant(ctx, s.Ledger, who, tenant, nil,
		func(ctx context.Context, tx ServiceAccountTx, by admin) (audit.Event, error) {
			a, err := tx.LockServiceAccount(ctx, tenant, id)
			if err != nil {
				return audit.Event{}, err
			}
			now := s.Now()
			ended := tenancy.EndedOwner{
				Tenant: tenant, ID: ident.PartyID(id), At: now, By: by.party.ID, Reason: deletedReason,
			}
			revoked, err := tx.EndOwner(ctx, ended, by.tenant.Settings.RevokeMode)
			if err != nil {
				return audit.Event{}, err
			}
			e := a.event(who, audit.ActionServiceAccountDelete).With("keys_revoked", strconv.Itoa(revoked))
			return e.WithEffects(a.effect(audit.EffectServiceAccountDeleted)),
				tx.DeleteServiceAccount(ctx, a, now, by.party.ID, deletedReason)
		})
}

// ServiceAccount returns a service account to an admin or auditor of the tenant.
func (s *ServiceAccounts) ServiceAccount(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ServiceAccountID,
) (ServiceAccount, error) {
	if _, err := readerOf(ctx, s.Tenants, who, tenant); err != nil {
		return ServiceAccount{}, err
	}
	return s.Store.ServiceAccount(ctx, tenant, id)
}

// Owner returns the service account to which the caller's key belongs. It returns fault.NotFound
// for every other caller.
func (s *ServiceAccounts) Owner(ctx context.Context, who principal.Principal) (ServiceAccount, error) {
	k, ok := who.Key()
	if !ok {
		return ServiceAccount{}, fault.NotFound
	}
	return s.Store.ServiceAccount(ctx, k.Tenant, ident.ServiceAccountID(k.Owner.ID)) // no user has such an id
}

// List lists the service accounts of a tenant, newest first, to an admin or auditor of the tenant.
func (s *ServiceAccounts) List(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]ServiceAccount, error) {
	if _, err := readerOf(ctx, s.Tenants, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.ServiceAccounts(ctx, tenant, page)
}

// Found returns up to most service accounts of a tenant, to an admin or auditor of the tenant. The
// words are beginnings of words of their names.
func (s *ServiceAccounts) Found(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	words text.WordQuery, most int,
) ([]ServiceAccount, error) {
	if _, err := readerOf(ctx, s.Tenants, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.FoundServiceAccounts(ctx, tenant, words, most)
}

// WithoutSteward returns the service accounts of a tenant that have no steward, the newest first,
// to an admin or auditor of the tenant.
func (s *ServiceAccounts) WithoutSteward(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (found []ServiceAccount, err error) {
	all, err := s.List(ctx, who, tenant, paging.Page{Limit: maxServiceAccounts})
	for _, a := range all {
		if len(a.Stewards) == 0 {
			found = append(found, a)
		}
	}
	return found, err
}

// Find returns the id of a service account by its id or its name. Where several service accounts
// of the tenant have the name, it fails with fault.Conflict and lists them. Only the operator may.
func (s *ServiceAccounts) Find(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	idOrName string,
) (ident.ServiceAccountID, error) {
	if who.Kind() != principal.KindOperator {
		return "", fault.Forbidden
	}
	if id, err := ident.Parse[ident.ServiceAccountID](idOrName); err == nil {
		return id, nil
	}
	all, err := s.Store.ServiceAccounts(ctx, tenant, paging.Page{Limit: maxServiceAccounts})
	if err != nil {
		return "", err
	}
	var named []string
	for _, a := range all {
		if a.Name == idOrName {
			named = append(named, string(a.ID))
		}
	}
	switch len(named) {
	case 0:
		return "", fault.New(fault.NotFound, "No service account of the tenant has this id or name.")
	case 1:
		return ident.ServiceAccountID(named[0]), nil
	}
	return "", fault.New(fault.Conflict,
		"Several service accounts have this name: "+strings.Join(named, ", ")+". Use the id.")
}

package tenancy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// CreateTenant makes a tenant from a preset, for owners and admins of the account, and makes a signed-in creator its first admin; account is "" for the
// caller's only one. change, where given, alters the preset's settings.
func (s *Service) CreateTenant(ctx context.Context, who principal.Principal, account ident.AccountID, name string, preset policy.Preset, change func(*policy.Settings)) (Tenant, error) {
	account, err := ownAccount(who, account)
	if err != nil {
		return Tenant{}, err
	}
	t, faults := s.newTenant("name", account, name, preset, change)
	if err := fault.Refuse(faults...); err != nil {
		return Tenant{}, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		a, err := tx.LockAccount(ctx, account)
		if err != nil {
			return audit.Event{}, err
		}
		if _, err := officer(ctx, tx, who, a); err != nil {
			return audit.Event{}, err
		}
		if a.Disabled {
			return audit.Event{}, fault.New(fault.Conflict, "The account is disabled.")
		}
		faults, err := t.keyHeaderFaults(ctx, tx)
		if err == nil {
			err = fault.Refuse(faults...)
		}
		if err != nil {
			return audit.Event{}, err
		}
		creator, _ := who.Session()
		t.Number, err = foundTenant(ctx, tx, t, creator.User)
		return t.created(who), err
	})
	return t, err
}

// ownAccount gives the account named, or the only one that a person runs.
func ownAccount(who principal.Principal, account ident.AccountID) (ident.AccountID, error) {
	s, signedIn := who.Session()
	switch {
	case account != "":
		if _, err := ident.Parse[ident.AccountID](string(account)); err != nil {
			return "", fault.Refuse(fault.Field{Name: "account_id", Code: "form", Message: "Use an account's id."})
		}
		return account, foreign(who, account)
	case len(s.Standings) == 1:
		return s.Standings[0].Account, nil
	case signedIn && len(s.Standings) == 0:
		return "", errNotOfficer
	}
	return "", fault.Refuse(fault.Field{Name: "account_id", Code: "required", Message: "Name the account."})
}

func (s *Service) newTenant(field string, account ident.AccountID, name string, preset policy.Preset, change func(*policy.Settings)) (Tenant, []fault.Field) {
	name, faults := text.Name(field, name)
	settings, err := preset.Settings()
	if err != nil {
		faults = append(faults, fault.Fields(err)...)
	} else if change != nil {
		change(&settings)
		faults = append(faults, settings.Faults()...)
	}
	now := s.Now()
	t := Tenant{ID: ident.New[ident.TenantID](now, s.Rand), Account: account, Name: name, Preset: preset, Settings: settings, CreatedAt: now, UpdatedAt: now}
	t.idleFrom(now)
	return t, faults
}

// idleFrom says from when the tenant disables idle keys as it does now.
func (t *Tenant) idleFrom(now time.Time) {
	t.IdleSince = time.Time{}
	if t.Settings.IdleDays > 0 {
		t.IdleSince = now
	}
}

// foundTenant writes a new tenant, with its first admin if there is one.
func foundTenant(ctx context.Context, tx Tx, t Tenant, first principal.Person) (number int64, err error) {
	number, err = tx.InsertTenant(ctx, t)
	if err != nil || first.ID == "" {
		return number, err
	}
	return number, tx.InsertMember(ctx, Member{Tenant: t.ID, User: first, Role: scope.Admin, CreatedAt: t.CreatedAt})
}

func (t Tenant) created(who principal.Principal) audit.Event {
	e := audit.By(who, audit.ActionTenantCreate, t.target()).In(t.ID, t.Account).With("preset", string(t.Preset))
	return t.announces(e)
}

// announces tells the reader of credentials the tenant's key header. A disabled tenant keeps it: whoever sends a key is told that it is disabled.
func (t Tenant) announces(e audit.Event) audit.Event {
	e.Stale.KeyHeaders = []audit.KeyHeader{t.KeyHeader()}
	return e
}

// KeyHeader returns the tenant's key header as the reader of credentials needs it.
func (t Tenant) KeyHeader() audit.KeyHeader {
	return audit.KeyHeader{Tenant: t.ID, Name: t.Settings.KeyHeader, Version: t.UpdatedAt.UnixMicro()}
}

// touch says when the tenant was last changed: later than any time before, also where another node's clock is ahead.
func (t *Tenant) touch(now time.Time) {
	if !now.After(t.UpdatedAt) {
		now = t.UpdatedAt.Add(time.Microsecond)
	}
	t.UpdatedAt = now
}

// maxKeyHeaders is how many different key headers the tenants of an account may use, without those that presets have.
const maxKeyHeaders = 8

// keyHeaderFaults says why the tenant may not use its key header from now on. The account is locked.
func (t Tenant) keyHeaderFaults(ctx context.Context, tx Tx) ([]fault.Field, error) {
	name := t.Settings.KeyHeader
	if faults := policy.KeyHeaderFaults("settings.key_header", name); len(faults) > 0 || policy.PresetKeyHeader(name) {
		return faults, nil
	}
	used, err := tx.KeyHeadersOf(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	others := map[string]bool{}
	for _, h := range used {
		if h.Tenant != t.ID && !policy.PresetKeyHeader(h.Name) {
			others[strings.ToLower(h.Name)] = true
		}
	}
	if others[strings.ToLower(name)] || len(others) < maxKeyHeaders {
		return nil, nil
	}
	return []fault.Field{{
		Name: "settings.key_header", Code: "limit",
		Message: fmt.Sprintf("The tenants of this account use %d of %d different key headers. Use one of them, or change one first.", len(others), maxKeyHeaders),
	}}, nil
}

func (t Tenant) target() audit.Target {
	return audit.Target{Type: "tenant", ID: string(t.ID), Name: t.Name}
}

// Tenants lists the tenants that the caller may see: a key's own, a person's by membership or standing.
func (s *Service) Tenants(ctx context.Context, who principal.Principal, page Page) ([]Tenant, error) {
	if k, ok := who.Key(); ok {
		if !page.BeforeTime.IsZero() {
			return nil, nil // the list has one item
		}
		t, err := s.Store.Tenant(ctx, k.Tenant)
		return []Tenant{t}, err
	}
	own, _ := who.Session()
	return s.Store.TenantsFor(ctx, own.User.ID, page)
}

// Tenant gives one tenant to whoever may see it.
func (s *Service) Tenant(ctx context.Context, who principal.Principal, id ident.TenantID) (Tenant, error) {
	t, err := s.Store.Tenant(ctx, id)
	if err == nil && !sees(who, t) {
		err = fault.NotFound
	}
	return t, err
}

// sees reports whether the tenant exists to the caller: a disabled one does to those who may enable it again.
func sees(who principal.Principal, t Tenant) bool {
	if k, ok := who.Key(); ok {
		return k.Tenant == t.ID
	}
	return who.RoleIn(t.ID, t.Account) != "" && (!t.Disabled || who.RoleOver(t.Account).Valid())
}

// TenantChange is what may be changed of a tenant; nil keeps what is there.
type TenantChange struct {
	Name     *string
	Settings func(*policy.Settings)
	Disabled *bool
}

// ChangeTenant is for owners and admins of the account.
func (s *Service) ChangeTenant(ctx context.Context, who principal.Principal, id ident.TenantID, c TenantChange) (t Tenant, err error) {
	if c.Name != nil {
		name, faults := text.Name("name", *c.Name)
		if err := fault.Refuse(faults...); err != nil {
			return Tenant{}, err
		}
		c.Name = &name
	}
	account, err := s.accountOf(ctx, who, id)
	if err != nil {
		return Tenant{}, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		a, err := tx.LockAccount(ctx, account)
		if err != nil {
			return audit.Event{}, err
		}
		if t, err = tx.LockTenant(ctx, id); err != nil {
			return audit.Event{}, err
		}
		if _, err := officer(ctx, tx, who, a); err != nil {
			return audit.Event{}, err
		}
		changed, err := s.change(ctx, tx, &t, c)
		if err != nil {
			return audit.Event{}, err
		}
		if len(changed) > 0 {
			t.touch(s.Now())
		}
		e := t.announces(audit.By(who, audit.ActionTenantEdit, t.target()).In(id, account).With("changed", strings.Join(changed, " ")).OutdatesTenants(id))
		if len(changed) == 0 {
			return e, audit.ErrNothing
		}
		if slices.Contains(changed, state(t.Disabled)) {
			e = e.WithEffects(t.switched())
		}
		if t.Disabled {
			if err := s.releaseAll(ctx, tx, account); err != nil {
				return e, err
			}
		}
		return e, tx.UpdateTenant(ctx, t)
	})
	return t, err
}

// switched is the effect of disabling the tenant, or of enabling it.
func (t Tenant) switched() audit.Effect {
	if t.Disabled {
		return audit.Effect{Kind: audit.EffectTenantDisabled, Tenant: t.ID}
	}
	return audit.Effect{Kind: audit.EffectTenantEnabled, Tenant: t.ID}
}

// accountOf gives the account of a tenant that the caller may see.
func (s *Service) accountOf(ctx context.Context, who principal.Principal, id ident.TenantID) (ident.AccountID, error) {
	t, err := s.Store.Tenant(ctx, id)
	if err == nil && who.Kind() != principal.ByOS && !sees(who, t) {
		err = fault.NotFound
	}
	return t.Account, err
}

// change applies the change and names what is different afterwards.
func (s *Service) change(ctx context.Context, tx Tx, t *Tenant, c TenantChange) (changed []string, err error) {
	if c.Name != nil && *c.Name != t.Name {
		t.Name = *c.Name
		changed = append(changed, "name")
	}
	if c.Disabled != nil && *c.Disabled != t.Disabled {
		t.Disabled = *c.Disabled
		changed = append(changed, state(t.Disabled))
	}
	if c.Settings == nil {
		return changed, nil
	}
	before := t.Settings
	c.Settings(&t.Settings)
	faults := t.Settings.Faults()
	differences := before.Differences(t.Settings)
	if slices.Contains(differences, "default_scopes") { // one that went from the catalogue stands in no other setting's way
		rules, err := tx.TenantRules(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		faults = append(faults, t.Settings.UnknownScopes(rules.Catalogue)...)
	}
	if !strings.EqualFold(before.KeyHeader, t.Settings.KeyHeader) { // one that was allowed once stands in no other setting's way
		more, err := t.keyHeaderFaults(ctx, tx)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	if before.IdleDays != t.Settings.IdleDays {
		t.idleFrom(s.Now())
	}
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	if before.Disclosure == policy.Recoverable && t.Settings.Disclosure == policy.Once {
		err = tx.ForgetCopies(ctx, t.ID)
	}
	return append(changed, differences...), err
}

// Scopes gives the catalogue of a tenant to whoever may see it.
func (s *Service) Scopes(ctx context.Context, who principal.Principal, id ident.TenantID) ([]scope.Entry, error) {
	if _, err := s.Tenant(ctx, who, id); err != nil {
		return nil, err
	}
	catalogue, err := s.Store.Catalogue(ctx, id)
	return catalogue.Entries(), err
}

// ReplaceScopes puts the entries in the place of the tenant's own part of the catalogue; an entry without roles gets the default ones. Keys keep what they were
// given: a scope that is gone counts for nothing until it is there again.
func (s *Service) ReplaceScopes(ctx context.Context, who principal.Principal, id ident.TenantID, own []scope.Entry) ([]scope.Entry, error) {
	own, faults := normalised(own)
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	err := s.inTenant(ctx, who, id, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		if err := admin(ctx, tx, who, t); err != nil {
			return audit.Event{}, err
		}
		names := make([]string, len(own))
		for i, e := range own {
			names[i] = string(e.Name)
		}
		e := audit.By(who, audit.ActionScopesReplace, t.target()).With("scopes", strings.Join(names, " ")).OutdatesTenants(id)
		return e, tx.ReplaceScopes(ctx, id, own)
	})
	return scope.NewCatalogue(own).Entries(), err
}

// inTenant runs a change with the tenant locked, and places its event there.
func (s *Service) inTenant(ctx context.Context, who principal.Principal, id ident.TenantID, change func(context.Context, Tx, Tenant) (audit.Event, error)) error {
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		t, err := tx.LockTenant(ctx, id)
		if err != nil {
			return audit.Event{}, err
		}
		e, err := change(ctx, tx, t)
		return e.In(t.ID, t.Account), err
	})
}

// maxOwnScopes of a tenant.
const maxOwnScopes = 500

// normalised checks the tenant's own scopes and fills in what they leave out.
func normalised(entries []scope.Entry) (own []scope.Entry, faults []fault.Field) {
	if len(entries) > maxOwnScopes {
		return nil, []fault.Field{{Name: "items", Code: "length", Message: "Name at most 500 scopes."}}
	}
	seen := map[scope.Scope]bool{}
	for i, e := range entries {
		at := "items." + itoa(i) + "."
		description, more := text.Description(at+"description", e.Description)
		faults = append(faults, more...)
		switch {
		case !e.Name.Valid():
			faults = append(faults, fault.Field{Name: at + "name", Code: "form", Message: "Use resource:action in lower case, at most 64 characters."})
		case builtIn.Knows(e.Name):
			faults = append(faults, fault.Field{Name: at + "name", Code: "built_in", Message: "This scope is built in and stays as it is."})
		case seen[e.Name]:
			faults = append(faults, fault.Field{Name: at + "name", Code: "duplicate", Message: "Name each scope once."})
		}
		seen[e.Name] = true
		roles, more := rolesOf(at, e.Roles)
		faults = append(faults, more...)
		own = append(own, scope.Entry{Name: e.Name, Description: description, Roles: roles})
	}
	return own, faults
}

func rolesOf(at string, roles []scope.Role) (sorted []scope.Role, faults []fault.Field) {
	if roles == nil {
		return scope.DefaultRoles(), nil
	}
	if len(roles) == 0 {
		return nil, []fault.Field{{Name: at + "roles", Code: "required", Message: "Name at least one of admin, member and auditor."}}
	}
	distinct := map[scope.Role]bool{}
	for i, r := range roles {
		if !r.Valid() {
			faults = append(faults, fault.Field{Name: at + "roles." + itoa(i), Code: "unknown", Message: "Use admin, member or auditor."})
		}
		distinct[r] = true
	}
	return slices.Sorted(maps.Keys(distinct)), faults
}

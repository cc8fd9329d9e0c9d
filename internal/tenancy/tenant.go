package tenancy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Tenant is a workspace of an account.
type Tenant struct {
	ID       ident.TenantID
	Number   int64
	Account  ident.AccountID
	Name     string
	Preset   policy.Preset
	Settings policy.Settings
	// IdleSince is when Settings.IdleDays got its value; zero where it is 0.
	IdleSince            time.Time
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
	// AccountName is set in the list of a person's tenants.
	AccountName string
}

// CreateTenant makes a tenant from a preset, for owners and admins of the account. A signed-in
// creator becomes its first admin. in is the account; "" for the only one in which the caller has a
// role. change, where given, alters the preset's settings.
func (s *Service) CreateTenant(ctx context.Context, who principal.Principal, in ident.AccountID, name string,
	preset policy.Preset, change func(*policy.Settings),
) (Tenant, error) {
	in, err := ownAccount(who, in)
	if err != nil {
		return Tenant{}, err
	}
	t, faults := s.newTenant("name", in, name, preset, change)
	if err := fault.Refuse(faults...); err != nil {
		return Tenant{}, err
	}
	return s.create(ctx, who, t, nil)
}

// CreateTenantLike makes a tenant with the settings and the tenant's own scopes of another tenant
// of the account, for owners and admins of the account. A signed-in creator becomes its first
// admin.
func (s *Service) CreateTenantLike(ctx context.Context, who principal.Principal, in ident.AccountID, name string,
	from ident.TenantID,
) (Tenant, error) {
	in, err := ownAccount(who, in)
	if err != nil {
		return Tenant{}, err
	}
	t, faults := s.newTenant("name", in, name, policy.Standard, nil)
	if _, err := ident.Parse[ident.TenantID](string(from)); err != nil {
		faults = append(faults, fault.Field{
			Name: copyField, Code: "form", Message: "Use the id of a tenant, which begins with ten_.",
		})
	}
	if err := fault.Refuse(faults...); err != nil {
		return Tenant{}, err
	}
	return s.create(ctx, who, t, func(ctx context.Context, tx TenantTx, t *Tenant) ([]scope.Entry, error) {
		return copySettings(ctx, tx, t, from)
	})
}

// copyField names the tenant whose settings a new one gets.
const copyField = "copy_settings_from"

// copySettings sets for the new tenant the preset and the settings of another tenant of the
// account, but for the permission of the operator to use passwords. It returns the scopes that the
// other tenant added.
func copySettings(ctx context.Context, tx TenantTx, t *Tenant, from ident.TenantID) (own []scope.Entry, err error) {
	source, err := tx.LockTenant(ctx, from)
	if errors.Is(err, fault.NotFound) || err == nil && source.Account != t.Account {
		err = fault.Refuse(fault.Field{
			Name: copyField, Code: "unknown", Message: "The account has no such tenant. Name one of its tenants by id.",
		})
	}
	if err != nil {
		return nil, err
	}
	rules, err := tx.TenantRules(ctx, from)
	if err != nil {
		return nil, err
	}
	t.Preset, t.Settings = source.Preset, source.Settings
	t.Settings.LegacyPassword = false
	t.resetIdleSince(t.CreatedAt)
	for _, e := range rules.Catalogue.Entries() {
		if !e.BuiltIn {
			own = append(own, e)
		}
	}
	return own, nil
}

// create writes a new tenant, for owners and admins of the account. prepare, where given, completes
// the tenant and returns its own scopes; otherwise they are those of its preset.
func (s *Service) create(ctx context.Context, who principal.Principal, fresh Tenant,
	prepare func(context.Context, TenantTx, *Tenant) ([]scope.Entry, error),
) (t Tenant, err error) {
	err = s.Ledgers.Tenants.Write(ctx, who, func(ctx context.Context, tx TenantTx) (audit.Event, error) {
		t = fresh
		a, err := tx.LockAccount(ctx, t.Account)
		if err != nil {
			return audit.Event{}, err
		}
		if _, err := account.CheckMember(ctx, tx, who, a); err != nil {
			return audit.Event{}, err
		}
		if a.Disabled {
			return audit.Event{}, fault.New(fault.Conflict, "The account is disabled. Enable it first.")
		}
		if err := checkTenantLimit(ctx, tx, t.Account); err != nil {
			return audit.Event{}, err
		}
		own := t.Preset.Scopes()
		if prepare != nil {
			own, err = prepare(ctx, tx, &t)
			if err != nil {
				return audit.Event{}, err
			}
		}
		faults, err := t.keyHeaderFaults(ctx, tx)
		if err == nil {
			err = fault.Refuse(faults...)
		}
		if err != nil {
			return audit.Event{}, err
		}
		creator, _ := who.Session()
		t.Number, err = foundTenant(ctx, tx, t, own, creator.User)
		return t.created(who), err
	})
	return t, err
}

// ownAccount returns the given account, or the only one in which a person has a role.
func ownAccount(who principal.Principal, in ident.AccountID) (ident.AccountID, error) {
	s, signedIn := who.Session()
	switch {
	case in != "":
		if _, err := ident.Parse[ident.AccountID](string(in)); err != nil {
			return "", fault.Refuse(fault.Field{Name: "account_id", Code: "form", Message: "Use an account's id."})
		}
		return in, account.MustBelong(who, in)
	case len(s.AccountMembers) == 1 && len(s.Ended) == 0:
		return s.AccountMembers[0].Account, nil
	case signedIn && len(s.AccountMembers) == 0 && len(s.Ended) == 0:
		return "", account.ErrNotMember
	}
	return "", fault.Refuse(fault.Field{Name: "account_id", Code: "required", Message: "Name the account by its id."})
}

// newTenant returns a tenant that is not yet written. The faults are those of its name, which the
// request has in the given field, and of its settings.
func (s *Service) newTenant(field string, account ident.AccountID, name string, preset policy.Preset,
	change func(*policy.Settings),
) (Tenant, []fault.Field) {
	name, faults := text.Name(field, name)
	settings, err := preset.Settings()
	if err != nil {
		faults = append(faults, fault.Fields(err)...)
	} else if change != nil {
		change(&settings)
		faults = append(faults, settings.Faults()...)
		faults = append(faults, settings.LabelFaults()...)
	}
	now := s.Now()
	t := Tenant{
		ID: ident.New[ident.TenantID](now, s.Rand), Account: account, Name: name, Preset: preset,
		Settings: settings, CreatedAt: now, UpdatedAt: now,
	}
	t.resetIdleSince(now)
	return t, faults
}

// resetIdleSince sets when the tenant began to disable idle keys after Settings.IdleDays.
func (t *Tenant) resetIdleSince(now time.Time) {
	t.IdleSince = time.Time{}
	if t.Settings.IdleDays > 0 {
		t.IdleSince = now
	}
}

// foundTenant writes a new tenant with its own scopes, and with its first admin unless first.ID is
// "". It returns the number of the tenant.
func foundTenant(ctx context.Context, tx FoundTx, t Tenant, own []scope.Entry,
	first principal.Person,
) (number int64, err error) {
	number, err = tx.InsertTenant(ctx, t)
	if err == nil && len(own) > 0 {
		err = tx.ReplaceScopes(ctx, t.ID, own)
	}
	if err != nil || first.ID == "" {
		return number, err
	}
	return number, tx.InsertMember(ctx, Member{Tenant: t.ID, User: first, Role: scope.Admin, CreatedAt: t.CreatedAt})
}

func (t Tenant) created(who principal.Principal) audit.Event {
	e := audit.By(who, audit.ActionTenantCreate, t.target()).In(t.ID, t.Account).With("preset", string(t.Preset))
	return t.withKeyHeader(e)
}

// withKeyHeader adds the tenant's key header to the event, for the reader of credentials. A
// disabled tenant keeps its header, so that a client that sends a key is told that the tenant is
// disabled.
func (t Tenant) withKeyHeader(e audit.Event) audit.Event {
	e.Invalidates.KeyHeaders = []audit.KeyHeader{t.KeyHeader()}
	return e
}

// KeyHeader returns the tenant's key header, without the version that the change gives it.
func (t Tenant) KeyHeader() audit.KeyHeader {
	return audit.KeyHeader{Tenant: t.ID, Name: t.Settings.KeyHeader}
}

// setUpdatedAt sets when the tenant was last changed. The time always rises, also where the clock
// of another node was ahead.
func (t *Tenant) setUpdatedAt(now time.Time) {
	if !now.After(t.UpdatedAt) {
		now = t.UpdatedAt.Add(time.Microsecond)
	}
	t.UpdatedAt = now
}

// maxKeyHeaders is how many different key headers the tenants of an account may use. Those of
// presets do not count.
const maxKeyHeaders = 8

// keyHeaderFaults returns why the tenant may not begin to use its key header. The account is
// locked.
func (t Tenant) keyHeaderFaults(ctx context.Context, tx TenantTx) ([]fault.Field, error) {
	name := t.Settings.KeyHeader
	if faults := policy.KeyHeaderFaults("settings.key_header", name); len(faults) > 0 ||
		policy.IsPresetKeyHeader(name) {
		return faults, nil
	}
	used, err := tx.KeyHeadersOf(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	others := map[string]bool{}
	for _, h := range used {
		if h.Tenant != t.ID && h.Name != "" && !policy.IsPresetKeyHeader(h.Name) {
			others[strings.ToLower(h.Name)] = true
		}
	}
	if others[strings.ToLower(name)] || len(others) < maxKeyHeaders {
		return nil, nil
	}
	return []fault.Field{{
		Name: "settings.key_header", Code: "limit",
		Message: fmt.Sprintf(
			"The tenants of this account use %d of %d different key headers. Use one of them, or change one first.",
			len(others), maxKeyHeaders),
	}}, nil
}

func (t Tenant) target() audit.Target {
	return audit.Target{Type: "tenant", ID: string(t.ID), Name: t.Name}
}

// Tenants lists the tenants that the caller sees: a key its own, a person those in which they are a
// member and those of the accounts in which they have a role.
func (s *Service) Tenants(ctx context.Context, who principal.Principal, page paging.Page) ([]Tenant, error) {
	if k, ok := who.Key(); ok {
		if !page.BeforeTime.IsZero() {
			return nil, nil // the list has one item
		}
		t, err := s.Store.Tenant(ctx, k.Tenant)
		return []Tenant{t}, err
	}
	own, _ := who.Session()
	return s.Store.TenantsFor(ctx, own.User.ID, own.Ended, page)
}

// Tenant returns a tenant to a caller who sees it.
func (s *Service) Tenant(ctx context.Context, who principal.Principal, id ident.TenantID) (Tenant, error) {
	t, err := s.Store.Tenant(ctx, id)
	if err == nil && !sees(who, t) {
		err = fault.NotFound
	}
	return t, err
}

// sees reports whether the tenant exists for the caller. A disabled one exists only for those who
// may enable it again.
func sees(who principal.Principal, t Tenant) bool {
	if k, ok := who.Key(); ok {
		return k.Tenant == t.ID
	}
	if m, ok := who.ManagementKey(); ok {
		return m.Tenant == t.ID
	}
	return who.RoleIn(t.ID, t.Account) != "" && (!t.Disabled || who.AccountRole(t.Account).Valid())
}

// TenantChange is a change of a tenant. What is nil stays as it is.
type TenantChange struct {
	// Expected is the version that the tenant must have; "" for any.
	Expected etag.Tag
	Name     *string
	Settings func(*policy.Settings)
	Disabled *bool
}

// Version returns the version of what a change can set in the tenant.
func (t Tenant) Version() etag.Tag { return etag.Of(t.Name, t.Settings, t.Disabled) }

// ChangeTenant changes a tenant, for owners and admins of the account. With [etag.ErrChanged] it
// also returns the tenant as it is.
func (s *Service) ChangeTenant(ctx context.Context, who principal.Principal, id ident.TenantID,
	c TenantChange,
) (t Tenant, err error) {
	if c.Name != nil {
		name, faults := text.Name("name", *c.Name)
		if err := fault.Refuse(faults...); err != nil {
			return Tenant{}, err
		}
		c.Name = &name
	}
	in, err := s.accountOf(ctx, who, id)
	if err != nil {
		return Tenant{}, err
	}
	err = s.Ledgers.Tenants.Write(ctx, who, func(ctx context.Context, tx TenantTx) (audit.Event, error) {
		a, err := tx.LockAccount(ctx, in)
		if err != nil {
			return audit.Event{}, err
		}
		t, err = tx.LockTenant(ctx, id)
		if err != nil {
			return audit.Event{}, err
		}
		if _, err := account.CheckMember(ctx, tx, who, a); err != nil {
			return audit.Event{}, err
		}
		if err := c.Expected.Check(t.Version()); err != nil {
			return audit.Event{}, err
		}
		before := t
		changed, err := s.change(ctx, tx, &t, c)
		if err != nil {
			return audit.Event{}, err
		}
		if len(changed) > 0 {
			t.setUpdatedAt(s.Now())
		}
		e := audit.By(who, audit.ActionTenantEdit, t.target()).In(id, in).With("changed", strings.Join(changed, " "))
		if c.Settings != nil || c.Disabled != nil { // no decision reads the name
			e = t.withKeyHeader(e.InvalidatesTenants(id))
		}
		if len(changed) == 0 {
			return e, audit.ErrNothing
		}
		if slices.Contains(changed, Status(t.Disabled)) {
			e = e.WithEffects(t.stateEffect())
		}
		e = e.WithEffects(t.settingsEffects(before.Settings)...)
		if t.Disabled {
			err = account.EndSessions(ctx, tx, in, s.Now())
		} else if before.Disabled {
			err = tx.EndDeadSessionsIn(ctx, in, s.Now())
		}
		if err != nil {
			return e, err
		}
		return e, tx.UpdateTenant(ctx, t)
	})
	return t, err
}

// stateEffect is the effect of having disabled the tenant, or enabled it.
func (t Tenant) stateEffect() audit.Effect {
	if t.Disabled {
		return audit.Effect{Kind: audit.EffectTenantDisabled, Tenant: t.ID}
	}
	return audit.Effect{Kind: audit.EffectTenantEnabled, Tenant: t.ID}
}

// settingsEffects returns the effects of having replaced settings: what the tenant allows now,
// where that has changed.
func (t Tenant) settingsEffects(before policy.Settings) (effects []audit.Effect) {
	bounds := t.Settings.Bounds()
	if len(before.Bounds().Differences(bounds)) > 0 {
		effects = append(effects, audit.Effect{Kind: audit.EffectSettingsSet, Tenant: t.ID, Settings: &bounds})
	}
	if forgetsCopies(before, t.Settings) {
		effects = append(effects, audit.Effect{Kind: audit.EffectCopiesForgotten, Tenant: t.ID})
	}
	return effects
}

// forgetsCopies reports whether a change of settings destroys the sealed copies of secrets.
func forgetsCopies(before, after policy.Settings) bool {
	return before.Disclosure == policy.Recoverable && after.Disclosure == policy.Once
}

// accountOf returns the account of a tenant that the caller sees; the operator sees all.
func (s *Service) accountOf(ctx context.Context, who principal.Principal, id ident.TenantID) (ident.AccountID, error) {
	t, err := s.Store.Tenant(ctx, id)
	if err == nil && who.Kind() != principal.KindOperator && !sees(who, t) {
		err = fault.NotFound
	}
	return t.Account, err
}

// change applies a change and returns the names of what is different afterwards.
func (s *Service) change(ctx context.Context, tx TenantTx, t *Tenant, c TenantChange) (changed []string, err error) {
	if c.Name != nil && *c.Name != t.Name {
		t.Name = *c.Name
		changed = append(changed, "name")
	}
	if c.Disabled != nil && *c.Disabled != t.Disabled {
		t.Disabled = *c.Disabled
		changed = append(changed, Status(t.Disabled))
	}
	if c.Settings == nil {
		return changed, nil
	}
	before := t.Settings
	c.Settings(&t.Settings)
	if err := keepOwners(ctx, tx, before, &t.Settings); err != nil {
		return nil, err
	}
	faults := t.Settings.Faults()
	differences := before.Differences(t.Settings)
	if slices.Contains(differences, "label") {
		faults = append(faults, t.Settings.LabelFaults()...)
	}
	if err := requireUpgrade(ctx, tx, differences); err != nil {
		return nil, err
	}
	// Only new default scopes are checked. One that has left the catalogue since then must not
	// prevent changes of other settings.
	if slices.Contains(differences, "default_scopes") {
		rules, err := tx.TenantRules(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		faults = append(faults, t.Settings.UnknownScopes(rules.Catalogue)...)
	}
	// The same goes for a key header that was allowed when it was set.
	if !strings.EqualFold(before.KeyHeader, t.Settings.KeyHeader) {
		more, err := t.keyHeaderFaults(ctx, tx)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	if before.IdleDays != t.Settings.IdleDays {
		t.resetIdleSince(s.Now())
	}
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	if forgetsCopies(before, t.Settings) {
		err = tx.ForgetCopies(ctx, t.ID)
	}
	return append(changed, differences...), err
}

// keepOwners keeps the types of owners that may get new keys where nobody chose them and another
// dialect would change them. Only the presets of other systems allow keys for users alone. Until
// the upgrade of the database is finished, users are the only owners anyway.
func keepOwners(ctx context.Context, tx TenantTx, before policy.Settings, s *policy.Settings) error {
	types := before.OwnerTypes()
	if len(s.Owners) > 0 || len(before.Owners) > 0 || slices.Equal(types, s.OwnerTypes()) {
		return nil
	}
	err := tx.RequireUpgrade(ctx)
	switch {
	case errors.Is(err, fault.Conflict):
		return nil
	case err != nil:
		return err
	}
	s.Owners = types
	return nil
}

// requireUpgrade refuses changes of settings that nodes of the version before do not know, until
// the upgrade of the database is finished.
func requireUpgrade(ctx context.Context, tx TenantTx, changed []string) error {
	for _, name := range []string{"owners", "keys_per_service_account", "keys_per_subject"} {
		if slices.Contains(changed, name) {
			return tx.RequireUpgrade(ctx)
		}
	}
	return nil
}

// InTenant runs a change with the tenant locked, and records its event there.
func InTenant[T LockTx](ctx context.Context, ledger audit.Ledger[T], who principal.Principal, id ident.TenantID,
	change func(context.Context, T, Tenant) (audit.Event, error),
) error {
	return ledger.Write(ctx, who, func(ctx context.Context, tx T) (audit.Event, error) {
		t, err := tx.LockTenant(ctx, id)
		if err != nil {
			return audit.Event{}, err
		}
		e, err := change(ctx, tx, t)
		return e.In(t.ID, t.Account), err
	})
}

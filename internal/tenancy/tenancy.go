// Package tenancy keeps accounts, tenants, members and applications.
//
// An account is a customer; it owns the security policy of its tenants. Members, applications and keys belong to exactly one tenant.
package tenancy

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Account is a customer organisation.
type Account struct {
	ID        ident.AccountID
	Number    int64
	Name      string
	Disabled  bool
	CreatedAt time.Time
}

// Tenant is a workspace of an account.
type Tenant struct {
	ID        ident.TenantID
	Number    int64
	Account   ident.AccountID
	Name      string
	Preset    policy.Preset
	Settings  policy.Settings
	Disabled  bool
	CreatedAt time.Time
}

// Member is a person in a tenant.
type Member struct {
	Tenant    ident.TenantID
	User      principal.Person
	Role      scope.Role
	Disabled  bool
	CreatedAt time.Time
}

// Application is a protected API of a tenant.
type Application struct {
	ID                   ident.ApplicationID
	Number               int64
	Tenant               ident.TenantID
	Name                 string
	Description          string
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
}

// Page asks for a part of a list, newest first.
type Page struct {
	// BeforeTime and BeforeID are the place of the last item seen; zero for the first page.
	BeforeTime time.Time
	BeforeID   string
	Limit      int
}

// Store is what tenancy reads.
type Store interface {
	Tenant(ctx context.Context, id ident.TenantID) (Tenant, error)
	Application(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (Application, error)
	// Applications lists those within the restriction.
	Applications(ctx context.Context, tenant ident.TenantID, within scope.Applications, page Page) ([]Application, error)
}

// Tx is what tenancy changes.
type Tx interface {
	InsertAccount(ctx context.Context, a Account) (number int64, err error)
	SetStanding(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole, at time.Time) error
	InsertPolicyRule(ctx context.Context, account ident.AccountID, rule policy.Rule) error
	InsertTenant(ctx context.Context, t Tenant) (number int64, err error)
	InsertMember(ctx context.Context, m Member) error
	InsertApplication(ctx context.Context, a Application) (number int64, err error)
	// LockAccount holds an account, so that no tenant of it is made meanwhile.
	LockAccount(ctx context.Context, account ident.AccountID) error
	// TenantsOf lists the tenants of an account.
	TenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)
}

// Service keeps accounts and what belongs to them.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	Rand   io.Reader
}

// The policy a new account starts with.
const (
	firstMaxLifetime = 3650 // days
	firstAutoExpiry  = 90   // days
)

// CreateAccount makes an account with its first owner. autoExpiry is whether its keys expire automatically after 90 days.
func (s *Service) CreateAccount(ctx context.Context, who principal.Principal, name string, owner principal.Person, autoExpiry bool) (Account, error) {
	name, faults := text.Name("account", name)
	if err := fault.Refuse(faults...); err != nil {
		return Account{}, err
	}
	now := s.Now()
	a := Account{ID: ident.New[ident.AccountID](now, s.Rand), Name: name, CreatedAt: now}
	rules := []policy.Rule{{Reason: policy.ByMaxLifetime, Days: firstMaxLifetime, Since: now}}
	if autoExpiry {
		rules = append(rules, policy.Rule{Reason: policy.ByAutoExpiry, Days: firstAutoExpiry, Since: now})
	}
	err := s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		var err error
		if a.Number, err = tx.InsertAccount(ctx, a); err != nil {
			return audit.Event{}, err
		}
		for _, r := range rules {
			if err := tx.InsertPolicyRule(ctx, a.ID, r); err != nil {
				return audit.Event{}, err
			}
		}
		target := audit.Target{Type: "account", ID: string(a.ID), Name: a.Name}
		return audit.By(who, "account.create", target).Of(a.ID).With("owner", owner.Email), tx.SetStanding(ctx, a.ID, owner.ID, scope.AccountOwner, now)
	})
	return a, err
}

// SetStanding gives a person a role in an account.
func (s *Service) SetStanding(ctx context.Context, who principal.Principal, account ident.AccountID, user principal.Person, role scope.AccountRole) error {
	return s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := tx.LockAccount(ctx, account); err != nil {
			return audit.Event{}, err
		}
		tenants, err := tx.TenantsOf(ctx, account)
		if err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, "account.member", audit.Target{Type: "user", ID: string(user.ID), Name: user.Name})
		e = e.Of(account).With("role", string(role)).OutdatesTenants(tenants...)
		return e, tx.SetStanding(ctx, account, user.ID, role, s.Now())
	})
}

// CreateTenant makes a tenant from a preset; change, where given, alters the preset's settings.
func (s *Service) CreateTenant(ctx context.Context, who principal.Principal, account ident.AccountID, name string, preset policy.Preset, change func(*policy.Settings)) (Tenant, error) {
	name, faults := text.Name("name", name)
	settings, err := preset.Settings()
	if err != nil {
		faults = append(faults, fault.Fields(err)...)
	} else if change != nil {
		change(&settings)
		faults = append(faults, settings.Faults()...)
	}
	if err := fault.Refuse(faults...); err != nil {
		return Tenant{}, err
	}
	now := s.Now()
	t := Tenant{ID: ident.New[ident.TenantID](now, s.Rand), Account: account, Name: name, Preset: preset, Settings: settings, CreatedAt: now}
	err = s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := tx.LockAccount(ctx, account); err != nil {
			return audit.Event{}, err
		}
		var err error
		t.Number, err = tx.InsertTenant(ctx, t)
		target := audit.Target{Type: "tenant", ID: string(t.ID), Name: t.Name}
		e := audit.By(who, "tenant.create", target).In(t.ID, account).With("preset", string(preset))
		if t.Settings.KeyHeader != "" {
			e.Stale.KeyHeaders = []string{t.Settings.KeyHeader}
		}
		return e, err
	})
	return t, err
}

// AddMember makes a person a member of a tenant.
func (s *Service) AddMember(ctx context.Context, who principal.Principal, t Tenant, user principal.Person, role scope.Role) error {
	m := Member{Tenant: t.ID, User: user, Role: role, CreatedAt: s.Now()}
	return s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		target := audit.Target{Type: "user", ID: string(user.ID), Name: user.Name}
		e := audit.By(who, "member.add", target).In(t.ID, t.Account).With("role", string(role)).OutdatesTenants(t.ID)
		return e, tx.InsertMember(ctx, m)
	})
}

// Package tenancy keeps accounts, tenants, members, invitations, applications and scope catalogues.
//
// An account is a customer; it owns the security policy of its tenants. Members, applications and keys belong to exactly one tenant.
//
// Who may do what is judged inside the transaction that does it (see authority.go), so that rights which are being taken away cannot
// be used once more. The operator, who owns the machine, may do everything.
package tenancy

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Account is a customer organisation.
type Account struct {
	ID                   ident.AccountID
	Number               int64
	Name                 string
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
}

// Officer is a person with a role in an account.
type Officer struct {
	Account ident.AccountID
	User    principal.Person
	Role    scope.AccountRole
	// Disabled is set where the person is, everywhere.
	Disabled  bool
	CreatedAt time.Time
}

// Tenant is a workspace of an account.
type Tenant struct {
	ID       ident.TenantID
	Number   int64
	Account  ident.AccountID
	Name     string
	Preset   policy.Preset
	Settings policy.Settings
	// IdleSince is when Settings.IdleDays became what it is; zero where it is 0.
	IdleSince            time.Time
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
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
	Account(ctx context.Context, id ident.AccountID) (Account, error)
	// AccountsOf lists the accounts in which the person has a standing, or a membership that counts in one of their tenants.
	AccountsOf(ctx context.Context, user ident.UserID, page Page) ([]Account, error)
	Officers(ctx context.Context, account ident.AccountID, page Page) ([]Officer, error)
	// AllAccounts lists every account, newest first.
	AllAccounts(ctx context.Context) ([]Account, error)
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	// LivingKeys calls take with own expiry and age of each key of the account that has a secret and is not revoked.
	LivingKeys(ctx context.Context, account ident.AccountID, take func(own, secretSetAt time.Time)) error

	Tenant(ctx context.Context, id ident.TenantID) (Tenant, error)
	// TenantsFor lists the tenants of which the person is a member, and all of the accounts in which they have a standing. What is disabled above or around
	// a membership takes it away; a standing sees disabled tenants too.
	TenantsFor(ctx context.Context, user ident.UserID, page Page) ([]Tenant, error)
	Members(ctx context.Context, tenant ident.TenantID, page Page) ([]Member, error)
	Catalogue(ctx context.Context, tenant ident.TenantID) (scope.Catalogue, error)

	Application(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (Application, error)
	// Applications lists those within the restriction.
	Applications(ctx context.Context, tenant ident.TenantID, within scope.Applications, page Page) ([]Application, error)

	// Setup is fault.NotFound for a set-up link that cannot be used any more.
	Setup(ctx context.Context, token credential.TicketHash, now time.Time) error
	// Invitation gives a pending one, or fault.NotFound.
	Invitation(ctx context.Context, token credential.TicketHash, now time.Time) (Invitation, error)
	// InvitationOf gives an invitation into the tenant, in whatever state, or fault.NotFound.
	InvitationOf(ctx context.Context, tenant ident.TenantID, id ident.LinkID) (Invitation, error)
	// Events lists the newest records before a change number; 0 for the latest.
	Events(ctx context.Context, of Trail, before int64, limit int) ([]TrailEvent, error)
}

// Tx is what tenancy reads and changes in a transaction. Locks are taken in the order account, tenant, people, membership, application, key.
type Tx interface {
	notice.Writer
	// LockAccount reads an account and holds it: no tenant of it is made, and no standing changes, meanwhile.
	LockAccount(ctx context.Context, id ident.AccountID) (Account, error)
	// LockTenant reads a tenant and holds it: its settings, members and catalogue do not change meanwhile.
	LockTenant(ctx context.Context, id ident.TenantID) (Tenant, error)
	// LockPeople holds people in the order of their ids. A change by one person that concerns another begins with it.
	LockPeople(ctx context.Context, people ...ident.UserID) error
	// TenantRules of a tenant, the rules of its account among them.
	TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error)
	// Authority reads what a person may do in a tenant, and holds it. A deleted or disabled user has none, and nobody has any in a disabled account.
	Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
	// Standing reads a person's role in an account, and holds it; "" where there is none or the person is disabled or deleted.
	Standing(ctx context.Context, account ident.AccountID, user ident.UserID) (scope.AccountRole, error)
	// KeyRight reads what a key is and may do, and holds it.
	KeyRight(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (KeyRight, error)
	// Candidate gives a person as they stand in the account, live or not, with role "" for no standing; belongs is whether they have one, or a membership in a
	// tenant of the account.
	Candidate(ctx context.Context, account ident.AccountID, user ident.UserID) (o Officer, belongs bool, err error)

	// CountAccounts counts all of the server's.
	CountAccounts(ctx context.Context) (int, error)
	InsertAccount(ctx context.Context, a Account) (number int64, err error)
	// UpdateAccount writes name and state.
	UpdateAccount(ctx context.Context, a Account) error
	SetStanding(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole, at time.Time) error
	// DeleteStanding is fault.NotFound where there is none.
	DeleteStanding(ctx context.Context, account ident.AccountID, user ident.UserID) error
	// OtherOwners counts the live owners of the account besides the person.
	OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (int, error)
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error
	// EndSessionsIn ends the sessions, of people with a standing or a membership in the account, that were not seen or had begun by the one time or the other.
	EndSessionsIn(ctx context.Context, account ident.AccountID, seenBy, begunBy time.Time) error
	// EndSessionsOf does so for one person.
	EndSessionsOf(ctx context.Context, user ident.UserID, seenBy, begunBy time.Time) error
	// LockTenantsOf lists the tenants of an account and holds them, so that no change within one outlasts what happens to the account.
	LockTenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)

	InsertTenant(ctx context.Context, t Tenant) (number int64, err error)
	// KeyHeadersOf lists the key headers of the account's tenants.
	KeyHeadersOf(ctx context.Context, account ident.AccountID) ([]audit.KeyHeader, error)
	// UpdateTenant writes name, settings and state.
	UpdateTenant(ctx context.Context, t Tenant) error
	// ForgetCopies destroys the sealed copies of all secrets of the tenant, also of those that are being made.
	ForgetCopies(ctx context.Context, tenant ident.TenantID) error
	// ReplaceScopes puts the entries in the place of the tenant's own part of the catalogue.
	ReplaceScopes(ctx context.Context, tenant ident.TenantID, own []scope.Entry) error

	Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (Member, error)
	// MemberByEmail is fault.NotFound where no member has the address.
	MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (Member, error)
	// InsertMember is fault.Conflict for a person who is a member already, and fault.NotFound for one who was deleted.
	InsertMember(ctx context.Context, m Member) error
	// UpdateMember writes role and state.
	UpdateMember(ctx context.Context, m Member, at time.Time) error
	DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error
	// OtherAdmins counts the live admins of the tenant besides the person.
	OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (int, error)
	// RevokeKeysOf revokes every key of a person in a tenant; in mode policy.Delete it removes them. It gives how many.
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time, by ident.UserID, reason string) (int64, error)

	InsertApplication(ctx context.Context, a Application) (number int64, err error)
	LockApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (Application, error)
	UpdateApplication(ctx context.Context, a Application) error
	// DeleteApplication takes it from the keys restricted to it, too.
	DeleteApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) error

	// InsertInvitation voids earlier ones of the same address to the same tenant.
	InsertInvitation(ctx context.Context, i Invitation, token credential.TicketHash) error
	// UseInvitation uses it up: once, before its end; otherwise fault.NotFound.
	UseInvitation(ctx context.Context, token credential.TicketHash, now time.Time) (Invitation, error)
	// InsertSetup voids earlier set-up links.
	InsertSetup(ctx context.Context, link SetupLink, token credential.TicketHash) error
	// UseSetup uses it up: once, before its end; otherwise fault.NotFound.
	UseSetup(ctx context.Context, token credential.TicketHash, now time.Time) error
	identity.Inserter
}

// Service keeps accounts and what belongs to them.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	People  *identity.Service
	Keyring *credential.Keyring
	Now     func() time.Time
	Rand    io.Reader

	// LegacyBefore is when tenants began that may never be opened to passwords; zero where none may.
	LegacyBefore time.Time

	// Scans admits what reads all keys of an account; nil admits everyone.
	Scans *admission.Gate
}

// state names what changed when something is switched on or off.
func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "active"
}

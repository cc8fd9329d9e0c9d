// Package tenancy holds tenants, their members, invitations, scope catalogues and audit trails.
//
// A tenant is a workspace of an account (package account). Members, applications and keys belong to
// exactly one tenant. Who may do what:
//
//	operator                 every change; adds members at once, opens accounts, allows passwords
//	account owner or admin   makes tenants, changes and disables them; acts as a tenant admin
//	tenant admin             invites, changes and removes members; replaces the scope catalogue
//	tenant member, auditor   sees the tenant; leaves it
//	holder of a link         joins a tenant by an invitation, or opens the first account
//	key                      sees its own tenant
//	everybody else           is told that the tenant does not exist
//
// Changes are decided inside the transaction that makes them (authority.go), so that a right that
// was just removed cannot be used once more: roleIn returns the role of a person,
// [Service.Authorize] decides about a person or a key by a scope. Reads are decided by the
// principal that came with the request (sees). Who owns an account is decided in package account,
// but for the two links that make an owner: setup.go, and join.go for an invitation with Owns.
//
// Opening an account and the first set-up are here, although they make an account: both also make
// its first tenant.
package tenancy

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Store is what this package reads outside transactions.
type Store interface {
	Tenant(ctx context.Context, id ident.TenantID) (Tenant, error)
	// TenantsNamed lists up to most tenants on the server with exactly this name.
	TenantsNamed(ctx context.Context, name string, most int) ([]Tenant, error)
	// TenantsFor lists the tenants of which the person is a member, and all tenants of the accounts
	// in which they have a role. A membership does not count where it, the tenant or the account is
	// disabled; a role in the account shows disabled tenants too. Tenants of the accounts in ended
	// are left out.
	TenantsFor(ctx context.Context, user ident.UserID, ended []ident.AccountID, page paging.Page) ([]Tenant, error)
	Members(ctx context.Context, tenant ident.TenantID, page paging.Page) ([]Member, error)
	MembersOfRole(ctx context.Context, tenant ident.TenantID, role scope.Role, page paging.Page) ([]Member, error)
	// MembersWithoutFactor lists the members who have no second factor.
	MembersWithoutFactor(ctx context.Context, tenant ident.TenantID, page paging.Page) ([]Member, error)
	// SignInFacts returns how people sign in and when they were last seen, by their ids.
	SignInFacts(ctx context.Context, users []ident.UserID) (map[ident.UserID]identity.SignInFacts, error)
	// Member returns a member, or fault.NotFound.
	Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (Member, error)
	// MemberByEmail returns the member with the canonical address, or fault.NotFound.
	MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (Member, error)
	// FoundMembers returns up to most members of whose name and address the words are beginnings.
	FoundMembers(ctx context.Context, tenant ident.TenantID, words text.WordQuery, most int) ([]Member, error)
	// CountMembers counts up to most.
	CountMembers(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	Catalogue(ctx context.Context, tenant ident.TenantID) (scope.Catalogue, error)
	audit.TrailStore
	audit.RecentSource
	// KeyOwners returns the owners of those of the tenant's keys that exist.
	KeyOwners(ctx context.Context, tenant ident.TenantID, keys []ident.KeyID) (map[ident.KeyID]ident.PartyID, error)

	// Setup fails with fault.NotFound for a set-up link that can no longer be used.
	Setup(ctx context.Context, token credential.TokenHash, now time.Time) error
	// Invitation returns a pending invitation, or fault.NotFound.
	Invitation(ctx context.Context, token credential.TokenHash, now time.Time) (Invitation, error)
	// InvitationOf returns an invitation to the tenant in whatever state, or fault.NotFound.
	InvitationOf(ctx context.Context, tenant ident.TenantID, id ident.LinkID) (Invitation, error)
	// Invitations lists the pending invitations to the tenant, with the person who invites.
	Invitations(ctx context.Context, tenant ident.TenantID, now time.Time, page paging.Page) ([]Invitation, error)
}

// The transactions of this package. Each has what one kind of change reads and writes. The order of
// locks is documented in internal/store/locks.go.

// LockTx locks a tenant.
type LockTx interface {
	// LockTenant reads a tenant and locks it: its settings, members and catalogue stay as they are
	// until the transaction ends.
	LockTenant(ctx context.Context, id ident.TenantID) (Tenant, error)
}

// AuthorityTx reads what a person may do in a tenant.
type AuthorityTx interface {
	// Authority locks what it reads. A deleted or disabled person has none, and nobody has any in a
	// disabled account.
	Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
}

// RulesTx reads the rules of a tenant.
type RulesTx interface {
	// TenantRules returns the settings of a tenant together with the policy of its account.
	TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error)
}

// FoundTx writes a new tenant.
type FoundTx interface {
	InsertTenant(ctx context.Context, t Tenant) (number int64, err error)
	InsertMemberTx
	ReplaceScopesTx
}

// ReplaceScopesTx writes scope catalogues.
type ReplaceScopesTx interface {
	// ReplaceScopes replaces the tenant's own part of the catalogue.
	ReplaceScopes(ctx context.Context, tenant ident.TenantID, own []scope.Entry) error
}

// InsertMemberTx writes a new member.
type InsertMemberTx interface {
	// InsertMember fails with fault.Conflict for a person who is a member already, and with
	// fault.NotFound for one who was deleted.
	InsertMember(ctx context.Context, m Member) error
}

// TenantTx makes and changes tenants and their scope catalogues.
type TenantTx interface {
	account.RoleTx
	account.SessionTx
	LockTx
	AuthorityTx
	RulesTx
	FoundTx
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished.
	RequireUpgrade(ctx context.Context) error
	LockAccount(ctx context.Context, id ident.AccountID) (account.Account, error)
	// CountTenants counts up to most.
	CountTenants(ctx context.Context, account ident.AccountID, most int) (int, error)
	// KeyHeadersOf lists the key headers of the account's tenants.
	KeyHeadersOf(ctx context.Context, account ident.AccountID) ([]audit.KeyHeader, error)
	// UpdateTenant writes name, settings and state.
	UpdateTenant(ctx context.Context, t Tenant) error
	// ForgetCopies destroys the sealed copies of all secrets of the tenant, also of the keys that
	// are being created at the moment.
	ForgetCopies(ctx context.Context, tenant ident.TenantID) error
}

// JoinTx makes a person a member.
type JoinTx interface {
	account.DeadSessionTx
	InsertMemberTx
	LockPeople(ctx context.Context, people ...ident.UserID) error
	// CountMembers counts up to most.
	CountMembers(ctx context.Context, tenant ident.TenantID, most int) (int, error)
}

// MemberTx changes members.
type MemberTx interface {
	account.SessionTx
	LockTx
	AuthorityTx
	JoinTx
	notice.Writer
	// Member locks the membership that it reads.
	Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (Member, error)
	// UpdateMember writes role and state.
	UpdateMember(ctx context.Context, m Member, at time.Time) error
	DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error
	// OtherAdmins counts the active admins of the tenant besides the person.
	OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (int, error)
	// RevokeKeysOf revokes all keys of a user in a tenant, from the commit on; in mode
	// policy.Delete it deletes them. All calls in a transaction write up to MaxEndedAtOnce keys.
	// A job writes the others. It returns how many keys it revokes, up to 10,000.
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time,
		by ident.UserID, reason string) (int64, error)
}

// InvitationTx makes, renews and cancels invitations.
type InvitationTx interface {
	account.RoleTx
	LockTx
	AuthorityTx
	notice.LinkWriter
	InsertInvitationTx
	// MemberByEmail fails with fault.NotFound where no member has the address.
	MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (Member, error)
	// CountPendingInvitations counts, up to most, the other invitations to the same tenant that
	// were pending when the given one was made. It leaves out those to the same address.
	CountPendingInvitations(ctx context.Context, i Invitation, most int) (int, error)
	// PendingInvitation returns a pending invitation to the tenant, or fault.NotFound.
	PendingInvitation(ctx context.Context, tenant ident.TenantID, id ident.LinkID, now time.Time) (Invitation, error)
	// OwnersInvitation returns a pending invitation of an address to the tenant that makes the
	// person an owner of an account, or fault.NotFound.
	OwnersInvitation(ctx context.Context, tenant ident.TenantID, email string, now time.Time) (Invitation, error)
	// RenewInvitation writes another token, and who invites, when it was mailed and when it
	// expires.
	RenewInvitation(ctx context.Context, i Invitation, token credential.TokenHash) error
	// VoidInvitation ends an invitation before it expires.
	VoidInvitation(ctx context.Context, tenant ident.TenantID, id ident.LinkID, now time.Time) error
}

// InsertInvitationTx writes a new invitation.
type InsertInvitationTx interface {
	// InsertInvitation voids earlier invitations of the same address to the same tenant.
	InsertInvitation(ctx context.Context, i Invitation, token credential.TokenHash) error
}

// AcceptTx uses an invitation.
type AcceptTx interface {
	account.RoleTx
	account.MemberLimitTx
	identity.Inserter
	LockTx
	AuthorityTx
	RulesTx
	JoinTx
	LockAccount(ctx context.Context, id ident.AccountID) (account.Account, error)
	LockTenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)
	SetAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole,
		at time.Time) error
	// UseInvitation uses an invitation up. It fails with fault.NotFound where that was done before
	// or the invitation has expired.
	UseInvitation(ctx context.Context, token credential.TokenHash, now time.Time) (Invitation, error)
}

// OpenTx opens accounts with their first tenant, makes and uses set-up links, and removes old
// links.
type OpenTx interface {
	account.FoundTx
	identity.Inserter
	FoundTx
	InsertInvitationTx
	// CountAccounts counts all accounts of the server.
	CountAccounts(ctx context.Context) (int, error)
	// LockSetup makes other calls of it and of VoidSetups wait until this transaction ends. It
	// returns the set-up link that can be used now, with the hash of its token; fault.NotFound
	// where there is none.
	LockSetup(ctx context.Context, now time.Time) (SetupLink, credential.TokenHash, error)
	// InsertSetup voids earlier set-up links.
	InsertSetup(ctx context.Context, link SetupLink, token credential.TokenHash) error
	// UseSetup uses a set-up link up. It fails with fault.NotFound where that was done before or
	// the link has expired.
	UseSetup(ctx context.Context, token credential.TokenHash, now time.Time) error
	// DeleteOldLinks removes up to most links that expired by that time, used or not, and returns
	// how many. It leaves the links of keys that still wait for their secret.
	DeleteOldLinks(ctx context.Context, expiredBy time.Time, most int) (int64, error)
}

// Ledgers write the changes of this package.
type Ledgers struct {
	Tenants     audit.Ledger[TenantTx]
	Members     audit.Ledger[MemberTx]
	Invitations audit.Ledger[InvitationTx]
	Acceptances audit.Ledger[AcceptTx]
	Openings    audit.Ledger[OpenTx]
}

// Service reads and changes tenants and what belongs to them.
type Service struct {
	Ledgers Ledgers
	Store   Store
	People  *identity.Service
	Keyring *credential.Keyring
	Now     func() time.Time
	// Horizon is the time that work which cannot be undone goes by. It is never later than Now.
	Horizon func() time.Time
	Rand    io.Reader

	// Mails is set where a mail server delivers links to people.
	Mails bool

	// LegacyBefore is the time before which a tenant must have been made so that passwords may be
	// allowed in it; zero where they may be allowed in none.
	LegacyBefore time.Time
}

// Status names the state of something that can be disabled, in events.
func Status(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "active"
}

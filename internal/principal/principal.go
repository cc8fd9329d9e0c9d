// Package principal defines who acts: a key, a signed-in person, the operator or the system, with
// what they may do and where the request came from.
//
// The authenticator makes a [Principal] once for each request. It never changes, so that every
// entry point and every rule sees the same value. The zero value is nobody and may do nothing.
package principal

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Kind is a kind of principal.
type Kind string

// The kinds.
const (
	Nobody       Kind = ""
	KindKey      Kind = "key"
	KindSession  Kind = "session"
	KindOperator Kind = "operator" // a person who runs commands on the server's machine
	KindSystem   Kind = "system"   // Claviger itself, in its jobs
	// KindManagementKey is a program with a management key.
	KindManagementKey Kind = "management_key"
)

// Person is a user as others see them.
type Person struct {
	ID    ident.UserID
	Email string
	Name  string
}

// Key is what a key may do now. Its scopes are the effective ones.
type Key struct {
	ID           ident.KeyID
	PublicID     string
	Tenant       ident.TenantID
	Account      ident.AccountID
	Owner        Party
	Scopes       scope.Set
	Applications scope.Applications
	// Expires is the effective expiry; zero for never.
	Expires time.Time
	// AccountRole is the owner's role in the account; "" for none.
	AccountRole scope.AccountRole
	// Serial is the number of the secret that was sent, or that the token was issued for: the
	// current or the previous one.
	Serial int
	// Token is the access token that was sent instead of the key; nil for none.
	Token *Token
}

// ClientID returns the id by which the key is a client of OAuth 2.0. A key without a public id of
// its own has its id.
func (k Key) ClientID() string {
	if k.PublicID != "" {
		return k.PublicID
	}
	return string(k.ID)
}

// Token is an access token of a key that was accepted a moment ago.
type Token struct {
	ID      string
	Expires time.Time
	// Narrowed is set if the token has only some of the scopes that the key has.
	Narrowed bool
}

// ManagementKey is a management key that was accepted a moment ago. Each change reads anew, in its
// transaction, what it may do.
type ManagementKey struct {
	ID      ident.ManagementKeyID
	Name    string
	Tenant  ident.TenantID
	Account ident.AccountID
	// ServiceAccount is who it belongs to.
	ServiceAccount Party
	Rights         policy.ManagementRights
	// Expires is the effective expiry.
	Expires time.Time
	// Serial is the number of the secret that was sent: the current or the previous one.
	Serial int
}

// Party returns the management key as a party.
func (m ManagementKey) Party() Party { return Party{ID: ident.PartyID(m.ID), Name: m.Name} }

// Membership is the membership of a person in a tenant.
type Membership struct {
	Tenant  ident.TenantID
	Account ident.AccountID
	Role    scope.Role
}

// AccountMember is the role of a person in an account.
type AccountMember struct {
	Account ident.AccountID
	Role    scope.AccountRole
}

// Session is a signed-in person and what they may do.
type Session struct {
	ID         ident.SessionID
	User       Person
	SignedInAt time.Time
	// FactorAt is when the person proved their second factor by an app; zero for never.
	FactorAt  time.Time
	ExpiresAt time.Time
	// Memberships and AccountMembers are those in accounts in which the session has not ended.
	Memberships    []Membership
	AccountMembers []AccountMember
	// Bound is the only tenant that the session is good for; "" for every tenant of the person.
	Bound ident.TenantID
	// Ended are the person's accounts in which the session has ended, by the policy of the account.
	// In the others it has not.
	Ended []ident.AccountID
}

// EndedIn reports whether the session has ended in an account, by the policy of that account.
func (s Session) EndedIn(account ident.AccountID) bool { return slices.Contains(s.Ended, account) }

// EndIn ends the session in the accounts: it has no rights there any more.
func (s *Session) EndIn(accounts ...ident.AccountID) {
	s.Ended = append(s.Ended, accounts...)
	s.Memberships = slices.DeleteFunc(s.Memberships, func(m Membership) bool { return s.EndedIn(m.Account) })
	s.AccountMembers = slices.DeleteFunc(s.AccountMembers, func(st AccountMember) bool { return s.EndedIn(st.Account) })
}

// maxRecentAge is how old a sign-in may be for actions that cannot be undone.
const maxRecentAge = 5 * time.Minute

// Recent reports whether the sign-in is recent enough for sensitive actions. Otherwise these are
// refused with fault.SignInAgain.
func (s Session) Recent(now time.Time) bool { return now.Sub(s.SignedInAt) < maxRecentAge }

// ProvedFactor reports whether the session proved the second factor recently enough to change it.
func (s Session) ProvedFactor(now time.Time) bool {
	return s.Recent(now) && now.Sub(s.FactorAt) < maxRecentAge
}

// Authority is what a person may do in a tenant at this moment. A transaction reads it and locks
// the rows that it comes from.
type Authority struct {
	Person Person
	// Member is the role of the membership; "" if there is none or it is disabled.
	Member scope.Role
	// Account is the role in the tenant's account; "" for none.
	Account scope.AccountRole
}

// EffectiveRole returns the role that the person has in the tenant.
func (a Authority) EffectiveRole() scope.Role { return scope.EffectiveRole(a.Member, a.Account) }

// Origin is where a request came from. It is stored in the audit trail.
type Origin struct {
	IP        string
	RequestID string
	// UserAgent is how the client program names itself; "" if it does not.
	UserAgent string
}

// Principal is who acts.
type Principal struct {
	kind    Kind
	key     *Key
	session *Session
	// management is a management key.
	management *ManagementKey
	origin     Origin
}

// OfKey returns the principal of an accepted key. The key must not be changed afterwards.
func OfKey(k *Key) Principal { return Principal{kind: KindKey, key: k} }

// OfManagementKey returns the principal of an accepted management key. It must not be changed
// afterwards.
func OfManagementKey(m *ManagementKey) Principal {
	return Principal{kind: KindManagementKey, management: m}
}

// OfSession returns the principal of a signed-in person. The session must not be changed
// afterwards.
func OfSession(s *Session) Principal { return Principal{kind: KindSession, session: s} }

// Operator returns the principal of the person who runs commands on the server's machine.
func Operator() Principal { return Principal{kind: KindOperator} }

// System returns the principal of Claviger itself, for work that nobody requested.
func System() Principal { return Principal{kind: KindSystem} }

// WithOrigin returns the same principal with the given origin.
func (p Principal) WithOrigin(o Origin) Principal {
	p.origin = o
	return p
}

// Kind returns the kind of the principal.
func (p Principal) Kind() Kind { return p.kind }

// Origin returns where the request came from.
func (p Principal) Origin() Origin { return p.origin }

// Key returns the key. ok is false for every other kind of principal.
func (p Principal) Key() (k Key, ok bool) {
	if p.key == nil {
		return Key{}, false
	}
	return *p.key, true
}

// ManagementKey returns the management key. ok is false for every other kind of principal.
func (p Principal) ManagementKey() (m ManagementKey, ok bool) {
	if p.management == nil {
		return ManagementKey{}, false
	}
	return *p.management, true
}

// Session returns the session. ok is false for every other kind of principal.
func (p Principal) Session() (s Session, ok bool) {
	if p.session == nil {
		return Session{}, false
	}
	return *p.session, true
}

// RoleIn returns the role that a signed-in person has in a tenant of an account; "" for none, and
// for keys, which have no role.
func (p Principal) RoleIn(tenant ident.TenantID, account ident.AccountID) scope.Role {
	if p.session == nil {
		return ""
	}
	var member scope.Role
	for _, m := range p.session.Memberships {
		if m.Tenant == tenant {
			member = m.Role
		}
	}
	return scope.EffectiveRole(member, p.AccountRole(account))
}

// RequireSessionIn returns fault.SessionEnded if the principal is a session that has ended in the
// account.
func (p Principal) RequireSessionIn(account ident.AccountID) error {
	if p.session == nil || !p.session.EndedIn(account) {
		return nil
	}
	return fault.New(fault.SessionEnded, "The session has ended in this account, by its policy. Sign in again.")
}

// AccountRole returns a signed-in person's role in an account; "" for none, and for keys.
func (p Principal) AccountRole(account ident.AccountID) scope.AccountRole {
	if p.session == nil {
		return ""
	}
	i := slices.IndexFunc(p.session.AccountMembers, func(s AccountMember) bool { return s.Account == account })
	if i < 0 {
		return ""
	}
	return p.session.AccountMembers[i].Role
}

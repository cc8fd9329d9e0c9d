// Package principal says who is asking: a key, a signed-in person or the operator, with what they may do and from where they ask.
//
// A [Principal] is made once, by the one authenticator, and never changes: every way in and every rule reads the same value.
// The zero value is nobody and may do nothing.
package principal

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Kind of principal.
type Kind string

// The kinds.
const (
	Nobody    Kind = ""
	ByKey     Kind = "key"
	BySession Kind = "session"
	ByOS      Kind = "operator" // whoever may run commands on the machine itself
	ByItself  Kind = "system"   // Claviger, in its jobs
)

// Person is a user as others see them.
type Person struct {
	ID    ident.UserID
	Email string
	Name  string
}

// Key is what a key may do now. Scopes are effective: cut to its owner's role and expanded.
type Key struct {
	ID           ident.KeyID
	PublicID     string
	Tenant       ident.TenantID
	Account      ident.AccountID
	Owner        Person
	Scopes       scope.Set
	Applications scope.Applications
	// Expires is the effective expiry; zero for never.
	Expires time.Time
	// AccountRole of the owner; "" for none.
	AccountRole scope.AccountRole
}

// Membership of a person in a tenant.
type Membership struct {
	Tenant  ident.TenantID
	Account ident.AccountID
	Role    scope.Role
}

// Standing of a person in an account.
type Standing struct {
	Account ident.AccountID
	Role    scope.AccountRole
}

// Session is a signed-in person and what they may do.
type Session struct {
	ID          ident.SessionID
	User        Person
	SignedInAt  time.Time
	ExpiresAt   time.Time
	Memberships []Membership
	Standings   []Standing
}

// recent is how old a sign-in may be for what cannot be undone.
const recent = 5 * time.Minute

// Recent reports whether the sign-in is young enough for sensitive actions; they are fault.SignInAgain otherwise.
func (s Session) Recent(now time.Time) bool { return now.Sub(s.SignedInAt) < recent }

// Authority is what a person may do in a tenant at this moment, as a transaction reads and holds it.
type Authority struct {
	Person Person
	// Member is the membership's role; "" where there is none or it is disabled.
	Member scope.Role
	// Account is the role over the tenant's account; "" for none.
	Account scope.AccountRole
}

// Acting gives the role the person acts with.
func (a Authority) Acting() scope.Role { return scope.Acting(a.Member, a.Account) }

// Origin is where a request came from, for the audit trail.
type Origin struct {
	IP        string
	RequestID string
}

// Principal is who is asking.
type Principal struct {
	kind    Kind
	key     *Key
	session *Session
	origin  Origin
}

// OfKey makes the principal of an accepted key. The key must not be changed afterwards.
func OfKey(k *Key) Principal { return Principal{kind: ByKey, key: k} }

// OfSession makes the principal of a signed-in person. The session must not be changed afterwards.
func OfSession(s *Session) Principal { return Principal{kind: BySession, session: s} }

// Operator is whoever runs commands on the machine.
func Operator() Principal { return Principal{kind: ByOS} }

// System is Claviger itself, where nobody asked.
func System() Principal { return Principal{kind: ByItself} }

// From gives the same principal asking from the given origin.
func (p Principal) From(o Origin) Principal {
	p.origin = o
	return p
}

// Kind of the principal.
func (p Principal) Kind() Kind { return p.kind }

// Origin of the request.
func (p Principal) Origin() Origin { return p.origin }

// Key gives the key that asks; ok is false for every other kind.
func (p Principal) Key() (k Key, ok bool) {
	if p.key == nil {
		return Key{}, false
	}
	return *p.key, true
}

// Session gives the session that asks; ok is false for every other kind.
func (p Principal) Session() (s Session, ok bool) {
	if p.session == nil {
		return Session{}, false
	}
	return *p.session, true
}

// RoleIn gives the role a signed-in person acts with in a tenant of an account; "" for none and for keys, which have no role.
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
	return scope.Acting(member, p.RoleOver(account))
}

// RoleOver gives a signed-in person's role in an account; "" for none.
func (p Principal) RoleOver(account ident.AccountID) scope.AccountRole {
	if p.session == nil {
		return ""
	}
	i := slices.IndexFunc(p.session.Standings, func(s Standing) bool { return s.Account == account })
	if i < 0 {
		return ""
	}
	return p.session.Standings[i].Role
}

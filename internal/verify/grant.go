package verify

import (
	"strings"
	"sync"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Grant is what keys may do: their effective scopes and their applications, in their tenant. The
// keys of a tenant that may do the same share one, so that it stays in the processor's caches.
// Nothing of it may change, because it is what many keys may do.
type Grant struct {
	Tenant       ident.TenantID
	Account      ident.AccountID
	Scopes       scope.Set
	Applications scope.Applications
	// Rendered is what Options.RenderGrant returned.
	Rendered Rendered

	// shared is set if the tenant keeps the grant for further keys.
	shared bool
}

// Rendered is what Options.RenderGrant returns.
type Rendered interface {
	// Size returns the size in bytes.
	Size() int
}

// grantSize is the size of a grant without its scopes and applications, in bytes.
const grantSize = 160

// size returns the approximate size of the grant, in bytes.
func (g *Grant) size() int {
	n := grantSize + scopeSize*(len(g.Scopes)+len(g.Applications.IDs))
	if g.Rendered != nil {
		n += g.Rendered.Size()
	}
	return n
}

// maxSharedGrants is the size of the grants that a tenant keeps at most, in bytes. Its entries pay
// for further ones.
const maxSharedGrants = 64 << 10

// grants are those that a tenant keeps. The zero value has none.
type grants struct {
	mu    sync.Mutex
	known map[string]*Grant
	size  int
}

// grant returns the grant with these scopes and applications.
func (t *tenantFacts) grant(scopes scope.Set, applications scope.Applications,
	render func(*Grant) Rendered,
) *Grant {
	name := grantName(scopes, applications)
	t.grants.mu.Lock()
	defer t.grants.mu.Unlock()
	if known := t.grants.known[name]; known != nil {
		return known
	}
	g := &Grant{Tenant: t.ID, Account: t.Account, Scopes: scopes, Applications: applications}
	if render != nil {
		g.Rendered = render(g)
	}
	size := g.size() + len(name)
	if t.grants.size+size > maxSharedGrants {
		return g
	}
	if t.grants.known == nil {
		t.grants.known = map[string]*Grant{}
	}
	g.shared = true
	t.grants.known[name] = g
	t.grants.size += size
	return g
}

// grantName returns a text that two grants of a tenant have only if they are equal: neither scopes
// nor ids of applications contain a space.
func grantName(scopes scope.Set, applications scope.Applications) string {
	var b strings.Builder
	for _, name := range scopes {
		b.WriteString(string(name))
		b.WriteByte(' ')
	}
	b.WriteString("  ")
	if applications.All {
		b.WriteString(string(scope.Every))
	}
	for _, id := range applications.IDs {
		b.WriteByte(' ')
		b.WriteString(id)
	}
	return b.String()
}

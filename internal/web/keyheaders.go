package web

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// KeyHeaders is the set of the key headers of all tenants. A name is in the set while at least one
// tenant has it. The zero value is empty. It must not be copied.
type KeyHeaders struct {
	mu       sync.Mutex
	byTenant map[ident.TenantID]KeyHeader
	tenants  map[string]int // number of tenants that have the name
	names    atomic.Pointer[map[string]struct{}]
}

// KeyHeader is the key header of a tenant.
type KeyHeader struct {
	Tenant ident.TenantID
	// Name is "" for none.
	Name string
	// Version is the number of the change that set the header, or of a later one. Set ignores a
	// version that is not newer than the known one, even if the tenant is known to have no header.
	Version int64
}

// Set records the key headers that tenants have now.
func (k *KeyHeaders) Set(headers ...KeyHeader) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byTenant == nil {
		k.byTenant, k.tenants = map[ident.TenantID]KeyHeader{}, map[string]int{}
	}
	changed := false
	for _, h := range headers {
		before, known := k.byTenant[h.Tenant]
		if known && h.Version <= before.Version {
			continue
		}
		h.Name = http.CanonicalHeaderKey(h.Name)
		k.byTenant[h.Tenant] = h
		if h.Name != before.Name {
			k.count(before.Name, -1)
			k.count(h.Name, +1)
			changed = true
		}
	}
	if changed {
		names := make(map[string]struct{}, len(k.tenants))
		for name := range k.tenants {
			names[name] = struct{}{}
		}
		k.names.Store(&names)
	}
}

// known returns the names, in canonical form. It is empty for nil.
func (k *KeyHeaders) known() map[string]struct{} {
	if k == nil {
		return nil
	}
	if names := k.names.Load(); names != nil {
		return *names
	}
	return nil
}

// has reports whether a tenant has the name, which is in canonical form.
func (k *KeyHeaders) has(name string) bool {
	_, has := k.known()[name]
	return has
}

// count adds by to the number of tenants that have the name.
func (k *KeyHeaders) count(name string, by int) {
	if name == "" {
		return
	}
	k.tenants[name] += by
	if k.tenants[name] == 0 {
		delete(k.tenants, name)
	}
}

// keyHeaderValues are the values of the key headers of a request.
type keyHeaderValues struct {
	// keys is how many values have the form of a key, and key is one of them. A header that is
	// repeated counts once more.
	keys int
	key  verify.Presentation
	// others is set if a value has another form, which is no credential. otherLocation is where it
	// was.
	others        bool
	otherLocation policy.Location
}

// readKeyHeaders reads the key headers of a request. Its cost depends on the headers of the request
// and not on the number of names. With issued, a value counts only if this server issued it.
func (a *Authenticator) readKeyHeaders(ctx context.Context, h http.Header, issued bool) (v keyHeaderValues) {
	known := a.KeyHeaders.known()
	if len(known) <= len(h) {
		for name := range known {
			a.readKeyHeader(ctx, &v, name, h[name], issued)
		}
		return v
	}
	for name, values := range h {
		if _, is := known[name]; is {
			a.readKeyHeader(ctx, &v, name, values, issued)
		}
	}
	return v
}

// readKeyHeader adds the values of one key header to v.
func (a *Authenticator) readKeyHeader(ctx context.Context, v *keyHeaderValues, name string, values []string,
	issued bool,
) {
	location := policy.Location{Transport: policy.Header, Header: name}
	some := false
	for _, value := range values {
		key, ok := credential.Parse(TrimField(value))
		if !ok || issued && !a.mayBeIssued(ctx, key) {
			v.others, v.otherLocation = true, location
			continue
		}
		v.keys++
		v.key = verify.PresentKey(key, location)
		some = true
	}
	if some && len(values) > 1 {
		v.keys++
	}
}

// mayBeIssued reports whether a value in a key header can be a key of this server, if something
// else was sent too. Every random UUID has the form of a key of style uuid, and other systems send
// UUIDs in headers whose names some tenant may have chosen. So the server must have issued it. The
// forms of the other styles are used by nobody else.
func (a *Authenticator) mayBeIssued(ctx context.Context, key credential.Parsed) bool {
	return key.Style != credential.UUID || a.Verify == nil || a.Verify.Engine.KeyExists(ctx, key)
}

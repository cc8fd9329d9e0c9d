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

// KeyHeaders are the key headers of all tenants, as the reader of credentials needs them: the set of their names. A name is known while a
// tenant has it. The zero value has none.
type KeyHeaders struct {
	mu       sync.Mutex
	byTenant map[ident.TenantID]KeyHeader
	tenants  map[string]int // how many have the name
	names    atomic.Pointer[map[string]struct{}]
}

// KeyHeader is the key header of a tenant.
type KeyHeader struct {
	Tenant ident.TenantID
	// Name is "" for none.
	Name string
	// Version grows with each change of the tenant. What is older than what is known is not news.
	Version int64
}

// Set takes note of the key headers that tenants have now.
func (k *KeyHeaders) Set(headers ...KeyHeader) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byTenant == nil {
		k.byTenant, k.tenants = map[ident.TenantID]KeyHeader{}, map[string]int{}
	}
	changed := false
	for _, h := range headers {
		before, known := k.byTenant[h.Tenant]
		if known && h.Version <= before.Version || !known && h.Name == "" {
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

func (k *KeyHeaders) count(name string, by int) {
	if name == "" {
		return
	}
	if k.tenants[name] += by; k.tenants[name] == 0 {
		delete(k.tenants, name)
	}
}

// found is what key headers carried.
type found struct {
	// keys is how many values have the form of a key, and first is one of them. A header that is repeated counts once more.
	keys  int
	first verify.Presentation
	// junk is set where a value has not. It is no credential; way is how it came.
	junk bool
	way  policy.Way
}

// scan looks through the key headers of a request. It costs no more than the headers of the request do, however many names there are.
// With issued, a value that only looks like a key counts if it is one that this server issued.
func (d *Door) scan(ctx context.Context, h http.Header, issued bool) (f found) {
	known := d.KeyHeaders.names.Load()
	if known == nil {
		return f
	}
	if len(*known) <= len(h) {
		for name := range *known {
			d.look(ctx, &f, name, h[name], issued)
		}
		return f
	}
	for name, values := range h {
		if _, is := (*known)[name]; is {
			d.look(ctx, &f, name, values, issued)
		}
	}
	return f
}

func (d *Door) look(ctx context.Context, f *found, name string, values []string, issued bool) {
	way := policy.Way{Transport: policy.Header, Header: name}
	some := false
	for _, value := range values {
		key, ok := credential.Parse(value)
		if !ok || issued && !d.mayBeIssued(ctx, key) {
			f.junk, f.way = true, way
			continue
		}
		f.keys++
		f.first = verify.PresentKey(key, way)
		some = true
	}
	if some && len(values) > 1 {
		f.keys++
	}
}

// mayBeIssued reports whether a value in a key header can be a key of ours, where something else was sent too. Every random UUID has the
// form of a key of style uuid, and other systems send them in headers whose names some tenant may have chosen; so there the server must
// have issued it. The forms of the other styles are nobody else's.
func (d *Door) mayBeIssued(ctx context.Context, key credential.Presented) bool {
	return key.Style != credential.UUID || d.Authenticator == nil || d.Authenticator.Engine.Issued(ctx, key)
}

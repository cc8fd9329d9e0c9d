package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/route"
)

// routes finds the entries of the operator's file and those of the database, and the rules about
// requests. Of two entries with one name, that of the file counts.
type routes struct {
	// file is nil where the settings name none.
	file *routeFile
	// database returns the entries of the database.
	database func(context.Context) ([]route.Entry, error)
	// tenantRoutes returns the rules of a tenant's applications.
	tenantRoutes func(context.Context, ident.TenantID) (*route.Table, error)
}

// Entry returns the entry with the name. Without a name, it returns the entry that has the host or,
// if none has it, the entry "default". It returns fault.RouteUnknown if there is no such entry.
func (r *routes) Entry(ctx context.Context, name, host string) (*route.Entry, error) {
	entries := r.file.entries()
	if name == "" {
		host = forward.HostName(host)
		for i := range entries {
			if slices.Contains(entries[i].Hosts, host) {
				return &entries[i], nil
			}
		}
		name = route.DefaultEntry
	}
	if e := named(entries, name); e != nil {
		return e, nil
	}
	entries, err := r.database(ctx)
	if err != nil {
		return nil, err
	}
	if e := named(entries, name); e != nil {
		return e, nil
	}
	return nil, fault.New(fault.RouteUnknown, "There is no such entry. Ask the operator to create it with "+
		"`claviger entries create`.")
}

// named returns the entry with the name; nil if there is none.
func named(entries []route.Entry, name string) *route.Entry {
	i := slices.IndexFunc(entries, func(e route.Entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// Match returns the first rule that matches a request: of the entry's own rules, then of the rules
// of the tenant that the entry is bound to.
func (r *routes) Match(ctx context.Context, e *route.Entry, method string, target route.Target,
	headers route.Headers,
) (route.Match, bool, error) {
	m, found, err := e.Match(method, target, headers)
	if found || err != nil || e.Tenant == "" {
		return m, found, err
	}
	table, err := r.tenant(ctx, e)
	if err != nil || table == nil {
		return route.Match{}, false, err
	}
	return table.Match(method, target, headers)
}

// HeaderNames returns the names of all headers that rules of the entry set: its own, and those of
// the tenant that it is bound to.
func (r *routes) HeaderNames(ctx context.Context, e *route.Entry) (names []string, err error) {
	if e.Rules != nil {
		names = e.Rules.HeaderNames()
	}
	table, err := r.tenant(ctx, e)
	if err == nil && table != nil {
		names = append(names, table.HeaderNames()...)
	}
	return names, err
}

// tenant returns the rules of the tenant that the entry is bound to; nil for none. No credential is
// one of a tenant that does not exist, so that it has no rules is no error.
func (r *routes) tenant(ctx context.Context, e *route.Entry) (*route.Table, error) {
	if e.Tenant == "" {
		return nil, nil
	}
	table, err := r.tenantRoutes(ctx, e.Tenant)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	return table, err
}

// Explain returns the entry with the name, and what its rules say about a request.
func (r *routes) Explain(ctx context.Context, name, method, uri string,
	headers route.Headers,
) (*route.Entry, route.Outcome, error) {
	e, err := r.Entry(ctx, name, "")
	if err != nil {
		return nil, route.Outcome{}, err
	}
	table, err := r.tenant(ctx, e)
	if err != nil {
		return nil, route.Outcome{}, err
	}
	return e, e.Explain(method, uri, headers, table), nil
}

// FileEntries returns the entries of the operator's file.
func (r *routes) FileEntries() []route.Entry { return r.file.entries() }

// entryCache has the entries of the database. They are read again after a change of one of them.
type entryCache struct {
	load func(context.Context) ([]route.Entry, error)
	// changes is incremented by every change.
	changes atomic.Uint64
	current atomic.Pointer[readEntries]
	mu      sync.Mutex
}

// readEntries are entries, and the value of changes from before they were read.
type readEntries struct {
	entries []route.Entry
	changes uint64
}

// invalidate applies a change of this node or of another one.
func (c *entryCache) invalidate(i audit.Invalidation) {
	if i.Entries {
		c.changes.Add(1)
	}
}

// get returns the entries. They were read after their last change. Requests that need them at the
// same time wait for one read.
func (c *entryCache) get(ctx context.Context) ([]route.Entry, error) {
	if kept := c.current.Load(); kept != nil && kept.changes == c.changes.Load() {
		return kept.entries, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changes := c.changes.Load()
	if kept := c.current.Load(); kept != nil && kept.changes == changes {
		return kept.entries, nil
	}
	entries, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	c.current.Store(&readEntries{entries, changes})
	return entries, nil
}

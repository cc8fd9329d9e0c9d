package console_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// countedKeys and countedTenancy count what pages read. What they do not have, no counted page may
// read: the embedded interfaces are nil.
type countedKeys struct {
	key.Store
	real  key.Store
	reads *atomic.Int32
}

func (c countedKeys) TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error) {
	c.reads.Add(1)
	return c.real.TenantRules(ctx, tenant)
}

func (c countedKeys) Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	c.reads.Add(1)
	return c.real.Key(ctx, tenant, id)
}

func (c countedKeys) Keys(ctx context.Context, tenant ident.TenantID, f key.Filter,
	p key.Page,
) ([]key.Key, *key.Position, error) {
	c.reads.Add(1)
	return c.real.Keys(ctx, tenant, f, p)
}

func (c countedKeys) OwnKeys(ctx context.Context, f key.Filter, p key.Page) ([]key.Key, *key.Position, error) {
	c.reads.Add(1)
	return c.real.OwnKeys(ctx, f, p)
}

func (c countedKeys) ScopesUsed(ctx context.Context, keys []ident.KeyID,
	since time.Time,
) (map[ident.KeyID]scope.Set, error) {
	c.reads.Add(1)
	return c.real.ScopesUsed(ctx, keys, since)
}

func (c countedKeys) Events(ctx context.Context, of audit.Trail, before int64,
	limit int,
) ([]audit.TrailEvent, error) {
	c.reads.Add(1)
	return c.real.Events(ctx, of, before, limit)
}

type countedTenancy struct {
	tenancy.Store
	real  tenancy.Store
	reads *atomic.Int32
}

func (c countedTenancy) TenantsFor(ctx context.Context, user ident.UserID, except []ident.AccountID,
	p paging.Page,
) ([]tenancy.Tenant, error) {
	c.reads.Add(1)
	return c.real.TenantsFor(ctx, user, except, p)
}

// A page reads little, however many keys there are: three reads for a list and five for a key,
// besides that of the session.
func TestAListReadsThreeTimesAndThePageOfAKeyFive(t *testing.T) {
	d := newAdminVisit(t)
	own := d.Key(d.As(d.person), d.tenant, "applications:read")
	page := "/t/" + string(d.tenant.ID) + "/keys/" + own.Key.ID
	paths := map[string]int32{
		"/settings/keys": 3, d.at("keys"): 3, page: 5, page + "/uses": 2,
	}
	for path := range paths {
		d.get(path).see(t, path, http.StatusOK, own.Key.Last4)
	}
	var reads atomic.Int32
	d.Keys.Store = countedKeys{real: d.Keys.Store, reads: &reads}
	d.Tenancy.Store = countedTenancy{real: d.Tenancy.Store, reads: &reads}
	d.Accounts.Store = nil
	for path, most := range paths {
		reads.Store(0)
		d.get(path).see(t, path, http.StatusOK, own.Key.Last4)
		if n := reads.Load(); n == 0 || n > most {
			t.Errorf("%s reads %d times, want at most %d", path, n, most)
		}
	}
}

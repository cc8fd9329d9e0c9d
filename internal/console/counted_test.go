package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
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

func (c countedKeys) KeyStates(ctx context.Context, tenant ident.TenantID, order key.Order,
	after key.Position, most int, which key.States,
) ([]key.Key, *key.Position, error) {
	c.reads.Add(1)
	return c.real.KeyStates(ctx, tenant, order, after, most, which)
}

func (c countedKeys) TheseKeys(ctx context.Context, tenant ident.TenantID, keys []ident.KeyID) ([]key.Key, error) {
	c.reads.Add(1)
	return c.real.TheseKeys(ctx, tenant, keys)
}

func (c countedKeys) Held(ctx context.Context, tenant ident.TenantID, owners []ident.PartyID, expiredSetBy,
	now time.Time,
) (map[ident.PartyID]key.Holding, error) {
	c.reads.Add(1)
	return c.real.Held(ctx, tenant, owners, expiredSetBy, now)
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
		"/settings/keys": 3, d.at("keys"): 3, d.at("keys?q=test"): 3, d.at("keys?status=active"): 4, page: 5,
		page + "/uses": 2,
	}
	for path := range paths {
		d.get(path).see(t, path, http.StatusOK, own.Key.Last4)
	}
	d.get(d.at("health")) // what is computed beside the pages is computed now
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

// However many keys the service accounts have, their list counts all of them in one read.
func TestTheKeysOfServiceAccountsAreCountedInOneRead(t *testing.T) {
	d := newAdminVisit(t)
	a := testkit.ServiceAccount(t, d.As(d.person), d.tenant, "Customer platform", api.RoleMember)
	b := testkit.ServiceAccount(t, d.As(d.person), d.tenant, "Billing", api.RoleMember)
	for of, n := range map[string]int{a.ID: 1201, b.ID: 7} {
		rows := testkit.KeyRows(d.tenant, principal.Person{ID: ident.UserID(of)}, n, "NULL")
		testkit.InsertMany(t, d.Server, n, rows)
	}
	list := d.at("service-accounts")
	d.get(list)
	d.get(d.at("health")) // what is computed beside the pages is computed now
	var reads atomic.Int32
	d.Keys.Store = countedKeys{real: d.Keys.Store, reads: &reads}
	page := d.get(list)
	for _, n := range []string{">1201<", ">7<"} {
		page.see(t, "the list", http.StatusOK, n)
	}
	if n := reads.Load(); n > 2 { // the rules of the tenant, and the counts
		t.Errorf("%d reads", n)
	}
}

// endlessKeys is a list of keys of which no search finds the end.
type endlessKeys struct{ key.Store }

func (endlessKeys) Keys(context.Context, ident.TenantID, key.Filter, key.Page) ([]key.Key, *key.Position, error) {
	return nil, &key.Position{At: time.Unix(1, 0), Key: "key_x"}, nil
}

// An empty answer that examined only some of the keys is no answer.
func TestAPageSaysWhenNotAllKeysWereExamined(t *testing.T) {
	d := newAdminVisit(t)
	admin := d.Member(d.tenant, "Leaving Admin", scope.Admin)
	_, err := d.As(d.person).ReplaceScopes(t.Context(), string(d.tenant.ID), []api.NewScope{{
		Name: "rates:read", Description: "Rates", Roles: []api.Role{api.RoleAdmin},
	}})
	testkit.NoError(t, err)
	d.Keys.Store = endlessKeys{d.Keys.Store}
	member := d.at("members/" + string(admin.ID))
	const says = "too many keys to examine all of them"
	for _, path := range []string{member + "/role", member + "/known", member + "/remove"} {
		page := d.get(path)
		page.see(t, path, http.StatusOK, says)
		if strings.Contains(page.text, "knows no secret") {
			t.Errorf("%s says that the person knows nothing", path)
		}
	}
	d.get(d.at("scopes/rates:read/remove")).see(t, "a scope", http.StatusOK, "at least 0 keys")
	if got := d.post(member+"/remove", nil); got.location != member+"/known?did=member.remove" {
		t.Errorf("remove: %d to %q", got.status, got.location)
	}
	d.get(member+"/known").see(t, "a former admin", http.StatusOK, says)
}

func (c countedTenancy) Tenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error) {
	return c.real.Tenant(ctx, id)
}

func (c countedTenancy) MemberByEmail(ctx context.Context, tenant ident.TenantID,
	canonical string,
) (tenancy.Member, error) {
	c.reads.Add(1)
	return c.real.MemberByEmail(ctx, tenant, canonical)
}

// A person is found by any spelling of their address in one read, not by reading all members.
func TestAMemberIsFoundByTheirAddressInOneRead(t *testing.T) {
	d := newAdminVisit(t)
	person := testkit.Must[identity.User](t)(d.Identity.Create(t.Context(), principal.Operator(), identity.NewUser{
		Email: "jürg@bücher.example", Name: "Jürg", Password: credential.NewSecret(testkit.Password),
	})).Person()
	d.Join(d.tenant, person, scope.Member)
	k := d.at("keys/new")
	found := url.Values{"owner_type": {"user"}, "person": {"JÜRG@xn--bcher-kva.example"}}
	unknown := url.Values{"owner_type": {"user"}, "person": {"nobody@b\x00cher.example"}}
	if got := d.post(k, found); !strings.HasSuffix(got.location, "?owner="+string(person.ID)) {
		t.Errorf("an owner: %d to %q", got.status, got.location)
	}
	d.post(k, unknown).see(t, "nobody", http.StatusUnprocessableEntity, "No member of the tenant has this e-mail")
	form := url.Values{
		"once": {field(t, d.get(d.at("service-accounts/new")), "once")}, "name": {"Customer platform"},
		"role": {"member"}, "stewards": {"JÜRG@xn--bcher-kva.example\n" + d.person.Email},
	}
	var reads atomic.Int32
	d.Tenancy.Store = countedTenancy{real: d.Tenancy.Store, reads: &reads} // it cannot list members
	if got := d.post(d.at("service-accounts/new"), form); got.status != http.StatusSeeOther {
		t.Errorf("stewards: %d\n%s", got.status, got.text)
	}
	if n := reads.Load(); n > 3 { // the tenants of the person, and two members
		t.Errorf("%d reads", n)
	}
	if a := d.serviceAccounts(); len(a) != 1 || len(a[0].Stewards) != 2 {
		t.Errorf("%+v", a)
	}
}

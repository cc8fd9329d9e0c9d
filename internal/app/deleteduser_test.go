package app_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// busyUser is a user with many keys in two tenants. The keys in use are the newest, which the job
// revokes last.
type busyUser struct {
	principal.Person
	tenants [2]tenancy.Tenant
	inUse   [2]api.IssuedKey
}

// keysOfBusyUser is how many keys a busyUser has in each tenant besides the one in use.
const keysOfBusyUser = 2000

func newBusyUser(t *testing.T, h *testkit.Server) busyUser {
	t.Helper()
	u := busyUser{}
	u.tenants[0] = h.Tenant("First", testkit.UnlimitedKeys)
	h.Clock.Move(time.Second) // so that the ids differ in their times: the tenants end in their order
	u.tenants[1] = h.Tenant("Second", testkit.UnlimitedKeys)
	u.Person = h.Member(u.tenants[0], "Key Owner", scope.Member)
	h.Join(u.tenants[1], u.Person, scope.Member)
	for i, tenant := range u.tenants {
		u.inUse[i] = testkit.NamedKey(t, h.As(u.Person), tenant, "In use", nil)
		testkit.InsertMany(t, h, keysOfBusyUser, testkit.KeyRows(tenant, u.Person, 10+i, "NULL"))
	}
	return u
}

// nthRow returns the id of a row of KeyRows, in the order in which the job revokes them.
func nthRow(slot, n int) string {
	ids := make([]string, keysOfBusyUser)
	for i := range ids {
		ids[i] = fmt.Sprintf("key_%d_%d", slot, i+1)
	}
	return slices.Sorted(slices.Values(ids))[n]
}

// expectCodes fails the test unless both keys in use are answered with the code.
func (u busyUser) expectCodes(t *testing.T, h *testkit.Server, when string, want api.Code) {
	t.Helper()
	code := testkit.VerifyCode(t, h)
	for i, k := range u.inUse {
		if got := code(k); got != want {
			t.Errorf("%s: the key in tenant %d is %s, want %s", when, i+1, got, want)
		}
		if got := testkit.WhoamiCode(t, h.With(k)); got != want && (want != api.OK || got != "") {
			t.Errorf("%s: the key in tenant %d is answered %s, want %s", when, i+1, got, want)
		}
	}
}

// revokedRows counts the user's keys in a tenant whose rows say that they are revoked.
func (u busyUser) revokedRows(t *testing.T, h *testkit.Server, tenant tenancy.Tenant) int {
	t.Helper()
	return testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE revoked_at IS NOT NULL AND owner_id = '`+
		string(u.ID)+`' AND tenant_id = '`+string(tenant.ID)+`'`)
}

// The statements that make every change of the key fail, and that let it succeed again.
var stopAtKey = map[testkit.Engine]struct{ stop, resume []string }{
	testkit.SQLite: {
		[]string{`CREATE TRIGGER stop_here BEFORE UPDATE ON keys WHEN NEW.id = '%s'
			BEGIN SELECT RAISE(ABORT, 'stopped by the test'); END`},
		[]string{`DROP TRIGGER stop_here`},
	},
	testkit.Postgres: {
		[]string{
			`CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'stopped by the test'; END $$`,
			`CREATE TRIGGER stop_here BEFORE UPDATE ON keys FOR EACH ROW WHEN (NEW.id = '%s')
				EXECUTE FUNCTION stop_here()`,
		},
		[]string{`DROP TRIGGER stop_here ON keys`, `DROP FUNCTION stop_here`},
	},
}

// The job is stopped in its second batch, and goes on after a restart.
func TestAUserWithManyKeysInTwoTenantsIsDeletedInOneShortWrite(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		u := newBusyUser(t, h)
		u.expectCodes(t, h, "before", api.OK)
		stopAt := nthRow(10, 2*tenancy.MaxEndedAtOnce+200)
		for _, statement := range stopAtKey[e].stop {
			if n := len(stopAtKey[e].stop); statement == stopAtKey[e].stop[n-1] {
				statement = fmt.Sprintf(statement, stopAt)
			}
			testkit.Exec(t, h, statement)
		}
		testkit.NoError(t, h.As(u.Person).DeleteMe(t.Context()))
		u.expectCodes(t, h, "at once", api.APIKeyRevoked)
		events := testkit.ChainRecords(t, h, audit.ServerChain, "user.delete")
		if len(events) != 1 || events[0].Details["keys_revoked"] != strconv.Itoa(2*(keysOfBusyUser+1)) {
			t.Errorf("on record: %+v", events)
		}
		testkit.Await(t, func() string {
			return map[bool]string{true: "stopped"}[u.revokedRows(t, h, u.tenants[0]) == 2*tenancy.MaxEndedAtOnce]
		})
		h.Restart()
		u.expectCodes(t, h, "restarted", api.APIKeyRevoked)
		if n := u.revokedRows(t, h, u.tenants[1]); n > 0 || testkit.CountRows(t, h, "ended_owners") != 2 {
			t.Errorf("the write that deleted the user wrote %d keys of the second tenant", n)
		}
		for _, statement := range stopAtKey[e].resume {
			testkit.Exec(t, h, statement)
		}
		testkit.Await(t, func() string {
			return map[bool]string{true: "done"}[testkit.CountRows(t, h, "ended_owners") == 0]
		})
		swept := 0
		for i, tenant := range u.tenants {
			if n := u.revokedRows(t, h, tenant); n != keysOfBusyUser+1 {
				t.Errorf("in tenant %d, %d keys are revoked", i+1, n)
			}
			for _, r := range testkit.TenantRecords(t, h, tenant, "key.sweep") {
				n, _ := strconv.Atoi(r.Details["keys"])
				if n < 1 || n > tenancy.MaxEndedAtOnce || r.Actor.Type != "system" || r.Target.ID != string(u.ID) {
					t.Errorf("one sweep: %+v", r.Event)
				}
				swept += n
			}
		}
		if want := 2*(keysOfBusyUser+1) - tenancy.MaxEndedAtOnce; swept != want {
			t.Errorf("the job wrote %d keys, want %d: the write that deleted the user wrote the others", swept, want)
		}
		u.expectCodes(t, h, "at the end", api.APIKeyRevoked)
	})
}

func TestTheManyKeysOfADeletedUserAreRefusedByEveryNode(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	person := p.First.Member(p.Tenant, "Key Owner", scope.Member)
	p.Key = testkit.NamedKey(t, p.First.As(person), p.Tenant, "In use", nil)
	testkit.InsertMany(t, p.First, keysOfBusyUser, testkit.KeyRows(p.Tenant, person, 10, "NULL"))
	for range 2 { // read, then remembered
		if code := p.VerifyCode(); code != api.OK {
			t.Fatalf("before: %s", code)
		}
	}
	testkit.NoError(t, p.First.As(person).DeleteMe(t.Context()))
	p.ExpectRefusedOnSecond(t, api.APIKeyRevoked)
}

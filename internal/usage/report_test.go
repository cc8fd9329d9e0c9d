package usage_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// metered is a server with a tenant, an admin with a verifier, and a member with a key.
type metered struct {
	*testkit.Server
	t                     *testing.T
	tenant                tenancy.Tenant
	admin, member         *client.Client
	verifier, own, others api.IssuedKey
	app                   string
}

func newMetered(t *testing.T, e testkit.Engine) *metered {
	t.Helper()
	m := &metered{t: t, Server: testkit.Start(t, e)}
	m.tenant = m.Tenant("Shipping API", testkit.UnlimitedKeys)
	m.admin = m.As(m.Member(m.tenant, "Ines Okafor", scope.Admin))
	m.member = m.As(m.Member(m.tenant, "Daniel Abreu", scope.Member))
	m.app = string(m.Application(m.tenant, "Bookings").ID)
	m.verifier = m.Key(m.admin, m.tenant, "keys:verify")
	m.own = m.Key(m.member, m.tenant, "applications:read")
	m.others = m.Key(m.admin, m.tenant, "applications:read")
	return m
}

// ask verifies a key a number of times, and writes the counts.
func (m *metered) ask(n int, k api.IssuedKey, r api.VerifyRequest) {
	m.t.Helper()
	r.Credential = k.Credential.Value
	for range n {
		_, err := m.With(m.verifier).Verify(m.t.Context(), r)
		testkit.NoError(m.t, err)
	}
	testkit.NoError(m.t, m.Counters.Flush(m.t.Context()))
}

// usage returns the items of a report as texts.
func (m *metered) usage(c *client.Client, f client.UsageFilter) (items []string) {
	m.t.Helper()
	text := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	for i, err := range c.AllUsage(m.t.Context(), string(m.tenant.ID), f) {
		testkit.NoError(m.t, err)
		if i.BeginsAt != nil && i.Accepted+i.Refused == 0 {
			continue
		}
		var name string
		switch f.By {
		case api.UsageByKey:
			name = text(i.KeyID)
		case api.UsageByCode:
			name = string(*i.Code)
		case api.UsageByApplication:
			name = text(i.ApplicationID)
		case api.UsageByTransport:
			name = text(i.Transport)
		default:
			name = "time"
		}
		items = append(items, fmt.Sprintf("%s %d %d", name, i.Accepted, i.Refused))
	}
	slices.Sort(items)
	return items
}

func (m *metered) want(what string, got []string, want ...string) {
	m.t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestUsageIsAddedUpByWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		m := newMetered(t, e)
		m.ask(3, m.own, api.VerifyRequest{Transport: "header", ApplicationID: m.app})
		m.ask(2, m.others, api.VerifyRequest{Transport: "basic"})
		m.ask(1, m.own, api.VerifyRequest{Scopes: []string{"bookings:create"}})
		for by, want := range map[api.UsageBy][]string{
			api.UsageByDay:         {"time 5 1"},
			api.UsageByHour:        {"time 5 1"},
			api.UsageByCode:        {"ok 5 0", "insufficient_scope 0 1"},
			api.UsageByApplication: {m.app + " 3 0", " 2 1"},
			api.UsageByTransport:   {"header 3 0", "basic 2 0", " 0 1"},
			api.UsageByKey: {
				m.own.Key.ID + " 3 1", m.others.Key.ID + " 2 0", m.verifier.Key.ID + " 6 0",
			},
		} {
			m.want(string(by), m.usage(m.admin, client.UsageFilter{By: by}), want...)
		}
		m.want("one application", m.usage(m.admin, client.UsageFilter{By: api.UsageByDay, Application: m.app}),
			"time 3 0")
		m.want("one key", m.usage(m.admin, client.UsageFilter{By: api.UsageByHour, Key: m.own.Key.ID}), "time 3 1")
		m.want("another time", m.usage(m.admin, client.UsageFilter{
			By: api.UsageByDay, Since: m.Clock.Now().Add(-9 * policy.Day), Until: m.Clock.Now().Add(-2 * policy.Day),
		}))
	})
}

func TestRequestsOfKeysBeyondTheLimitAreReportedTogether(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	m.Counters.LimitOpenKeys(2) // the verifier's and one more
	m.ask(2, m.own, api.VerifyRequest{ApplicationID: m.app})
	m.ask(3, m.others, api.VerifyRequest{})
	m.want("by key", m.usage(m.admin, client.UsageFilter{By: api.UsageByKey}), m.own.Key.ID+" 2 0", "null 3 0",
		m.verifier.Key.ID+" 5 0")
	m.want("in all", m.usage(m.admin, client.UsageFilter{By: api.UsageByDay}), "time 5 0")
}

func TestAMemberSeesTheUsageOfTheirOwnKeysAlone(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	m.ask(3, m.own, api.VerifyRequest{})
	m.ask(2, m.others, api.VerifyRequest{})
	m.want("by day", m.usage(m.member, client.UsageFilter{By: api.UsageByDay}), "time 3 0")
	m.want("by key", m.usage(m.member, client.UsageFilter{By: api.UsageByKey}), m.own.Key.ID+" 3 0")
	m.want("their key", m.usage(m.member, client.UsageFilter{By: api.UsageByDay, Key: m.own.Key.ID}), "time 3 0")
	for want, f := range map[api.Code][]client.UsageFilter{
		api.NotFound:         {{By: api.UsageByDay, Key: m.others.Key.ID}},
		api.Forbidden:        {{By: api.UsageByCode}, {By: api.UsageByApplication}, {By: api.UsageByTransport}},
		api.ValidationFailed: {{By: api.UsageByDay, Application: m.app}, {By: api.UsageByKey, Key: m.own.Key.ID}},
	} {
		for _, one := range f {
			_, err := m.member.Usage(t.Context(), string(m.tenant.ID), one, client.Page{})
			if err == nil || testkit.Code(t, err) != want {
				t.Errorf("%+v: %v, want %s", one, err, want)
			}
		}
	}
}

func TestALongOrEmptyTimeIsRefused(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	now := m.Clock.Now()
	for name, f := range map[string]client.UsageFilter{
		"401 days":     {By: api.UsageByDay, Since: now.Add(-401 * policy.Day)},
		"36 days":      {By: api.UsageByHour, Since: now.Add(-36 * policy.Day)},
		"ends at once": {By: api.UsageByDay, Since: now, Until: now.Add(-policy.Day)},
	} {
		_, err := m.admin.Usage(t.Context(), string(m.tenant.ID), f, client.Page{})
		if err == nil || testkit.Code(t, err) != api.ValidationFailed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// events reads all events from a cursor on.
func (m *metered) events(cursor string) (events []api.UsageEvent, next string) {
	m.t.Helper()
	for {
		lines, next, err := m.admin.UsageEvents(m.t.Context(), string(m.tenant.ID), cursor)
		testkit.NoError(m.t, err)
		n := 0
		for scanner := bufio.NewScanner(lines); scanner.Scan(); n++ {
			var e api.UsageEvent
			testkit.NoError(m.t, json.Unmarshal(scanner.Bytes(), &e))
			events = append(events, e)
		}
		testkit.NoError(m.t, lines.Close())
		if n == 0 {
			return events, next
		}
		cursor = next
	}
}

func TestAnHourIsExportedOnceItIsCompleteAndNeverChanges(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	m.ask(3, m.own, api.VerifyRequest{})
	events, cursor := m.events("")
	if len(events) != 0 || cursor == "" {
		t.Errorf("an hour that is not over is exported: %+v", events)
	}
	m.Clock.Move(time.Hour + 2*time.Minute)
	m.ask(2, m.own, api.VerifyRequest{}) // in the next hour
	events, cursor = m.events(cursor)
	if len(events) != 2 { // the key and the verifier
		t.Fatalf("%+v", events)
	}
	i := slices.IndexFunc(events, func(e api.UsageEvent) bool { return e.Subject == m.own.Key.ID })
	id := string(m.tenant.ID) + "/" + m.own.Key.ID
	if i < 0 || events[i].Data.Accepted != 3 || !strings.HasPrefix(events[i].ID, id) ||
		*events[i].Data.OwnerID != m.own.Key.Owner.ID || events[i].SpecVersion != "1.0" {
		t.Errorf("%+v", events)
	}
	again, _ := m.events("")
	if len(again) != 2 || again[0].ID != events[0].ID || again[1].ID != events[1].ID {
		t.Errorf("again: %+v", again)
	}
	none, cursor := m.events(cursor)
	if len(none) != 0 {
		t.Errorf("twice: %+v", none)
	}
	m.Clock.Move(time.Hour)
	testkit.NoError(t, m.Counters.Flush(t.Context()))
	next, _ := m.events(cursor)
	if len(next) != 2 || next[0].ID == events[0].ID {
		t.Errorf("the next hour: %+v", next)
	}
}

func TestTheStatementOfAMonthIsForOwnersAndAdminsOfTheAccount(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	m.ask(3, m.own, api.VerifyRequest{})
	m.ask(1, m.own, api.VerifyRequest{Scopes: []string{"bookings:create"}})
	owner, account := m.As(m.Owner), string(m.Account.ID)
	st, err := owner.Statement(t.Context(), account, "")
	if err != nil || st.Complete || st.Month != m.Clock.Now().UTC().Format("2006-01") ||
		st.Total != (api.UsageSum{Accepted: 3, Refused: 1}) {
		t.Errorf("%+v, %v", st, err)
	}
	i := slices.IndexFunc(st.Tenants, func(i api.StatementItem) bool { return i.TenantID == string(m.tenant.ID) })
	if i < 0 || st.Tenants[i].UsageSum != st.Total {
		t.Errorf("%+v", st)
	}
	st, err = owner.Statement(t.Context(), account, "2020-02")
	if err != nil || st.Total != (api.UsageSum{}) {
		t.Errorf("an earlier month: %+v, %v", st, err)
	}
	for month, want := range map[string]api.Code{"2026-13": api.ValidationFailed, "yesterday": api.ValidationFailed} {
		if _, err := owner.Statement(t.Context(), account, month); err == nil || testkit.Code(t, err) != want {
			t.Errorf("%s: %v", month, err)
		}
	}
	if _, err := m.admin.Statement(t.Context(), account, ""); err == nil || testkit.Code(t, err) != api.Forbidden {
		t.Errorf("an admin of a tenant: %v", err)
	}
	header := http.Header{"Authorization": {"Bearer " + m.verifier.Credential.Value}}
	status, _, text := testkit.Send(t, m.Server, http.MethodGet, "/api/v1/accounts/"+account+"/usage", header, "")
	if status != http.StatusForbidden || !strings.Contains(string(text), "session_required") {
		t.Errorf("a key: %d %s", status, text)
	}
}

func TestTheUsageOfADeletedKeyStays(t *testing.T) {
	t.Parallel()
	m := newMetered(t, testkit.SQLite)
	m.ask(3, m.own, api.VerifyRequest{})
	testkit.NoError(t, m.admin.DeleteKey(t.Context(), string(m.tenant.ID), m.own.Key.ID))
	m.want("by key", m.usage(m.admin, client.UsageFilter{By: api.UsageByKey}),
		m.own.Key.ID+" 3 0", m.verifier.Key.ID+" 3 0")
	m.want("by day", m.usage(m.admin, client.UsageFilter{By: api.UsageByDay}), "time 3 0")
}

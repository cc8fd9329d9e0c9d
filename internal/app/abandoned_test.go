package app_test

import (
	"context"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A client that leaves before the answer is no failure of the server, on either path.
func TestARequestThatItsClientAbandonedIsCountedApartAndNotLoggedAsAFailure(t *testing.T) {
	t.Parallel()
	c := testkit.Postgres.Config(t)
	c.Server.MetricsListen = "127.0.0.1:0"
	h := testkit.StartIn(t, c)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	k := h.Key(admin, tenant, "applications:read")
	busy, err := h.Beside().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Rollback() }()
	if _, err := busy.ExecContext(t.Context(), `LOCK TABLE key_secrets IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	before := testkit.Scrape(t, h)
	for what, ask := range map[string]func(ctx context.Context) error{
		"list of keys": func(ctx context.Context) error {
			_, err := admin.Keys(ctx, string(tenant.ID), client.KeyFilter{}, client.Page{})
			return err
		},
		"whoami": func(ctx context.Context) error {
			_, err := h.With(k).Whoami(ctx)
			return err
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		sent := make(chan struct{}) // until then, a wait that is seen may be that of the request before
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) },
		})
		left := make(chan error, 1)
		go func() { left <- ask(ctx) }()
		<-sent
		testkit.Await(t, func() string {
			var waiting int
			const waits = `SELECT COUNT(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`
			if err := h.Beside().QueryRowContext(t.Context(), waits).Scan(&waiting); err != nil || waiting == 0 {
				return ""
			}
			return "waits"
		})
		leave()
		if err := <-left; err == nil {
			t.Errorf("%s was answered", what)
		}
	}
	const list, caller = `claviger_http_requests_total` +
		`{class="abandoned",method="GET",route="/api/v1/tenants/{tenant}/keys"}`,
		`claviger_callers_total{code="abandoned",transport="bearer"}`
	testkit.Await(t, func() string {
		now := testkit.Scrape(t, h)
		if now[list]-before[list] == 1 && now[caller]-before[caller] == 1 {
			return "counted"
		}
		return ""
	})
	testkit.Await(t, func() string {
		if strings.Contains(h.Log.String(), "status=499") {
			return "logged"
		}
		return ""
	})
	if log := h.Log.String(); strings.Contains(log, "request failed") {
		t.Errorf("logged as a failure:\n%s", log)
	}
}

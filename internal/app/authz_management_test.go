package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// managementColumns are the management keys of the table managementRoutes:
//
//	full      every permission, for all types of owners, without ceilings
//	narrow    one permission that no route of the table needs
//	expired   like full, but expired; revoked and disabled likewise
//	disabled  of a disabled service account
//	theirs    like full, of another tenant
//	outside   like full, for addresses that the request does not come from
//	hour      like full, and it has created as many keys as it may within the hour
const managementColumns = `full narrow expired revoked disabled theirs outside hour`

// managementRoutes are all routes that a management key may call, for a key of a service account.
// On every other route that needs a credential a management key gets session_required, or what
// refuses it everywhere.
var managementRoutes = []struct{ route, body, words string }{
	{"GET /api/v1/management/self", ``, "200 200 expired revoked disabled 200 address 200"},
	{
		"POST /api/v1/tenants/{tenant}/keys",
		`{"name":"Made by a program","scopes":["applications:read"],"all_applications":true,` +
			`"owner":{"type":"service_account","id":"{service_account}"}}`,
		"201 403 expired revoked disabled 404 address wait",
	},
	{"GET /api/v1/tenants/{tenant}/keys", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/keys/{key}", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/key-health", ``, "200 403 expired revoked disabled 404 address 200"},
	{
		"PATCH /api/v1/tenants/{tenant}/keys/{key}", `{"name":"Renamed"}`,
		"200 403 expired revoked disabled 404 address 200",
	},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/disable", ``, "200 403 expired revoked disabled 404 address 200"},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/enable", ``, "200 403 expired revoked disabled 404 address 200"},
	{
		"POST /api/v1/tenants/{tenant}/keys/{key}/refresh", `{"overlap_seconds":60}`,
		"200 403 expired revoked disabled 404 address wait",
	},
	{"DELETE /api/v1/tenants/{tenant}/keys/{key}/previous", ``, "204 403 expired revoked disabled 404 address 204"},
	{
		"POST /api/v1/tenants/{tenant}/keys/disable", `{"ids":["{key}"]}`,
		"200 403 expired revoked disabled 404 address 200",
	},
	{
		"POST /api/v1/tenants/{tenant}/keys/revoke", `{"ids":["{key}"]}`,
		"200 403 expired revoked disabled 404 address 200",
	},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/revoke", ``, "200 403 expired revoked disabled 404 address 200"},
	{"DELETE /api/v1/tenants/{tenant}/keys/{key}", ``, "204 403 expired revoked disabled 404 address 204"},
	{
		"GET /api/v1/tenants/{tenant}/applications", ``,
		"200 403 expired revoked disabled 404 address 200",
	},
	{
		"GET /api/v1/tenants/{tenant}/applications/{application}", ``,
		"200 403 expired revoked disabled 404 address 200",
	},
	{
		"GET /api/v1/tenants/{tenant}/applications/{application}/routes", ``,
		"200 403 expired revoked disabled 404 address 200",
	},
	{"GET /api/v1/tenants/{tenant}/scopes", ``, "200 200 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/audit", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/usage", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/usage/events", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/subjects", ``, "200 403 expired revoked disabled 404 address 200"},
	{
		"POST /api/v1/tenants/{tenant}/subjects", `{"external_id":"{fresh}"}`,
		"201 403 expired revoked disabled 404 address wait",
	},
	{"GET /api/v1/tenants/{tenant}/subjects/{subject}", ``, "200 403 expired revoked disabled 404 address 200"},
	{
		"PATCH /api/v1/tenants/{tenant}/subjects/{subject}", `{"name":"Renamed"}`,
		"200 403 expired revoked disabled 404 address 200",
	},
	{
		"POST /api/v1/tenants/{tenant}/subjects/{subject}/disable", ``,
		"200 403 expired revoked disabled 404 address 200",
	},
	{
		"POST /api/v1/tenants/{tenant}/subjects/{subject}/enable", ``,
		"200 403 expired revoked disabled 404 address 200",
	},
	{"DELETE /api/v1/tenants/{tenant}/subjects/{subject}", ``, "204 403 expired revoked disabled 404 address 204"},
	{"GET /api/v1/tenants/{tenant}/plans", ``, "200 403 expired revoked disabled 404 address 200"},
	{"GET /api/v1/tenants/{tenant}/plans/{plan}", ``, "200 403 expired revoked disabled 404 address 200"},
}

// managementOutcomes are the words of the table that are none of outcomes.
var managementOutcomes = map[string]outcome{
	"address": {status: http.StatusForbidden, code: api.AddressForbidden},
	"wait":    {status: http.StatusTooManyRequests, code: api.RateLimited},
}

// managementWorld has a tenant with a management key for each column.
type managementWorld struct {
	*testkit.Server
	t       *testing.T
	names   map[string]string
	bearers map[string]string
	account ident.ServiceAccountID
	tenant  ident.TenantID
	// created counts the objects of newObjects.
	created int
}

func newManagementWorld(t *testing.T) *managementWorld {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Programs", nil)
	w := &managementWorld{Server: h, t: t, tenant: tenant.ID, bearers: map[string]string{}}
	w.account = w.serviceAccount(tenant.ID)
	w.names = map[string]string{
		"tenant": string(tenant.ID), "service_account": string(w.account),
		"application": string(h.Application(tenant, "Application of programs").ID),
	}
	_, err := h.As(h.Owner).CreatePlan(t.Context(), string(tenant.ID),
		api.CreatePlanRequest{Name: "free", Scopes: []string{"*"}, AllApplications: true})
	w.check(err)
	w.names["plan"] = "free"
	full := policy.ManagementRights{
		Permissions: policy.Permissions(), Owners: ident.OwnerTypes(),
		Ceilings: policy.Ceilings{
			Scopes: scope.Set{scope.Every}, Applications: scope.Applications{All: true}, CreatesPerHour: 1000,
			Plans: []string{""},
		},
	}
	w.issue("expired", tenant.ID, w.account, full)
	h.Clock.Move(91 * policy.Day)
	w.issue("full", tenant.ID, w.account, full)
	narrow := full
	narrow.Permissions = []policy.Permission{policy.MayReadScopes}
	w.issue("narrow", tenant.ID, w.account, narrow)
	revoked := w.issue("revoked", tenant.ID, w.account, full)
	_, err = h.ManagementKeys.Revoke(t.Context(), principal.Operator(), tenant.ID, w.account, revoked, "")
	w.check(err)
	outside := full
	outside.Addresses, _ = policy.ParseAddresses("", []string{"192.0.2.0/24"})
	w.issue("outside", tenant.ID, w.account, outside)
	hour := full
	hour.Ceilings.CreatesPerHour = 1
	w.issue("hour", tenant.ID, w.account, hour)
	disabled := w.serviceAccount(tenant.ID)
	w.issue("disabled", tenant.ID, disabled, full)
	_, err = h.ServiceAccounts.SetDisabled(t.Context(), principal.Operator(), tenant.ID, disabled, true)
	w.check(err)
	other := h.Tenant("Other programs", nil)
	w.issue("theirs", other.ID, w.serviceAccount(other.ID), full)
	w.ask("hour", "POST /api/v1/tenants/{tenant}/keys", managementRoutes[1].body) // uses up the hour
	return w
}

func (w *managementWorld) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *managementWorld) serviceAccount(tenant ident.TenantID) ident.ServiceAccountID {
	a, err := w.ServiceAccounts.Create(w.t.Context(), principal.Operator(), tenant,
		machine.NewServiceAccount{Name: "A program", Role: scope.Auditor})
	w.check(err)
	return a.ID
}

// issue creates the management key of a column.
func (w *managementWorld) issue(column string, tenant ident.TenantID, account ident.ServiceAccountID,
	rights policy.ManagementRights,
) ident.ManagementKeyID {
	issued, err := w.ManagementKeys.Create(w.t.Context(), principal.Operator(), tenant, account,
		machine.ManagementKeySpec{Name: "Key " + column, Rights: rights})
	w.check(err)
	w.bearers[column] = issued.Credential.Value.Reveal()
	return issued.ID
}

// newObjects creates a key of the service account, with a previous secret, and a subject.
func (w *managementWorld) newObjects() {
	admin := w.As(w.Owner)
	k, err := admin.CreateKey(w.t.Context(), string(w.tenant), api.CreateKeyRequest{
		Name: "Target", Scopes: []string{"applications:read"}, AllApplications: true,
		Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: string(w.account)},
	})
	w.check(err)
	_, err = admin.RefreshKey(w.t.Context(), string(w.tenant), k.Key.ID, api.RefreshKeyRequest{OverlapSeconds: 3600})
	w.check(err)
	w.names["key"] = k.Key.ID
	w.created++
	w.names["fresh"] = "fresh-" + strconv.Itoa(w.created)
	s, err := admin.CreateSubject(w.t.Context(), string(w.tenant),
		api.CreateSubjectRequest{ExternalID: "customer-" + strconv.Itoa(w.created)})
	w.check(err)
	w.names["subject"] = s.ID
}

// ask sends a request with the management key of a column.
func (w *managementWorld) ask(column, route, body string) (status int, text string) {
	fill := func(text string) string {
		return testkit.PathParameter.ReplaceAllStringFunc(text, func(name string) string {
			return w.names[strings.Trim(name, "{}")]
		})
	}
	method, path, _ := strings.Cut(fill(route), " ")
	header := http.Header{"Authorization": {"Bearer " + w.bearers[column]}}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	status, _, answer := testkit.Send(w.t, w.Server, method, path, header, fill(body))
	return status, string(answer)
}

func TestAManagementKeyMayCallWhatTheTableSays(t *testing.T) {
	t.Parallel()
	w := newManagementWorld(t)
	for _, r := range managementRoutes {
		for i, column := range split(managementColumns) {
			word := split(r.words)[i]
			want, known := managementOutcomes[word]
			if !known {
				want, known = outcomes[word]
			}
			if !known {
				t.Fatalf("%q is no outcome", word)
			}
			w.newObjects()
			if before, enables := strings.CutSuffix(r.route, "/enable"); enables && column != "narrow" {
				w.ask("full", before+"/disable", "")
			}
			status, text := w.ask(column, r.route, r.body)
			if status != want.status || want.code != "" && !strings.Contains(text, `"`+string(want.code)+`"`) {
				t.Errorf("%s with %s: %d %s, want %s", r.route, column, status, text, word)
			}
		}
	}
}

// No other route accepts a management key: one that is good needs a session there, and one that is
// refused is refused as everywhere. Outside of the management API it is a key that nobody issued.
func TestOtherRoutesRefuseManagementKeys(t *testing.T) {
	t.Parallel()
	w := newManagementWorld(t)
	allowed := map[string]bool{}
	for _, r := range managementRoutes {
		allowed[r.route] = true
	}
	_, operations, _ := testkit.ReadOpenAPI(t, w.Server)
	asked := 0
	for _, op := range operations {
		route := op.Method + " " + op.Path
		if allowed[route] || len(op.Security) == 0 {
			continue
		}
		asked++
		want := map[string]string{
			"full": "session_required", "narrow": "session_required", "expired": "api_key_expired",
			"revoked": "api_key_revoked", "disabled": "api_key_disabled", "outside": "address_forbidden",
		}
		if strings.HasSuffix(op.Path, "/whoami") || strings.HasPrefix(op.Path, "/api/v1/verify") {
			for column := range want {
				want[column] = "api_key_invalid"
			}
		}
		for column, code := range want {
			status, _, body := testkit.Send(t, w.Server, op.Method, op.Address(string(w.tenant)),
				http.Header{"Authorization": {"Bearer " + w.bearers[column]}}, "")
			if !strings.Contains(string(body), `"`+code+`"`) {
				t.Errorf("%s with %s: %d %s, want %s", route, column, status, body, code)
			}
		}
	}
	if asked < 30 {
		t.Errorf("only %d routes were asked", asked)
	}
}

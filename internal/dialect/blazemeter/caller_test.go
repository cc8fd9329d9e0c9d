package blazemeter_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/dialect/blazemeter"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// world is a server with a tenant of the preset, in front of which a gateway answers BlazeMeter's
// paths.
type world struct {
	*testkit.Server
	t      *testing.T
	tenant tenancy.Tenant
	// admin is a client of the account owner, who is an admin of the tenant.
	admin *client.Client
	mux   *http.ServeMux
}

func newWorld(t *testing.T) *world {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	// The account has the number 1, the tenant 2, and its first application 3.
	before := h.Tenant("Before", nil)
	h.Application(before, "Before one")
	h.Application(before, "Before two")
	w := &world{Server: h, t: t, mux: http.NewServeMux(), tenant: h.Preset(policy.BlazeMeter, func(s *policy.Settings) {
		s.Owners = ident.OwnerTypes()
		s.Creators = []policy.Creator{policy.BySelf, policy.ByAdmin}
	})}
	h.Join(w.tenant, h.Owner, scope.Admin)
	w.admin = h.As(h.Owner)
	vendor := (&blazemeter.API{
		Identity: h.Identity, ServiceAccounts: h.ServiceAccounts, Subjects: h.Subjects, Accounts: h.Accounts,
		Tenancy: h.Tenancy, Applications: h.Applications, Now: h.Clock.Now, Version: "test",
	}).Vendor()
	for _, r := range vendor.Routes {
		w.mux.HandleFunc(r.Method+" "+r.Path, w.handler(vendor.Name, r))
	}
	return w
}

// handler answers requests for the route as the gateway does, by a real decision.
func (w *world) handler(name string, route dialect.Route) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		call, err := w.decide(r, route.Needs)
		if err == nil {
			err = route.Serve(rw, call)
		}
		if err != nil {
			f := web.NewFailure(err, "req_test")
			body, _ := dialect.Body(name, f)
			rw.WriteHeader(f.Status)
			_, _ = rw.Write(body)
		}
	}
}

func (w *world) decide(r *http.Request, needs verify.Requirement) (*dialect.Call, error) {
	auth := &verify.Authenticator{Engine: w.Engine, Sessions: w.Sessions, ManagementKeys: w.ManagementKeys}
	p := (&web.Authenticator{Verify: auth}).ReadCredential(r.Context(), r.Header)
	from := principal.Origin{IP: "127.0.0.1"}
	d, err := auth.DecideForwarded(r.Context(), p, from, verify.Request{Requirement: needs, Bound: w.tenant.ID})
	if err == nil && d.Code != "" {
		err = d.Refusal(p)
	}
	if err != nil {
		return nil, err
	}
	c := &dialect.Call{Request: r, Origin: from, Decision: d}
	if d.Session != nil {
		c.Who = d.Session.Principal
		c.Tenant, c.Account = d.Session.Tenant, d.Session.Account
		return c, nil
	}
	key := d.Facts.Key
	c.Who = principal.OfKey(&key)
	c.Tenant, c.Account = key.Tenant, key.Account
	return c, nil
}

// basic returns the header by which clients of BlazeMeter send a key.
func basic(k api.IssuedKey) http.Header {
	pair := k.Credential.ID + ":" + k.Credential.Secret
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}}
}

// get asks for a path below /api/v4. It returns the status and the body.
func (w *world) get(header http.Header, path string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/api/v4"+path, nil)
	r.Header = header.Clone()
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

// decode returns the answer to a request that must be allowed. Numbers are json.Number.
func (w *world) decode(header http.Header, path string) map[string]any {
	w.t.Helper()
	status, body := w.get(header, path)
	if status != http.StatusOK {
		w.t.Fatalf("%s is answered with %d %s", path, status, body)
	}
	return decodeNumbers(w.t, body)
}

// result returns the object in the envelope of the answer.
func (w *world) result(header http.Header, path string) map[string]any {
	w.t.Helper()
	answer := w.decode(header, path)
	result, ok := answer["result"].(map[string]any)
	if !ok || len(answer) != 3 || answer["api_version"] != json.Number("4") || answer["error"] != nil {
		w.t.Fatalf("%s is answered with %v, which is not one object in the envelope", path, answer)
	}
	return result
}

// page is the answer to a request for a list.
type page struct {
	APIVersion, Limit, Skipped, Total, Hidden int
	Names                                     []string
}

// list asks for a list and checks the members of its envelope.
func (w *world) list(header http.Header, path string) page {
	w.t.Helper()
	answer := w.decode(header, path)
	p := page{Names: []string{}}
	members := map[string]*int{
		"api_version": &p.APIVersion, "limit": &p.Limit, "skip": &p.Skipped, "total": &p.Total, "hidden": &p.Hidden,
	}
	for name, to := range members {
		n, err := answer[name].(json.Number).Int64()
		if err != nil {
			w.t.Fatalf("%s: %s is %v", path, name, answer[name])
		}
		*to = int(n)
	}
	items, ok := answer["result"].([]any)
	if cause, given := answer["error"]; !ok || !given || cause != nil || len(answer) != len(members)+2 {
		w.t.Fatalf("%s is answered with %v, which is not a list in the envelope", path, answer)
	}
	for _, item := range items {
		p.Names = append(p.Names, item.(map[string]any)["name"].(string))
	}
	return p
}

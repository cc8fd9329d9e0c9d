package blazeauth_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/dialect/blazeauth"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// panel serves the vendor's routes for one tenant, with the decisions of the server.
type panel struct {
	*testkit.Server
	tenant tenancy.Tenant
	t      *testing.T
}

// caller reads the credential of a request.
type caller = http.Header

func startPanel(t *testing.T) *panel {
	t.Helper()
	h := testkit.Start(t, testkit.SQLite)
	return &panel{Server: h, tenant: h.Preset(policy.Blazeauth, nil), t: t}
}

// in returns the panel of another tenant.
func (p *panel) in(tenant tenancy.Tenant) *panel {
	other := *p
	other.tenant = tenant
	return &other
}

// session returns the headers of a request with a session of the person.
func (p *panel) session(person principal.Person) caller {
	p.t.Helper()
	return testkit.SessionHeader(p.t, p.Server, person)
}

// withKey returns the headers of a request with the key.
func withKey(value string) caller { return caller{"Authorization": {"Bearer " + value}} }

func (p *panel) vendor() *dialect.Vendor {
	api := &blazeauth.API{Keys: p.Keys, Applications: p.Applications, Tenancy: p.Tenancy}
	return api.Vendor()
}

// ServeHTTP answers a request as the gateway does: it makes the decision of the route and writes
// errors in the dialect.
func (p *panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	for _, route := range p.vendor().Routes {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			if err := p.serve(w, r, route); err != nil {
				f := web.NewFailure(err, "req_test")
				body, _ := dialect.Body(dialect.Blazeauth, f)
				w.WriteHeader(f.Status)
				_, _ = w.Write(body)
			}
		})
	}
	mux.ServeHTTP(w, r)
}

func (p *panel) serve(w http.ResponseWriter, r *http.Request, route dialect.Route) error {
	sessions := &verify.Authenticator{Engine: p.Engine, Sessions: p.Sessions}
	read := &web.Authenticator{Verify: sessions}
	from := principal.Origin{IP: "192.0.2.1", RequestID: "req_test"}
	presented := read.ReadCredential(r.Context(), r.Header)
	d, err := sessions.DecideForwarded(r.Context(), presented, from,
		verify.Request{Requirement: route.Needs, IP: from.IP, Bound: p.tenant.ID})
	if err != nil {
		return err
	}
	if d.Code != "" {
		return d.Refusal(presented)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	call := &dialect.Call{
		Request: r, Content: content, Origin: from, Tenant: p.tenant.ID, Account: p.tenant.Account, Decision: d,
	}
	if d.Session != nil {
		call.Who = d.Session.Principal
	} else {
		call.Who = d.Principal().WithOrigin(from)
	}
	return route.Serve(w, call)
}

// send sends a request to a path below the panel and returns the status and the body.
func (p *panel) send(who caller, method, path, body string) (int, string) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, "/api/v1/panel/"+path, strings.NewReader(body))
	maps.Copy(r.Header, who)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// ask sends a request that succeeds and returns its data. The answer has the members of every
// answer, and no others.
func (p *panel) ask(who caller, method, path, body string) any {
	p.t.Helper()
	status, text := p.send(who, method, path, body)
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		p.t.Fatalf("%s %s answers %d %s (%v)", method, path, status, text, err)
	}
	message, _ := answer["message"].(string)
	names := slices.Sorted(maps.Keys(answer))
	if !slices.Equal(names, []string{"data", "message", "success"}) || answer["success"] != true || message == "" {
		p.t.Errorf("%s %s answers %s", method, path, text)
	}
	return answer["data"]
}

// object is ask for an answer with one object.
func (p *panel) object(who caller, method, path, body string) map[string]any {
	p.t.Helper()
	data, ok := p.ask(who, method, path, body).(map[string]any)
	if !ok {
		p.t.Fatalf("%s %s answers no object", method, path)
	}
	return data
}

// list is ask for an answer with a list of objects.
func (p *panel) list(who caller, path string) []any {
	p.t.Helper()
	data, ok := p.ask(who, http.MethodGet, path, "").([]any)
	if !ok {
		p.t.Fatalf("GET %s answers no list", path)
	}
	return data
}

// refused fails the test unless the request is refused with the status and the code, and returns
// the message.
func (p *panel) refused(who caller, method, path, body string, status int, code string) string {
	p.t.Helper()
	got, text := p.send(who, method, path, body)
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		p.t.Fatalf("%s %s %s answers %d %s", method, path, body, got, text)
	}
	message, _ := answer["message"].(string)
	want := map[string]any{"success": false, "code": code, "message": message}
	if diff := cmp.Diff(want, answer); got != status || diff != "" || message == "" {
		p.t.Errorf("%s %s %s answers %d %s, want %d %s", method, path, body, got, text, status, code)
	}
	return message
}

// create creates a key with scopes and access to all applications, and returns it.
func (p *panel) create(who caller, scopes ...string) map[string]any {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"name": "Some key", "scopes": scopes, "allApplications": true})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.object(who, http.MethodPost, "api-keys", string(body))
}

// textOf returns a member of an object that is a text.
func textOf(object map[string]any, name string) string {
	text, _ := object[name].(string)
	return text
}

// without returns the object without a member.
func without(object map[string]any, name string) map[string]any {
	rest := maps.Clone(object)
	delete(rest, name)
	return rest
}

// codeOf returns the code with which Claviger answers a request with the key.
func (p *panel) codeOf(value string) api.Code {
	p.t.Helper()
	return testkit.WhoamiCode(p.t, p.Anyone().WithKey(value))
}

// member returns the headers of a request with a session of a new member of the tenant.
func (p *panel) member(name string) caller {
	p.t.Helper()
	return p.session(p.Member(p.tenant, name, scope.Member))
}

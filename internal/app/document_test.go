package app_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// openapi is what the tests ask of the OpenAPI document.
type openapi struct {
	OpenAPI string
	Info    struct {
		Title, Version, Description string
		License                     struct{ Identifier string }
	}
	Servers    []struct{ URL string }
	Tags       []struct{ Name string }
	Paths      map[string]map[string]documented
	Components struct {
		Schemas         map[string]any
		SecuritySchemes map[string]any
	}
}

type documented struct {
	OperationID, Summary string
	Tags                 []string
	Parameters           []struct {
		Name, In, Description string
		Required              bool
	}
	RequestBody *struct {
		Content map[string]struct{ Schema json.RawMessage }
	}
	Responses map[string]struct {
		Description string
		Codes       json.RawMessage `json:"x-codes"`
		Content     map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	Security []map[string][]string
}

// operation is one of the document's.
type operation struct {
	method, path string
	documented
}

// limits returns the codes with which the operation answers 429.
func (o operation) limits() []byte { return o.Responses["429"].Codes }

// address fills in ids that are well-formed.
func (o operation) address(tenant string) string {
	return strings.NewReplacer(
		"{tenant}", tenant, "{key}", "key_01m7z51nc4y94zpp4er7", "{application}", "app_01m7z51nc2xnsr53yart",
		"{account}", "acc_01m7z51nbwq4nbffz5d4", "{user}", "usr_01m7z51nbwq4nbffz5d4",
	).Replace(o.path)
}

func readDocument(t *testing.T, h *testkit.House) (d openapi, operations []operation, text string) {
	t.Helper()
	_, text = fetch(t, h.URL+"/openapi.json")
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for method, op := range d.Paths[path] {
			operations = append(operations, operation{strings.ToUpper(method), path, op})
		}
	}
	if len(operations) < 10 {
		t.Fatalf("%d operations", len(operations))
	}
	return d, operations, text
}

func fetch(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	return knock(t, http.MethodGet, address)
}

func knock(t *testing.T, method, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheDocumentIsSoundOpenAPI(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	d, operations, text := readDocument(t, h)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Title == "" || d.Info.Version == "" || d.Info.Description == "" || d.Info.License.Identifier != "Apache-2.0" {
		t.Errorf("openapi %s, info %+v", d.OpenAPI, d.Info)
	}
	if len(d.Servers) != 1 || d.Servers[0].URL != h.URL {
		t.Errorf("servers %+v, want %s", d.Servers, h.URL)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if name, ok := strings.CutPrefix(ref[1], "#/components/schemas/"); !ok || d.Components.Schemas[name] == nil {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
	seen := map[string]bool{}
	for _, op := range operations {
		for _, fault := range op.faults(d) {
			t.Errorf("%s %s: %s", op.method, op.path, fault)
		}
		if seen[op.OperationID] {
			t.Errorf("%s stands twice", op.OperationID)
		}
		seen[op.OperationID] = true
	}
}

var inBraces = regexp.MustCompile(`{(\w+)}`)

// faults lists what an operation lacks.
func (o operation) faults(d openapi) (found []string) {
	demand := func(ok bool, what string) {
		if !ok {
			found = append(found, what)
		}
	}
	demand(o.OperationID != "", "no id")
	demand(o.Summary != "", "no summary")
	demand(len(o.Tags) == 1, "not one tag")
	for _, tag := range o.Tags {
		demand(slices.ContainsFunc(d.Tags, func(t struct{ Name string }) bool { return t.Name == tag }), "tag "+tag+" is not listed")
	}
	var inPath, declared []string
	for _, m := range inBraces.FindAllStringSubmatch(o.path, -1) {
		inPath = append(inPath, m[1])
	}
	for _, p := range o.Parameters {
		demand(p.Description != "", "parameter "+p.Name+" is not described")
		if p.In == "path" {
			demand(p.Required, "parameter "+p.Name+" is not required")
			declared = append(declared, p.Name)
		}
	}
	demand(slices.Equal(slices.Sorted(slices.Values(inPath)), slices.Sorted(slices.Values(declared))), "parameters of the path are not those declared")
	if o.RequestBody != nil {
		demand(len(o.RequestBody.Content["application/json"].Schema) > 0, "its body has no form")
	}
	demand(o.Security != nil, "its need is not said")
	for _, way := range o.Security {
		for scheme := range way {
			demand(d.Components.SecuritySchemes[scheme] != nil, "no security scheme "+scheme)
		}
	}
	return append(found, o.faultsOfResponses()...)
}

func (o operation) faultsOfResponses() (found []string) {
	succeeds := false
	for status, r := range o.Responses {
		if r.Description == "" {
			found = append(found, status+" is not described")
		}
		if status < "3" {
			succeeds = true
		} else if r.Content["application/problem+json"].Schema.Ref != "#/components/schemas/Problem" {
			found = append(found, status+" is no problem document")
		}
	}
	if _, ok := o.Responses["default"]; !ok || !succeeds {
		found = append(found, "no success, or no default")
	}
	return found
}

func TestEveryOperationOfTheDocumentIsServedWithTheNeedItSays(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	const own = scope.ScopesRead
	key := h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, string(own)))
	_, operations, _ := readDocument(t, h)
	for _, op := range operations {
		address := op.address(string(tenant.ID))
		anonymous := testkit.Code(t, h.Anyone().Do(t.Context(), op.method, address, nil, nil))
		byKey := testkit.Code(t, key.Do(t.Context(), op.method, address, nil, nil))
		if anonymous == api.MethodNotAllowed || anonymous == api.NotFound {
			t.Errorf("%s %s: %s", op.method, op.path, anonymous)
		}
		if needed := len(op.Security) > 0; needed != (anonymous == api.APIKeyInvalid) {
			t.Errorf("%s %s: needs a credential: %v, without one: %q", op.method, op.path, needed, anonymous)
		}
		if byKey != api.InsufficientScope && byKey != api.SessionRequired {
			byKey = "" // its need is met, whatever else is wrong
		}
		if want := op.refusalOfKeyWith(own); byKey != want {
			t.Errorf("%s %s: by key %q, want %q", op.method, op.path, byKey, want)
		}
	}
}

// refusalOfKeyWith gives the code that a good key with one scope gets; "" where its scope is enough, or none is needed.
func (o operation) refusalOfKeyWith(own scope.Scope) api.Code {
	if len(o.Security) == 0 {
		return ""
	}
	for _, way := range o.Security {
		scopes, ok := way["bearer"]
		switch {
		case !ok:
		case len(scopes) == 0, scopes[0] == string(own):
			return ""
		default:
			return api.InsufficientScope
		}
	}
	return api.SessionRequired
}

func TestAMethodThatIsNotInTheDocumentIsRefusedAndTheOthersAreNamed(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, operations, _ := readDocument(t, h)
	taken := map[string][]string{}
	for _, op := range operations {
		address := op.address("ten_01m7z51nbztvecvd")
		taken[address] = append(taken[address], op.method)
	}
	for _, page := range []string{"/openapi.json", "/docs", "/docs/api", "/docs/errors", "/docs/errors/not_found", "/docs/style.css"} {
		taken[page] = []string{http.MethodGet}
	}
	for path, methods := range taken {
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} {
			if slices.Contains(methods, method) {
				continue
			}
			resp, _ := knock(t, method, h.URL+path)
			if allow := resp.Header.Get("Allow"); resp.StatusCode != http.StatusMethodNotAllowed || allow != strings.Join(methods, ", ") {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, path, resp.StatusCode, allow, methods)
			}
		}
	}
}

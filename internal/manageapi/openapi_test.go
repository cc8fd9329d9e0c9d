package manageapi_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheDocumentIsSoundOpenAPI(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	d, operations, text := testkit.ReadOpenAPI(t, h)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Title == "" || d.Info.Version == "" ||
		d.Info.Description == "" || d.Info.License.Identifier != "Apache-2.0" {
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
		for _, fault := range operationFaults(op, d) {
			t.Errorf("%s %s: %s", op.Method, op.Path, fault)
		}
		if seen[op.OperationID] {
			t.Errorf("%s stands twice", op.OperationID)
		}
		seen[op.OperationID] = true
	}
}

// operationFaults returns what an operation of the document lacks.
func operationFaults(o testkit.Operation, d testkit.OpenAPI) (found []string) {
	demand := func(ok bool, what string) {
		if !ok {
			found = append(found, what)
		}
	}
	demand(o.OperationID != "", "no id")
	demand(o.Summary != "", "no summary")
	demand(len(o.Tags) == 1, "not one tag")
	for _, tag := range o.Tags {
		demand(slices.ContainsFunc(d.Tags, func(t struct{ Name string }) bool { return t.Name == tag }),
			"tag "+tag+" is not listed")
	}
	var inPath, declared []string
	for _, m := range testkit.PathParameter.FindAllStringSubmatch(o.Path, -1) {
		inPath = append(inPath, m[1])
	}
	for _, p := range o.Parameters {
		demand(p.Description != "", "parameter "+p.Name+" is not described")
		if p.In == "path" {
			demand(p.Required, "parameter "+p.Name+" is not required")
			declared = append(declared, p.Name)
		}
	}
	demand(slices.Equal(slices.Sorted(slices.Values(inPath)), slices.Sorted(slices.Values(declared))),
		"parameters of the path are not those declared")
	if o.RequestBody != nil {
		demand(len(o.RequestBody.Content["application/json"].Schema)+
			len(o.RequestBody.Content["application/x-www-form-urlencoded"].Schema)+
			len(o.RequestBody.Content["image/png"].Schema) > 0, "its body has no form")
	}
	demand(o.Security != nil, "its need is not said")
	for _, way := range o.Security {
		for scheme := range way {
			demand(d.Components.SecuritySchemes[scheme] != nil, "no security scheme "+scheme)
		}
	}
	return append(found, responseFaults(o)...)
}

func TestEveryOperationOfTheDocumentIsServedWithTheNeedItSays(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	const own = scope.ScopesRead
	key := h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, string(own)))
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	for _, op := range operations {
		if strings.HasPrefix(op.Path, "/oauth2/") {
			continue // its clients are not callers of this API; see package oauth
		}
		address := op.Address(string(tenant.ID))
		anonymous := testkit.Code(t, h.Anyone().Do(t.Context(), op.Method, address, nil, nil))
		byKey := testkit.Code(t, key.Do(t.Context(), op.Method, address, nil, nil))
		if anonymous == api.MethodNotAllowed || anonymous == api.NotFound {
			t.Errorf("%s %s: %s", op.Method, op.Path, anonymous)
		}
		if needed := len(op.Security) > 0; needed != (anonymous == api.APIKeyInvalid) {
			t.Errorf("%s %s: needs a credential: %v, without one: %q", op.Method, op.Path, needed, anonymous)
		}
		if byKey != api.InsufficientScope && byKey != api.SessionRequired {
			byKey = "" // its need is met, whatever else is wrong
		}
		if want := refusalOfKeyWith(op, own); byKey != want {
			t.Errorf("%s %s: by key %q, want %q", op.Method, op.Path, byKey, want)
		}
	}
}

func TestAMethodThatIsNotInTheDocumentIsRefusedAndTheOthersAreNamed(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	taken := map[string][]string{}
	for _, op := range operations {
		address := op.Address("ten_01m7z51nbztvecvd")
		taken[address] = append(taken[address], op.Method)
	}
	for _, page := range []string{
		"/openapi.json", "/docs", "/docs/api", "/docs/errors", "/docs/errors/not_found",
		"/docs/search",
	} {
		taken[page] = []string{http.MethodGet}
	}
	for path, methods := range taken {
		if strings.HasPrefix(path, "/api/v1/authz") {
			continue // it accepts every method
		}
		// A word such as revoke stands where other routes have the id of a key.
		methods = slices.Concat(methods, taken[path[:strings.LastIndex(path, "/")+1]+"key_01m7z51nc4y94zpp4er7"])
		slices.Sort(methods)
		methods = slices.Compact(methods)
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} {
			if slices.Contains(methods, method) {
				continue
			}
			resp, _ := testkit.Fetch(t, method, h.URL+path)
			if allow := resp.Header.Get("Allow"); resp.StatusCode != http.StatusMethodNotAllowed ||
				allow != strings.Join(methods, ", ") {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, path, resp.StatusCode, allow, methods)
			}
		}
	}
}

func responseFaults(o testkit.Operation) (found []string) {
	succeeds := false
	for status, r := range o.Responses {
		if r.Description == "" {
			found = append(found, status+" is not described")
		}
		if status < "3" {
			succeeds = true
		} else if strings.HasPrefix(o.Path, "/oauth2/") {
			if r.Content["application/json"].Schema.Ref != "#/components/schemas/OAuthError" {
				found = append(found, status+" is no error of OAuth")
			}
		} else if r.Content["application/problem+json"].Schema.Ref != "#/components/schemas/Problem" {
			found = append(found, status+" is no problem document")
		}
	}
	if _, ok := o.Responses["default"]; !ok || !succeeds {
		found = append(found, "no success, or no default")
	}
	return found
}

// refusalOfKeyWith returns the code that a good key with one scope gets; "" where its scope is
// enough, or none is needed.
func refusalOfKeyWith(o testkit.Operation, own scope.Scope) api.Code {
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

package dataplane

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// testAuthenticator returns an authenticator that knows one key header.
func testAuthenticator() *web.Authenticator {
	a := &web.Authenticator{KeyHeaders: new(web.KeyHeaders)}
	a.KeyHeaders.Set(web.KeyHeader{Tenant: "ten_1", Name: "X-API-Key"})
	return a
}

// readRequest reads a request into a new one.
func readRequest(sent item, a *web.Authenticator) (*request, error) {
	q := new(request)
	return q, q.read(sent, a)
}

// Of any headers, with values of any type, only those that can carry a credential are kept, and
// another header changes nothing.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`null`, `"x"`, `""`, `[]`, `["x"]`, `["x",5]`, `5`,
		`{"a":[{}]}`, `{"a":1,"a":2}`, `[`, `x`, `"\ud800"`, `[[[[]]]]`, `1 2`, `null,"y":1`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		const bearer = "Bearer x"
		q, err := readRequest(newItem([]byte(`{"headers":{"Accept":`+value+`,"Authorization":"`+bearer+`"}}`)),
			testAuthenticator())
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Malformed && kind != fault.ValidationFailed {
				t.Fatalf("%q: %v", value, err)
			}
			if one := json.Valid([]byte(value)); one && !duplicates(value) {
				t.Fatalf("%q: another header breaks the request: %v", value, err)
			}
			return
		}
		if !json.Valid([]byte(value)) {
			return // it brings other headers with it
		}
		diff := cmp.Diff(http.Header{"Authorization": {bearer}}, q.Headers.header)
		if diff != "" || len(q.Headers.faults) > 0 {
			t.Fatalf("%q: %s %v", value, diff, q.Headers.faults)
		}
		q, err = readRequest(newItem([]byte(`{"headers":{"x-api-key":`+value+`}}`)), testAuthenticator())
		if err != nil || len(q.Headers.faults) > 0 {
			t.Fatalf("%q in a key header: %v %v", value, err, q.Headers.faults)
		}
		var text string
		got := q.Headers.header["X-Api-Key"]
		if json.Unmarshal([]byte(value), &text) == nil && text != "" && !slices.Equal(got, []string{text}) {
			t.Fatalf("%q in a key header was read as %q", value, q.Headers.header)
		}
		if k := q.presentation(t.Context(), testAuthenticator()).Kind(); k == verify.SessionToken ||
			k == verify.AccessToken {
			t.Fatalf("%q in a key header is of kind %d", value, k)
		}
	})
}

// duplicates reports whether a JSON value is refused although its syntax is right: it has a name
// twice, or bad UTF-8.
func duplicates(value string) bool {
	var v any
	return web.Unmarshal([]byte(value), &v) != nil
}

// Every member of the document is known, and no other one.
func TestARequestHasTheMembersOfTheDocument(t *testing.T) {
	names := func(of any) map[string]bool {
		all := map[string]bool{}
		for f := range reflect.TypeOf(of).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			all[name] = true
		}
		return all
	}
	want, got := names(api.VerifyRequest{}), names(request{})
	if !maps.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

// null is no value, wherever it stands: some programs write the list of a header that was not sent
// so.
func TestNullInTheListOfAHeaderIsNoValue(t *testing.T) {
	for list, want := range map[string][]string{
		`[null]`: nil, `[null,null]`: nil, `[null,"Bearer x"]`: {"Bearer x"}, `["Bearer x",null]`: {"Bearer x"},
		`["Bearer x",null,"Bearer y"]`: {"Bearer x", "Bearer y"},
	} {
		for _, name := range []string{"Authorization", "X-Api-Key"} {
			q, err := readRequest(newItem([]byte(`{"headers":{"`+name+`":`+list+`}}`)), testAuthenticator())
			if err != nil || len(q.Headers.faults) > 0 || !slices.Equal(q.Headers.header[name], want) {
				t.Errorf("%s: %s was read as %q: %v %v", name, list, q.Headers.header, err, q.Headers.faults)
			}
		}
	}
}

// A request of the Go client is read as it was meant.
func TestTheClientsRequestIsReadAsItWasMeant(t *testing.T) {
	for name, c := range map[string]struct {
		sent api.VerifyRequest
		want string // the credential, or the header that can carry one
	}{
		"a credential":  {api.VerifyRequest{Credential: "x"}, "x"},
		"no credential": {api.VerifyRequest{}, ""},
		"headers": {api.VerifyRequest{
			Headers: http.Header{"Authorization": {"Bearer x"}, "Accept": {"a", "b"}},
		}, "Bearer x"},
		"no headers":       {api.VerifyRequest{Headers: http.Header{}}, ""},
		"other members":    {api.VerifyRequest{Scopes: []string{"a:b"}, TenantID: "ten_1"}, ""},
		"a header's lists": {api.VerifyRequest{Headers: map[string][]string{"x-api-key": {"x"}}}, "x"},
	} {
		text, err := json.Marshal(c.sent)
		if err != nil {
			t.Fatal(err)
		}
		q, err := readRequest(newItem(text), testAuthenticator())
		if err != nil {
			t.Fatalf("%s: %s: %v", name, text, err)
		}
		if _, err := q.verifyRequest(); err != nil {
			t.Errorf("%s: %s: %v", name, text, err)
		}
		got := q.Credential.text
		for _, values := range q.Headers.header {
			got = strings.Join(values, "|")
		}
		if got != c.want || !slices.Equal(q.Scopes, web.TextsAs[scope.Scope](c.sent.Scopes)) ||
			q.TenantID != c.sent.TenantID ||
			q.Headers.object != (c.sent.Headers != nil) {
			t.Errorf("%s: %s was read as %+v", name, text, q)
		}
	}
}

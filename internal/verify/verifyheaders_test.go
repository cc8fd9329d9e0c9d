package verify_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// jsonValues are values of every type that JSON has.
var jsonValues = map[string]string{
	"null": `null`, "a string": `"x"`, "no text": `""`, "a number": `5`, "true": `true`, "false": `false`,
	"an object": `{"a":{"b":[1,null]}}`, "no member": `{}`, "a list": `["x","y"]`, "no item": `[]`,
	"a list of everything": `[null,5,true,{"a":1},["b"]]`,
}

func TestAForeignHeaderOfAnyTypeNeverBreaksADecision(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	testkit.TenantOfOtherAccount(t, h, "X-Trip-Token") // a key header of another account
	value := k.Credential.Value
	for carrier, credential := range map[string]string{
		"bearer": `"Authorization":"Bearer ` + value + `"`, "header": `"x-api-key":"` + value + `"`,
	} {
		for what, sent := range jsonValues {
			for _, name := range []string{ // none of them can carry a key of ours here
				"Accept", "X-Trip-Token", "Cookie", "", "X Y", "X-Forwarded-For",
			} {
				foreign := `"` + name + `":` + sent
				for _, body := range []string{
					`{"headers":{` + foreign + `,` + credential + `}}`,
					`{"headers":{` + credential + `,` + foreign + `,"` + strings.ToLower(name+"-") + `":` + sent + `}}`,
				} {
					a := testkit.AskVerify(t, h, verifier, body)
					if a.Code != api.OK || !strings.Contains(a.Text, `"transport":"`+carrier+`"`) {
						t.Errorf("%s as %s beside %s: %d %s", name, what, carrier, a.Status, a.Text)
					}
				}
			}
		}
		a := testkit.AskVerify(t, h, verifier, `{"headers":{"accept":"x",`+credential+`,"Accept":"y"}}`)
		if a.Code != api.OK {
			t.Errorf("a foreign header in two spellings beside %s: %d %s", carrier, a.Status, a.Text)
		}
	}
	a := testkit.AskVerify(t, h, verifier,
		`{"headers":{"Cookie":"`+testkit.SessionHeader(t, h, h.Owner).Get("Cookie")+`"}}`)
	if a.Status != http.StatusOK || a.Code != api.APIKeyInvalid {
		t.Errorf("a cookie alone: %d %s", a.Status, a.Text)
	}
}

func TestAbsentIsAbsentHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	value := k.Credential.Value
	bearer, header := `"Authorization":"Bearer `+value+`"`, `"X-API-Key":["`+value+`"]`
	for body, want := range map[string]api.Code{
		// A header that is absent leaves the other one alone.
		`{"headers":{` + bearer + `,"X-API-Key":null}}`:                       api.OK,
		`{"headers":{` + bearer + `,"X-API-Key":[]}}`:                         api.OK,
		`{"headers":{` + bearer + `,"X-API-Key":""}}`:                         api.OK,
		`{"headers":{` + header + `,"Authorization":null}}`:                   api.OK,
		`{"headers":{` + header + `,"Authorization":[]}}`:                     api.OK,
		`{"headers":{` + header + `,"Authorization":""}}`:                     api.OK,
		`{"headers":{` + header + `,"Authorization":[""]}}`:                   api.OK,
		`{"headers":{"authorization":null,` + bearer + `}}`:                   api.OK,
		`{"headers":{` + header + `,"x-api-key":[]}}`:                         api.OK,
		`{"credential":null,"headers":{` + bearer + `}}`:                      api.OK,
		`{"credential":"","headers":{` + bearer + `}}`:                        api.OK,
		`{"credential":"` + value + `","headers":null}`:                       api.OK,
		`{"credential":"` + value + `","scopes":null,"application_id":null}`:  api.OK,
		`{"credential":"` + value + `","scopes":[],"tenant_id":"","ip":""}`:   api.OK,
		`{"credential":"` + value + `","transport":null,"session_only":null}`: api.OK,
		// Without any credential the decision is no.
		`{"credential":""}`:                                                api.APIKeyInvalid,
		`{"credential":null}`:                                              api.APIKeyInvalid,
		`{"headers":null}`:                                                 api.APIKeyInvalid,
		`{"headers":{}}`:                                                   api.APIKeyInvalid,
		`{"credential":null,"headers":null}`:                               api.APIKeyInvalid,
		`{"headers":{"Authorization":null}}`:                               api.APIKeyInvalid,
		`{"headers":{"Authorization":[],"X-API-Key":null}}`:                api.APIKeyInvalid,
		`{"headers":{"Authorization":"","X-API-Key":""}}`:                  api.APIKeyInvalid,
		`{"headers":{"Authorization":"Bearer"}}`:                           api.APIKeyInvalid,
		`{"headers":{"X-API-Key":5}}`:                                      api.APIKeyInvalid,
		`{"headers":{"X-API-Key":{"value":"` + value + `"}}}`:              api.APIKeyInvalid,
		`{"headers":{"X-API-Key":[null]}}`:                                 api.APIKeyInvalid,
		`{"headers":{"Accept":"Bearer ` + value + `"}}`:                    api.APIKeyInvalid,
		`{"headers":{"Authorization":[null]}}`:                             api.APIKeyInvalid,
		`{"headers":{"Authorization":[null,"Bearer ` + value + `",null]}}`: api.OK,
		`{"headers":{"Authorization":["Bearer ` + value + `"]}}`:           api.OK,
		// What a request cannot carry twice is not chosen from.
		`{"headers":{` + bearer + `,` + header + `}}`:                                     api.CredentialAmbiguous,
		`{"headers":{"Authorization":["Bearer ` + value + `","Bearer ` + value + `"]}}`:   api.CredentialAmbiguous,
		`{"headers":{"Authorization":["Bearer x","Basic x"]}}`:                            api.CredentialAmbiguous,
		`{"headers":{"X-API-Key":["` + value + `","x"]}}`:                                 api.CredentialAmbiguous,
		`{"headers":{"X-API-Key":["` + value + `",5]}}`:                                   api.CredentialAmbiguous,
		`{"headers":{"X-API-Key":["` + value + `","` + verifier.Credential.Value + `"]}}`: api.CredentialAmbiguous,
		`{"headers":{"X-API-Key":"` + value + `, ` + value + `"}}`:                        api.APIKeyInvalid,
		`{"headers":{"Authorization":["","Bearer ` + value + `"]}}`:                       api.CredentialAmbiguous,
	} {
		a := testkit.AskVerify(t, h, verifier, body)
		if a.Status != http.StatusOK || a.Code != want {
			t.Errorf("%s: %d %s, want %s", body, a.Status, a.Text, want)
		}
	}
	for body, want := range map[string]string{
		`{}`:                                           "credential exclusive",
		`{"scopes":["a:b"]}`:                           "credential exclusive",
		`{"credential":5}`:                             "credential type",
		`{"credential":["x"]}`:                         "credential type",
		`{"headers":"x"}`:                              "headers type",
		`{"headers":[]}`:                               "headers type",
		`{"headers":{"x":`:                             "",
		`{"headers":{"x":1]}`:                          "",
		`{"headers":{"x" 1}}`:                          "",
		`{"headers":{1:1}}`:                            "",
		`{"headers":{"x":1,}}`:                         "",
		`{"headers":{"x":1 "y"`:                        "",
		`{"headers":{"Accept":"x","Accept":"y"}}`:      "",
		`{"headers":{"X-API-Key":["x",]}}`:             "",
		`{"headers":{"Authorization":5}}`:              "headers.Authorization type",
		`{"headers":{"authorization":{"Bearer":"x"}}}`: "headers.Authorization type",
		`{"headers":{"Authorization":["Bearer x",5]}}`: "headers.Authorization type",
		`{"headers":{"Authorization":"Bearer x","authorization":"Basic x"}}`: "headers duplicate",
		`{"credential":"` + value + `","headers":{}}`:                        "credential exclusive",
	} {
		a := testkit.AskVerify(t, h, verifier, body)
		if want == "" && a.Code != api.MalformedRequest || want != "" && a.FieldErrors() != want {
			t.Errorf("%s: %d %s, want %s", body, a.Status, a.Text, want)
		}
	}
}

func TestAnAmbiguousCredentialIsToldByTheHeadersItIsIn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	testkit.TenantOfOtherAccount(t, h, "X-Trip-Token")
	value := k.Credential.Value
	bearer := []string{"Bearer " + value}
	for _, c := range []struct {
		sent  http.Header
		names []string
	}{
		{
			http.Header{"Authorization": bearer, "X-Api-Key": {value}, "Accept": {"x"}},
			[]string{"Authorization", "X-Api-Key"},
		},
		{http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {value}}, []string{"Authorization", "X-Api-Key"}},
		{http.Header{"X-Trip-Token": {value}, "X-Api-Key": {value}}, []string{"X-Api-Key", "X-Trip-Token"}},
		{
			http.Header{"Authorization": bearer, "X-Trip-Token": {value}, "X-Api-Key": {"x"}},
			[]string{"Authorization", "X-Trip-Token"},
		},
		{
			http.Header{"Authorization": bearer, "X-Trip-Token": {value}, "X-Api-Key": {value}},
			[]string{"Authorization", "X-Api-Key", "X-Trip-Token"},
		},
		{http.Header{"Authorization": {"Bearer " + value, "Bearer " + value}}, []string{"Authorization"}},
		{http.Header{"X-Api-Key": {value, value}}, []string{"X-Api-Key"}},
	} {
		list := c.names[len(c.names)-1]
		if before := c.names[:len(c.names)-1]; len(before) > 0 {
			list = strings.Join(before, ", ") + " and " + list
		}
		want := "More than one credential was sent, in " + list + ". Send one credential, in one header."
		_, _, text := testkit.Send(t, h, http.MethodGet, "/api/v1/whoami", c.sent.Clone(), "")
		var p api.Problem
		if err := json.Unmarshal(text, &p); err != nil || p.Code != api.CredentialAmbiguous || p.Detail != want {
			t.Errorf("%v, of the caller: %s, want %s", c.names, text, want)
		}
		body, err := json.Marshal(map[string]any{"headers": c.sent})
		if err != nil {
			t.Fatal(err)
		}
		a := testkit.AskVerify(t, h, verifier, string(body))
		var refused struct{ Detail string }
		err = json.Unmarshal([]byte(a.Text), &refused)
		if err != nil || a.Code != api.CredentialAmbiguous || refused.Detail != want {
			t.Errorf("%v, verified: %s, want %s", c.names, a.Text, want)
		}
		if strings.Contains(a.Text+string(text), value) {
			t.Errorf("%v: the key is repeated", c.names)
		}
	}
}

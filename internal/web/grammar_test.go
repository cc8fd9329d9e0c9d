package web_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheGrammarAroundACredentialIsThatOfHTTPOnEveryRoute(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	value := k.Credential.Value
	pair := base64.StdEncoding.EncodeToString([]byte(k.Credential.ID + ":" + k.Credential.Secret))
	for _, c := range []struct{ name, sent, transport string }{ // transport is "" where it is no credential
		{"Authorization", "Bearer " + value, "bearer"},
		{"Authorization", "Bearer   " + value, "bearer"},
		{"authorization", "bearer  " + value + "\t ", "bearer"},
		{"AUTHORIZATION", " \tBEARER " + value, "bearer"},
		{"Authorization", "Basic    " + pair, "basic"},
		{"Authorization", "bASIC " + pair + "  ", "basic"},
		{"X-API-Key", " \t" + value + " ", "header"},
		{"Authorization", "Bearer\t" + value, ""},
		{"Authorization", "Bearer \t" + value, ""},
		{"Authorization", "Bearer " + value[:10] + " " + value[10:], ""},
		{"Authorization", "Bearer " + value + ",", ""},
		{"Authorization", "Bearer " + value + " x", ""},
		{"Authorization", "Basic " + pair[:10] + " " + pair[10:], ""},
		{
			"Authorization",
			"Basic " + base64.StdEncoding.EncodeToString([]byte(k.Credential.ID+":"+k.Credential.Secret+" ")), "",
		},
		{"X-API-Key", value[:10] + " " + value[10:], ""},
	} {
		want := api.OK
		if c.transport == "" {
			want = api.APIKeyInvalid
		}
		for _, path := range []string{"/api/v1/whoami", testkit.TenantPath(tenant.ID) + "/applications"} {
			status, _, answer := testkit.Send(t, h, http.MethodGet, path, http.Header{c.name: {c.sent}}, "")
			if (status == http.StatusOK) != (want == api.OK) {
				t.Errorf("%s, %s: %q: %d %s", path, c.name, c.sent, status, answer)
			}
		}
		for _, form := range []string{"%q", "[%q]"} {
			text, err := json.Marshal(c.sent)
			if err != nil {
				t.Fatal(err)
			}
			a := testkit.AskVerify(t, h, verifier,
				`{"headers":{"`+c.name+`":`+fmt.Sprintf(strings.Replace(form, "%q", "%s", 1), text)+`}}`)
			if a.Code != want || !strings.Contains(a.Text, `"transport":"`+c.transport) && want == api.OK {
				t.Errorf("verify, %s: %q: %d %s", c.name, c.sent, a.Status, a.Text)
			}
		}
	}
	for _, blank := range []string{`" "`, `"\t "`, `[" "]`} {
		for _, body := range []string{
			`{"headers":{"X-API-Key":"` + value + `","Authorization":` + blank + `}}`,
			`{"headers":{"Authorization":"Bearer ` + value + `","X-API-Key":` + blank + `}}`,
		} {
			if a := testkit.AskVerify(t, h, verifier, body); a.Code != api.OK {
				t.Errorf("a header of white space, which is absent: %s: %d %s", body, a.Status, a.Text)
			}
		}
	}
}

func TestListsAndParametersMayHaveEmptyElements(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	verifier := h.Key(owner, tenant, "keys:verify")
	signedIn := testkit.SessionHeader(t, h, h.Member(tenant, "Tenant Admin", scope.Admin))
	for _, c := range []struct {
		name, value string
		accepted    bool
	}{
		{"Content-Type", "application/json;", true},
		{"Content-Type", "application/json ; ;\t;charset=utf-8;", true},
		{"Content-Type", `Application/JSON;; charset="UTF-8" ;`, true},
		{"Content-Type", "application/json;charset=latin1;", false},
		{"Content-Type", "text/plain;;charset=utf-8", false},
		{"Content-Type", ";;application/json", false},
		{"Content-Type", "application/json,application/json", false},
		{"Content-Encoding", ", identity ,,", true},
		{"Content-Encoding", " , ", true},
		{"Content-Encoding", ", gzip", false},
		{"Accept", ", ,application/json;q=0.5,,", true},
		{"Accept", " , ", true},
		{"Accept-Encoding", ", gzip;q=0,,", true},
	} {
		for path, ask := range map[string]func() int{
			"verify": func() int {
				header := http.Header{
					"Authorization": {"Bearer " + verifier.Credential.Value},
					"Content-Type":  {"application/json"},
				}
				header[c.name] = []string{c.value}
				status, _, _ := testkit.Post(t, h, "/api/v1/verify", header, `{"credential":"x"}`)
				return status
			},
			"applications": func() int {
				header := signedIn.Clone()
				header[c.name] = []string{c.value}
				status, _, _ := testkit.Post(t, h, testkit.TenantPath(tenant.ID)+"/applications", header,
					`{"name":"An application"}`)
				return status
			},
		} {
			status := ask()
			if c.accepted && status >= 300 || !c.accepted && status != http.StatusUnsupportedMediaType {
				t.Errorf("%s, %s: %q: %d", path, c.name, c.value, status)
			}
		}
	}
}

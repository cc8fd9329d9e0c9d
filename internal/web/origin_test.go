package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A proxy may send requests on with its own name for the server as Host. The browser's Origin is
// the public one then.
func TestThePublicOriginIsOfThisSiteWhateverHostAProxySends(t *testing.T) {
	t.Parallel()
	for base, own := range map[config.BaseURL]string{
		"https://keys.example.com":     "https://keys.example.com",
		"https://Keys.Example.com":     "https://keys.example.com",
		"https://keys.example.com:443": "https://keys.example.com",
		"https://keys.example.com:":    "https://keys.example.com",
		"http://keys.example.com:80":   "http://keys.example.com",
		"http://keys.example.com:8080": "http://keys.example.com:8080",
		"":                             "",
	} {
		t.Run(string(base), func(t *testing.T) {
			t.Parallel()
			c := testkit.SQLite.Config(t)
			c.Server.BaseURL = base
			h := testkit.StartIn(t, c)
			tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
			signedIn := cookieBehindProxy(t, h, h.Member(tenant, "Tenant Admin", scope.Admin))
			for _, try := range []struct {
				origin, fetch, host string
				passes              bool
			}{
				{own, "", "claviger.internal:8080", true},
				{own, "same-origin", "claviger.internal:8080", true},
				{own, "cross-site", "claviger.internal:8080", own != ""}, // by another of the site's own names
				{"http://" + h.Address, "", h.Address, true},
				{"http://claviger.internal:8080", "", "claviger.internal:8080", true},
				{"", "", "claviger.internal:8080", true}, // no browser
				{"https://evil.example", "", "claviger.internal:8080", false},
				{"https://evil.example", "cross-site", "claviger.internal:8080", false},
				{"https://www.keys.example.com", "same-site", "claviger.internal:8080", false},
				{"https://example.com", "same-site", "claviger.internal:8080", false},
				{"https://keys.example.com.evil.example", "", "claviger.internal:8080", false},
				{"https://keys.example.com:8443", "", "claviger.internal:8080", false},
				{"https://keys.example.com@evil.example", "", "claviger.internal:8080", false},
				{"null", "", "claviger.internal:8080", false},
				{"null", "cross-site", "claviger.internal:8080", false},
			} {
				for _, path := range []string{"/api/v1/verify", testkit.TenantPath(tenant.ID) + "/applications"} {
					code := fromOrigin(t, h, path, signedIn, try.host, try.origin, try.fetch)
					if refused := code == api.CrossSite; refused == try.passes {
						t.Errorf("%s, Origin %q, Sec-Fetch-Site %q, Host %s: %q", path, try.origin, try.fetch, try.host,
							code)
					}
				}
			}
		})
	}
}

// cookieBehindProxy signs a person in at the address of the server, which is not its public one.
func cookieBehindProxy(t *testing.T, h *testkit.Server, p principal.Person) http.Header {
	t.Helper()
	body, err := json.Marshal(api.SignInRequest{Email: p.Email, Password: testkit.Password})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+h.Address+"/api/v1/session", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	if cookie == "" {
		t.Fatalf("signing in answers %d", resp.StatusCode)
	}
	return http.Header{"Cookie": {cookie}, "Content-Type": {"application/json"}}
}

// fromOrigin posts with a session as a browser does, and returns the code of the refusal; "" for
// none.
func fromOrigin(t *testing.T, h *testkit.Server, path string, signedIn http.Header,
	host, origin, fetch string,
) api.Code {
	t.Helper()
	body := `{"name":"An application"}`
	if path == "/api/v1/verify" {
		body = `{"credential":"none"}`
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.Address+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Host = signedIn.Clone(), host
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	if fetch != "" {
		req.Header.Set("Sec-Fetch-Site", fetch)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p api.Problem
	if resp.StatusCode >= http.StatusBadRequest {
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
	}
	return p.Code
}

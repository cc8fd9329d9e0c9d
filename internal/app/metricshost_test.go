package app_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A web page whose host name an attacker resolves to the listener (DNS rebinding) can read nothing:
// the browser sends that name as Host.
func TestTheMetricsAreAnsweredOnlyUnderNamesOfTheListener(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.NoError(t, h.Config.Server.MetricsHosts.UnmarshalText([]byte("metrics.example.com, Other.Example")))
	h.Restart()
	machine, err := os.Hostname()
	testkit.NoError(t, err)
	_, port, _ := strings.Cut(strings.TrimPrefix(h.AdminURL, "http://"), ":")
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "127.0.0.1": 200, "10.1.2.3:9180": 200, "[::1]:" + port: 200, "[2001:db8::1]": 200,
		"":          200,
		"localhost": 200, "LOCALHOST:" + port: 200, "localhost.:1": 200, "claviger:9180": 200, machine: 200,
		machine + ":9180":     200,
		"metrics.example.com": 200, "METRICS.example.com:9180": 200, "metrics.example.com.": 200, "other.example": 200,
		"attacker.example": 403, "attacker.example:" + port: 403, "127.0.0.1.attacker.example": 403,
		"localhost.attacker.example": 403,
		"x.metrics.example.com":      403, "metrics.example.com.attacker.example": 403,
	} {
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.AdminURL+path, http.NoBody)
			testkit.NoError(t, err)
			req.Host = host
			if host == "" {
				resp := testkit.RawRequest(t, "tcp", strings.TrimPrefix(h.AdminURL, "http://"), "GET",
					"GET "+path+" HTTP/1.0\r\n\r\n")
				if resp.StatusCode != want {
					t.Errorf("%s without a Host: %s", path, resp.Status)
				}
				continue
			}
			resp, err := http.DefaultClient.Do(req)
			testkit.NoError(t, err)
			testkit.NoError(t, resp.Body.Close())
			if resp.StatusCode != want {
				t.Errorf("%s of %q: %s, want %d", path, host, resp.Status, want)
			}
		}
	}
}

func TestANameOfTheMetricsListenerIsAHostNameAndNothingElse(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"a.example": true, "a.example, b.example,c": true, "": false, "a.example:80": false, "a b": false,
		"https://a.example": false,
		"a..example":        false, "*.example": false, ".example": false, "a.example,": false, "10.0.0.1": false,
	} {
		var hosts config.Hosts
		if err := hosts.UnmarshalText([]byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

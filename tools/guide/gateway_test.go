package guide_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// startEcho runs docs/integrations/echo.py on a free port and returns its address.
func startEcho(t *testing.T) string {
	t.Helper()
	address := testkit.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	text, err := os.ReadFile(filepath.Join(root, "docs", "integrations", "echo.py"))
	must(t, err)
	start(t, exec.Command("python3", write(t, t.TempDir(), "echo.py", replaceAll(t, string(text), "9001", port))))
	awaitListener(t, address)
	return address
}

// The gateway of `claviger dev` forwards requests to the program that the guides use as an API.
func TestTheGatewayOfTheGuideForwardsToTheAPIOfTheGuide(t *testing.T) {
	echo, gateway := startEcho(t), testkit.FreeAddress(t)
	s := startBinary(t, buildClaviger(t), "CLAVIGER_GATEWAY_LISTEN="+gateway, "CLAVIGER_GATEWAY_UPSTREAM=http://"+echo)
	for _, c := range []struct {
		method, path, key string
		status            int
		want              string
	}{
		{http.MethodGet, "/orders/17?q=a", s.sample.Tenants[0].Key.Value, http.StatusOK, "X-Claviger-Owner: usr_"},
		{http.MethodPost, "/orders", s.sample.Tenants[0].Key.Value, http.StatusOK, "X-Claviger-Transport: bearer\n"},
		{http.MethodHead, "/", s.sample.Tenants[0].Key.Value, http.StatusOK, ""},
		{http.MethodGet, "/claviger-data/root.key", "", http.StatusUnauthorized, `"code":"api_key_invalid"`},
		{http.MethodGet, "/", s.sample.Tenants[1].Key.Value, http.StatusUnauthorized, `"code":"api_key_invalid"`},
	} {
		body, err := json.Marshal(strings.Repeat("order ", 10_000))
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+gateway+c.path,
			strings.NewReader(string(body)))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+c.key)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(text), c.want) ||
			c.key != "" && strings.Contains(string(text), c.key) {
			t.Errorf("%s %s: %s\n%s", c.method, c.path, resp.Status, text)
		}
		if c.want != "" && c.status == http.StatusOK && !strings.HasPrefix(string(text), c.method+" "+c.path+"\n") {
			t.Errorf("%s %s: the API got\n%s", c.method, c.path, text)
		}
	}
}

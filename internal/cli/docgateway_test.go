package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// vendorPages are the documents about the clients of other vendors. They describe a server that has
// a tenant of the vendor, and the gateway in front of an API.
var vendorPages = []string{
	"../../docs/integrations/blancco.md", "../../docs/integrations/blazeauth.md",
	"../../docs/integrations/blazemeter.md", "../../docs/integrations/loadrunner.md",
}

// startEcho starts an API that answers as docs/integrations/echo.py does, and returns its address.
func startEcho(t *testing.T) string {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := []string{"Host: " + r.Host}
		for name, values := range r.Header {
			for _, value := range values {
				lines = append(lines, name+": "+value)
			}
		}
		slices.Sort(lines)
		_, _ = fmt.Fprintf(w, "%s %s\n%s\n", r.Method, r.RequestURI, strings.Join(lines, "\n"))
	}))
	t.Cleanup(api.Close)
	return api.Listener.Addr().String()
}

// prepareVendor makes the server of a session like that of the page of a vendor: it has no entry
// yet, and the tenant that the page creates is old enough for passwords.
func (s *session) prepareVendor(t *testing.T) {
	t.Helper()
	s.do(t, step{command: "claviger entries delete default --yes"})
	s.values["you@example.com"] = s.sample(t).Email
	s.values["correct horse battery staple"] = s.sample(t).Password
	s.values["2027-01-01"] = "2100-01-01"
}

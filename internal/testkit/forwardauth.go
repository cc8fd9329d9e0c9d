package testkit

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/ident"
)

// TrustLoopback makes every client of this machine a trusted proxy, which may ask about requests.
func TrustLoopback(c *config.Config) {
	c.Server.TrustedProxies = config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
}

// ForwardAuth asks the server of the client, as a reverse proxy does, about a GET request of the
// client. It returns the code with which the request is refused; "" if it is allowed.
func ForwardAuth(t testing.TB, c *client.Client, entry, uri string) api.Code {
	t.Helper()
	c = c.WithHeader("X-Original-Method", http.MethodGet).WithHeader("X-Original-Uri", uri)
	return Code(t, c.Do(context.WithoutCancel(t.Context()), http.MethodGet, "/api/v1/authz/"+entry, nil, nil))
}

// CreateEntry creates an entry that is bound to the tenant.
func CreateEntry(t testing.TB, h *Server, name string, tenant ident.TenantID, otherwise string) {
	t.Helper()
	err := h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/entries",
		api.CreateEntryRequest{Name: name, Tenant: string(tenant), Otherwise: otherwise}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// EditEntry sets what happens to requests to the entry that no rule matches.
func EditEntry(t testing.TB, h *Server, name, otherwise string) {
	t.Helper()
	err := h.Operator().Do(t.Context(), http.MethodPatch, "/operator/v1/entries/"+name,
		api.UpdateEntryRequest{Otherwise: otherwise}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// DeleteEntry deletes an entry.
func DeleteEntry(t testing.TB, h *Server, name string) {
	t.Helper()
	if err := h.Operator().Do(t.Context(), http.MethodDelete, "/operator/v1/entries/"+name, nil, nil); err != nil {
		t.Fatal(err)
	}
}

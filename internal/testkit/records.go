package testkit

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// TenantRecords returns the audit records of an action in a tenant.
func TenantRecords(t testing.TB, h *Server, tenant tenancy.Tenant, action string) []audit.Record {
	t.Helper()
	return ChainRecords(t, h, audit.Event{Tenant: tenant.ID}.Chain(), action)
}

// ChainRecords returns the audit records of an action on a chain. If action ends in a dot, it is a
// prefix.
func ChainRecords(t testing.TB, h *Server, chain, action string) (found []audit.Record) {
	t.Helper()
	NoError(t, h.Store.Chain(t.Context(), chain, func(r audit.Record) error {
		if string(r.Action) == action || strings.HasSuffix(action, ".") && strings.HasPrefix(string(r.Action), action) {
			found = append(found, r)
		}
		return nil
	}))
	return found
}

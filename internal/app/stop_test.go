package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

// The more keys are busy, the more last uses are in memory only. Writing them must not take the
// time of what a stop must write.
func TestAStopWithVeryManyUnwrittenUsesSucceedsAndKeepsTheOldest(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	now := h.Clock.Now()
	for i := range 100_000 {
		h.Usage.Record(usage.Use{Key: ident.KeyID(fmt.Sprintf("key_%d", i)), Tenant: tenant.ID, At: now})
	}
	at := now.Add(-time.Hour)
	h.Usage.Record(usage.Use{Key: ident.KeyID(k.Key.ID), Tenant: tenant.ID, At: at})
	h.Restart() // fails if the stop does
	shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), k.Key.ID))
	if shown.LastUsedAt == nil || !shown.LastUsedAt.Equal(at) {
		t.Errorf("last used at %v, want %s", shown.LastUsedAt, at)
	}
}

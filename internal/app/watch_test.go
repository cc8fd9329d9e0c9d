package app_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

func TestWhatAWatchedKeyDoesOnOneNodeIsSeenOnTheOther(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	id := ident.KeyID(p.Key.Key.ID)
	testkit.NoError(t, p.First.Watches.Begin(t.Context(), id, p.Tenant.ID))
	started := time.Now()
	testkit.Await(t, func() string { // the other node learns which keys are watched
		if p.Second.Watches.Of(id) == nil {
			return ""
		}
		return "watched"
	})
	_, err := p.Second.With(p.Key).Whoami(t.Context())
	testkit.NoError(t, err)
	_, err = p.Second.With(p.Key).Members(t.Context(), string(p.Tenant.ID), client.Page{})
	testkit.ExpectCode(t, "without the scope", err, api.InsufficientScope)
	var seen usage.Sighting
	testkit.Await(t, func() string {
		seen, err = p.First.Store.Sighting(t.Context(), id)
		testkit.NoError(t, err)
		return string(seen.Refused.Code)
	})
	refused := seen.Refused
	if seen.Used.IP != "127.0.0.1" || refused.Code != fault.InsufficientScope || refused.Missing != "members:read" {
		t.Errorf("seen is %+v", seen)
	}
	t.Logf("seen after %s", time.Since(started))
}

package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A second node locks the row that every change needs, and then vanishes.
func TestANodeThatVanishesInMidChangeHoldsOthersUpForSecondsOnly(t *testing.T) {
	t.Parallel()
	const bound = 8 * time.Second // from when the transaction was silent until a change is answered
	h := testkit.Start(t, testkit.Postgres)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Admin", scope.Admin))
	key := h.Key(admin, tenant, "applications:read")
	wire := &testkit.DatabaseLink{}
	vanished, err := postgres.Open(t.Context(), credential.NewSecret(wire.URL(t, h.Config.Database.URL.Reveal())))
	testkit.NoError(t, err)
	tx, err := vanished.Write.BeginTx(context.WithoutCancel(t.Context()), nil)
	testkit.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `UPDATE counters SET value = value + 1 WHERE name = 'change'`)
	testkit.NoError(t, err)
	wire.Cut()
	t.Cleanup(func() {
		wire.Restore()
		_ = tx.Rollback() // which PostgreSQL did long ago
		_ = vanished.Close()
	})
	silent := time.Now()
	revoked := make(chan error, 1)
	go func() {
		revoked <- testkit.ErrorOf(admin.RevokeKey(context.WithoutCancel(t.Context()), string(tenant.ID), key.Key.ID,
			""))
	}()
	if detail := testkit.Await(t, func() string { return testkit.NotReady(t, h) }); !strings.Contains(detail,
		" writes (") {
		t.Errorf("while nothing can be changed, readyz says %q", detail)
	}
	testkit.ExpectCode(t, "a revocation meanwhile", <-revoked, "")
	if took := time.Since(silent); took > bound {
		t.Errorf("it took %s, want at most %s", took, bound)
	}
	if code := testkit.WhoamiCode(t, h.With(key)); code != api.APIKeyRevoked {
		t.Errorf("the key is %q", code)
	}
	testkit.Await(t, func() string { return ready(t, h) })
}

// ready says so; "" where the node is not.
func ready(t *testing.T, h *testkit.Server) string {
	t.Helper()
	if testkit.NotReady(t, h) == "" {
		return "ready"
	}
	return ""
}

func TestAFloodFromOneMemberStopsNobodyElse(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		theirs, ours := h.Tenant("Theirs", nil), h.Tenant("Ours", func(s *policy.Settings) { s.KeysPerUser = 0 })
		flooder := h.As(h.Member(theirs, "Flooder", scope.Member))
		admin := h.As(h.Member(ours, "Admin", scope.Admin))
		verifier := h.With(h.Key(admin, ours, "keys:verify"))
		keys := make([]api.IssuedKey, 20)
		for i := range keys {
			keys[i] = h.Key(admin, ours, "applications:read")
		}
		stop := flood(t, flooder)
		judged := func(k api.IssuedKey) api.Code {
			d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
			testkit.ExpectCode(t, "a decision", err, "")
			return d.Code
		}
		for i, k := range keys { // each is read first, and then remembered
			for range 5 {
				if code := judged(k); code != api.OK {
					t.Errorf("key %d is %q", i, code)
				}
			}
			if detail := testkit.NotReady(t, h); detail != "" {
				t.Errorf("readyz says %q", detail)
			}
			if i%5 > 0 {
				continue
			}
			begun := time.Now()
			_, err := admin.RevokeKey(t.Context(), string(ours.ID), k.Key.ID, "")
			testkit.ExpectCode(t, "a revocation", err, "")
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("a revocation took %s", took)
			}
			if code := judged(k); code != api.APIKeyRevoked {
				t.Errorf("revoked, key %d is %q", i, code)
			}
			_, err = admin.Keys(t.Context(), string(ours.ID), client.KeyFilter{}, client.Page{})
			testkit.ExpectCode(t, "a list", err, "")
		}
		stop()
	})
}

// flood changes and reads on 200 connections of one person until it is stopped. Every refusal must
// have Retry-After.
func flood(t *testing.T, c *client.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	var done, refused atomic.Int64
	for i := range 200 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var err error
				if i%4 == 0 {
					err = c.Do(ctx, http.MethodGet, "/api/v1/me/keys", nil, nil)
				} else {
					err = c.Do(ctx, http.MethodPatch, "/api/v1/me",
						map[string]string{"name": fmt.Sprint("Flooder ", i, n)}, nil)
				}
				if err == nil {
					done.Add(1)
				} else if ctx.Err() == nil {
					refused.Add(1)
				}
			}
		})
	}
	testkit.Await(t, func() string { // it has begun
		if done.Load() > 20 {
			return "under way"
		}
		return ""
	})
	return func() {
		cancel()
		all.Wait()
		t.Logf("%d requests of the flood were served and %d refused", done.Load(), refused.Load())
	}
}

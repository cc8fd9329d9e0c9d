package app_test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAFullDiskIsToldAndLeavesRoomForARevocation(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1 << 40)
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) {
		o.Space = func(string) (int64, int64, error) { return free.Load(), 1 << 40, nil }
	})
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Admin)
	c := h.As(person)
	first := h.Key(c, tenant, "applications:read")
	second := h.Key(c, tenant, "applications:read")
	third := h.Key(c, tenant, "applications:read")
	reserved := func() string {
		info, err := os.Stat(h.File("reserve"))
		switch {
		case err == nil && info.Size() == 16<<20:
			return "there"
		case err == nil:
			return ""
		}
		return "gone"
	}
	testkit.Await(t, func() string { return strings.TrimPrefix(reserved(), "gone") })

	free.Store(60 << 20) // nearly full
	ready := func() string { return unreadiness(t, h) }
	if said := testkit.Await(t, ready); !strings.Contains(said, "disk") {
		t.Errorf("of a disk that is nearly full readyz says %q", said)
	}
	_, err := c.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "One more", Scopes: []string{"applications:read"}, AllApplications: true})
	testkit.ExpectCode(t, "a key more on a disk that is nearly full", err, api.Unavailable)
	if err == nil || !strings.Contains(err.Error(), "nearly full") {
		t.Errorf("refused with %v, which does not say why", err)
	}
	_, err = c.RevokeKey(t.Context(), string(tenant.ID), first.Key.ID, "")
	testkit.ExpectCode(t, "a revocation on a disk that is nearly full", err, "")
	if reserved() != "there" {
		t.Error("the reserve was given up while there was room")
	}

	free.Store(0) // full
	_, _, err = h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
	testkit.ExpectCode(t, "a sign-in on a full disk", err, "")
	if reserved() != "gone" {
		t.Error("the reserve is kept on a full disk")
	}
	_, err = c.RevokeKey(t.Context(), string(tenant.ID), second.Key.ID, "")
	testkit.ExpectCode(t, "a revocation on a full disk", err, "")

	h.Restart()
	c = h.As(person)
	_, err = c.RevokeKey(t.Context(), string(tenant.ID), third.Key.ID, "")
	testkit.ExpectCode(t, "a revocation after a start on a full disk", err, "")

	free.Store(70 << 20) // of which the reserve gave 16 MiB
	_, err = c.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "One more", Scopes: []string{"applications:read"}, AllApplications: true})
	testkit.ExpectCode(t, "a key more in the room of the reserve", err, api.Unavailable)

	free.Store(1 << 40)
	testkit.Await(t, func() string { return strings.TrimPrefix(reserved(), "gone") })
	h.Key(c, tenant, "applications:read")
}

// unreadiness returns what readyz says is wrong; "" if the node is ready.
func unreadiness(t *testing.T, h *testkit.Server) string {
	t.Helper()
	_, text := testkit.Get(t, h.URL+"/readyz")
	if strings.Contains(text, `"ok"`) {
		return ""
	}
	return text
}

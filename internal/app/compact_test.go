package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheSealedDigestOfADeletedKeyIsSoonInNoFile(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	var digest []byte
	if err := h.Beside().QueryRowContext(t.Context(), `SELECT digest FROM key_secrets WHERE key_id = ?`,
		k.Key.ID).Scan(&digest); err != nil {
		t.Fatal(err)
	}
	holding := func() (names []string) {
		for _, name := range []string{"claviger.db", "claviger.db-wal"} {
			if content := testkit.Must[[]byte](t)(os.ReadFile(h.File(name))); strings.Contains(string(content),
				string(digest)) {
				names = append(names, name)
			}
		}
		return names
	}
	if len(holding()) == 0 {
		t.Fatal("the digest is in no file to begin with")
	}
	if err := owner.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, func() string {
		if len(holding()) > 0 {
			return ""
		}
		return "gone"
	})
}

func TestACompactionThatMayNotFindRoomChangesNothing(t *testing.T) {
	t.Parallel()
	c := testkit.SQLite.Config(t)
	file := filepath.Join(c.Data, "claviger.db")
	before := testkit.Must[[]byte](t)(os.ReadFile(file))
	full := func(string) (free, total int64, err error) { return int64(len(before)), 1 << 40, nil }
	if _, err := app.Compact(t.Context(), c, app.Options{Space: full}); !errors.Is(err, app.ErrNoRoom) {
		t.Errorf("%v", err)
	}
	if after := testkit.Must[[]byte](t)(os.ReadFile(file)); string(before) != string(after) {
		t.Error("the database was changed")
	}
	done, err := app.Compact(t.Context(), c, app.Options{})
	if err != nil || done.Before != int64(len(before)) || done.After <= 0 {
		t.Errorf("with room: %+v, %v", done, err)
	}
}

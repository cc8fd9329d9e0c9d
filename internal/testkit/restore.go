package testkit

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// Backup returns a backup of the server, without encryption.
func Backup(t testing.TB, h *Server) []byte {
	t.Helper()
	body, err := h.Operator().Stream(t.Context(), "/operator/v1/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	return Must[[]byte](t)(io.ReadAll(body))
}

// RestoreTarget returns settings with an empty database on the engine and the root secret of the
// server.
func RestoreTarget(t testing.TB, h *Server, e Engine) config.Config {
	t.Helper()
	c := e.Config(t)
	root := Must[[]byte](t)(os.ReadFile(filepath.Join(h.Config.Data, "root.key")))
	if err := os.WriteFile(filepath.Join(c.Data, "root.key"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// Restore restores a backup of the server with the settings.
func Restore(t testing.TB, h *Server, c config.Config, b []byte, how app.Restoring) (app.Restored, error) {
	t.Helper()
	return app.Restore(t.Context(), c,
		app.Options{Log: telemetry.NewLogger(h.Log, slog.LevelDebug), Machine: h.Clock.Machine(), Version: "test"},
		bytes.NewReader(b), how)
}

// JournalPath returns the path of the journal of revocations.
func JournalPath(c config.Config) string { return filepath.Join(c.Data, app.JournalFile) }

// ExpectWholeTrail fails the test unless the audit trail is undamaged and records the restore.
func ExpectWholeTrail(t testing.TB, h *Server) {
	t.Helper()
	if f := Must[audit.Finding](t)(audit.Verify(t.Context(), h.Store, audit.State{})); f.Damage != nil {
		t.Errorf("the trail: %s", f.Damage.What)
	}
	told := false
	err := h.Store.Chain(t.Context(), audit.ServerChain, func(r audit.Record) error {
		told = told || r.Action == audit.ActionServerRestore && r.Actor.Type == "operator" &&
			r.Details["backup_of"] != ""
		return nil
	})
	if err != nil || !told {
		t.Errorf("the trail does not tell of the restore: %v", err)
	}
}

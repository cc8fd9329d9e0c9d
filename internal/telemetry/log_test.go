package telemetry_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/telemetry"
)

func TestALogHoldsNothingShapedLikeACredential(t *testing.T) {
	key := "blz_mgmt_bak_0123456789abcdef_" + strings.Repeat("Aa0", 16)
	const url = "postgres://claviger:hunter22@db.example/claviger"
	for _, newLogger := range []func(io.Writer, slog.Level) *slog.Logger{telemetry.NewLogger, telemetry.NewJSONLogger} {
		var out strings.Builder
		log := newLogger(&out, slog.LevelDebug)
		log.Debug("key "+key, "key", key, "error", errors.New("for "+key), slog.Group("g", "url", url))
		log.With("bound", key).Info("bound")
		for _, secret := range []string{key, "hunter22"} {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%q is in the log:\n%s", secret, out.String())
			}
		}
		if !strings.Contains(out.String(), "[redacted]") {
			t.Error("nothing was logged: the test proves nothing")
		}
	}
}

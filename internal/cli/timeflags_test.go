package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// atShell returns an installation whose user is signed in to a server in this process.
func atShell(t *testing.T, h *testkit.Server, p principal.Person) *installation {
	t.Helper()
	s := newInstallation(t, testkit.SQLite)
	must(t, os.WriteFile(filepath.Join(s.dir, "password"), []byte(testkit.Password), 0o600))
	s.output(t, "login", "--server", h.URL, "--email", p.Email, "--password-file", "password")
	return s
}

// expiryOf creates a key with the flags, and returns its expiry.
func expiryOf(t *testing.T, s *installation, tenant string, flags ...string) time.Time {
	t.Helper()
	args := []string{
		"keys", "create", "A key", "--tenant", tenant, "--scope", "applications:read",
		"--all-applications", "-o", "json",
	}
	var made api.IssuedKey
	must(t, json.Unmarshal(s.output(t, slices.Concat(args, flags)...), &made))
	return *made.Key.ExpiresAt
}

func TestASpanIsCountedByTheClockOfTheServer(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 26 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			h := testkit.Start(t, testkit.SQLite)
			h.Clock.Move(ahead)
			tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
			s, id := atShell(t, h, h.Member(tenant, "Key Owner", scope.Admin)), string(tenant.ID)
			for flag, span := range map[string]time.Duration{
				"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "2w": 14 * 24 * time.Hour, "1w1d1h": 193 * time.Hour,
			} {
				before := h.Clock.Now()
				got := expiryOf(t, s, id, "--expires", flag)
				if got.Before(before.Add(span-time.Second)) || got.After(h.Clock.Now().Add(span)) {
					t.Errorf("--expires %s is %s, and by the server's clock it is %s", flag, got, before)
				}
			}
			for flag, shown := range map[string]bool{"--since": true, "--until": false} {
				var trail api.List[api.Event]
				must(t, json.Unmarshal(s.output(t, "audit", "--tenant", id, flag, "1h", "-o", "json"), &trail))
				if (len(trail.Items) > 0) != shown {
					t.Errorf("audit %s 1h shows %d events", flag, len(trail.Items))
				}
			}
		})
	}
}

func TestEveryFlagThatTakesATimeReadsTheSameOnes(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	s, id := atShell(t, h, h.Member(tenant, "Key Owner", scope.Admin)), string(tenant.ID)
	day := time.Now().AddDate(1, 0, 0).UTC().Truncate(24 * time.Hour)
	date := day.Format(time.DateOnly)
	for text, want := range map[string]time.Time{
		date: day, date + "T00:00:00Z": day, date + "t00:00:00z": day, date + "T02:00:00+02:00": day,
		date + "T00:00:00.5Z": day.Add(time.Second / 2), date + "t00:00:00.000001z": day.Add(time.Microsecond),
	} {
		if got := expiryOf(t, s, id, "--expires", text); !got.Equal(want) {
			t.Errorf("--expires %s is %s", text, got)
		}
	}
	var made api.IssuedKey
	must(t, json.Unmarshal(s.output(t, "keys", "create", "A key", "--tenant", id, "--scope", "applications:read",
		"--all-applications",
		"-o", "json"), &made))
	key := made.Key.ID
	takes := map[string][]string{
		"--expires of create": {
			"keys", "create", "A key", "--tenant", id, "--scope", "applications:read",
			"--all-applications", "--expires",
		},
		"--expires of edit":    {"keys", "edit", key, "--tenant", id, "--expires"},
		"--expires of refresh": {"keys", "refresh", key, "--tenant", id, "--expires"},
		"--since":              {"audit", "--tenant", id, "--since"},
		"--until":              {"audit", "--tenant", id, "--until"},
		"--since of export":    {"audit", "export", "--tenant", id, "--since"},
		"--until of export":    {"audit", "export", "--tenant", id, "--until"},
	}
	for name, args := range takes {
		for _, text := range []string{"90d", "12h", "2w", "90m", date, date + "T12:00:00Z", date + "t12:00:00z"} {
			if out, err := s.command(append(args[:len(args):len(args)], text)...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %s", name, text, out)
			}
		}
		flag, _, _ := strings.Cut(name, " ")
		for _, text := range []string{
			"", "soon", "90", "-5d", "+5h", "5y", "90 d", "d", date + "T12:00:00",
			"31.01.2027", "99999999w",
		} {
			refused(t, s, flag+": give a duration such as 90d, 12h or 2w, or a time",
				append(args[:len(args):len(args)], text)...)
		}
		refused(t, s, flag+": use a time in whole microseconds",
			append(args[:len(args):len(args)], date+"T12:00:00.1234567Z")...)
	}
	for flag, args := range map[string][]string{
		"--overlap":          {"keys", "refresh", key, "--tenant", id, "--yes", "--overlap"},
		"--auto-expiry":      {"policy", "set", "--account", string(h.Account.ID), "--auto-expiry"},
		"--max-lifetime":     {"policy", "set", "--account", string(h.Account.ID), "--max-lifetime"},
		"--session-idle":     {"policy", "set", "--account", string(h.Account.ID), "--session-idle"},
		"--session-absolute": {"policy", "set", "--account", string(h.Account.ID), "--session-absolute"},
	} {
		for _, text := range []string{"soon", "90", "-5d", "+5h", "1d+5h", "5y", "99999999w", date} {
			refused(t, s, flag+": give a duration such as 12h, 90d or 2w", append(args[:len(args):len(args)], text)...)
		}
	}
	for _, text := range []string{"12h", "1d", "1d12h", "90m", "0s", "36h30m"} {
		s.output(t, "keys", "refresh", key, "--tenant", id, "--yes", "--overlap", text)
	}
}

// refused requires that the command line is wrong, and that the error says why.
func refused(t *testing.T, s *installation, says string, args ...string) {
	t.Helper()
	out, err := s.command(args...).CombinedOutput()
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok || failed.ExitCode() != 2 || !strings.Contains(string(out), says) {
		t.Errorf("%q: %v, %s", args, err, out)
	}
}

package cli_test

import (
	"database/sql"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// awaitDigests waits until at least n digests are sealed by the version or a newer one, and returns
// their number.
func (s *installation) awaitDigests(t *testing.T, version, least int) (n int) {
	t.Helper()
	deadline := time.After(waitTimeout)
	turn := time.NewTicker(time.Millisecond)
	defer turn.Stop()
	s.withDB(t, func(db *sql.DB) {
		for n < least {
			select {
			case <-turn.C:
			case <-deadline:
				t.Fatalf("%d digests are under version %d, not %d", n, version, least)
			}
			must(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM key_secrets WHERE digest_version >= $1`,
				version).Scan(&n))
		}
	})
	return n
}

// If a process is killed while it re-encrypts digests, each digest is sealed by one version or the
// other, and the next process continues.
func TestKillMinusNineInTheMiddleOfWrappingAnewLosesNothing(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		const samples, killings = 1500, 2
		s := newSample(t, e)
		file := filepath.Join(s.dir, "keys")
		p := s.dev(t, "--sample-keys", strconv.Itoa(samples), "--sample-file", file)
		line := p.ready()
		values := strings.Fields(readFile(t, file))
		middle := 0
		for cycle := range killings {
			var made api.RotateKeysResponse
			s.operator(t, &made, "rootkey", "rotate")
			s.exec(t, `UPDATE server_keys SET used_from = 1`) // as if the delay for the other nodes had passed
			if s.awaitDigests(t, made.Version, 1) < samples {
				middle++
			}
			p.kill()
			p = s.dev(t)
			line = p.ready()
			verifier := testkit.Client(t, line.URL).WithKey(line.Verifier)
			for i, value := range values {
				if i%50 != cycle {
					continue
				}
				if d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: value}); err != nil ||
					d.Code != api.OK {
					t.Fatalf("key %d is %s, %v", i, d.Code, err)
				}
			}
			s.awaitDigests(t, made.Version, samples)
		}
		if middle == 0 {
			t.Error("the killings did not come in the middle")
		}
		var all api.List[api.ServerKey]
		s.operator(t, &all, "rootkey", "status")
		for _, k := range all.Items {
			if k.Key == "digest" && !k.Current && k.Left > 0 {
				t.Errorf("under %s %d there are still %d", k.Key, k.Version, k.Left)
			}
		}
	})
}

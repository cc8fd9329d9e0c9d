package cli_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKillDuringTheFirstStartNeverStopsTheNext(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		began := time.Now()
		newInstallation(t, e).dev(t).ready()
		whole := time.Since(began)
		for range 15 {
			s := newInstallation(t, e)
			p := s.dev(t)
			<-time.After(rand.N(whole))
			p.kill()
			s.requireGoodStart(t)
			s.withStore(t, func(st *store.Store) { followChains(t, st, func(audit.Record) {}) })
		}
	})
}

// requireGoodStart starts the process, requires that everything works that it prints, and stops it.
func (s *installation) requireGoodStart(t testing.TB) {
	t.Helper()
	p := s.dev(t)
	requireWorking(t, p.ready())
	p.term()
}

func TestAFirstStartWithWrongArgumentsMakesNothing(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"an unknown flag":           {"--nonsense"},
		"an unknown output":         {"--output", "xml"},
		"an argument too many":      {"extra"},
		"sample keys without file":  {"--sample-keys", "1"},
		"a sample file without key": {"--sample-file", "keys"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newInstallation(t, testkit.SQLite)
			requireOneLine(t, s.dev(t, more...), 2, "")
			s.requireNothing(t)
		})
	}
	t.Run("two databases", func(t *testing.T) {
		s := newInstallation(t, testkit.SQLite)
		s.with("CLAVIGER_DATABASE_URL=postgres://127.0.0.1:1/x", "CLAVIGER_DATABASE_URL_FILE=none")
		requireOneLine(t, s.dev(t), 1, "both set")
		s.requireNothing(t)
	})
}

// requireNothing requires that there is no data directory, and that the working directory is empty.
func (s *installation) requireNothing(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(s.data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a data directory was made: %v", err)
	}
	if files, err := os.ReadDir(s.dir); err != nil || len(files) > 0 {
		t.Errorf("files were made: %v %v", files, err)
	}
}

func TestABadFirstStartNeverStopsTheNext(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		t.Run("the port is in use", func(t *testing.T) {
			s := newInstallation(t, e)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			s.listen = l.Addr().String()
			requireOneLine(t, s.dev(t), 1, "address already in use")
			must(t, l.Close())
			s.listen = ""
			s.requireGoodStart(t)
		})
		t.Run("PostgreSQL is not there", func(t *testing.T) {
			s := newInstallation(t, e)
			mend := s.with("CLAVIGER_DATABASE_URL=postgres://127.0.0.1:1/x")
			requireOneLine(t, s.dev(t), 1, "PostgreSQL cannot be reached")
			mend()
			s.requireGoodStart(t)
		})
		t.Run("the root secret is malformed", func(t *testing.T) {
			s := newInstallation(t, e)
			mend := s.with("CLAVIGER_ROOT_SECRET=" + malformedRoot)
			requireOneLine(t, s.dev(t), 1, "the root secret must be")
			mend()
			s.requireGoodStart(t)
		})
	})
}

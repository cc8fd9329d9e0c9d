package cli_test

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// newSample returns an installation with the data of an earlier `claviger dev`, for tests that are
// about later starts or about a running server. A first start takes more than twice as long as a
// later one, because it migrates the database and creates the sample. There is one first start for
// each engine: all samples have the same keys, ids and root secret.
func newSample(t testing.TB, e testkit.Engine) *installation {
	t.Helper()
	first := firstStarts[e]
	first.once.Do(func() { first.make(t, e) })
	if first.files == nil {
		t.Fatal("there is no sample to copy: see the first test that failed")
	}
	s := emptyInstallation(t, e)
	if e == testkit.Postgres {
		name := "test_" + strings.ToLower(rand.Text())
		testkit.OnServer(t, "CREATE DATABASE "+name+" TEMPLATE "+first.database)
		t.Cleanup(func() { testkit.OnServer(t, "DROP DATABASE "+name+" WITH (FORCE)") })
		s.url = databaseURL(t, name)
	}
	must(t, os.Mkdir(s.data, 0o700))
	for name, content := range first.files {
		must(t, os.WriteFile(filepath.Join(s.data, name), content, 0o600))
	}
	reserve := filepath.Join(s.data, "reserve")
	must(t, os.WriteFile(reserve, nil, 0o600))
	must(t, os.Truncate(reserve, first.reserve))
	return s
}

// sample returns what the last start of `claviger dev` has printed.
func (s *installation) sample(t testing.TB) (made sample.Sample) {
	t.Helper()
	must(t, json.Unmarshal([]byte(readFile(t, filepath.Join(s.data, "dev.json"))), &made))
	return made
}

// firstStarts are the first starts that samples are copies of.
var firstStarts = map[testkit.Engine]*firstStart{testkit.SQLite: {}, testkit.Postgres: {}}

// firstStart is what a first start of `claviger dev` left when it had stopped.
type firstStart struct {
	once sync.Once
	// files are the files of the data directory, except the reserve, which is long and has no
	// content.
	files   map[string][]byte
	reserve int64
	// database is the name of the database in PostgreSQL; "" for SQLite.
	database string
}

// make starts and stops `claviger dev`, and stores what it left.
func (f *firstStart) make(t testing.TB, e testkit.Engine) {
	t.Helper()
	s := emptyInstallation(t, e)
	if e == testkit.Postgres {
		f.database = "sample_" + strings.ToLower(rand.Text()) // it ends with the server of the tests
		testkit.OnServer(t, "CREATE DATABASE "+f.database)
		s.url = databaseURL(t, f.database)
	}
	p := s.dev(t)
	p.ready()
	p.term()
	files := map[string][]byte{}
	entries, err := os.ReadDir(s.data)
	must(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		if entry.Name() == "reserve" {
			f.reserve = info.Size()
		} else if info.Mode().IsRegular() {
			files[entry.Name()] = []byte(readFile(t, filepath.Join(s.data, entry.Name())))
		}
	}
	f.files = files
}

// databaseURL returns the URL of a database on the server of the tests.
func databaseURL(t testing.TB, name string) string {
	t.Helper()
	address, err := url.Parse(os.Getenv("CLAVIGER_TEST_POSTGRES"))
	must(t, err)
	address.Path = "/" + name
	return address.String()
}

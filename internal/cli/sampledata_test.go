package cli_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
		s.url = testkit.CopyDatabase(t, first.database)
	}
	first.files.writeTo(t, s.data)
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
	// files is the data directory.
	files savedTree
	// database is the name of the database in PostgreSQL; "" for SQLite.
	database string
}

// make starts and stops `claviger dev`, and stores what it left.
func (f *firstStart) make(t testing.TB, e testkit.Engine) {
	t.Helper()
	s := emptyInstallation(t, e)
	if e == testkit.Postgres {
		f.database, s.url = testkit.NewTemplate(t)
	}
	p := s.dev(t)
	p.ready()
	p.term()
	f.files = saveTree(t, s.data)
}

// savedTree is a directory with its files and directories, by path.
type savedTree map[string]savedFile

type savedFile struct {
	mode    fs.FileMode
	content []byte
	// size is the size of a file without content: the reserve of a data directory.
	size int64
}

// saveTree returns the content of a directory.
func saveTree(t testing.TB, root string) savedTree {
	t.Helper()
	saved := savedTree{}
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		file := savedFile{mode: info.Mode()}
		if d.Name() == "reserve" {
			file.size = info.Size()
		} else if !d.IsDir() {
			file.content = []byte(readFile(t, path))
		}
		saved[strings.TrimPrefix(path, root)] = file
		return err
	}))
	return saved
}

// writeTo creates the directory root, which may be there and empty, as it was saved.
func (s savedTree) writeTo(t testing.TB, root string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s)) { // a directory before what is in it
		file, path := s[name], root+name
		if file.mode.IsDir() {
			must(t, os.MkdirAll(path, file.mode.Perm()))
			continue
		}
		must(t, os.WriteFile(path, file.content, file.mode.Perm()))
		if file.size > 0 {
			must(t, os.Truncate(path, file.size))
		}
	}
}

package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
)

// dataDir is the directory of everything Claviger keeps: 0700, files 0600, one process at a time.
type dataDir struct {
	path string
	lock *os.File
}

// The files of the data directory: the embedded database, and what keeps others out of the directory.
const (
	databaseFile = "claviger.db"
	lockFile     = "lock"
)

// errLocked says that another process has the directory.
var errLocked = errors.New("another claviger is using it")

// openData makes the directory if it is new and takes its lock, which ends with the process.
func openData(path string) (dataDir, error) {
	if err := own(path); err != nil {
		return dataDir{}, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return dataDir{}, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return dataDir{}, errors.Join(fmt.Errorf("data directory %s: %w", path, errLocked), lock.Close())
	}
	return dataDir{path: path, lock: lock}, nil
}

// own makes the directory, or takes one that is empty or Claviger's already, and keeps others out of it. A directory of somebody else's is left as it is.
func own(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	ours := slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains([]string{lockFile, "root.key", databaseFile, JournalFile, reserveFile}, e.Name())
	})
	if len(entries) > 0 && !ours {
		return fmt.Errorf("%s holds other files: give claviger a directory of its own", path)
	}
	return os.Chmod(path, 0o700)
}

func (d dataDir) close() error { return d.lock.Close() }

func (d dataDir) file(name string) string { return filepath.Join(d.path, name) }

// root gives the root secret: from the configuration, else from the directory's file, which a new database gets. adopted is set where the database was made
// under a root secret already: then a new one would only hide that the old one is missing.
func (d dataDir) root(c config.Config, adopted bool) (credential.Root, error) {
	if !c.RootSecret.IsZero() {
		return credential.ParseRoot(c.RootSecret.Reveal())
	}
	file := d.file("root.key")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && adopted {
		return credential.Root{}, fmt.Errorf("the root secret is missing: put back %s, or set CLAVIGER_ROOT_SECRET", file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d.newRoot(file)
	}
	if err != nil {
		return credential.Root{}, fmt.Errorf("root secret: %w", err)
	}
	root, err := credential.ParseRoot(string(text))
	if err != nil {
		return credential.Root{}, fmt.Errorf("root secret in %s: %w", file, err)
	}
	return root, nil
}

// newRoot makes the file whole or not at all, and durable before anything is sealed under it.
func (d dataDir) newRoot(file string) (credential.Root, error) {
	root := credential.NewRoot(rand.Reader)
	if err := WriteFile(file, []byte(root.Text().Reveal()+"\n")); err != nil {
		return credential.Root{}, fmt.Errorf("root secret: %w", err)
	}
	return root, nil
}

// WriteFile writes a private file of mode 0600: whole or not at all, and on disk when it returns.
func WriteFile(file string, content []byte) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing once it is renamed
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

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

// dataDir is the data directory. Its mode is 0700, that of its files 0600. One process at a time
// uses it.
type dataDir struct {
	path string
	lock *os.File
}

// Files of the data directory.
const (
	databaseFile = "claviger.db" // the SQLite database
	rootFile     = "root.key"    // the root secret
	lockFile     = "lock"        // locked by the process that uses the directory
)

// errLocked says that another process uses the directory.
var errLocked = errors.New("another claviger is using it")

// openData creates the directory if it does not exist, and takes its lock, which ends with the
// process.
func openData(path string) (dataDir, error) {
	path = filepath.Clean(path)
	if err := claim(path); err != nil {
		return dataDir{}, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return dataDir{}, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return dataDir{}, errors.Join(fmt.Errorf("data directory %s: %w", path, errLocked), lock.Close())
	}
	return dataDir{path: path, lock: lock}, nil
}

// claim creates the directory, or checks that it is empty or holds Claviger's files, and removes
// the rights of others. A directory with other files is left as it is.
func claim(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	empty, err := checkDir(path, true)
	if err != nil {
		return err
	}
	if empty {
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
		if _, err := checkDir(path, false); err != nil { // somebody may have written to it before
			return err
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == volumeDir })
	ours := slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains([]string{lockFile, rootFile, databaseFile, JournalFile, reserveFile}, e.Name())
	})
	if len(entries) > 0 && !ours {
		return fmt.Errorf("%s holds other files: give claviger a directory of its own", path)
	}
	return nil
}

func (d dataDir) close() error { return d.lock.Close() }

func (d dataDir) file(name string) string { return filepath.Join(d.path, name) }

// root returns the root secret: from the configuration, or else from the directory's file, which is
// created for a new database. adopted is set where the database has a root secret already: then a
// new one would only hide that the old one is missing.
func (d dataDir) root(c config.Config, adopted bool) (credential.Root, error) {
	if !c.RootSecret.IsZero() {
		return credential.ParseRoot(c.RootSecret.Reveal())
	}
	file := d.file(rootFile)
	text, err := readSecret(file)
	if errors.Is(err, fs.ErrNotExist) && adopted {
		return credential.Root{},
			fmt.Errorf("the root secret is missing: put back %s, or set CLAVIGER_ROOT_SECRET", file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d.newRoot(file)
	}
	if err != nil {
		return credential.Root{}, fmt.Errorf("root secret in %s: %w", file, err)
	}
	root, err := credential.ParseRoot(text)
	if err != nil {
		return credential.Root{}, fmt.Errorf("root secret in %s: %w", file, err)
	}
	return root, nil
}

// readSecret reads the secret in a file of the data directory. It follows no link.
func readSecret(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, _, err := config.ReadSecretText(file)
	if err != nil {
		return "", err
	}
	return config.OneSecret(text)
}

// newRoot writes a new root secret. It is on disk before anything is sealed with it.
func (d dataDir) newRoot(file string) (credential.Root, error) {
	root := credential.NewRoot(rand.Reader)
	if err := WriteFile(file, []byte(root.Text().Reveal()+"\n")); err != nil {
		return credential.Root{}, fmt.Errorf("root secret: %w", err)
	}
	return root, nil
}

// WriteFile writes a file of mode 0600 completely or not at all. It is on disk when WriteFile
// returns.
func WriteFile(file string, content []byte) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing once it is renamed
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
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

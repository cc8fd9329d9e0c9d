package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Size returns the size of a database in bytes, including its WAL.
func Size(file string) (bytes int64, err error) {
	for _, name := range []string{file, file + "-wal"} {
		info, err := os.Stat(name)
		switch {
		case err == nil:
			bytes += info.Size()
		case name == file || !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	return bytes, nil
}

// Compact rewrites the database of a file without free pages, which still hold parts of deleted
// rows. No process may have the database open. The new file replaces the old one once it is
// complete and on disk; if the process is killed before, the old file stays. For a short time both
// files exist.
func Compact(ctx context.Context, file string) (err error) {
	fresh := file + ".compact"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeCompact(ctx, file, fresh); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := os.Rename(fresh, file); err != nil {
		return err
	}
	return syncPath(filepath.Dir(file))
}

func writeCompact(ctx context.Context, file, fresh string) error {
	if err := createPrivate(fresh); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(file, ""))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", fresh)
	// Closing the last connection moves the WAL into the file and removes it. SQLite must not read
	// that WAL with the new file.
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if _, err := os.Stat(file + "-wal"); err == nil {
		return errors.New(file + "-wal is still there: another process has the database open")
	}
	return syncPath(fresh)
}

// syncPath makes a file, or the names in a directory, survive a power cut.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// explain returns an error that says why a file could not be opened as the database and what to do.
// An error that already says so is returned unchanged.
func explain(err error, file string) error {
	if why := fileCause(err, file); why != "" {
		return fmt.Errorf("the database %s: %s", file, why)
	}
	why := engineCause(err, file)
	if why == "" {
		return err
	}
	if failed := checkDirectory(filepath.Dir(file)); failed != nil && maySuggestDirectory(err) {
		if found := fileCause(failed, file); found != "" {
			why = found
		}
	}
	return fmt.Errorf("the database %s: %s: %w", file, why, err)
}

// maySuggestDirectory reports whether SQLite could not use the files of a directory and does not
// say why.
func maySuggestDirectory(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}

// checkDirectory returns why no file can be created and written in a directory; nil if one can.
func checkDirectory(dir string) error {
	f, err := os.CreateTemp(dir, ".claviger-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10)) // the size of the files that SQLite keeps beside the database
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

const adviceFreeSpace = "the disk is full: free some space and start again"

// fileCause explains an error of the operating system; "" for any other error.
func fileCause(err error, file string) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return "its file system is mounted read-only: mount it for writing, or name another directory with --data"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return adviceFreeSpace
	case errors.Is(err, syscall.ELOOP):
		return "it is a symbolic link, which Claviger does not follow: replace the link by the file"
	case errors.Is(err, syscall.EISDIR):
		return "it is a directory: move it away"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not write to it, or not make it: give it and " + filepath.Dir(file) +
			" to the user that runs claviger (chown), with mode 600 and 700"
	}
	return ""
}

// engineCause explains an error of SQLite; "" if it needs no explanation.
func engineCause(err error, file string) string {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return ""
	}
	switch e.Code() & 0xff { // the primary code of an extended code
	case sqlite3.SQLITE_NOTADB:
		return "it is not an SQLite database: name the right directory with --data, or restore a backup"
	case sqlite3.SQLITE_CORRUPT:
		return "it is damaged: keep a copy of it and restore a backup"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process holds its lock, for example sqlite3 or a backup program: end that process and " +
			"start again"
	case sqlite3.SQLITE_FULL:
		return adviceFreeSpace
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return "SQLite cannot write to it, or to the files that it keeps beside it (-wal, -shm): make " +
			filepath.Dir(file) +
			" and all that is in it writable for the user that runs claviger"
	case sqlite3.SQLITE_IOERR:
		return "it cannot be read or written: look for failures of the disk in the system's log"
	}
	return ""
}

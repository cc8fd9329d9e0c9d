package scan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Files reads the keys in a file, or in all files in and below a folder in the order of their
// names. Symbolic links below the folder are not followed, and devices, sockets and pipes in it are
// left out. Where something cannot be read, unreadable is called and the others are read on; found
// ends it with an error.
func Files(path string, found func(file string, f Finding) error, unreadable func(error)) error {
	info, err := os.Stat(path) // what was named is followed
	if err != nil {
		unreadable(err)
		return nil
	}
	if !info.IsDir() {
		return readFile(path, found, unreadable)
	}
	return filepath.WalkDir(path+string(filepath.Separator), func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			unreadable(err)
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		return readFile(filepath.Clean(file), found, unreadable)
	})
}

// callerError is an error of the caller's.
type callerError struct{ error }

func readFile(path string, found func(string, Finding) error, unreadable func(error)) error {
	file, err := os.Open(path)
	if err != nil {
		unreadable(err)
		return nil
	}
	defer file.Close()
	err = Read(file, func(f Finding) error {
		if err := found(path, f); err != nil {
			return callerError{err}
		}
		return nil
	})
	if stop, ok := errors.AsType[callerError](err); ok {
		return stop.error
	}
	if err != nil {
		unreadable(err)
	}
	return nil
}

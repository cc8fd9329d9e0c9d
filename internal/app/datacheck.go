package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// volumeDir is created by the file system in the root of a volume and belongs to root. Claviger
// never reads it.
const volumeDir = "lost+found"

// CheckData returns an error unless the data directory is safe to read: it and everything in it
// belong to the user of this process, group and others have no rights, and there are no links (ADR
// 32). It reads no file. An empty directory may have any mode. A directory that does not exist is
// safe.
func CheckData(path string) error {
	_, err := checkDir(filepath.Clean(path), true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// CheckFile calls CheckData if the file is in the data directory, by its name or through links. It
// does not check other files.
func CheckFile(data, file string) error {
	if !within(data, file) {
		return nil
	}
	return CheckData(data)
}

// within reports whether a file is below a directory, by their names or after following links.
func within(dir, file string) bool {
	dirs, files := []string{dir}, []string{file}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dirs = append(dirs, real)
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		files = append(files, real)
	}
	for _, d := range dirs {
		for _, f := range files {
			if below(d, f) {
				return true
			}
		}
	}
	return false
}

func below(dir, file string) bool {
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	absFile, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(absDir, absFile)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// checkDir checks a directory and everything below it, and reports whether it is empty. If
// emptyAnyMode is set, an empty directory may have any mode.
func checkDir(path string, emptyAnyMode bool) (empty bool, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	if err := checkKind(path, info); err != nil {
		return false, err
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	info, err = dir.Stat()
	if err != nil {
		return false, err
	}
	if err := checkOwner(path, info); err != nil {
		return false, err
	}
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return false, err
	}
	if len(entries) > 0 || !emptyAnyMode {
		if err := checkMode(path, info); err != nil {
			return false, err
		}
	}
	for _, e := range entries {
		if err := checkEntry(filepath.Join(path, e.Name())); err != nil {
			return false, err
		}
	}
	return len(entries) == 0, nil
}

// checkEntry checks an entry of a directory. A file that is gone by now is fine: a running server
// removes some.
func checkEntry(path string) error {
	info, err := os.Lstat(path)
	if err == nil {
		err = checkFound(path, info)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func checkFound(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir() && filepath.Base(path) == volumeDir && ownerOf(info) == 0:
		return nil
	case info.IsDir():
		_, err := checkDir(path, false)
		return err
	}
	if err := checkKind(path, info); err != nil {
		return err
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	return checkMode(path, info)
}

func checkKind(path string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case 0, fs.ModeDir, fs.ModeSocket:
		return nil
	case fs.ModeSymlink:
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is a link to %s, and links are not followed here: use %s itself in the place of the link",
			path, to, to)
	}
	return fmt.Errorf("%s is neither a file nor a directory nor a socket: remove it", path)
}

func checkOwner(path string, info fs.FileInfo) error {
	owner, me := ownerOf(info), os.Geteuid()
	if owner == me {
		return nil
	}
	chown := "chown "
	if info.IsDir() {
		chown += "-R "
	}
	return fmt.Errorf("%s belongs to user %s, and this runs as user %s: run it as %s, or %s%s %s",
		path, userName(owner), userName(me), userName(owner), chown, userName(me), path)
}

func checkMode(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	right := "600"
	if info.IsDir() {
		right = "700"
	}
	return fmt.Errorf("group or others have access to %s (mode %04o): "+
		"make sure that what is there is yours, then chmod %s %s",
		path, mode, right, path)
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// userName returns the name of a user, or the number if the user has none.
func userName(id int) string {
	number := strconv.Itoa(id)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

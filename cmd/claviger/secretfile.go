package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/claviger-dev/claviger/api"
)

// writeSecret writes a file of mode 0600, whole or not at all. Unless it may replace, it refuses where there is one.
func writeSecret(path string, text []byte, replace bool) error {
	f, err := reserve(path, replace)
	if err != nil {
		return err
	}
	return f.fill(text)
}

// reserved is a file that waits for its secret. It is made before the secret is, so that no wrong folder loses one.
type reserved struct {
	path string
	file *os.File
}

func reserve(path string, replace bool) (*reserved, error) {
	file, err := create(path, replace)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage("%s is there already: name another file, or replace it with --force", path)
	}
	if err != nil {
		return nil, err
	}
	return &reserved{path, file}, nil
}

// create makes a file of mode 0600: at its place, or beside what it will replace.
func create(path string, replace bool) (*os.File, error) {
	if replace {
		return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// fill writes the text and gives the file its name.
func (r *reserved) fill(text []byte) error {
	_, err := r.file.Write(text)
	return r.place(err)
}

// place gives the file its name once all was written to it, unless that failed.
func (r *reserved) place(err error) error {
	if err = errors.Join(err, r.file.Sync(), r.file.Close()); err != nil {
		return errors.Join(err, os.Remove(r.file.Name()))
	}
	if r.file.Name() == r.path {
		return nil
	}
	if err := os.Rename(r.file.Name(), r.path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // or a power cut takes the name away
}

// drop gives the place up.
func (r *reserved) drop() {
	_ = r.file.Close()
	_ = os.Remove(r.file.Name()) // nothing is in it
}

// fillKey writes the credential as BlazeMeter's users know it: {"id":…,"secret":…}.
func (r *reserved) fillKey(c api.Credential) error {
	text, err := json.Marshal(struct {
		ID     string  `json:"id"`
		Secret *string `json:"secret"`
	}{c.ID, c.Secret})
	if err != nil {
		return err
	}
	return r.fill(append(text, '\n'))
}

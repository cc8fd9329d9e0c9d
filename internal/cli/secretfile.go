package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/claviger-dev/claviger/api"
)

// writeSecret writes a file with mode 0600, completely or not at all. Without replace, it returns
// an error if the file exists.
func writeSecret(path string, text []byte, replace bool) error {
	f, err := createPending(path, replace)
	if err != nil {
		return err
	}
	return f.write(text)
}

// pendingFile is a file without its content. It is created before the secret, so that no secret is
// lost if the file cannot be created.
type pendingFile struct {
	path string
	file *os.File
}

func createPending(path string, replace bool) (*pendingFile, error) {
	file, err := createSecretFile(path, replace)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage("%s already exists. Name another file, or overwrite it with --force", path)
	}
	if err != nil {
		return nil, err
	}
	return &pendingFile{path, file}, nil
}

// createSecretFile creates a file with mode 0600: at the path, or next to the file that it will
// replace.
func createSecretFile(path string, replace bool) (*os.File, error) {
	if replace {
		return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// write writes the text and commits the file.
func (r *pendingFile) write(text []byte) error {
	_, err := r.file.Write(text)
	return r.commit(err)
}

// commit syncs the file and renames it to its path. If err is not nil, writing failed: commit
// removes the file and returns the error.
func (r *pendingFile) commit(err error) error {
	err = errors.Join(err, r.file.Sync(), r.file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(r.file.Name()))
	}
	if r.file.Name() == r.path {
		return nil
	}
	if err := os.Rename(r.file.Name(), r.path); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync a directory
	}
	folder, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // otherwise a power failure could undo the rename
}

// discard removes the file.
func (r *pendingFile) discard() {
	_ = r.file.Close()
	_ = os.Remove(r.file.Name()) // it has no content to lose
}

// writeCredential writes the credential in the form that users of BlazeMeter know, with the value
// that clients send: {"id":…,"secret":…,"value":…}.
func (r *pendingFile) writeCredential(c api.Credential) error {
	text, err := json.Marshal(struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
		Value  string `json:"value"`
	}{c.ID, c.Secret, c.Value})
	if err != nil {
		return err
	}
	return r.write(append(text, '\n'))
}

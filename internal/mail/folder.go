package mail

import (
	"context"
	"os"
	"path/filepath"

	"github.com/claviger-dev/claviger/internal/notice"
)

// Folder is a carrier without a mail server: it leaves each letter as a file of RFC 5322, which mail programs open. A delivery that is repeated writes the same file,
// so none is ever in doubt.
type Folder struct {
	Desk
	// Path of the directory, made when it is needed.
	Path string
	// Write a private file: whole or not at all, and on disk when it returns.
	Write func(file string, content []byte) error
}

// Carry implements notice.Carrier.
func (f *Folder) Carry(_ context.Context, l notice.Letter, _ func(context.Context) error) error {
	content, err := f.message(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return err
	}
	return f.Write(filepath.Join(f.Path, string(l.ID)+".eml"), content)
}

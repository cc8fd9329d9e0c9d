package mail

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/claviger-dev/claviger/internal/notice"
)

// maxFiles is how many messages a folder keeps. Older ones are deleted.
const maxFiles = 1_000

// fileSuffix ends the name of a message's file. The name begins with the notice's id; ids sort by
// time.
const fileSuffix = ".eml"

// Folder is a sender without a mail server: it writes each message as a file (RFC 5322), which mail
// programs open. Sending a message again writes the same file, so no message is ever in doubt. The
// folder keeps the latest 1,000 files.
type Folder struct {
	Renderer
	// Path of the directory. It is created when needed.
	Path string
	// Write writes a private file: completely or not at all, and on disk when it returns.
	Write func(file string, content []byte) error
}

// Send implements notice.Sender.
func (f *Folder) Send(_ context.Context, l notice.Message, _ func(context.Context) error) error {
	content, err := f.message(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return err
	}
	name := string(l.ID) + fileSuffix
	if err := f.Write(filepath.Join(f.Path, name), content); err != nil {
		return err
	}
	return f.removeOldest(name)
}

// removeOldest deletes the oldest messages above the limit, but never the one just written.
func (f *Folder) removeOldest(written string) error {
	entries, err := os.ReadDir(f.Path) // in the order of their names
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), fileSuffix) && e.Name() != written {
			names = append(names, e.Name())
		}
	}
	for _, name := range names[:max(0, len(names)+1-maxFiles)] {
		if err := os.Remove(filepath.Join(f.Path, name)); err != nil {
			return err
		}
	}
	return nil
}

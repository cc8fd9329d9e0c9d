package cli_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// exposures let another user read or write the data directory. Each has a change of the directory
// and a part of the error message.
var exposures = []struct {
	name, says string
	do         func(t *testing.T, data string)
}{
	{
		"the directory is open to others", "chmod 700",
		func(t *testing.T, data string) { must(t, os.Chmod(data, 0o755)) },
	},
	{
		"the directory is open to a group", "chmod 700",
		func(t *testing.T, data string) { must(t, os.Chmod(data, 0o770)) },
	},
	{"the directory is a link", "is a link to ", func(t *testing.T, data string) {
		must(t, os.Rename(data, data+"-elsewhere"))
		must(t, os.Symlink(data+"-elsewhere", data))
	}},
	{
		"the mail folder is open to others", "chmod 700",
		func(t *testing.T, data string) { must(t, os.Mkdir(filepath.Join(data, "mail"), 0o755)) },
	},
	{"a file below the mail folder is open to others", "chmod 600", func(t *testing.T, data string) {
		must(t, os.Mkdir(filepath.Join(data, "mail"), 0o700))
		must(t, os.WriteFile(filepath.Join(data, "mail", "x.eml"), nil, 0o644))
	}},
	{"a certificate's key is open to a group", "chmod 600", func(t *testing.T, data string) {
		must(t, os.WriteFile(filepath.Join(data, "tls.key"), nil, 0o640))
	}},
}

// readFiles are the files that a start or a command reads.
var readFiles = []string{"root.key", "claviger.db", "revocations.journal", "lock", "dev.json", "reserve"}

func TestNothingIsReadInADataDirectoryThatOthersCanReach(t *testing.T) {
	t.Parallel()
	for _, e := range exposures {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, e.says, e.do)
		})
	}
	for _, name := range readFiles {
		t.Run(name+" is open to others", func(t *testing.T) {
			t.Parallel()
			requireRefused(t, "chmod 600 ",
				func(t *testing.T, data string) { must(t, os.Chmod(filepath.Join(data, name), 0o604)) })
		})
		t.Run(name+" is a link", func(t *testing.T) {
			t.Parallel()
			requireRefused(t, name+" is a link to ", func(t *testing.T, data string) {
				file := filepath.Join(data, name)
				must(t, os.Rename(file, data+"-"+name))
				must(t, os.Symlink(data+"-"+name, file))
			})
		})
	}
	t.Run("the socket is a link", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, "claviger.sock is a link to ", func(t *testing.T, data string) {
			must(t, os.Symlink("/run/other.sock", filepath.Join(data, "claviger.sock")))
		})
	})
}

// requireRefused exposes a data directory. It requires that no start and no command
// opens the directory, and that nothing in it changes.
func requireRefused(t *testing.T, says string, expose func(t *testing.T, data string)) {
	t.Helper()
	s := newSample(t, testkit.SQLite)
	expose(t, s.data)
	before := fileStates(t, s.data)
	for _, args := range [][]string{
		s.devArgs(),
		{"serve", "--listen", "127.0.0.1:0", "--data", s.data},
		{"account", "list", "--data", s.data},
		{"migrate", "status", "--data", s.data},
		{"compact", "--data", s.data},
	} {
		p := s.launch(t, args...)
		code := p.exit(waitTimeout)
		if line := p.stderr.String(); code != 1 || !strings.HasPrefix(line, "claviger: data directory: ") ||
			!strings.Contains(line, says) {
			t.Errorf("%s: exit code %d, and not %q:\n%s", args[0], code, says, line)
		}
	}
	if after := fileStates(t, s.data); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// fileStates returns the files of a directory with mode, size and modification time.
func fileStates(t *testing.T, dir string) (list string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		list += fmt.Sprintln(path, info.Mode(), info.Size(), info.ModTime())
		return err
	}))
	return list
}

func TestACertificateInADataDirectoryThatOthersCanReachIsNotRead(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	must(t, os.WriteFile(filepath.Join(s.data, "tls.pem"), []byte("no certificate"), 0o644))
	s.with("CLAVIGER_SERVER_TLS_CERT="+filepath.Join(s.data, "tls.pem"),
		"CLAVIGER_SERVER_TLS_KEY="+filepath.Join(s.data, "tls.pem"))
	requireOneLine(t, s.serve(t), 1, "chmod 600 ")
	requireOneLine(t, s.launch(t, "health", "--data", s.data), 1, "chmod 600 ")
}

func TestADataDirectoryOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	must(t, os.Mkdir(s.data, 0o700))
	if err := os.Chown(s.data, 65534, -1); errors.Is(err, fs.ErrPermission) {
		s.data = "/usr" // only root may change owners, and /usr belongs to root
	} else {
		must(t, err)
	}
	requireOneLine(t, s.serve(t), 1, " belongs to user ")
}

func TestAFileOfAnotherUserInTheDataDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not run: only root can change the owner of a file. " +
			"TestADataDirectoryOfAnotherUserIsRefused covers the same check")
		return
	}
	requireRefused(t, "chown ",
		func(t *testing.T, data string) { must(t, os.Chown(filepath.Join(data, "root.key"), 65534, -1)) })
}

func TestALinkToTheDataDirectoryIsNoWayAroundItsCheck(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	root := filepath.Join(s.dir, "root")
	must(t, os.Symlink(filepath.Join(s.data, "root.key"), root))
	must(t, os.Chmod(filepath.Join(s.data, "root.key"), 0o644))
	s.with("CLAVIGER_ROOT_SECRET_FILE=" + root)
	requireOneLine(t, s.serve(t), 1, "chmod 600 ")
	must(t, os.Chmod(filepath.Join(s.data, "root.key"), 0o600))
	s.serve(t).readyThenStopped()
}

// readyThenStopped waits until the server is ready, then stops it.
func (p *process) readyThenStopped() {
	p.t.Helper()
	p.logged(readyLine)
	p.term()
}

func TestAnEmptyDirectoryIsTakenWithTheFileSystemsOwn(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	must(t, os.Mkdir(s.data, 0o777))
	must(t, os.Chmod(s.data, 0o777))
	s.serve(t).readyThenStopped()
	requireMode(t, s.data, fs.ModeDir|0o700)
}

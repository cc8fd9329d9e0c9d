package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const passphrase = "correct horse battery staple"

// passphraseFile writes the passphrase to a file in the directory of the installation, and returns
// its path.
func (s *installation) passphraseFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(s.dir, "passphrase")
	must(t, os.WriteFile(file, []byte(passphrase+"\n"), 0o600))
	return file
}

// backUp starts a backup.
func (s *installation) backUp(t testing.TB, file string, more ...string) *process {
	t.Helper()
	return s.launch(t,
		append([]string{"backup", file, "--data", s.data, "--passphrase-file", s.passphraseFile(t)}, more...)...)
}

// requireBackUp makes a backup and returns its path.
func (s *installation) requireBackUp(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.age")
	p := s.backUp(t, file)
	if code := p.exit(waitTimeout); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.stderr.String())
	}
	return file
}

// decrypted returns the content of a backup.
func decrypted(t testing.TB, file string) []byte {
	t.Helper()
	r, err := backup.Decrypt(bytes.NewReader([]byte(readFile(t, file))), backup.Identity{Passphrase: passphrase})
	must(t, err)
	text, err := io.ReadAll(r)
	must(t, err)
	return text
}

// successor returns a new installation on an engine, with the root secret of this one.
func (s *installation) successor(t testing.TB, e testkit.Engine) *installation {
	t.Helper()
	next := newInstallation(t, e)
	must(t, os.Mkdir(next.data, 0o700))
	must(t, os.WriteFile(filepath.Join(next.data, "root.key"), []byte(readFile(t, filepath.Join(s.data, "root.key"))),
		0o600))
	return next
}

func (s *installation) journal() string { return filepath.Join(s.data, "revocations.journal") }

// restore restores a backup.
func (s *installation) restore(t testing.TB, file string, more ...string) *process {
	t.Helper()
	return s.launch(t,
		append([]string{"restore", file, "--data", s.data, "--passphrase-file", s.passphraseFile(t)}, more...)...)
}

func requireExit(t testing.TB, p *process, want int, says string) {
	t.Helper()
	if code := p.exit(waitTimeout); code != want || !strings.Contains(p.stdout.String()+p.stderr.String(), says) {
		t.Errorf("exit code %d, want %d and %q: %s%s", code, want, says, p.stdout.String(), p.stderr.String())
	}
}

// If a server runs, the server makes the backup, and otherwise the command. A backup of one engine
// can be restored on the other.
func TestABackupIsMadeWithAServerAndWithoutAndRestoredOnTheOtherEngine(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		line := p.ready()
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
			}
			file := s.requireBackUp(t)
			if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
				t.Errorf("the file has mode %s, %v", info.Mode(), err)
			}
			other := testkit.Engines()[(slices.Index(testkit.Engines(), e)+1)%2]
			next := s.successor(t, other)
			requireExit(t, next.restore(t, file), 6, "no journal tells what was revoked since")
			requireExit(t, next.restore(t, file, "--journal", s.journal()), 0, "all revocations known       yes")
			must(t, os.WriteFile(filepath.Join(next.data, "dev.json"),
				[]byte(readFile(t, filepath.Join(s.data, "dev.json"))), 0o600))
			restored := next.dev(t)
			again := restored.ready()
			requireWorking(t, again)
			if again.Tenants[0].Key.Value != line.Tenants[0].Key.Value {
				t.Error("the keys do not work any more")
			}
			restored.term()
		}
	})
}

// However the server ends, the journal contains every revocation that it acknowledged, even after
// half a line that an earlier crash left.
func TestARevocationIsInTheJournalBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		p.ready()
		file := s.requireBackUp(t)
		p.kill()
		must(t, os.WriteFile(s.journal(), []byte(readFile(t, s.journal())+`{"action":"key.rev`), 0o600))
		p = s.dev(t)
		line := p.ready()
		_, err := signedIn(t, line).RevokeKey(t.Context(), line.Tenants[0].ID, line.Tenants[0].Key.ID, "lost")
		p.kill()
		must(t, err)
		next := s.successor(t, e)
		requireExit(t, next.restore(t, file, "--journal", s.journal()), 0, "keys revoked or restricted  1")
		restored := next.serve(t)
		_, err = testkit.Client(t, restored.logged(readyLine)).WithKey(line.Tenants[0].Key.Value).Whoami(t.Context())
		if code := testkit.Code(t, err); code != api.APIKeyRevoked {
			t.Errorf("the key is %q", code)
		}
		restored.term()
	})
}

func TestABackupReplacesNoFileUnlessItIsTold(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	file := filepath.Join(t.TempDir(), "backup.age")
	must(t, os.WriteFile(file, []byte("something else"), 0o600))
	requireExit(t, s.backUp(t, file), 2, "overwrite it with --force")
	if got := readFile(t, file); got != "something else" {
		t.Errorf("it is now %q", got)
	}
	requireExit(t, s.backUp(t, file, "--force"), 0, "rows")
	decrypted(t, file)
	requireExit(t, s.backUp(t, filepath.Join(file, "x")), 1, "not a directory")
	requireExit(t, s.launch(t, "backup", "--data", s.data), 2, "")
}

func TestABackupToARecipientOpensByItsIdentityAlone(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	mine, err := age.GenerateX25519Identity()
	must(t, err)
	file, identity := filepath.Join(s.dir, "backup.age"), filepath.Join(s.dir, "identity")
	must(t, os.WriteFile(identity, []byte(mine.String()+"\n"), 0o600))
	requireExit(t, s.launch(t, "backup", file, "--data", s.data, "--recipient", mine.Recipient().String()), 0, "rows")
	next := s.successor(t, testkit.SQLite)
	requireExit(t, next.restore(t, file, "--journal", s.journal()), 1, "the backup cannot be decrypted")
	requireExit(t,
		next.launch(t, "restore", file, "--data", next.data, "--identity", identity, "--journal", s.journal()), 0,
		"rows")
	requireExit(t, s.launch(t, "backup", file+"2", "--data", s.data, "--recipient", "age1nonsense"), 1,
		"a recipient is not valid")
	if _, err := os.Stat(file + "2"); !os.IsNotExist(err) {
		t.Errorf("a backup that was refused left a file: %v", err)
	}
}

func TestARestoreSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	file := s.requireBackUp(t)
	whole := readFile(t, file)
	wrong := filepath.Join(s.dir, "wrong")
	must(t, os.WriteFile(wrong, []byte("another horse battery staple"), 0o600))
	next := s.successor(t, testkit.SQLite)
	requireExit(t, next.launch(t, "restore", file, "--data", next.data, "--passphrase-file", wrong), 1,
		"the passphrase or the identity is wrong")
	for what, content := range map[string]string{
		"short":   whole[:len(whole)-100],
		"altered": whole[:len(whole)-50] + "x" + whole[len(whole)-49:], "none": "no backup",
	} {
		broken := filepath.Join(s.dir, what)
		must(t, os.WriteFile(broken, []byte(content), 0o600))
		p := next.restore(t, broken, "--journal", s.journal())
		if code := p.exit(waitTimeout); code != 1 || strings.Count(p.stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", what, code, p.stderr.String())
		}
	}
	bare := newInstallation(t, testkit.SQLite)
	requireExit(t, bare.restore(t, file, "--journal", s.journal()), 1, "the root secret is missing")
	requireExit(t, s.restore(t, file, "--journal", s.journal()), 6, "this database already has accounts")
	p := s.dev(t)
	p.ready()
	requireExit(t, s.restore(t, file, "--journal", s.journal()), 1, "another claviger is using it")
	p.term()
	requireExit(t, next.restore(t, file, "--journal", s.journal(), "--journal", filepath.Dir(s.journal())), 0, "rows")
}

// If the backup or the server is killed, there is no file under the name of the backup, and the
// next backup succeeds.
func TestABackupThatBreaksOffLeavesNoFileOfItsName(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t, "--sample-keys", "1000", "--sample-file", filepath.Join(s.dir, "values"))
		p.ready()
		for what, breakOff := range map[string]func(command *process){
			"the command is killed": func(command *process) { command.kill() },
			"the server is killed": func(command *process) {
				p.kill()
				command.exit(waitTimeout)
				p = s.dev(t)
				p.ready()
			},
		} {
			folder := breakOffBackup(t, s, breakOff)
			if _, err := os.Stat(filepath.Join(folder, "backup.age")); !os.IsNotExist(err) {
				t.Errorf("%s: there is a file: %v", what, err)
			}
			requireExit(t, s.backUp(t, filepath.Join(folder, "backup.age")), 0, "rows")
		}
		p.term()
	})
}

// breakOffBackup starts a backup, ends it with breakOff while it runs, and returns the folder in
// which it was to be. A busy machine may finish a backup before it can be ended; then it starts
// another.
func breakOffBackup(t *testing.T, s *installation, breakOff func(command *process)) string {
	t.Helper()
	for range 10 {
		folder := t.TempDir()
		command := s.backUp(t, filepath.Join(folder, "backup.age"))
		// until the backup has started; deriving the key from the passphrase takes long enough
		for files := 0; files == 0; {
			entries, err := os.ReadDir(folder)
			must(t, err)
			files = len(entries)
		}
		breakOff(command)
		if !command.cmd.ProcessState.Success() {
			return folder
		}
	}
	t.Fatal("no backup could be ended before it was complete")
	return ""
}

func TestBackupAndRestoreTellProgramsWhatTheyDid(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	file := filepath.Join(s.dir, "backup.age")
	p := s.backUp(t, file, "--output", "json")
	requireExit(t, p, 0, "the root secret is not in the backup"[1:])
	var made struct {
		File string
		Rows int64
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &made))
	next := s.successor(t, testkit.SQLite)
	p = next.restore(t, file, "--without-journal", "--output", "json")
	requireExit(t, p, 0, "Not all revocations")
	var done struct {
		Rows    int64
		Covered bool
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &done))
	if made.File != file || made.Rows == 0 || done.Rows != made.Rows || done.Covered {
		t.Errorf("made %+v, restored %+v", made, done)
	}
}

package main_test

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
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const passphrase = "correct horse battery staple"

// passphraseFile gives the file of the passphrase in the folder of the site.
func (s *site) passphraseFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(s.dir, "passphrase")
	must(t, os.WriteFile(file, []byte(passphrase+"\n"), 0o600))
	return file
}

// backUp begins a backup.
func (s *site) backUp(t testing.TB, file string, more ...string) *process {
	t.Helper()
	return s.launch(t, append([]string{"backup", file, "--data", s.data, "--passphrase-file", s.passphraseFile(t)}, more...)...)
}

// demandBackUp makes a backup, and gives its file.
func (s *site) demandBackUp(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.age")
	p := s.backUp(t, file)
	if code := p.exit(patience); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.stderr.String())
	}
	return file
}

// decrypted gives the text of a backup.
func decrypted(t testing.TB, file string) []byte {
	t.Helper()
	r, err := backup.Decrypt(bytes.NewReader([]byte(readFile(t, file))), backup.Key{Passphrase: passphrase})
	must(t, err)
	text, err := io.ReadAll(r)
	must(t, err)
	return text
}

// successor is a new site on the engine with the root secret of this one.
func (s *site) successor(t testing.TB, e testkit.Engine) *site {
	t.Helper()
	next := newSite(t, e)
	must(t, os.Mkdir(next.data, 0o700))
	must(t, os.WriteFile(filepath.Join(next.data, "root.key"), []byte(readFile(t, filepath.Join(s.data, "root.key"))), 0o600))
	return next
}

func (s *site) journal() string { return filepath.Join(s.data, "revocations.journal") }

// restore brings a backup back.
func (s *site) restore(t testing.TB, file string, more ...string) *process {
	t.Helper()
	return s.launch(t, append([]string{"restore", file, "--data", s.data, "--passphrase-file", s.passphraseFile(t)}, more...)...)
}

func demandExit(t testing.TB, p *process, want int, says string) {
	t.Helper()
	if code := p.exit(patience); code != want || !strings.Contains(p.stdout.String()+p.stderr.String(), says) {
		t.Errorf("exit code %d, want %d and %q: %s%s", code, want, says, p.stdout.String(), p.stderr.String())
	}
}

// The server does the work where one runs, else the command by itself; the backup goes from either engine to the other.
func TestABackupIsMadeWithAServerAndWithoutAndRestoredOnTheOtherEngine(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		line := p.ready()
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
			}
			file := s.demandBackUp(t)
			if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
				t.Errorf("the file has mode %s, %v", info.Mode(), err)
			}
			other := testkit.Engines()[(slices.Index(testkit.Engines(), e)+1)%2]
			next := s.successor(t, other)
			demandExit(t, next.restore(t, file), 6, "no journal tells what was revoked since")
			demandExit(t, next.restore(t, file, "--journal", s.journal()), 0, "revocations since known  yes")
			must(t, os.WriteFile(filepath.Join(next.data, "dev.json"), []byte(readFile(t, filepath.Join(s.data, "dev.json"))), 0o600))
			restored := next.dev(t)
			again := restored.ready()
			demandWorking(t, again)
			if again.Tenants[0].Key.Value != line.Tenants[0].Key.Value {
				t.Error("the keys do not work any more")
			}
			restored.term()
		}
	})
}

// Whatever ends the server, what it answered as revoked is in the journal, also behind half a line that an earlier end left.
func TestARevocationIsInTheJournalBeforeItIsAnswered(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		p.ready()
		file := s.demandBackUp(t)
		p.kill()
		must(t, os.WriteFile(s.journal(), []byte(readFile(t, s.journal())+`{"action":"key.rev`), 0o600))
		p = s.dev(t)
		line := p.ready()
		_, err := signedIn(t, line).RevokeKey(t.Context(), line.Tenants[0].ID, line.Tenants[0].Key.ID, "lost")
		p.kill()
		must(t, err)
		next := s.successor(t, e)
		demandExit(t, next.restore(t, file, "--journal", s.journal()), 0, "keys revoked again       1")
		restored := next.serve(t)
		_, err = client.New(restored.logged(readyLine)).WithKey(line.Tenants[0].Key.Value).Whoami(t.Context())
		if code := testkit.Code(t, err); code != api.APIKeyRevoked {
			t.Errorf("the key is %q", code)
		}
		restored.term()
	})
}

func TestABackupReplacesNoFileUnlessItIsTold(t *testing.T) {
	s := newSite(t, testkit.SQLite)
	s.demandGoodStart(t)
	file := filepath.Join(t.TempDir(), "backup.age")
	must(t, os.WriteFile(file, []byte("something else"), 0o600))
	demandExit(t, s.backUp(t, file), 2, "replace it with --force")
	if got := readFile(t, file); got != "something else" {
		t.Errorf("it is now %q", got)
	}
	demandExit(t, s.backUp(t, file, "--force"), 0, "rows")
	decrypted(t, file)
	demandExit(t, s.backUp(t, filepath.Join(file, "x")), 1, "not a directory")
	demandExit(t, s.launch(t, "backup", "--data", s.data), 2, "")
}

func TestABackupToARecipientOpensByItsIdentityAlone(t *testing.T) {
	s := newSite(t, testkit.SQLite)
	s.demandGoodStart(t)
	mine, err := age.GenerateX25519Identity()
	must(t, err)
	file, identity := filepath.Join(s.dir, "backup.age"), filepath.Join(s.dir, "identity")
	must(t, os.WriteFile(identity, []byte(mine.String()+"\n"), 0o600))
	demandExit(t, s.launch(t, "backup", file, "--data", s.data, "--recipient", mine.Recipient().String()), 0, "rows")
	next := s.successor(t, testkit.SQLite)
	demandExit(t, next.restore(t, file, "--journal", s.journal()), 1, "the backup cannot be decrypted")
	demandExit(t, next.launch(t, "restore", file, "--data", next.data, "--identity", identity, "--journal", s.journal()), 0, "rows")
	demandExit(t, s.launch(t, "backup", file+"2", "--data", s.data, "--recipient", "age1nonsense"), 1, "a recipient is none of age")
	if _, err := os.Stat(file + "2"); !os.IsNotExist(err) {
		t.Errorf("a backup that was refused left a file: %v", err)
	}
}

func TestARestoreSaysWhatIsWrong(t *testing.T) {
	s := newSite(t, testkit.SQLite)
	s.demandGoodStart(t)
	file := s.demandBackUp(t)
	whole := readFile(t, file)
	wrong := filepath.Join(s.dir, "wrong")
	must(t, os.WriteFile(wrong, []byte("another horse battery staple"), 0o600))
	next := s.successor(t, testkit.SQLite)
	demandExit(t, next.launch(t, "restore", file, "--data", next.data, "--passphrase-file", wrong), 1, "the passphrase or the identity is another one")
	for what, content := range map[string]string{"short": whole[:len(whole)-100], "altered": whole[:len(whole)-50] + "x" + whole[len(whole)-49:], "none": "no backup"} {
		broken := filepath.Join(s.dir, what)
		must(t, os.WriteFile(broken, []byte(content), 0o600))
		p := next.restore(t, broken, "--journal", s.journal())
		if code := p.exit(patience); code != 1 || strings.Count(p.stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", what, code, p.stderr.String())
		}
	}
	bare := newSite(t, testkit.SQLite)
	demandExit(t, bare.restore(t, file, "--journal", s.journal()), 1, "the root secret is missing")
	demandExit(t, s.restore(t, file, "--journal", s.journal()), 6, "there are accounts in this database")
	p := s.dev(t)
	p.ready()
	demandExit(t, s.restore(t, file, "--journal", s.journal()), 1, "another claviger is using it")
	p.term()
	demandExit(t, next.restore(t, file, "--journal", s.journal()), 0, "rows")
}

// A backup that is killed, or whose server is, leaves nothing under its name, and the next one is made.
func TestABackupThatBreaksOffLeavesNoFileOfItsName(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t, "--sample-keys", "1000", "--sample-file", filepath.Join(s.dir, "values"))
		p.ready()
		for what, breakOff := range map[string]func(command *process){
			"the command is killed": func(command *process) { command.kill() },
			"the server is killed": func(command *process) {
				p.kill()
				if code := command.exit(patience); code == 0 {
					t.Error("a backup without its server ended well")
				}
				p = s.dev(t)
				p.ready()
			},
		} {
			folder := t.TempDir()
			command := s.backUp(t, filepath.Join(folder, "backup.age"))
			for files := 0; files == 0; { // until it has begun; deriving the key from the passphrase gives time
				entries, err := os.ReadDir(folder)
				must(t, err)
				files = len(entries)
			}
			breakOff(command)
			if _, err := os.Stat(filepath.Join(folder, "backup.age")); !os.IsNotExist(err) {
				t.Errorf("%s: there is a file: %v", what, err)
			}
			demandExit(t, s.backUp(t, filepath.Join(folder, "backup.age")), 0, "rows")
		}
		p.term()
	})
}

func TestBackupAndRestoreTellProgramsWhatTheyDid(t *testing.T) {
	s := newSite(t, testkit.SQLite)
	s.demandGoodStart(t)
	file := filepath.Join(s.dir, "backup.age")
	p := s.backUp(t, file, "--output", "json")
	demandExit(t, p, 0, "the root secret is not in the backup"[1:])
	var made struct {
		File string
		Rows int64
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &made))
	next := s.successor(t, testkit.SQLite)
	p = next.restore(t, file, "--without-journal", "--output", "json")
	demandExit(t, p, 0, "Not all that was revoked")
	var done struct {
		Rows    int64
		Covered bool
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &done))
	if made.File != file || made.Rows == 0 || done.Rows != made.Rows || done.Covered {
		t.Errorf("made %+v, restored %+v", made, done)
	}
}

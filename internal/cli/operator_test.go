package cli_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (s *installation) socket() string { return filepath.Join(s.data, "claviger.sock") }

// operator runs an operator command, and returns its JSON output.
func (s *installation) operator(t testing.TB, out any, args ...string) {
	t.Helper()
	p := s.launch(t, append(args, "--data", s.data, "--output", "json")...)
	if code := p.exit(waitTimeout); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, p.stderr.String())
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), out))
}

func (s *installation) accounts(t testing.TB) []api.Account {
	t.Helper()
	var all api.List[api.Account]
	s.operator(t, &all, "account", "list")
	return all.Items
}

func TestADirectoryWhosePathIsTooLongForASocketWorksWithoutOne(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	s.data = filepath.Join(s.dir, strings.Repeat("long", 30))
	p := s.dev(t)
	p.ready()
	p.term()
	if !strings.Contains(p.stderr.String(), "too long for a socket") {
		t.Errorf("the log says nothing:\n%s", p.stderr.String())
	}
	if all := s.accounts(t); len(all) != 1 {
		t.Errorf("an operator sees %+v", all)
	}
}

// If a server runs, the server makes the change, and otherwise the command. The result is the same.
func TestOperatorCommandsWorkWithAServerAndWithout(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		line := p.ready()
		key := testkit.Client(t, line.URL).WithKey(line.Tenants[0].Key.Value)
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
			}
			var made api.CreateAccountResponse
			s.operator(t, &made, "account", "create", "Example Ltd", "--owner-email", "ann@claviger.example")
			if all := s.accounts(t); all[0] != made.Account || !strings.Contains(*made.Invitation.URL,
				"/invitations/") {
				t.Errorf("made %+v with %s, listed %+v", made.Account, *made.Invitation.URL, all)
			}
			var u api.User
			s.operator(t, &u, "user", "disable", line.Email)
			if u.Status != "disabled" {
				t.Errorf("%+v", u)
			}
			if running {
				_, err := key.Whoami(t.Context())
				if code := testkit.Code(t, err); code != api.APIKeyDisabled {
					t.Errorf("the key of one who was just disabled: %q", code)
				}
			}
			s.operator(t, &u, "user", "enable", line.Email)
			var found api.AuditFinding
			s.operator(t, &found, "audit", "verify")
			if !found.Whole || found.Damage != nil || found.Records == 0 || found.Head == nil {
				t.Fatalf("%+v", found)
			}
			head := *found.Head
			s.operator(t, &u, "user", "disable", line.Email)
			s.operator(t, &u, "user", "enable", line.Email)
			s.operator(t, &found, "audit", "verify", "--since", head)
			if !found.Whole || found.Head == nil || *found.Head == head {
				t.Errorf("after two changes more, since %s: %+v", head, found)
			}
		}
		s.requireNoSocket(t)
		s.requireGoodStart(t)
	})
}

func (s *installation) requireNoSocket(t testing.TB) {
	t.Helper()
	if _, err := os.Lstat(s.socket()); !os.IsNotExist(err) {
		t.Errorf("there is a socket: %v", err)
	}
}

func TestTheSocketIsItsOwnersAloneAndGoesWithTheServer(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		for _, start := range []func() *process{
			func() *process { p := s.serve(t); p.logged(readyLine); return p },
			func() *process { p := s.dev(t); p.ready(); return p },
		} {
			p := start()
			info, err := os.Lstat(s.socket())
			must(t, err)
			if info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("the socket has mode %s", info.Mode())
			}
			p.term()
			s.requireNoSocket(t)
		}
	})
}

func TestTheSocketOfAKilledServerIsInNobodysWay(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		p.ready()
		p.kill()
		if _, err := os.Lstat(s.socket()); err != nil {
			t.Fatalf("the killed server left no socket to test with: %v", err)
		}
		if all := s.accounts(t); len(all) != 1 {
			t.Errorf("without a server: %+v", all)
		}
		p = s.dev(t)
		p.ready()
		if all := s.accounts(t); len(all) != 1 {
			t.Errorf("with the next server: %+v", all)
		}
		p.term()
	})
}

func TestOperatorCommandsAtOnceAllSucceed(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		p.ready()
		const atOnce = 4
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
			}
			before := len(s.accounts(t))
			var commands []*process
			for range atOnce {
				commands = append(commands,
					s.launch(t, "account", "create", "Example Ltd", "--owner-email", "ann@claviger.example", "--data",
						s.data))
			}
			for _, c := range commands {
				if code := c.exit(waitTimeout); code != 0 {
					t.Errorf("exit code %d: %s", code, c.stderr.String())
				}
			}
			if now := len(s.accounts(t)); now != before+atOnce {
				t.Errorf("%d accounts became %d", before, now)
			}
		}
	})
}

func TestACommandSaysThatTheDirectoryIsInUseWhereNothingAnswers(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	lock, err := os.OpenFile(filepath.Join(s.data, "lock"), os.O_RDWR, 0)
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	p := s.launch(t, "account", "list", "--data", s.data)
	code := p.exit(waitTimeout)
	if said := p.stderr.String(); code != 9 || !strings.Contains(said,
		"another claviger has the data directory and does not answer") || !strings.Contains(said, "\nnext: ") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestADamagedTrailIsFoundWithAServerAndWithout(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		p.ready()
		s.exec(t, `UPDATE audit_events SET actor_type = 'user' WHERE chain = 'server' AND seq = 2`)
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
			}
			c := s.launch(t, "audit", "verify", "--data", s.data)
			if code := c.exit(waitTimeout); code != 10 || !strings.Contains(c.stdout.String(),
				"chain server: record 2 was altered") || c.stderr.String() != "" {
				t.Errorf("exit code %d: %s%s", code, c.stdout.String(), c.stderr.String())
			}
			c = s.launch(t, "audit", "verify", "--data", s.data, "--output", "json")
			if code, out := c.exit(waitTimeout), c.stdout.String(); code != 10 || !strings.Contains(out,
				`"whole":false`) || !strings.Contains(out, `"chain":"server","after":1`) {
				t.Errorf("exit code %d: %s", code, out)
			}
		}
	})
}

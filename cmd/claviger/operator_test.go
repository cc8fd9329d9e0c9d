package main_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (s *site) socket() string { return filepath.Join(s.data, "claviger.sock") }

// operator runs a command of the operator, and gives what it prints as JSON.
func (s *site) operator(t testing.TB, out any, args ...string) {
	t.Helper()
	p := s.launch(t, append(args, "--data", s.data, "--output", "json")...)
	if code := p.exit(patience); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, p.stderr.String())
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), out))
}

func (s *site) accounts(t testing.TB) []api.Account {
	t.Helper()
	var all api.List[api.Account]
	s.operator(t, &all, "account", "list")
	return all.Items
}

// The server does the work where one runs, else the command by itself; both leave the same.
func TestOperatorCommandsWorkWithAServerAndWithout(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		line := p.ready()
		key := client.New(line.URL).WithKey(line.Tenants[0].Key.Value)
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
				s.awaitFree(t)
			}
			var made api.OpenedAccount
			s.operator(t, &made, "account", "create", "Example Ltd", "--owner-email", "ann@claviger.example")
			if all := s.accounts(t); all[0] != made.Account || !strings.Contains(*made.Invitation.URL, "/invitations/") {
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
			if !found.Whole || found.Damage != nil || found.Records == 0 {
				t.Errorf("%+v", found)
			}
		}
		s.demandNoSocket(t)
		s.demandGoodStart(t)
	})
}

func (s *site) demandNoSocket(t testing.TB) {
	t.Helper()
	if _, err := os.Lstat(s.socket()); !os.IsNotExist(err) {
		t.Errorf("there is a socket: %v", err)
	}
}

func TestTheSocketIsItsOwnersAloneAndGoesWithTheServer(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
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
			s.demandNoSocket(t)
			s.awaitFree(t)
		}
	})
}

func TestTheSocketOfAKilledServerIsInNobodysWay(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		p.ready()
		p.kill()
		s.awaitFree(t)
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
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		p.ready()
		const atOnce = 4
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
				s.awaitFree(t)
			}
			before := len(s.accounts(t))
			var commands []*process
			for range atOnce {
				commands = append(commands, s.launch(t, "account", "create", "Example Ltd", "--owner-email", "ann@claviger.example", "--data", s.data))
			}
			for _, c := range commands {
				if code := c.exit(patience); code != 0 {
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
	s := newSite(t, testkit.SQLite)
	s.demandGoodStart(t)
	lock, err := os.OpenFile(filepath.Join(s.data, "lock"), os.O_RDWR, 0)
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	p := s.launch(t, "account", "list", "--data", s.data)
	code := p.exit(patience)
	if said := p.stderr.String(); code != 9 || !strings.Contains(said, "another claviger has the data directory and does not answer") || !strings.Contains(said, "\nnext: ") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestADamagedTrailIsFoundWithAServerAndWithout(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSite(t, e)
		p := s.dev(t)
		p.ready()
		s.exec(t, `UPDATE audit_events SET actor_type = 'user' WHERE chain = 'server' AND seq = 2`)
		for _, running := range []bool{true, false} {
			if !running {
				p.term()
				s.awaitFree(t)
			}
			c := s.launch(t, "audit", "verify", "--data", s.data)
			if code := c.exit(patience); code != 10 || !strings.Contains(c.stdout.String(), "chain server: record 2 was altered") || c.stderr.String() != "" {
				t.Errorf("exit code %d: %s%s", code, c.stdout.String(), c.stderr.String())
			}
			c = s.launch(t, "audit", "verify", "--data", s.data, "--output", "json")
			if code, out := c.exit(patience), c.stdout.String(); code != 10 || !strings.Contains(out, `"whole":false`) || !strings.Contains(out, `"chain":"server","after":1`) {
				t.Errorf("exit code %d: %s", code, out)
			}
		}
	})
}

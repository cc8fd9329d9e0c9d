package postgres_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// server is a PostgreSQL server for one test, for what the shared server cannot be: a standby, or
// one with TLS.
type server struct {
	t         *testing.T
	dir, data string
	port      int
	as        *syscall.SysProcAttr
}

// newServer creates a cluster whose superuser is postgres. It does not start it.
func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "claviger-server-")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, data: filepath.Join(dir, "data")}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		s.as = unprivileged(t)
		if err := os.Chown(dir, int(s.as.Credential.Uid), int(s.as.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.run("initdb", "-D", s.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	return s
}

// unprivileged returns how to run as the user postgres or nobody.
func unprivileged(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// program returns the path of a program of PostgreSQL's server.
func program(name string) string {
	if path, err := osexec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is well formed
	slices.Sort(found)
	return slices.Concat([]string{name}, found)[len(found)]
}

func (s *server) run(name string, args ...string) {
	s.t.Helper()
	cmd := osexec.Command(program(name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.as
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	said, err := os.Create(filepath.Join(s.dir, "said"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said // a file, because the server would keep a pipe open
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		s.t.Fatalf("%s: %v\n%s", name, err, text)
	}
}

// write writes a file that the server owns.
func (s *server) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.data, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if s.as != nil {
		if err := os.Chown(path, int(s.as.Credential.Uid), int(s.as.Credential.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
	return path
}

// start starts the server with settings, and stops it with the test.
func (s *server) start(settings ...string) {
	s.t.Helper()
	s.port = freePort(s.t)
	settings = append([]string{
		"listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "fsync = off", fmt.Sprint("port = ", s.port),
	}, settings...)
	s.write("postgresql.auto.conf", strings.Join(settings, "\n")+"\n")
	s.run("pg_ctl", "start", "-w", "-D", s.data, "-l", filepath.Join(s.data, "log"))
	s.t.Cleanup(s.stop)
}

func (s *server) stop() {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.data, "postmaster.pid")); err == nil {
		s.run("pg_ctl", "stop", "-m", "fast", "-w", "-D", s.data)
	}
}

// url returns the URL of the database postgres, for a user (with an encoded password) and a query.
func (s *server) url(who, query string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?%s", who, s.port, query)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// roleOf creates a role on the shared server and returns the URL of a database for it, and a
// connection of the owner.
func roleOf(t *testing.T, address, role string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	owner := raw(t, address)
	name := pgx.Identifier{role}.Sanitize()
	execLast(t, owner, "CREATE ROLE "+name+" LOGIN")
	t.Cleanup(func() {
		execLast(t, owner, "DROP OWNED BY "+name)
		execLast(t, owner, "DROP ROLE "+name)
	})
	u.User = url.User(role)
	return u.String()
}

// execLast is exec that also works during cleanup.
func execLast(t *testing.T, conn *pgx.Conn, text string) {
	t.Helper()
	if _, err := conn.Exec(context.WithoutCancel(t.Context()), text); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}

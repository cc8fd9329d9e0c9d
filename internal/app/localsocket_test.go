package app_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// socketDir returns a directory with a short path, for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir := testkit.Must[string](t)(os.MkdirTemp("", "clv"))
	t.Cleanup(func() { testkit.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// withSocket starts a server with a local socket and returns the socket's path.
func withSocket(t *testing.T) (h *testkit.Server, path string) {
	t.Helper()
	path = filepath.Join(socketDir(t), "api.sock")
	h = testkit.Start(t, testkit.SQLite)
	h.Config.Server.Socket = path
	h.Config.Server.SocketGroup = strconv.Itoa(os.Getgid())
	testkit.TrustLoopback(&h.Config)
	h.Restart()
	return h, path
}

// overSocket returns a client of the server that sends its requests over the socket.
func overSocket(t *testing.T, path string) *client.Client {
	t.Helper()
	c := testkit.Must[*client.Client](t)(client.New("http://localhost"))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return c.WithTransport(transport)
}

func TestTheLocalSocketServesTheAPIToItsOwnerAndItsGroup(t *testing.T) {
	h, path := withSocket(t)
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	c := overSocket(t, path).WithKey(h.Key(owner, tenant, "keys:verify").Credential.Value)
	d := testkit.Must[api.Decision](t)(c.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value}))
	if !d.Active || d.KeyID != k.Key.ID {
		t.Errorf("answered %+v", d)
	}
	if _, err := overSocket(t, path).Whoami(t.Context()); testkit.Code(t, err) != "api_key_invalid" {
		t.Errorf("without a credential: %v", err)
	}
	info := testkit.Must[fs.FileInfo](t)(os.Stat(path))
	if group := int(info.Sys().(*syscall.Stat_t).Gid); info.Mode().Perm() != 0o660 || group != os.Getgid() {
		t.Errorf("the socket has the mode %s and the group %d", info.Mode(), group)
	}
	before := path
	h.Config.Server.Socket = ""
	h.Restart()
	if _, err := os.Lstat(before); !os.IsNotExist(err) {
		t.Errorf("after the stop the socket is still there: %v", err)
	}
}

// The address of a peer on a Unix socket is a path that the peer chooses. It is never taken for an
// IP address, nor is a header that the peer sends.
func TestARequestOverTheLocalSocketHasNoClientAddress(t *testing.T) {
	h, path := withSocket(t)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	bound := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
		Name: "Test key", Scopes: []string{"keys:verify"}, AllApplications: true,
		AllowedCIDRs: []string{"127.0.0.1/32"},
	}))
	free := h.Key(owner, tenant, "keys:verify")
	t.Chdir(socketDir(t))
	for _, name := range []string{"", "127.0.0.1", "127.0.0.1:80"} {
		for request, want := range map[string]string{
			"GET /api/v1/whoami":     "address_forbidden",
			"GET /api/v1/authz":      "forbidden",
			"GET /api/v1/authz/name": "forbidden",
		} {
			if got := codeFrom(t, path, name, request, bound.Credential.Value); got != want {
				t.Errorf("%s from the peer %q: %s, not %s", request, name, got, want)
			}
		}
	}
	d := testkit.Must[api.Decision](t)(overSocket(t, path).WithKey(free.Credential.Value).Verify(t.Context(),
		api.VerifyRequest{Credential: bound.Credential.Value, IP: "127.0.0.1"}))
	if !d.Active {
		t.Errorf("verify with the address in the request: %+v", d)
	}
}

// codeFrom sends a request over the socket, from a peer whose socket has a name, and returns the
// code of the answer.
func codeFrom(t *testing.T, path, name, request, key string) string {
	t.Helper()
	local := &net.UnixAddr{Name: name, Net: "unix"}
	if name == "" {
		local = nil
	}
	conn := testkit.Must[*net.UnixConn](t)(net.DialUnix("unix", local, &net.UnixAddr{Name: path, Net: "unix"}))
	defer func() {
		testkit.NoError(t, conn.Close())
		_ = os.Remove(name)
	}()
	_, err := io.WriteString(conn, request+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+key+
		"\r\nX-Forwarded-For: 127.0.0.1\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\r\n")
	testkit.NoError(t, err)
	resp := testkit.Must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), nil))
	defer resp.Body.Close()
	text := string(testkit.Must[[]byte](t)(io.ReadAll(resp.Body)))
	_, code, _ := strings.Cut(text, `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	return code
}

// A socket that was left behind is replaced. Nothing else is: no other file, no socket that
// answers, and none of another server.
func TestOnlyASocketOnWhichNobodyListensIsReplaced(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	listen := func(name string) (path string, l *net.UnixListener) {
		path = filepath.Join(dir, name)
		l = testkit.Must[*net.UnixListener](t)(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))
		return path, l
	}
	stale, left := listen("stale")
	left.SetUnlinkOnClose(false)
	testkit.NoError(t, left.Close())
	busy, other := listen("busy")
	defer other.Close()
	file := filepath.Join(dir, "file")
	testkit.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	open := filepath.Join(dir, "open")
	testkit.NoError(t, os.Mkdir(open, 0o700))
	testkit.NoError(t, os.Chmod(open, 0o777))
	running, taken := withSocket(t)
	for path, want := range map[string]string{
		stale: "", busy: "another program listens", file: "is not a socket", taken: "another claviger is using it",
		filepath.Join(open, "x"):                     "others can write",
		filepath.Join(dir, "nowhere", "x"):           "no such file",
		filepath.Join(dir, strings.Repeat("x", 200)): "bytes too long",
		filepath.Join(running.File(""), "x"):         "",
	} {
		c := testkit.SQLite.Config(t)
		c.Server.Socket = path
		if path == filepath.Join(running.File(""), "x") {
			c.Server.Socket, want = filepath.Join(c.Data, "x"), "cannot reach the data directory"
		}
		a, err := app.Start(t.Context(), c, app.Options{Log: slog.New(slog.DiscardHandler)})
		got := fmt.Sprint(err)
		if err == nil {
			got = ""
			_, err = overSocket(t, path).Whoami(t.Context())
			if testkit.Code(t, err) != "api_key_invalid" {
				t.Errorf("%s: %v", path, err)
			}
			testkit.NoError(t, a.Stop(t.Context()))
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
	if _, err := overSocket(t, taken).Whoami(t.Context()); testkit.Code(t, err) != "api_key_invalid" {
		t.Errorf("the server that was there first: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "kept" {
		t.Errorf("the file is %q %v", text, err)
	}
}

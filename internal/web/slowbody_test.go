package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// half is a request whose body is announced, and comes to its half.
func half(t *testing.T, h *testkit.Server, path string, headers ...string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	testkit.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn,
		"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n%s\r\n%s",
		path, strings.Join(append(headers, ""), "\r\n"), strings.Repeat(" ", 30000))
	return conn
}

func answered(t *testing.T, conn net.Conn) (resp *http.Response, took time.Duration) {
	t.Helper()
	begun := time.Now()
	testkit.NoError(t, conn.SetReadDeadline(begun.Add(time.Minute)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	testkit.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	testkit.NoError(t, err)
	return resp, time.Since(begun)
}

// A request that is refused because of its headers is refused before its body has arrived, and the
// connection ends.
func TestTheBodyOfAStrangerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	for _, path := range []string{
		"/api/v1/verify", "/api/v1/tenants/" + string(tenant.ID) + "/keys",
		"/api/v1/me/password",
	} {
		for what, headers := range map[string][]string{
			"nothing": nil, "a bad key": {"Authorization: Bearer x"},
			"a dead cookie":        {"Cookie: claviger=" + strings.Repeat("A", 59)},
			"two keys":             {"Authorization: Bearer x", "Authorization: Bearer y"},
			"nothing, but it asks": {"Expect: 100-continue"},
		} {
			resp, took := answered(t, half(t, h, path, headers...))
			if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusBadRequest || !resp.Close ||
				took > 10*time.Second {
				t.Errorf("%s with %s: %s after %s, closed %t", path, what, resp.Status, took, resp.Close)
			}
		}
	}
}

// Nor is that of a request without a route, of another method, or from another site.
func TestTheBodyOfARequestForNoRouteIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, c := range []struct {
		path, header string
		want         int
	}{
		{"/api/v1/nothing", "A: b", http.StatusNotFound},
		{"/api/v1//me", "A: b", http.StatusNotFound},
		{"/api/v1/me", "A: b", http.StatusMethodNotAllowed},
		{"/api/v1/whoami", "A: b", http.StatusMethodNotAllowed},
		{"/api/v1/session", "Sec-Fetch-Site: cross-site", http.StatusForbidden},
	} {
		resp, took := answered(t, half(t, h, c.path, c.header))
		if resp.StatusCode != c.want || !resp.Close || took > 10*time.Second {
			t.Errorf("%s: %s after %s, closed %t, want %d", c.path, resp.Status, took, resp.Close, c.want)
		}
	}
}

// The body of a request that needs no credential is small, and there soon.
func TestTheBodyOfARequestThatAnyoneMayMakeIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	h.Config.Server.Limits = config.Limits{
		HeaderTimeout: config.Timeout(time.Second),
		ReadTimeout:   config.Timeout(time.Hour),
	}
	h.Restart()
	for _, path := range []string{"/api/v1/session", "/api/v1/setup", "/api/v1/invitations/x"} {
		resp, _ := answered(t, half(t, h, path))
		if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
			t.Errorf("much to %s: %s, closed %t", path, resp.Status, resp.Close)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		testkit.NoError(t, err)
		fmt.Fprintf(conn,
			"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", path)
		resp, took := answered(t, conn)
		if resp.StatusCode != http.StatusBadRequest || !resp.Close || took > 30*time.Second {
			t.Errorf("a part of little to %s: %s after %s, closed %t", path, resp.Status, took, resp.Close)
		}
		_ = conn.Close()
	}
}

func TestARefusedRequestWhoseBodyHasComeKeepsItsConnection(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	testkit.NoError(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprint(conn,
			"POST /api/v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		resp, err := http.ReadResponse(in, nil)
		testkit.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		testkit.NoError(t, err)
		if resp.StatusCode != http.StatusUnauthorized || resp.Close {
			t.Errorf("%s, closed %t", resp.Status, resp.Close)
		}
	}
}

// Strangers hold little memory, and not for long.
func TestConnectionsOfStrangersHoldLittleMemory(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	const strangers = 200
	before := memory()
	var all sync.WaitGroup
	for range strangers {
		conn := half(t, h, "/api/v1/verify")
		all.Go(func() { answered(t, conn) })
	}
	all.Wait()
	if each := (memory() - before) / strangers; each > 48<<10 {
		t.Errorf("%d bytes a connection", each)
	} else {
		t.Logf("%d bytes a connection, both of its ends", each)
	}
}

// A caller whose key is good has the body waited for, and is asked for again when it has come.
func TestACallerIsDecidedAboutAgainOnceTheBodyHasCome(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	owner := h.As(person)
	for what, c := range map[string]struct {
		meanwhile func(k api.IssuedKey) error
		want      int
	}{
		"nothing happens": {func(api.IssuedKey) error { return nil }, http.StatusOK},
		"the key expires": {
			func(k api.IssuedKey) error { h.Clock.Move(time.Hour); return nil },
			http.StatusUnauthorized,
		},
		"it is disabled": {func(k api.IssuedKey) error {
			_, err := owner.DisableKey(t.Context(), string(tenant.ID), k.Key.ID)
			return err
		}, http.StatusUnauthorized},
		"it loses its scope": {func(k api.IssuedKey) error {
			_, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID,
				api.UpdateKeyRequest{Scopes: api.To([]string{"tenants:read"})})
			return err
		}, http.StatusForbidden},
	} {
		end := h.Clock.Now().Add(time.Hour)
		k := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
			Name: "Test key", Scopes: []string{"keys:verify"}, AllApplications: true, ExpiresAt: &end,
		}))
		conn := half(t, h, "/api/v1/verify", "Authorization: Bearer "+k.Credential.Value)
		// one round trip, so that the head of the other request has arrived
		testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context()))
		testkit.NoError(t, c.meanwhile(k))
		body := `{"credential":"x"}`
		fmt.Fprint(conn, strings.Repeat(" ", 30000-len(body))+body)
		if resp, _ := answered(t, conn); resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", what, resp.Status, c.want)
		}
		owner = h.As(person)
	}
}

// The cookie of a session that has ended holds no body, though this server made it.
func TestTheBodyOfAnEndedSessionIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Once Here", scope.Member)
	for _, path := range []string{"/api/v1/me/password", "/api/v1/verify"} {
		token := h.As(person).SaveSession()
		h.Clock.Move(6 * time.Second) // a session that lived a moment ago is worth waiting for
		testkit.Exec(t, h, `DELETE FROM sessions`)
		for _, when := range []string{"at first", "again"} {
			resp, took := answered(t, half(t, h, path, "Cookie: "+string(token)))
			if resp.StatusCode != http.StatusUnauthorized || !resp.Close || took > 10*time.Second {
				t.Errorf("%s, %s: %s after %s, closed %t", path, when, resp.Status, took, resp.Close)
			}
		}
	}
}

func TestABodyThatDoesNotComeIsTheClientsFailureAndNotTheServers(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	second := config.Timeout(time.Second)
	h.Config.Server.Limits = config.Limits{HeaderTimeout: second, ReadTimeout: second}
	h.Restart()
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	for _, path := range []string{"/api/v1/me/password", "/api/v1/verify"} {
		token := h.As(person).SaveSession()
		resp, _ := answered(t, half(t, h, path, "Cookie: "+string(token)))
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

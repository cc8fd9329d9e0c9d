package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestEveryRouteWithoutACredentialCountsAgainstTheClientsAddress(t *testing.T) {
	h := testkit.AnonymousLimitedServer(t)
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	tried := 0
	for _, o := range operations {
		if len(o.Security) > 0 || !strings.HasPrefix(o.Path, "/api/v1/") || strings.HasPrefix(o.Path, "/api/v1/authz") {
			continue // check requests come from trusted proxies
		}
		tried++
		address := strings.ReplaceAll(o.Path, "{token}", "x")
		from := h.Anyone().WithHeader("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", tried))
		send := func() error { return from.Do(t.Context(), o.Method, address, map[string]any{}, nil) }
		for range 3 {
			if code := testkit.Code(t, send()); code == api.RateLimited {
				t.Errorf("%s %s is refused within the limit", o.Method, o.Path)
			}
		}
		err := send()
		p, ok := errors.AsType[*api.Problem](err)
		if !ok || p.Code != api.RateLimited || p.Status != http.StatusTooManyRequests || p.RetryAfter <= 0 ||
			p.RetryAfter.Seconds() > 21 {
			t.Errorf("%s %s beyond the limit: %v", o.Method, o.Path, err)
		}
		if !strings.Contains(string(o.RateLimitCodes()), string(api.RateLimited)) {
			t.Errorf("%s %s does not document the limit", o.Method, o.Path)
		}
	}
	if tried < 3 {
		t.Errorf("%d routes need no credential, which are too few", tried)
	}
}

func TestAnAddressBeyondItsLimitTakesNothingFromOthers(t *testing.T) {
	h := testkit.AnonymousLimitedServer(t)
	person := h.Person("Some Body")
	signIn := func(from string) api.Code {
		_, _, err := h.Anyone().WithHeader("X-Forwarded-For", from).SignIn(t.Context(), person.Email, testkit.Password)
		return testkit.Code(t, err)
	}
	session := h.As(person).WithHeader("X-Forwarded-For", "2001:db8::1")
	for i := range 3 {
		if code := signIn(fmt.Sprintf("2001:db8::%d", i+1)); code != "" {
			t.Fatalf("within the limit: %s", code)
		}
	}
	for from, want := range map[string]api.Code{
		"2001:db8:0:ff::1":  api.RateLimited, // of the same /56
		"2001:db8:0:100::1": "",
		"203.0.113.1":       "",
		"::ffff:192.0.2.1":  "",
	} {
		if code := signIn(from); code != want {
			t.Errorf("from %s: %q, want %q", from, code, want)
		}
	}
	if _, err := session.Me(t.Context()); err != nil {
		t.Errorf("who is signed in at that address: %v", err)
	}
}

func TestARequestBeyondTheLimitIsRefusedBeforeItsBodyIsRead(t *testing.T) {
	h := testkit.AnonymousLimitedServer(t)
	for range 3 {
		_, _, err := h.Anyone().SignIn(t.Context(), "nobody@claviger.example", testkit.Password)
		testkit.ExpectCode(t, "within the limit", err, api.SignInFailed)
	}
	conn, err := net.Dial("tcp", h.Address)
	testkit.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn,
		"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
	testkit.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	testkit.NoError(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s with Retry-After %q before the body came", answer.Status,
			answer.Header.Get("Retry-After"))
	}
}

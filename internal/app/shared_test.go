package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// What the tests share.

func tenantURL[ID ~string](tenant ID) string { return "/api/v1/tenants/" + string(tenant) }

func accountURL[ID ~string](account ID) string { return "/api/v1/accounts/" + string(account) }

// cookieOf signs a person in and gives the headers of their requests, for tests that look at headers.
func cookieOf(t *testing.T, h *testkit.House, p principal.Person) http.Header {
	t.Helper()
	body, err := json.Marshal(api.SignIn{Email: p.Email, Password: testkit.Password})
	if err != nil {
		t.Fatal(err)
	}
	status, answer, _ := post(t, h, "/api/v1/session", http.Header{"Content-Type": {"application/json"}}, string(body))
	if status != http.StatusCreated {
		t.Fatalf("signing in answers %d", status)
	}
	cookie, _, _ := strings.Cut(answer.Get("Set-Cookie"), ";")
	return http.Header{"Cookie": {cookie}, "Content-Type": {"application/json"}}
}

// tell sends a body as it is written, or none, and gives the refusal.
func tell(t *testing.T, c *client.Client, method, path, body string) error {
	t.Helper()
	if body == "" {
		return c.Do(t.Context(), method, path, nil, nil)
	}
	return c.Do(t.Context(), method, path, json.RawMessage(body), nil)
}

// unchanged gives a check that the paths answer what they answer now.
func unchanged(t *testing.T, c *client.Client, paths ...string) func() {
	t.Helper()
	read := func() map[string]string {
		answers := map[string]string{}
		for _, path := range paths {
			answers[path] = raw(t, c, path)
		}
		return answers
	}
	before := read()
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, read()); diff != "" {
			t.Errorf("what was refused changed something:\n%s", diff)
		}
	}
}

// expect fails the test where a refusal has another code; "" is success.
func expect(t *testing.T, what string, err error, want api.Code) {
	t.Helper()
	if got := testkit.Code(t, err); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// atOnce runs the acts at the same time and counts their codes.
func atOnce(t *testing.T, acts ...func() error) map[api.Code]int {
	t.Helper()
	errs := make([]error, len(acts))
	var group sync.WaitGroup
	for i, act := range acts {
		group.Go(func() { errs[i] = act() })
	}
	group.Wait()
	count := map[api.Code]int{}
	for _, err := range errs {
		count[testkit.Code(t, err)]++
	}
	return count
}

// succeed ends the test where a call failed that is no subject of it.
func succeed(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must gives the value of a call that succeeds.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		succeed(t, err)
		return value
	}
}

// second gives the error of a call whose value does not matter.
func second[T any](_ T, err error) error { return err }

// codeOf gives the code that a key is answered on a route that asks for nothing but a good credential.
func codeOf(t *testing.T, c *client.Client) api.Code {
	t.Helper()
	_, err := c.Whoami(t.Context())
	return testkit.Code(t, err)
}

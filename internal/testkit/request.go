package testkit

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
)

// GetJSON returns the body of the answer to a GET of the path, as the client.
func GetJSON(t testing.TB, c *client.Client, path string) string {
	t.Helper()
	var answer json.RawMessage
	if err := c.Do(t.Context(), http.MethodGet, path, nil, &answer); err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// Get returns the answer and its body to a GET of the address, without a credential.
func Get(t testing.TB, address string) (*http.Response, string) {
	t.Helper()
	return Fetch(t, http.MethodGet, address)
}

// Fetch returns the answer and its body to a request without a body and without a credential.
func Fetch(t testing.TB, method, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Post is Send with POST.
func Post(t testing.TB, h *Server, path string, header http.Header, body string) (int, http.Header, []byte) {
	t.Helper()
	return Send(t, h, http.MethodPost, path, header, body)
}

// Send makes a request as it is written, and returns status, headers and body of the answer.
func Send(t testing.TB, h *Server, method, path string, header http.Header,
	body string,
) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, text
}

// TenantPath returns the path of a tenant in the management API.
func TenantPath[ID ~string](tenant ID) string { return "/api/v1/tenants/" + string(tenant) }

// AccountPath returns the path of an account in the management API.
func AccountPath[ID ~string](account ID) string { return "/api/v1/accounts/" + string(account) }

// SessionHeader signs a person in and returns the headers of their requests, for tests that look at
// headers.
func SessionHeader(t testing.TB, h *Server, p principal.Person) http.Header {
	t.Helper()
	body, err := json.Marshal(api.SignInRequest{Email: p.Email, Password: Password})
	if err != nil {
		t.Fatal(err)
	}
	status, answer, _ := Post(t, h, "/api/v1/session", http.Header{"Content-Type": {"application/json"}}, string(body))
	if status != http.StatusCreated {
		t.Fatalf("signing in answers %d", status)
	}
	cookie, _, _ := strings.Cut(answer.Get("Set-Cookie"), ";")
	return http.Header{"Cookie": {cookie}, "Content-Type": {"application/json"}}
}

// SendBody sends a body as it is written, or none and returns the refusal.
func SendBody(t testing.TB, c *client.Client, method, path, body string) error {
	t.Helper()
	if body == "" {
		return c.Do(t.Context(), method, path, nil, nil)
	}
	return c.Do(t.Context(), method, path, json.RawMessage(body), nil)
}

// lastSeen matches when people were last seen, which every request of theirs changes.
var lastSeen = regexp.MustCompile(`"last_seen_at":("[^"]*"|null),`)

// ExpectUnchanged returns a function that fails the test if one of the paths no longer answers as
// now.
func ExpectUnchanged(t testing.TB, c *client.Client, paths ...string) func() {
	t.Helper()
	read := func() map[string]string {
		answers := map[string]string{}
		for _, path := range paths {
			answers[path] = lastSeen.ReplaceAllString(GetJSON(t, c, path), "")
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

// WhoamiCode returns the code that the client gets from whoami, a route that needs a valid
// credential and nothing else.
func WhoamiCode(t testing.TB, c *client.Client) api.Code {
	t.Helper()
	_, err := c.Whoami(t.Context())
	return Code(t, err)
}

// RawRequest sends the text of a request, and returns status and headers of the response.
func RawRequest(t testing.TB, network, address, method, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial(network, address)
	NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	NoError(t, err)
	NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	NoError(t, err)
	return resp
}

package cli_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
)

// request is a request, with header lines as they are sent.
type request struct {
	method, path string
	header       []string
	body         string
}

// traffic sends requests to one process. It stores every secret in an answer, and every answer that
// must not contain a secret.
type traffic struct {
	t        testing.TB
	base     string
	cookie   string // header line with the session token
	token    string
	answers  bytes.Buffer
	canaries []canary
	// operations of the document, a mux that finds them, and those that succeeded.
	operations []operation
	mux        *http.ServeMux
	used       map[string]bool
	// names of objects, for paths and bodies.
	names map[string]string
	// done counts repeatable requests, so that each has its own Idempotency-Key.
	done int
}

// send returns the answer and does not store it.
func (f *traffic) send(r request) (*http.Response, []byte) {
	f.t.Helper()
	resp, body, err := f.try(r)
	must(f.t, err)
	if f.mux != nil && resp.StatusCode < 300 {
		_, of := f.mux.Handler(resp.Request)
		f.used[of] = true
	}
	return resp, body
}

func (f *traffic) try(r request) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(f.t.Context(), r.method, f.base+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, nil, err
	}
	for _, line := range r.header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// Values for ask instead of a status.
const (
	anyRefusal = 0
	anyAnswer  = -1 // except a server error
)

// ask sends a request whose answer must not contain a secret, and requires its status. It returns
// the request id.
func (f *traffic) ask(status int, r request) string {
	f.t.Helper()
	resp, body := f.send(r)
	if got := resp.StatusCode; status != got && (status != anyRefusal || got < 400) && (status != anyAnswer ||
		got >= 500) {
		f.t.Errorf("%s %s: %d instead of %d: %s", r.method, r.path, resp.StatusCode, status, body)
	}
	must(f.t, resp.Header.Write(&f.answers))
	f.answers.Write(body)
	return resp.Header.Get("X-Request-Id")
}

// signedIn returns a request with the cookie of the session.
func (f *traffic) signedIn(method, path, body string) request {
	return request{method, path, []string{f.cookie}, body}
}

func (f *traffic) get(path string) request { return f.signedIn("GET", path, "") }

// say sends bytes that are not a complete request, and stores the answer.
func (f *traffic) say(text string) {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
	must(f.t, err)
	defer conn.Close()
	must(f.t, conn.SetDeadline(time.Now().Add(waitTimeout)))
	_, err = io.WriteString(conn, text)
	must(f.t, err)
	must(f.t, conn.(*net.TCPConn).CloseWrite())
	_, _ = io.Copy(&f.answers, conn) // the server may end the connection in any way
}

// guard adds canaries.
func (f *traffic) guard(c ...canary) { f.canaries = append(f.canaries, c...) }

// guardKey guards the value of a key, its secret, and its digest, which is stored sealed.
func (f *traffic) guardKey(name, id, value, home string) {
	secret := newCanary(name+"'s secret", secretOf(value))
	digest := credential.DigestOf(ident.KeyID(id), credential.NewSecret(secret.text))
	if strings.HasPrefix(id, "mgk_") {
		digest = credential.ManagementDigestOf(ident.ManagementKeyID(id), credential.NewSecret(secret.text))
	}
	secret.digests = append(secret.digests, digest[:])
	whole := newCanary(name+"'s value", value)
	whole.complete = true
	secret.home, whole.home = home, home
	f.guard(secret, whole)
}

// openPart is the length of the part of an opaque access token that is no secret: its fixed words,
// and the version of its key.
const openPart = len("clv_at_") + 6

// guardToken guards an access token. Only the signature of a JWT is searched in pieces: its other
// parts hold claims that are public.
func (f *traffic) guardToken(name, value string) {
	if !strings.HasPrefix(value, "clv_at_") {
		whole := newCanary(name, value)
		whole.complete = true
		f.guard(whole, newCanary(name+"'s signature", value[strings.LastIndex(value, ".")+1:]))
		return
	}
	f.guard(newCanary(name, value[openPart:]))
}

// secretOf returns the secret in the value of a key of any style.
func secretOf(value string) string { return value[strings.LastIndexAny(value, "_:")+1:] }

// signIn begins a session and guards its cookie. The server stores the plain hash of the cookie.
func (f *traffic) signIn(email, password string) (s api.Session) {
	f.t.Helper()
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
	resp, answer := f.send(request{method: "POST", path: "/api/v1/session", body: body})
	if resp.StatusCode != http.StatusCreated || len(resp.Cookies()) != 1 {
		f.t.Fatalf("sign-in: %d %s", resp.StatusCode, answer)
	}
	f.answers.Write(answer) // the cookie is in a header
	f.take(resp.Cookies()[0])
	must(f.t, json.Unmarshal(answer, &s))
	return s
}

// take switches to the cookie of a session. A cookie that ends the session has no value.
func (f *traffic) take(c *http.Cookie) {
	if c.Value != "" {
		f.guard(canary{name: "the cookie of a session", text: c.Value})
		f.cookie, f.token = "Cookie: "+c.Name+"="+c.Value, c.Value
	}
}

// create creates a key and guards it.
func (f *traffic) create(tenant, name string) api.IssuedKey {
	f.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"scopes":["applications:read"],"all_applications":true}`, name)
	return f.issued(http.StatusCreated, f.signedIn("POST", "/api/v1/tenants/"+tenant+"/keys", body), name)
}

// issued sends a request whose answer contains a new credential, and guards that.
func (f *traffic) issued(status int, r request, name string) (k api.IssuedKey) {
	f.t.Helper()
	resp, answer := f.send(r)
	if resp.StatusCode != status {
		f.t.Fatalf("%s: %d %s", name, resp.StatusCode, answer)
	}
	must(f.t, json.Unmarshal(answer, &k))
	must(f.t, resp.Header.Write(&f.answers))
	f.guardKey(name, k.Key.ID, k.Credential.Value, "")
	return k
}

// use sends a key with each transport, and in a verify request.
func (f *traffic) use(status int, k api.IssuedKey, verifier string) {
	f.t.Helper()
	value := k.Credential.Value
	for _, line := range []string{
		bearer(value), basicAuth(k.Credential.ID, k.Credential.Secret),
		"X-API-Key: " + value,
	} {
		f.ask(status, request{method: "GET", path: "/api/v1/whoami", header: []string{line}})
	}
	f.ask(200, verify(verifier, `{"credential":"`+value+`"}`))
	f.ask(200, verify(verifier, `{"headers":{"Authorization":"Bearer `+value+`"}}`))
}

func bearer(value string) string { return "Authorization: Bearer " + value }

func basicAuth(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func verify(verifier, body string) request {
	return request{"POST", "/api/v1/verify", []string{bearer(verifier)}, body}
}

// misuses sends a secret text wherever a client could put it by mistake. All requests are rejected.
func (f *traffic) misuses(s, verifier string) []request {
	list := f.wrongCredentials(s)
	for _, body := range wrongBodies(s) {
		list = append(list, verify(verifier, body))
	}
	const keys = "/api/v1/tenants/x/keys"
	return append(list,
		f.get("/api/v1/tenants/"+s+"/keys"), f.signedIn("POST", "/api/v1/tenants/"+s+"/keys", `{"name":"A key"}`),
		f.get(keys+"/"+s), f.signedIn("DELETE", keys+"/"+s, ""), f.signedIn("POST", keys+"/"+s+"/revoke", ""),
		f.get(keys+"?cursor="+s), f.get(keys+"?limit="+s), f.get("/api/v1/tenants/x/applications/"+s),
		f.signedIn("POST", keys,
			`{"name":"A key","scopes":["`+s+`"],"application_ids":["`+s+`"],"owner_id":"`+s+`","expires_at":"`+s+`"}`),
		f.signedIn("POST", keys, `{"name":"A key","`+s+`":"`+s+`"}`),
		request{"POST", keys, []string{f.cookie, "Idempotency-Key: " + s}, `{"name":"A key"}`},
		request{"POST", keys, []string{f.cookie, "Origin: https://" + s + ".example"}, `{}`},
		request{"POST", "/api/v1/session", []string{"Content-Type: text/" + s}, `{}`},
		request{"POST", "/api/v1/session", nil, `{"email":"a@b.example","password":"` + s},
		request{"POST", "/api/v1/session", nil, `{"email":"owner@claviger.example","password":"` + s + `"}`},
		request{"POST", "/api/v1/session", nil, `{"email":"owner@claviger.example","code":"` + s + `"}`},
	)
}

// wrongCredentials are headers, queries and paths that contain the text, but are not a credential.
func (f *traffic) wrongCredentials(s string) []request {
	list := []request{
		{method: "GET", path: "/api/v1/whoami?key=" + s},
		{method: "GET", path: "/api/v1/whoami?" + s},
		{method: "GET", path: "/api/v1/whoami?access_token=" + s + ";x"},
		{method: "GET", path: "/" + s},
		{method: "GET", path: "/api/v1/" + s},
		{method: "PATCH", path: "/api/v1/whoami/" + s},
	}
	for _, lines := range [][]string{
		{bearer(s[:len(s)-1])},
		{bearer(s + "x")},
		{bearer("x" + s)},
		{bearer(s + "," + s)},
		{"Authorization: " + s},
		{"Authorization: Token " + s},
		{basicAuth(s, "")},
		{basicAuth("", s)},
		{"Authorization: Basic " + s},
		{"X-API-Key: x" + s},
		{"X-API-Key: " + s, bearer(s)},
		{bearer(s), bearer(s)},
		{"Cookie: claviger=" + s + "x"},
		{"X-" + s + ": 1"},
	} {
		list = append(list, request{method: "GET", path: "/api/v1/whoami", header: lines})
	}
	return list
}

// wrongBodies are bodies of verify requests that contain the text and have an invalid form.
func wrongBodies(s string) []string {
	return []string{
		`{"credential":"` + s, `{"credential":` + s + `}`, `{"credential":{"` + s + `":1}}`,
		`{"credential":["` + s + `"]}`, `{"` + s + `":1}`,
		`{"` + s + `":1,"` + s + `":2}`, `"` + s + `"`, s, `{"credential":"` + s + `"}{"credential":"` + s + `"}`,
		`{"credential":"` + s + `","credential":"` + s + `"}`,
		`{"headers":{"authorization":"` + s + `","Authorization":"` + s + `"}}`,
		`{"credential":"x","transport":"` + s + `"}`, `{"credential":"x","ip":"` + s + `"}`,
		`{"credential":"x","scopes":"` + s + `"}`, `{"credential":"` + s + `","headers":{}}`,
		`{"credential":"` + s + strings.Repeat("x", 70_000) + `"}`,
	}
}

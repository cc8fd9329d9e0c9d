package guide_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// gateway is a kind of proxy in front of an API, with the configuration of docs/integrations.
type gateway struct {
	kind string
	// files are those of docs/integrations.
	files []string
	// start returns the command, which runs in the folder with the files.
	start func(t testing.TB, folder string) *exec.Cmd
	// dead and slow are the statuses while Claviger is stopped, and while it does not answer.
	dead, slow int
}

var gateways = []gateway{
	{
		kind: "nginx", files: []string{"nginx.conf"}, dead: 502, slow: 504,
		start: func(t testing.TB, folder string) *exec.Cmd {
			text, err := os.ReadFile(filepath.Join(folder, "nginx.conf"))
			must(t, err)
			write(t, folder, "nginx.conf", nginxHead()+string(text)+"}\n")
			return exec.Command(program("nginx"), "-p", folder, "-c", "nginx.conf", "-e", "stderr")
		},
	},
	{
		kind: "caddy", files: []string{"Caddyfile"}, dead: 502, slow: 504,
		start: func(_ testing.TB, folder string) *exec.Cmd {
			cmd := exec.Command(program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile")
			cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
			return cmd
		},
	},
	{
		kind: "haproxy", files: []string{"haproxy.cfg", "claviger.lua"}, dead: 503, slow: 504,
		start: func(_ testing.TB, _ string) *exec.Cmd {
			return exec.Command(program("haproxy"), "-db", "-f", "haproxy.cfg")
		},
	},
}

// program returns the path of a program, which only root may have in PATH.
func program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return "/usr/sbin/" + name
	}
	return path
}

// nginxHead returns the part of nginx.conf that Debian's has.
func nginxHead() string {
	text := "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;\n" +
		"events {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += kind + "_temp_path " + kind + ";\n"
	}
	return text
}

// rules are those of the entry `default` in the tests.
const rules = `entries:
- name: default
  tenant: %s
  otherwise: any-key
  rules:
  - path: /public
    public: true
  - path: /preflight
    methods: [OPTIONS]
    public: true
  - path: /orders/{rest...}
    scopes: [applications:read]
`

// received is a request as the API receives it.
type received struct {
	Method, URI, Body string
	Header            http.Header
}

// echo is an API that answers with the request. It accepts upgrades to WebSocket.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "websocket" {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Owner: %s\r\n\r\nhello",
			r.Header.Get("X-Claviger-Owner"))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_ = json.NewEncoder(w).Encode(received{r.Method, r.RequestURI, string(body), r.Header})
}

// site is a proxy that runs, in front of the API, with everything it needs.
type site struct {
	*server
	address   string
	authority *line
}

// line is a connection to Claviger that a test can cut or stop.
type line struct {
	target   string
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
	stopped  bool
}

// newLine listens on the address and forwards every connection to the target.
func newLine(t testing.TB, target string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &line{target: target, listener: listener}
	t.Cleanup(l.cut)
	go l.serve()
	return l
}

func (l *line) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.open = append(l.open, near)
		stopped := l.stopped
		l.mu.Unlock()
		if stopped {
			continue
		}
		far, err := net.Dial("tcp", l.target)
		if err != nil {
			near.Close()
			continue
		}
		forward := func(to, from net.Conn) {
			_, _ = io.Copy(to, from) // one of the two has ended
			to.Close()
			from.Close()
		}
		go forward(near, far)
		go forward(far, near)
	}
}

// stop ends all connections and answers no new one.
func (l *line) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, conn := range l.open {
		conn.Close()
	}
	l.open = nil
}

// cut ends all connections and accepts no new one.
func (l *line) cut() {
	l.listener.Close()
	l.stop()
}

func TestTheProxiesOfTheGuideLetOnlyAllowedRequestsPass(t *testing.T) {
	binary := buildClaviger(t)
	for _, g := range gateways {
		t.Run(g.kind, func(t *testing.T) {
			s := g.open(t, binary)
			s.testTable(t)
			s.testUpgrade(t)
			s.testRate(t)
			k := s.newKey("While Claviger fails", "applications:read")
			for _, c := range []struct {
				name string
				fail func()
				want int
			}{{"does not answer", s.authority.stop, g.slow}, {"is stopped", s.authority.cut, g.dead}} {
				c.fail()
				for _, key := range []string{"Bearer " + k.value, "Bearer none"} {
					begin := time.Now()
					got := s.ask("GET", "/orders/1", "", "Authorization: "+key)
					took := time.Since(begin)
					if got.StatusCode != c.want || took > 20*time.Second {
						t.Errorf("while Claviger %s: %d after %v, not %d", c.name, got.StatusCode, took, c.want)
					}
				}
			}
		})
	}
}

// open starts Claviger, an API and the proxy with its configuration of the guide.
func (g gateway) open(t *testing.T, binary string) *site {
	t.Helper()
	folder := t.TempDir()
	routes := write(t, folder, "routes.yaml", "entries: []\n")
	s := &site{server: startBinary(t, binary, "CLAVIGER_SERVER_ROUTES="+routes,
		"CLAVIGER_SERVER_TRUSTED_PROXIES=127.0.0.0/8="+g.kind)}
	write(t, folder, "routes.yaml", fmt.Sprintf(rules, s.sample.Tenants[0].ID))
	api := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(api.Close)
	s.authority = newLine(t, strings.TrimPrefix(s.sample.URL, "http://"))
	s.address = testkit.FreeAddress(t)
	replaced := strings.NewReplacer("127.0.0.1:8080", s.authority.listener.Addr().String(),
		"127.0.0.1:9001", strings.TrimPrefix(api.URL, "http://"), "listen 8000", "listen "+s.address,
		"bind :8000", "bind "+s.address, ":8000 {", s.address[strings.LastIndexByte(s.address, ':'):]+" {")
	for _, name := range g.files {
		text, err := os.ReadFile(filepath.Join(root, "docs", "integrations", name))
		must(t, err)
		write(t, folder, name, replaced.Replace(string(text)))
	}
	cmd := g.start(t, folder)
	cmd.Dir = folder
	start(t, cmd)
	awaitListener(t, s.address)
	s.awaitRules(t)
	return s
}

// awaitRules waits until Claviger uses the file of rules.
func (s *site) awaitRules(t testing.TB) {
	t.Helper()
	deadline, tick := time.After(waitLimit), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for s.ask("GET", "/public", "").StatusCode != http.StatusOK {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the rules are not in use")
		}
	}
}

// answer is a response and its body.
type answer struct {
	*http.Response
	body string
}

// ask sends the text of a request to the proxy, so that nothing is added or changed on the way.
func (s *site) ask(method, uri, body string, headers ...string) answer {
	s.t.Helper()
	conn := s.request(method, uri, body, append(headers, "Connection: close")...)
	defer conn.Close()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(s.t, err)
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return answer{resp, string(text)}
}

func (s *site) request(method, uri, body string, headers ...string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	must(s.t, err)
	must(s.t, conn.SetDeadline(time.Now().Add(waitLimit)))
	text := method + " " + uri + " HTTP/1.1\r\nHost: api.example.com\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	_, err = io.WriteString(conn, text+"\r\n"+body)
	must(s.t, err)
	return conn
}

func (s *site) testTable(t *testing.T) {
	t.Helper()
	k, other := s.newKey("Good", "applications:read"), s.newKey("Other scope", "scopes:read")
	bearer := "Authorization: Bearer " + k.value
	// requests that are refused, and how
	for _, c := range []struct {
		name, method, uri string
		headers           []string
		status            int
		code              string
	}{
		{"no key", "GET", "/orders/1", nil, 401, "api_key_invalid"},
		{"a wrong key", "POST", "/orders/1", []string{"Authorization: Bearer x"}, 401, "api_key_invalid"},
		{"no scope", "GET", "/orders/1", []string{"Authorization: Bearer " + other.value}, 403, "insufficient_scope"},
		{"two keys", "GET", "/orders/1", []string{bearer, "X-API-Key: " + k.value}, 400, "credential_ambiguous"},
		{"a header twice", "GET", "/orders/1", []string{bearer, bearer}, 400, "credential_ambiguous"},
		{
			"a key header twice", "GET", "/",
			[]string{"X-API-Key: " + k.value, "X-API-Key: " + other.value},
			400,
			"credential_ambiguous",
		},
		{"an encoded slash", "GET", "/public/..%2forders/1", []string{bearer}, 403, "path_ambiguous"},
		{"dots", "GET", "/public/../orders/1", nil, 403, "path_ambiguous"},
		{"encoded dots", "GET", "/public/%2e%2e/orders/1", nil, 403, "path_ambiguous"},
		{"two slashes", "GET", "//public", nil, 403, "path_ambiguous"},
		{"a forged X-Original-URI", "GET", "/orders/1", []string{"X-Original-URI: /public"}, 401, "api_key_invalid"},
		{
			"a forged X-Forwarded-Uri", "GET", "/orders/1",
			[]string{"X-Forwarded-Uri: /public"},
			401,
			"api_key_invalid",
		},
		{
			"a forged X-Original-URL", "GET", "/orders/1",
			[]string{"X-Original-URL: http://a/public"},
			401,
			"api_key_invalid",
		},
		{
			"a forged method", "GET", "/preflight",
			[]string{"X-Original-Method: OPTIONS", "X-Forwarded-Method: OPTIONS"},
			401, "api_key_invalid",
		},
		{"the query", "GET", "/orders/1?uri=/public", nil, 401, "api_key_invalid"},
		{
			"a preflight", "OPTIONS", "/orders/1",
			[]string{"Origin: https://app.example.com", "Access-Control-Request-Method: POST"},
			401,
			"api_key_invalid",
		},
		{
			"a forged identity", "GET", "/orders/1",
			[]string{"X-Claviger-Owner: usr_forged", "X-Claviger-Principal: key"},
			401, "api_key_invalid",
		},
	} {
		got := s.ask(c.method, c.uri, "", c.headers...)
		if got.Header.Get("Server") != "" && got.StatusCode == c.status && c.code == "credential_ambiguous" {
			continue // nginx itself refuses a repeated Authorization
		}
		if got.StatusCode != c.status || got.Header.Get("X-Claviger-Code") != c.code ||
			!strings.Contains(got.body, `"code":"`+c.code+`"`) ||
			got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s, not %d %s", c.name, got.StatusCode, got.Header, got.body, c.status, c.code)
		}
		if challenges := got.Header["Www-Authenticate"]; c.status == 401 &&
			(len(challenges) < 2 || !strings.HasPrefix(challenges[0], "Bearer ") ||
				!strings.HasPrefix(challenges[len(challenges)-1], "Basic ")) { // nginx repeats the first
			t.Errorf("%s: the challenges are %q", c.name, challenges)
		}
	}
	// requests that pass, as the API receives them
	owner := "X-Claviger-Owner: usr_"
	for _, c := range []struct {
		name, method, uri, body string
		headers                 []string
		// has are lines that the API receives, hasNot beginnings of lines that it does not receive.
		has, hasNot []string
	}{
		{
			"a key", "GET", "/orders/1?a=b%20c", "",
			[]string{bearer},
			[]string{
				"X-Claviger-Key-Id: " + k.keyID,
				"X-Claviger-Scopes: applications:read",
				"X-Claviger-Transport: bearer",
			},
			[]string{"Authorization"},
		},
		{
			"a key header", "GET", "/orders/1", "",
			[]string{"X-API-Key: " + k.value},
			[]string{owner, "X-Claviger-Transport: header"},
			[]string{"X-Api-Key"},
		},
		{
			"Basic", "DELETE", "/orders/1", "",
			[]string{"Authorization: Basic " + k.basic()},
			[]string{"X-Claviger-Transport: basic"},
			[]string{"Authorization"},
		},
		{"a body", "POST", "/orders/1", strings.Repeat("body ", 20_000), []string{bearer}, []string{owner}, nil},
		{"another method", "PROPFIND", "/other", "", []string{bearer}, []string{owner}, nil},
		{"an encoded letter", "GET", "/%6Frders/1", "", []string{bearer}, []string{owner}, nil},
		{
			"a public path", "GET", "/public", "",
			[]string{"X-Claviger-Owner: usr_forged", "X-Claviger-Principal: key"},
			nil,
			[]string{"X-Claviger-Owner: usr", "X-Claviger-Principal: key"},
		},
		{
			"a public preflight", "OPTIONS", "/preflight", "",
			[]string{"Origin: https://app.example.com"},
			[]string{"Origin: https://app.example.com"},
			nil,
		},
		{
			"forged headers", "GET", "/orders/1", "",
			[]string{
				bearer,
				"X-Claviger-Owner: usr_forged",
				"X-Claviger-Plan: gold",
				"X-Claviger-External-Id: forged",
			},
			[]string{owner},
			[]string{"X-Claviger-Owner: usr_forged", "X-Claviger-Plan: g", "X-Claviger-External-Id: f"},
		},
		{
			"underscores", "GET", "/orders/1", "",
			[]string{
				bearer,
				"X_Claviger_Owner: usr_forged",
				"X-Claviger_Owner: usr_forged",
				"x_claviger-plan: gold",
			},
			[]string{owner},
			[]string{"X_claviger", "X-Claviger_owner", "X_Claviger", "X-Claviger_Owner"},
		},
		{
			"Connection", "GET", "/orders/1", "",
			[]string{bearer, "Connection: X-Claviger-Owner, X-Claviger-Scopes"},
			[]string{owner, "X-Claviger-Scopes: applications:read"},
			nil,
		},
		{
			"cookies", "GET", "/orders/1", "",
			[]string{bearer, "Cookie: a=1; claviger=secret; b=2"},
			[]string{"Cookie: a=1; b=2"},
			nil,
		},
		{
			"cookies with that of the gateway", "GET", "/orders/1", "",
			[]string{bearer, "Cookie: a=1; claviger-gateway=secret; b=2; claviger=secret"},
			[]string{"Cookie: a=1; b=2"},
			nil,
		},
		{
			"a cookie of Claviger", "GET", "/orders/1", "",
			[]string{bearer, "Cookie: __Host-claviger=secret"},
			[]string{owner},
			[]string{"Cookie: _"},
		},
		{
			"other cookies", "GET", "/orders/1", "",
			[]string{bearer, "Cookie: xclaviger=1; a=claviger=2"},
			[]string{"Cookie: xclaviger=1; a=claviger=2"},
			nil,
		},
	} {
		got := s.ask(c.method, c.uri, c.body, c.headers...)
		s.expectReceived(t, c.name, got, received{Method: c.method, URI: c.uri, Body: c.body}, c.has, c.hasNot)
	}
	empty := s.emptyKey()
	got := s.ask("GET", "/", "", "Authorization: Bearer "+empty.value, "X-Claviger-Scopes: all:everything",
		"X-Claviger-Applications: *", "X-Claviger-Omitted: scopes")
	s.expectReceived(t, "a key with empty lists", got, received{Method: "GET", URI: "/"},
		[]string{owner, "X-Claviger-Key-Id: " + empty.keyID},
		[]string{"X-Claviger-Scopes: a", "X-Claviger-Applications: *", "X-Claviger-Omitted: s"})
}

// expectReceived fails the test unless the API received the request.
func (s *site) expectReceived(t *testing.T, name string, got answer, want received, has, hasNot []string) {
	t.Helper()
	var r received
	if got.StatusCode != http.StatusOK || json.Unmarshal([]byte(got.body), &r) != nil {
		t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		return
	}
	if r.Method != want.Method || r.URI != want.URI || r.Body != want.Body {
		t.Errorf("%s: the API received %s %s and %d bytes", name, r.Method, r.URI, len(r.Body))
	}
	var lines []string
	for header, values := range r.Header {
		for _, value := range values {
			lines = append(lines, header+": "+value)
		}
	}
	begins := func(with string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, with) })
	}
	for _, line := range has {
		if !begins(line) {
			t.Errorf("%s: the API did not receive %q, but %q", name, line, lines)
		}
	}
	for _, line := range hasNot {
		if begins(line) {
			t.Errorf("%s: the API received %q", name, lines)
		}
	}
}

// emptyKey returns a key whose only scope and only application are deleted.
func (s *site) emptyKey() issued {
	s.t.Helper()
	path := s.tenant()
	s.call(http.MethodPut, path+"/scopes", map[string]any{"items": []map[string]any{{"name": "films:read"}}})
	application := s.call(http.MethodPost, path+"/applications", map[string]any{"name": "Films"})
	made := s.call(http.MethodPost, path+"/keys", map[string]any{
		"name": "Empty", "scopes": []string{"films:read"}, "application_ids": []string{application.ID},
	})
	s.call(http.MethodDelete, path+"/applications/"+application.ID, nil)
	s.call(http.MethodPut, path+"/scopes", map[string]any{"items": []map[string]any{}})
	return issued{made.Key.ID, made.Credential.ID, made.Credential.Secret, made.Credential.Value}
}

func (s *site) testUpgrade(t *testing.T) {
	t.Helper()
	k := s.newKey("WebSocket", "applications:read")
	upgrade := []string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	conn := s.request("GET", "/orders/1", "", append(upgrade, "Authorization: Bearer "+k.value)...)
	defer conn.Close()
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	must(t, err)
	hello := make([]byte, len("hello"))
	_, err = io.ReadFull(reader, hello)
	if resp.StatusCode != http.StatusSwitchingProtocols || string(hello) != "hello" ||
		resp.Header.Get("X-Owner") == "" {
		t.Errorf("an upgrade: %d %v %q %v", resp.StatusCode, resp.Header, hello, err)
	}
	refused := s.request("GET", "/orders/1", "", upgrade...)
	defer refused.Close()
	resp, err = http.ReadResponse(bufio.NewReader(refused), nil)
	must(t, err)
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an upgrade without a key: %d", resp.StatusCode)
	}
}

func (s *site) testRate(t *testing.T) {
	t.Helper()
	k := s.newKey("Limited", "applications:read")
	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{"requests_per_minute": 1}})
	first := s.ask("GET", "/orders/1", "", "Authorization: Bearer "+k.value)
	second := s.ask("GET", "/orders/1", "", "Authorization: Bearer "+k.value)
	if first.StatusCode != http.StatusOK || second.StatusCode != http.StatusTooManyRequests ||
		second.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the limit: %d, then %d %v", first.StatusCode, second.StatusCode, second.Header)
	}
	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{"requests_per_minute": nil}})
}

package guide_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proxy is nginx with the configuration of docs/integration.md, in front of an API that returns the
// headers it receives.
type proxy struct {
	t                 testing.TB
	address           string
	nginx, authorizer *exec.Cmd
}

func TestNginxWithTheAuthorizerAllowsOnlyValidKeys(t *testing.T) {
	s := startServer(t)
	p := startProxy(t, s)
	good, wrongScope := s.newKey("Good", "applications:read"), s.newKey("Other scope", "scopes:read")
	revoked, limited := s.newKey("Revoked", "applications:read"), s.newKey("Limited", "applications:read")
	s.call(http.MethodPost, s.tenant()+"/keys/"+revoked.keyID+"/revoke", map[string]any{})
	bearer := func(key issued) string { return "Authorization: Bearer " + key.value }
	passed := "key=" + good.keyID + " authorization= header="
	wrong := good.value[:len(good.value)-1] + string("AB"[len(good.value)%2])
	for _, c := range []struct {
		name    string
		path    string
		headers []string
		status  int
		body    string
	}{
		{"a bearer", "/orders/1", []string{bearer(good)}, 200, passed},
		{"a key header", "/orders/1?a=b", []string{"X-API-Key: " + good.value}, 200, passed},
		{"HTTP Basic", "/orders/1", []string{"Authorization: Basic " + good.basic()}, 200, passed},
		{"a forged id", "/orders/1", []string{bearer(good), "X-Claviger-Key-Id: key_forged"}, 200, passed},
		{"nothing", "/orders/1", nil, 401, ""},
		{"a forged id alone", "/orders/1", []string{"X-Claviger-Key-Id: key_forged"}, 401, ""},
		{"a wrong key", "/orders/1", []string{"Authorization: Bearer " + wrong}, 401, ""},
		{"no key at all", "/orders/1", []string{"Authorization: Bearer x"}, 401, ""},
		{"a revoked key", "/orders/1", []string{bearer(revoked)}, 401, ""},
		{"a key without the scope", "/orders/1", []string{bearer(wrongScope)}, 403, "insufficient_scope\n"},
		{
			"scopes in the query", "/orders/1?scope=scopes:read",
			[]string{bearer(wrongScope)},
			403,
			"insufficient_scope\n",
		},
		{
			"two credentials", "/orders/1",
			[]string{bearer(good), "X-API-Key: " + good.value},
			400,
			"credential_ambiguous\n",
		},
		{"the check itself", "/_orders", []string{bearer(good)}, 404, ""},
		{"a rejection by the API", "/orders/forbidden", []string{bearer(good)}, 403, "the API rejects this"},
	} {
		for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: "a body"} {
			resp := p.send(method, c.path, body, c.headers...)
			if resp.Code != c.status || !strings.Contains(resp.Body.String(), c.body) {
				t.Errorf("%s, %s: %d %q, not %d %q", c.name, method, resp.Code, resp.Body, c.status, c.body)
			}
			if (resp.Header().Get("WWW-Authenticate") != "") != (c.status == http.StatusUnauthorized) {
				t.Errorf("%s: WWW-Authenticate %q", c.name, resp.Header().Get("WWW-Authenticate"))
			}
		}
	}
	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{"requests_per_minute": 1}})
	resp := p.send(http.MethodGet, "/orders/1", "", bearer(limited))
	if resp.Code != http.StatusOK {
		t.Errorf("the first request of a minute: %d", resp.Code)
	}
	resp = p.send(http.MethodGet, "/orders/1", "", bearer(limited))
	wait := resp.Header().Get("Retry-After")
	if resp.Code != http.StatusTooManyRequests || wait == "" || resp.Body.String() != "rate_limited\n" {
		t.Errorf("the second: %d %q, Retry-After %q", resp.Code, resp.Body, wait)
	}
	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{"requests_per_minute": nil}})
	if resp := p.send(http.MethodGet, "/orders/1", "", bearer(good)); resp.Code != http.StatusOK {
		t.Errorf("without a limit: %d", resp.Code)
	}
	for _, stopped := range []*exec.Cmd{s.cmd, p.authorizer} {
		stop(stopped)
		resp := p.send(http.MethodGet, "/orders/1", "", bearer(good))
		if resp.Code != http.StatusServiceUnavailable || resp.Body.String() != "unavailable\n" {
			t.Errorf("without %s: %d %q", stopped.Path, resp.Code, resp.Body)
		}
	}
}

// issued is a new key with its secret.
type issued struct{ keyID, id, secret, value string }

func (k issued) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(k.id + ":" + k.secret))
}

func (s *server) newKey(name, scope string) issued {
	s.t.Helper()
	made := s.call(http.MethodPost, s.tenant()+"/keys", map[string]any{
		"name": name, "scopes": []string{scope}, "all_applications": true,
	})
	return issued{made.Key.ID, made.Credential.ID, made.Credential.Secret, made.Credential.Value}
}

// startProxy builds the authorizer with the commands of the document and starts it and nginx.
func startProxy(t *testing.T, s *server) *proxy {
	t.Helper()
	p := &proxy{t: t, address: freeAddress(t)}
	folder := t.TempDir()
	work := filepath.Join(folder, "authorizer")
	must(t, os.Mkdir(work, 0o700))
	must(t, os.Symlink(absolute(t, root), filepath.Join(folder, "claviger")))
	write(t, work, "main.go", onlyBlock(t, "integration.md", "go", "auth_request"))
	write(t, work, "verifier.txt", s.sample.Verifier+"\n")
	authorizer := freeAddress(t)
	build, serve, _ := strings.Cut(onlyBlock(t, "integration.md", "sh", "go mod init"), "CLAVIGER_SERVER=")
	serve = replaceAll(t, "CLAVIGER_SERVER="+serve, "http://127.0.0.1:8080", s.sample.URL, "127.0.0.1:9000", authorizer)
	shell := func(text string) *exec.Cmd {
		cmd := exec.Command("sh", "-ec", text)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off")
		return cmd
	}
	run(t, shell(build))
	p.authorizer = shell("exec env " + serve)
	start(t, p.authorizer)
	awaitListener(t, authorizer)

	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders/forbidden" {
			http.Error(w, "the API rejects this", http.StatusForbidden)
			return
		}
		h := r.Header
		fmt.Fprintf(w, "key=%s authorization=%s header=%s",
			h.Get("X-Claviger-Key-Id"), h.Get("Authorization"), h.Get("X-API-Key"))
	}))
	t.Cleanup(api.Close)
	p.startNginx(folder, replaceAll(t, onlyBlock(t, "integration.md", "nginx", "auth_request"),
		"127.0.0.1:9000", authorizer, "http://127.0.0.1:9001", api.URL, "listen 8000", "listen "+p.address))
	return p
}

// startNginx starts nginx with the configuration of the document in an http block, as Debian
// includes it.
func (p *proxy) startNginx(folder, configuration string) {
	p.t.Helper()
	text := "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr;\n" +
		"events {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += kind + "_temp_path " + kind + ";\n"
	}
	write(p.t, folder, "nginx.conf", text+configuration+"}\n")
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // only root has this folder in PATH
	}
	p.nginx = exec.Command(program, "-p", folder, "-c", "nginx.conf", "-e", "stderr")
	start(p.t, p.nginx)
	awaitListener(p.t, p.address)
}

// send sends a request to nginx. It sends the body in chunks.
func (p *proxy) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.address+path, strings.NewReader(body))
	must(p.t, err)
	if body != "" {
		req.ContentLength = -1
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	got := httptest.NewRecorder()
	for name, values := range resp.Header {
		got.Header()[name] = values
	}
	got.WriteHeader(resp.StatusCode)
	_, err = got.Body.ReadFrom(resp.Body)
	must(p.t, err)
	return got
}

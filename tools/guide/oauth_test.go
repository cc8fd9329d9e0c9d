package guide_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The programs of docs/oauth.md get tokens, send, revoke and verify them, as they are written.
func TestTheProgramsOfTheOAuthGuideWork(t *testing.T) {
	s := startBinary(t, buildClaviger(t))
	client, verifier := s.newKey("A program", "applications:read"), s.newKey("A gateway", "keys:verify")
	folder := t.TempDir()
	run(t, inFolder(folder, "npm", "install", "--no-audit", "--no-fund", "oauth4webapi@3"))
	environment := []string{
		"CLIENT_ID=" + client.id, "CLIENT_SECRET=" + client.secret, "VERIFIER_ID=" + verifier.id,
		"VERIFIER_SECRET=" + verifier.secret,
	}
	const local = "http://127.0.0.1:8080"
	shell := func(content string, more ...string) string {
		program := replaceAll(t, onlyBlock(t, "oauth.md", "sh", content), local, s.sample.URL)
		cmd := inFolder(folder, "sh", "-ec", program)
		cmd.Env = append(append(os.Environ(), environment...), more...)
		return run(t, cmd)
	}
	node := func(content string, more ...string) string {
		write(t, folder, "program.mjs",
			replaceAll(t, onlyBlock(t, "oauth.md", "js", content), local, s.sample.URL))
		cmd := inFolder(folder, "node", "program.mjs")
		cmd.Env = append(append(os.Environ(), environment...), more...)
		return run(t, cmd)
	}
	token := func() string {
		var issued struct {
			Token string `json:"access_token"`
		}
		must(t, json.Unmarshal([]byte(shell("/oauth2/token")), &issued))
		return issued.Token
	}

	opaque := token()
	if !strings.HasPrefix(opaque, "clv_at_") {
		t.Fatalf("curl got the token %q", opaque)
	}
	if got := shell("/oauth2/introspect", "TOKEN="+opaque); !strings.Contains(got, `"active":true`) {
		t.Errorf("introspection says %s", got)
	}
	shell("/oauth2/revoke", "TOKEN="+opaque)
	if got := shell("/oauth2/introspect", "TOKEN="+opaque); strings.TrimSpace(got) != `{"active":false}` {
		t.Errorf("after revocation, introspection says %s", got)
	}
	if got := node("clientCredentialsGrantRequest"); !strings.HasPrefix(got, "200 ") ||
		!strings.Contains(got, `"transport":"oauth"`) {
		t.Errorf("oauth4webapi gets %s", got)
	}
	if got := runGuideGo(t, environment, s.sample.URL); !strings.HasPrefix(got, "200 OK ") {
		t.Errorf("golang.org/x/oauth2 gets %s", got)
	}

	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{
		"token_format": "jwt", "token_audience": "https://api.example.com",
	}})
	if got := node("validateJwtAccessToken", "TOKEN="+token()); !strings.Contains(got, "applications:read") {
		t.Errorf("oauth4webapi verifies a JWT as %s", got)
	}
}

// runGuideGo builds the Go program of docs/oauth.md inside this module, which has its imports, and
// returns what it prints.
func runGuideGo(t *testing.T, environment []string, address string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "program")
	must(t, os.Mkdir(folder, 0o700))
	source := write(t, folder, "main.go",
		replaceAll(t, onlyBlock(t, "oauth.md", "go", "clientcredentials"), "http://127.0.0.1:8080", address))
	cmd := exec.Command("go", "run", source)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), environment...)
	return run(t, cmd)
}

// inFolder returns a command that runs in the folder.
func inFolder(folder, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	return cmd
}

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// An assistant is signed in when its user is: the command runs on.
func TestAnAssistantReadsWhatItsUserMayRead(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	a := newAssistant(t, s, "--server", line.URL)
	if got := a.call("claviger_help", map[string]any{
		"action": "read_help_info", "args": map[string]any{"help_id_list": []string{"api-authorization"}},
	}); !strings.Contains(got, "HTTP Basic") {
		t.Errorf("the help is %s", got)
	}
	if got := a.fail("whoami", nil); !strings.Contains(got, "not signed in to "+line.URL+". Next: claviger login") {
		t.Errorf("before the sign-in: %s", got)
	}
	s.signedInAt(t, line, "--tenant", line.Tenants[0].ID)
	if got := a.call("whoami", nil); !strings.Contains(got, line.Email) || !strings.Contains(got, line.Tenants[0].ID) {
		t.Errorf("whoami is %s", got)
	}
	all := a.call("whoami", nil) + a.call("list_keys", nil) + a.call("key_health", nil) +
		a.call("list_keys", map[string]any{"tenant": line.Tenants[0].Name}) +
		a.call("list_keys", map[string]any{"tenant": line.Tenants[0].ID, "status": "active"}) +
		a.call("key_health", map[string]any{"tenant": line.Tenants[0].ID})
	if !strings.Contains(all, `"public_id"`) || !strings.Contains(all, `"findings"`) {
		t.Errorf("the answers are %s", all)
	}
	for _, tenant := range line.Tenants {
		if tenant.Key.Value != "" && strings.Contains(all, tenant.Key.Value) {
			t.Error("an answer has a secret")
		}
	}
	for by, want := range map[string]string{
		"": `"by":"day"`, "code": `"total":{`, "key": `"items":[`,
	} {
		got := a.call("usage", map[string]any{"tenant": line.Tenants[0].ID, "by": by})
		if !strings.Contains(got, want) || !strings.Contains(got, `"tenant_id":"`+line.Tenants[0].ID) {
			t.Errorf("usage by %q is %s", by, got)
		}
		all += got
	}
	if strings.Contains(all, "last4") || strings.Contains(all, `"secret"`) {
		t.Errorf("an answer has a part of a secret: %s", all)
	}
	for _, c := range []struct {
		tool, want string
		arguments  map[string]any
	}{
		{"list_keys", "there is no tenant with the", map[string]any{"tenant": "None"}},
		{"list_keys", "(validation_failed)", map[string]any{"status": "none"}},
		{"list_keys", "There is no argument `owner`", map[string]any{"owner": "me"}},
		{"whoami", "whoami has no arguments", map[string]any{"key": "x"}},
		{"key_health", "(", map[string]any{"cursor": "none"}},
		{"usage", "`by` is one of `day`, `hour`", map[string]any{"by": "year"}},
		{"usage", "`since` is a time such as", map[string]any{"since": "yesterday"}},
		{"usage", "(validation_failed) key_id:", map[string]any{"by": "code", "key_id": "key_none"}},
	} {
		if got := a.fail(c.tool, c.arguments); !strings.Contains(got, c.want) {
			t.Errorf("%s %v: %s", c.tool, c.arguments, got)
		}
	}
	// A key is used in place of the session, and lists no keys.
	key := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte(line.Verifier), 0o600))
	s.env = append(s.env, "CLAVIGER_KEY_FILE="+key)
	byKey := newAssistant(t, s, "--server", line.URL)
	got := byKey.call("whoami", nil)
	if !strings.Contains(got, `"key_id":"key_`) || strings.Contains(got, line.Verifier) {
		t.Errorf("with a key, whoami is %s", got)
	}
	if got := byKey.fail("list_keys", nil); !strings.Contains(got, "(session_required). Next: a key cannot do this") {
		t.Errorf("with a key, list_keys is %s", got)
	}
}

// assistant is an MCP client of a `claviger mcp`.
type assistant struct {
	t *testing.T
	*sdk.ClientSession
}

func newAssistant(t *testing.T, s *installation, flags ...string) *assistant {
	t.Helper()
	c, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(),
		&sdk.CommandTransport{Command: s.command(append([]string{"mcp"}, flags...)...)}, nil)
	must(t, err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil { // the command ends with its standard input
			t.Errorf("claviger mcp: %v", err)
		}
	})
	return &assistant{t, c}
}

// call returns the answer of a tool, which must not fail.
func (a *assistant) call(tool string, arguments map[string]any) string {
	a.t.Helper()
	return a.expect(tool, arguments, false)
}

// fail returns the answer of a tool, which must fail.
func (a *assistant) fail(tool string, arguments map[string]any) string {
	a.t.Helper()
	return a.expect(tool, arguments, true)
}

func (a *assistant) expect(tool string, arguments map[string]any, failed bool) string {
	a.t.Helper()
	r, err := a.CallTool(a.t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	must(a.t, err)
	text := r.Content[0].(*sdk.TextContent).Text
	if r.IsError != failed {
		a.t.Errorf("%s %v: %s", tool, arguments, text)
	}
	return text
}

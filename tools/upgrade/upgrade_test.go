package upgrade_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// node is a running server, with a client signed in as the account owner.
type node struct {
	testing.TB
	program, data, url string
	cmd                *exec.Cmd
	client             *client.Client
	verifier           *client.Client
}

// sample is the output of `claviger dev`.
type sample struct {
	URL, Email, Password, Verifier string
	Tenants                        []struct {
		ID  string
		Key struct{ Value string }
	}
}

// command returns a command that runs the program on the database.
func command(t testing.TB, program, database string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "CLAVIGER_DATABASE_URL=" + database,
		"CLAVIGER_LIMITS_CHANGES_PER_MINUTE=100000", "CLAVIGER_LIMITS_ANONYMOUS_PER_MINUTE=100000",
	}
	return cmd
}

// startNode starts `claviger dev`, which shows its sample data as JSON.
func startNode(t testing.TB, program, database, data string) (*node, sample) {
	t.Helper()
	n := &node{TB: t, program: program, data: data, url: database}
	n.cmd = command(t, program, database, "dev", "--output", "json", "--listen", "127.0.0.1:0", "--data", data)
	out, err := n.cmd.StdoutPipe()
	testkit.NoError(t, err)
	n.cmd.Stderr = &testkit.Log{}
	testkit.NoError(t, n.cmd.Start())
	t.Cleanup(n.kill)
	var s sample
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, n.cmd.Stderr)
	}
	n.client, _, err = testkit.Client(t, s.URL).WithRetry(client.Retry{}).SignIn(t.Context(), s.Email, s.Password)
	testkit.NoError(t, err)
	n.verifier = testkit.Client(t, s.URL).WithRetry(client.Retry{}).WithKey(s.Verifier)
	return n, s
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

func (n *node) stop() {
	n.Helper()
	testkit.NoError(n, n.cmd.Process.Signal(syscall.SIGTERM))
	if err := n.cmd.Wait(); err != nil {
		n.Fatalf("%s: %v\n%s", n.program, err, n.cmd.Stderr)
	}
}

// verify returns what the node decides about a credential.
func (n *node) verify(value string) api.Code {
	n.Helper()
	d, err := n.verifier.Verify(context.WithoutCancel(n.Context()), api.VerifyRequest{Credential: value})
	if err != nil {
		return testkit.Code(n, err)
	}
	return d.Code
}

// ready returns what readyz says is wrong; "" if the node is ready.
func (n *node) ready() string {
	n.Helper()
	err := n.verifier.Do(n.Context(), http.MethodGet, "/readyz", nil, nil)
	if err == nil {
		return ""
	}
	return err.Error()
}

// claviger runs a command and returns its exit code, and its output or its error.
func claviger(t testing.TB, program, database string, args ...string) (code int, said string) {
	t.Helper()
	cmd := command(t, program, database, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// pair are nodes of both versions on one database.
type pair struct {
	testing.TB
	before, after *node
	tenant        string
}

func startPair(t testing.TB) (p *pair, database string) {
	t.Helper()
	database = testkit.NewDatabase(t)
	old, now := build(t, versionBefore(t), "claviger-before"), build(t, root, "claviger")
	data := filepath.Join(t.TempDir(), "before")
	before, s := startNode(t, old, database, data)
	p = &pair{TB: t, before: before, tenant: s.Tenants[0].ID}
	var settings api.UpdateTenantRequest
	testkit.NoError(t, json.Unmarshal([]byte(`{"settings":{"keys_per_user":null}}`), &settings))
	testkit.Must[api.Tenant](t)(before.client.EditTenant(t.Context(), p.tenant, settings))
	second := filepath.Join(t.TempDir(), "after")
	testkit.NoError(t, os.Mkdir(second, 0o700))
	for _, file := range []string{"root.key", "dev.json"} { // the root secret and the sample
		text := testkit.Must[[]byte](t)(os.ReadFile(filepath.Join(data, file)))
		testkit.NoError(t, os.WriteFile(filepath.Join(second, file), text, 0o600))
	}
	p.after, _ = startNode(t, now, database, second)
	return p, database
}

// exchange makes keys on one node, and takes away their authority on it and on the other. Both
// nodes learn of everything.
func (p *pair) exchange(when string, from, to *node) {
	p.Helper()
	for name, c := range map[string]struct {
		by   *node
		act  func(c *client.Client, k api.IssuedKey) error
		want api.Code
	}{
		"revoked where it was made": {from, p.revoke, api.APIKeyRevoked},
		"revoked on the other":      {to, p.revoke, api.APIKeyRevoked},
		"disabled where it was made": {from, func(c *client.Client, k api.IssuedKey) error {
			_, err := c.DisableKey(p.Context(), p.tenant, k.Key.ID)
			return err
		}, api.APIKeyDisabled},
		"refreshed on the other": {to, func(c *client.Client, k api.IssuedKey) error {
			fresh, err := c.RefreshKey(p.Context(), p.tenant, k.Key.ID, api.RefreshKeyRequest{})
			if err == nil {
				p.expect(when+": the fresh secret", fresh.Credential.Value, api.OK)
			}
			return err
		}, api.APIKeyInvalid},
		"deleted on the other": {to, func(c *client.Client, k api.IssuedKey) error {
			return c.DeleteKey(p.Context(), p.tenant, k.Key.ID)
		}, api.APIKeyInvalid},
	} {
		k, err := from.client.CreateKey(p.Context(), p.tenant, api.CreateKeyRequest{
			Name: name, Scopes: []string{"applications:read"}, AllApplications: true,
		})
		if err != nil {
			p.Fatalf("%s: %s: %v", when, name, err)
		}
		p.expect(when+": a new key", k.Credential.Value, api.OK)
		if err := c.act(c.by.client, k); err != nil {
			p.Fatalf("%s: %s: %v", when, name, err)
		}
		p.expect(when+": "+name, k.Credential.Value, c.want)
	}
}

func (p *pair) revoke(c *client.Client, k api.IssuedKey) error {
	_, err := c.RevokeKey(p.Context(), p.tenant, k.Key.ID, "")
	return err
}

// expect waits until both nodes decide the same about a credential.
func (p *pair) expect(what, value string, want api.Code) {
	p.Helper()
	for _, n := range []*node{p.before, p.after} {
		var got api.Code
		testkit.Await(p, func() string {
			got = n.verify(value)
			if got == want {
				return "same"
			}
			if got != api.OK && got != api.APIKeyInvalid {
				return "another"
			}
			return ""
		})
		if got != want {
			p.Errorf("%s: on %s it is %s, want %s", what, filepath.Base(n.program), got, want)
		}
	}
}

// The name is short because the socket of a node is below it.
func TestAnUpgradeNodeByNode(t *testing.T) {
	p, database := startPair(t)
	for _, n := range []*node{p.before, p.after} {
		if why := n.ready(); why != "" {
			t.Errorf("%s is not ready beside the other: %s", filepath.Base(n.program), why)
		}
	}
	p.exchange("expanded, made before", p.before, p.after)
	p.exchange("expanded, made after", p.after, p.before)
	kept, err := p.before.client.CreateKey(t.Context(), p.tenant, api.CreateKeyRequest{
		Name: "Kept", Scopes: []string{"applications:read"}, AllApplications: true,
	})
	testkit.NoError(t, err)
	backup, passphrase := p.backup(database)

	code, said := claviger(t, p.after.program, database, "migrate", "finish", "--data", p.after.data)
	if code != 1 || !strings.Contains(said, "nodes of an older version are alive") {
		t.Fatalf("beside an older node: exit code %d: %s", code, said)
	}
	p.exchange("after a refusal", p.before, p.after)
	said = testkit.Await(t, func() string { // the node may renew its lease in between
		p.forgetOlderNode(database)
		code, said := claviger(t, p.after.program, database, "migrate", "finish", "--data", p.after.data)
		if code == 0 || !strings.Contains(said, "nodes of an older version are alive") {
			return said
		}
		return ""
	})
	if !strings.Contains(said, "from version 15 to 17") {
		t.Fatal(said)
	}
	p.expectStopped(kept.Credential.Value)
	p.before.stop()
	if code, said := claviger(t, p.before.program, database, "serve", "--listen", "127.0.0.1:0", "--data",
		p.before.data); code != 1 || !strings.Contains(said, "use a newer claviger") {
		t.Errorf("the version before starts again: exit code %d: %s", code, said)
	}
	p.before, _ = startNode(t, p.after.program, database, p.before.data) // replaced
	p.expect("finished", kept.Credential.Value, api.OK)
	p.exchange("finished", p.before, p.after)
	p.expectRestored(backup, passphrase, kept.Credential.Value)
}

// forgetOlderNode removes the lease of the node of the version before, as if it had lost its
// database for some minutes.
func (p *pair) forgetOlderNode(database string) {
	p.Helper()
	db := testkit.Database(p, database, "")
	_, err := db.ExecContext(p.Context(), `DELETE FROM leases n WHERE n.name LIKE 'node/%'
		AND NOT EXISTS (SELECT 1 FROM leases s WHERE s.name = 'schema/' || SUBSTR(n.name, 6))`)
	testkit.NoError(p, err)
}

// expectStopped fails the test unless the node of the version before refuses everything and says
// why, while the other continues.
func (p *pair) expectStopped(value string) {
	p.Helper()
	const upgrade = "the database is at version 17, this program knows 15: upgrade this node"
	testkit.Await(p, func() string {
		if p.before.verify(value) == api.Unavailable {
			return "stopped"
		}
		return ""
	})
	for range 20 {
		if got := p.before.verify(value); got != api.Unavailable {
			p.Fatalf("after it stopped, the node of the version before decides %s", got)
		}
	}
	for what, said := range map[string]string{"readyz": p.before.ready(), "a change": errorText(p.create(p.before))} {
		if !strings.Contains(said, upgrade) {
			p.Errorf("%s of the version before says %q", what, said)
		}
	}
	if got, why := p.after.verify(value), p.after.ready(); got != api.OK || why != "" {
		p.Errorf("the other node decides %s and says %q", got, why)
	}
	testkit.NoError(p, p.create(p.after))
}

func (p *pair) create(n *node) error {
	_, err := n.client.CreateKey(p.Context(), p.tenant, api.CreateKeyRequest{
		Name: "Made late", Scopes: []string{"applications:read"}, AllApplications: true,
	})
	return err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// backup makes a backup by the node of the version before.
func (p *pair) backup(database string) (file, passphrase string) {
	p.Helper()
	directory := p.TempDir()
	file, passphrase = filepath.Join(directory, "backup.age"), filepath.Join(directory, "passphrase")
	testkit.NoError(p, os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600))
	if code, said := claviger(p, p.before.program, database, "backup", "--data", p.before.data, "--passphrase-file",
		passphrase, file); code != 0 {
		p.Fatalf("backup: exit code %d: %s", code, said)
	}
	return file, passphrase
}

// expectRestored fails the test unless the new version restores the backup of the version before,
// which was made beside it, into a new database.
func (p *pair) expectRestored(file, passphrase, value string) {
	p.Helper()
	database, data := testkit.NewDatabase(p), filepath.Join(p.TempDir(), "restored")
	testkit.NoError(p, os.Mkdir(data, 0o700))
	for _, name := range []string{"root.key", "dev.json"} {
		text := testkit.Must[[]byte](p)(os.ReadFile(filepath.Join(p.after.data, name)))
		testkit.NoError(p, os.WriteFile(filepath.Join(data, name), text, 0o600))
	}
	if code, said := claviger(p, p.after.program, database, "restore", "--data", data, "--without-journal",
		"--passphrase-file", passphrase, file); code != 0 {
		p.Fatalf("restore: exit code %d: %s", code, said)
	}
	n, _ := startNode(p, p.after.program, database, data)
	if got := n.verify(value); got != api.OK {
		p.Errorf("after a restore the key is %s", got)
	}
	var unnumbered int
	db := testkit.Database(p, database, "")
	testkit.NoError(p,
		db.QueryRowContext(p.Context(), `SELECT COUNT(*) FROM keys WHERE number IS NULL`).Scan(&unnumbered))
	if unnumbered != 0 {
		p.Error(fmt.Sprint(unnumbered, " keys have no number"))
	}
}

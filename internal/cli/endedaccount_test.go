package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// If the session has ended in one of two accounts, a command does not use the one remaining tenant
// by default: the user may mean a tenant of the other account.
func TestATenantIsNotTakenForTheOnlyOneWhereTheSessionHasEndedInAnotherAccount(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	line := s.dev(t).ready()
	must(t, os.WriteFile(filepath.Join(s.dir, "password"), []byte(line.Password), 0o600))
	s.output(t, "login", "--server", line.URL, "--email", line.Email, "--password-file", "password")
	var tenants api.List[api.Tenant]
	must(t, json.Unmarshal(s.output(t, "tenants", "list", "--output", "json"), &tenants))

	// The user owns a second account with one tenant, and the session ends in the first account.
	one := tenants.Items[0].ID
	s.exec(t, `INSERT INTO accounts (id, number, name, created_at, updated_at)
		VALUES ('acc_second', 1000, 'Second', 1, 1)`)
	s.exec(t, `UPDATE tenants SET account_id = 'acc_second' WHERE id = '`+one+`'`)
	s.exec(t, `INSERT INTO session_ends (session_id, account_id) SELECT id, '`+line.AccountID+`' FROM sessions`)
	var session api.List[api.Tenant]
	must(t, json.Unmarshal(s.output(t, "tenants", "list", "--output", "json"), &session))
	if len(session.Items) != 1 || session.Items[0].ID != one {
		t.Fatalf("listed are %+v", session.Items)
	}
	out, err := s.command("keys", "list").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no tenant is selected") || !strings.Contains(string(out), one) {
		t.Errorf("keys list: %v, %s", err, out)
	}
	s.output(t, "keys", "list", "--tenant", one)
	out, err = s.command("keys", "list", "--tenant", tenants.Items[1].ID).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "(session_ended)") || !strings.Contains(string(out),
		"claviger login") {
		t.Errorf("in the account in which the session has ended: %v, %s", err, out)
	}
}

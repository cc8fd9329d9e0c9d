package testkit

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// InsertMany runs INSERT statements whose SELECT reads the numbers from 1 to n as i from a table n.
// It writes past the server, since ten thousand requests would take minutes.
func InsertMany(t testing.TB, h *Server, n int, statements ...string) {
	t.Helper()
	if n < 1 {
		return
	}
	db := h.Beside()
	for _, s := range statements {
		insert, columns, _ := strings.Cut(strings.Join(strings.Fields(s), " "), " SELECT ")
		text := fmt.Sprintf(
			"%s WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT %s",
			insert, n, columns)
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// KeyRows returns a statement for InsertMany that inserts keys of a person. They hold the slots
// after the given one, and expire at the SQL expression.
func KeyRows(tenant tenancy.Tenant, owner principal.Person, slot int, expires string) string {
	return fmt.Sprintf(`INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, slot, created_at, updated_at, secret_set_at, expires_at)
		SELECT 'key_%d_' || i, '%s', '%s', '%s', 'Key', '', TRUE,
		'direct', %d + i, 1000000, 1000000, %d, %s FROM n`, slot, tenant.ID, owner.ID, owner.ID, slot,
		time.Now().UnixMicro(), expires)
}

// CountRows counts the rows of a table.
func CountRows(t testing.TB, h *Server, table string) (n int) {
	t.Helper()
	db := h.Beside()
	defer db.Close() // a test that polls would have a pool for each call otherwise
	NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

// Exec runs a statement on a connection of its own.
func Exec(t testing.TB, h *Server, statement string, args ...any) {
	t.Helper()
	db := h.Beside()
	defer db.Close()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// QueryInt returns the number that a query on a connection of its own returns.
func QueryInt(t testing.TB, h *Server, query string, args ...any) (n int) {
	t.Helper()
	db := h.Beside()
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

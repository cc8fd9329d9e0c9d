package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// insertFixtures inserts one user, account, account member, tenant, member and key.
func insertFixtures(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for _, text := range []string{
		`INSERT INTO users (id, number, created_at, updated_at) VALUES ('usr_1', 1, 0, 0)`,
		`INSERT INTO accounts (id, number, name, created_at, updated_at) VALUES ('acc_1', 1, '', 0, 0)`,
		`INSERT INTO account_members (account_id, user_id, role, created_at) VALUES ('acc_1', 'usr_1', 'admin', 0)`,
		`INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at, updated_at)
			VALUES ('ten_1', 1, 'acc_1', '', 'standard', '{}', 0, 0)`,
		`INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
			VALUES ('ten_1', 'usr_1', 'member', 0, 0)`,
		`INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications, delivery, slot,
			created_at, updated_at)
			VALUES ('key_1', 'ten_1', 'usr_1', 'usr_1', '', '', TRUE, 'direct', 1, 0, 0)`,
	} {
		exec(t, conn, text)
	}
}

// SQLite has one writer. In PostgreSQL the row must be locked against changes, but not against rows
// that refer to it.
func TestWhatAChangeLocksNoOtherCanChange(t *testing.T) {
	url := testkit.NewDatabase(t)
	s := newStore(t, url)
	conn := raw(t, url)
	insertFixtures(t, conn)
	authority := func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Authority(ctx, "ten_1", "usr_1")
		return err
	}
	for _, c := range []struct {
		what, row string
		lock      func(context.Context, *store.Tx) error
	}{
		{"a key", `keys WHERE id = 'key_1'`, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LockKey(ctx, "ten_1", "key_1")
			return err
		}},
		{"an account", `accounts WHERE id = 'acc_1'`, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LockAccount(ctx, "acc_1")
			return err
		}},
		{"the person of an authority", `users WHERE id = 'usr_1'`, authority},
		{"the standing of an authority", `account_members WHERE user_id = 'usr_1'`, authority},
		{"the membership of an authority", `members WHERE user_id = 'usr_1'`, authority},
	} {
		_, err := write(t, s, func(ctx context.Context, tx *store.Tx) error {
			err := c.lock(ctx, tx)
			if blocked := isBlocked(t, conn, c.row+` FOR NO KEY UPDATE NOWAIT`); !blocked {
				t.Errorf("%s is locked, and another can change it", c.what)
			}
			if blocked := isBlocked(t, conn, c.row+` FOR KEY SHARE NOWAIT`); blocked {
				t.Errorf("%s is locked, and nothing can refer to it", c.what)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if isBlocked(t, conn, c.row+` FOR UPDATE NOWAIT`) {
			t.Errorf("%s is locked after the change", c.what)
		}
	}
}

func isBlocked(t *testing.T, conn *pgx.Conn, row string) bool {
	t.Helper()
	tag, err := conn.Exec(t.Context(), `SELECT 1 FROM `+row)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "55P03" { // lock_not_available
		return true
	}
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %d rows (%v)", row, tag.RowsAffected(), err)
	}
	return false
}

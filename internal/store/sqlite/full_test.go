package sqlite_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// SQLite returns SQLITE_FULL when the file may not grow, as it does on a full disk.
func TestAWriteThatFindsNoRoomKeepsNothing(t *testing.T) {
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "claviger.db"))
	if err != nil {
		t.Fatal(err)
	}
	halted := false
	s := store.New(b, store.Options{Now: time.Now, Rand: rand.Reader, Fatal: func(error) { halted = true }})
	s.SetRoot(credential.NewRoot(rand.Reader))
	defer s.Close()
	users := store.NewLedger(s, func(t *store.Tx) identity.UserTx { return t })
	made := 0
	create := func() error {
		now, id := time.Now(), fmt.Sprintf("usr_%d", made)
		u := identity.User{
			ID: ident.UserID(id), Email: id, Canonical: id, PasswordSetAt: now, CreatedAt: now, UpdatedAt: now,
		}
		system := principal.System()
		return users.Write(t.Context(), system, func(ctx context.Context, tx identity.UserTx) (audit.Event, error) {
			_, err := tx.InsertUser(ctx, u, strings.Repeat("x", 10_000))
			return audit.By(system, audit.ActionUserCreate, audit.Target{}), err
		})
	}
	exec(t, b.Write, "PRAGMA max_page_count = 1") // SQLite raises this to the number of pages that exist
	for err = create(); err == nil && made < 1000; err = create() {
		made++
	}
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "full") || !s.Full() {
		t.Errorf("after %d users: %v, the disk is full: %t; want %s for the disk", made, err, s.Full(),
			fault.Unavailable)
	}
	var rows, records int
	counts := "SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM audit_events WHERE action = 'user.create')"
	err = b.Read.QueryRowContext(t.Context(), counts).Scan(&rows, &records)
	if err != nil || rows != made || records != made {
		t.Errorf("%d users were made; there are %d, and %d on record: %v", made, rows, records, err)
	}
	exec(t, b.Write, "PRAGMA max_page_count = 4294967294")
	if err := create(); err != nil || s.Full() || halted {
		t.Errorf("once there is room: %v, the disk is full: %t, the node is halted: %t", err, s.Full(), halted)
	}
}

package store_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// open opens a fresh database of the engine. It is closed when the test ends.
func open(t *testing.T, e testkit.Engine) store.Backend {
	t.Helper()
	var b store.Backend
	var err error
	switch e {
	case testkit.SQLite:
		b, err = sqlite.Open(t.Context(), testkit.MigratedFile(t))
	case testkit.Postgres:
		b, err = postgres.Open(t.Context(), credential.NewSecret(testkit.MigratedDatabase(t)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// lines returns the rows of a query with one text column.
func lines(t *testing.T, b store.Backend, text string, args ...any) (all []string) {
	t.Helper()
	rows, err := b.Read.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no rows: %s", text)
	}
	return all
}

package sqlite_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/store/storetest"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheStoreKeepsItsPromises(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Backend { return open(t, testkit.MigratedFile(t)) })
}

// open opens a database. The caller closes it.
func open(t testing.TB, file string) store.Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

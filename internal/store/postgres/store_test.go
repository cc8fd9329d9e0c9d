package postgres_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/storetest"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheStoreKeepsItsPromises(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Backend { return open(t, testkit.MigratedDatabase(t)) })
}

// open opens a database. The caller closes it.
func open(t testing.TB, url string) store.Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), credential.NewSecret(url))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

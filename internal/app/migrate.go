package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// Schema returns the schema version of the database. It changes nothing; a server may be running.
func Schema(ctx context.Context, c config.Config) (store.Schema, error) {
	if c.Database.URL.IsZero() {
		if err := CheckData(c.Data); err != nil {
			return store.Schema{}, err
		}
		return sqlite.Schema(ctx, filepath.Join(c.Data, databaseFile))
	}
	return postgres.Schema(ctx, c.Database.URL)
}

// Migration is the schema of the database before and after a migration.
type Migration struct{ Before, After store.Schema }

// Migrate does what the start of a server does to the schema. With SQLite no server may run
// meanwhile, and afterwards the schema is the newest one. On PostgreSQL, nodes of the version
// before can use the schema until FinishMigration is called.
func Migrate(ctx context.Context, c config.Config) (m Migration, err error) {
	if c.Database.URL.IsZero() {
		var data dataDir
		data, err = openData(c.Data)
		if err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, data.close()) }()
	}
	m.Before, err = Schema(ctx, c)
	if err != nil {
		return m, err
	}
	backend, err := openBackend(ctx, c) // which migrates
	if err != nil {
		return m, err
	}
	if err := backend.Close(); err != nil {
		return m, err
	}
	m.After, err = Schema(ctx, c)
	return m, err
}

// FinishMigration brings the schema up to the newest version. Nodes of an older version could then
// not continue, so it refuses while one is alive. With SQLite, a start of the server does all of
// it.
func FinishMigration(ctx context.Context, c config.Config) (Migration, error) {
	now, err := Schema(ctx, c)
	if err != nil || now.Finished() {
		return Migration{Before: now, After: now}, err
	}
	m, err := Migrate(ctx, c)
	if err != nil || m.After.Finished() {
		return m, err
	}
	if err := checkNodes(ctx, c); err != nil {
		return m, err
	}
	m.After, err = postgres.Finish(ctx, c.Database.URL)
	return m, err
}

// checkNodes returns an error that names the live nodes of an older version.
func checkNodes(ctx context.Context, c config.Config) (err error) {
	backend, err := openBackend(ctx, c)
	if err != nil {
		return err
	}
	s := store.New(backend, store.Options{Now: time.Now, Rand: rand.Reader})
	defer func() { err = errors.Join(err, s.Close()) }()
	now, err := backend.Clock(ctx)
	if err != nil {
		return err
	}
	older, err := s.OlderNodes(ctx, now)
	if err != nil || len(older) == 0 {
		return err
	}
	return errOlderNodes(older)
}

func errOlderNodes(nodes []journal.Node) error {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = fmt.Sprintf("%s (node %s)", n.Name, n.ID)
	}
	return fmt.Errorf("nodes of an older version are alive: %s. Replace or stop them, and then run claviger migrate "+
		"finish again. A node that was killed counts as alive for %d minutes", strings.Join(names, ", "),
		int(nodeLease.Minutes()))
}

package app

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/claviger-dev/claviger/internal/config"
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

// Migrate brings the schema up to the version of this program, and returns the version before. With
// SQLite no server may run meanwhile. On PostgreSQL, nodes of an older version continue to run, and
// are not ready.
func Migrate(ctx context.Context, c config.Config) (before store.Schema, err error) {
	if c.Database.URL.IsZero() {
		var data dataDir
		data, err = openData(c.Data)
		if err != nil {
			return before, err
		}
		defer func() { err = errors.Join(err, data.close()) }()
	}
	before, err = Schema(ctx, c)
	if err != nil {
		return before, err
	}
	backend, err := openBackend(ctx, c) // which migrates
	if err != nil {
		return before, err
	}
	return before, backend.Close()
}

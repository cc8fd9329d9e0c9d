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

// Schema says how far the database has come, also of a server that runs. It changes nothing.
func Schema(ctx context.Context, c config.Config) (store.Schema, error) {
	if c.Database.URL.IsZero() {
		return sqlite.Schema(ctx, filepath.Join(c.Data, databaseFile))
	}
	return postgres.Schema(ctx, c.Database.URL)
}

// Migrate brings the database up to what this program knows, and says how far it had come. With SQLite no server may run meanwhile; on PostgreSQL nodes of
// an older version go on, and say that they are not ready.
func Migrate(ctx context.Context, c config.Config) (before store.Schema, err error) {
	if c.Database.URL.IsZero() {
		var data dataDir
		if data, err = openData(c.Data); err != nil {
			return before, err
		}
		defer func() { err = errors.Join(err, data.close()) }()
	}
	if before, err = Schema(ctx, c); err != nil {
		return before, err
	}
	backend, err := openBackend(ctx, c) // which migrates
	if err != nil {
		return before, err
	}
	return before, backend.Close()
}

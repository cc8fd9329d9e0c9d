package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrate brings a database up to the newest of the migrations and gives its version. A database with a newer schema than that is refused untouched: this program
// does not know what the newer one promised.
func Migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, migrations fs.FS, options ...goose.ProviderOption) (version int64, err error) {
	options = append(options, goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, db, migrations, options...)
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("version of the database: %w", err)
	}
	if have > want {
		return 0, fmt.Errorf("the database has version %d, newer than this program's %d: use a newer claviger", have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migration of the database: %w", err)
	}
	return want, nil
}

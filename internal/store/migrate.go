package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations bring the database of one engine to the schema that this program knows.
type Migrations struct {
	Dialect goose.Dialect
	DB      *sql.DB
	// Files contains the directory migrations.
	Files fs.FS
	// Begun reports whether the database has had any migration.
	Begun func(context.Context, *sql.DB) (bool, error)
	// Lock is held during a migration; nil if only one process uses the database.
	Lock lock.SessionLocker
}

// Schema is the version of a database's schema.
type Schema struct {
	// Version of the database; 0 for a new database.
	Version int64
	// Known is the newest version that this program knows.
	Known int64
}

// Newer returns an error for a database that is newer than this program. This program does not know
// the rules of the newer schema.
func (s Schema) Newer() error {
	if s.Version > s.Known {
		return fmt.Errorf("the database has version %d, newer than this program's %d: use a newer claviger", s.Version,
			s.Known)
	}
	return nil
}

// Up migrates the database to the newest version and returns that version. It refuses a newer
// database and leaves it unchanged.
func (m Migrations) Up(ctx context.Context) (version int64, err error) {
	s, err := m.Schema(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.Newer(); err != nil {
		return 0, err
	}
	provider, err := m.provider()
	if err != nil {
		return 0, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migration of the database: %w", err)
	}
	return s.Known, nil
}

// Schema returns the version of the database's schema. It changes nothing.
func (m Migrations) Schema(ctx context.Context) (s Schema, err error) {
	provider, err := m.provider()
	if err != nil {
		return s, err
	}
	begun, err := m.Begun(ctx, m.DB)
	if err == nil && begun {
		s.Version, s.Known, err = provider.GetVersions(ctx)
	}
	if err != nil {
		return s, fmt.Errorf("version of the database: %w", err)
	}
	if !begun { // without a table of versions, goose would create one
		sources := provider.ListSources()
		s.Known = sources[len(sources)-1].Version
	}
	return s, nil
}

func (m Migrations) provider() (*goose.Provider, error) {
	files, err := fs.Sub(m.Files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(goMigrations...)}
	if m.Lock != nil {
		options = append(options, goose.WithSessionLocker(m.Lock))
	}
	provider, err := goose.NewProvider(m.Dialect, m.DB, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

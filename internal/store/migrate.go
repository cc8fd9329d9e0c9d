package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations bring a database of one engine up to what this program knows.
type Migrations struct {
	Dialect goose.Dialect
	DB      *sql.DB
	// Files holds the folder migrations.
	Files fs.FS
	// Begun reports whether the database has had a migration.
	Begun func(context.Context, *sql.DB) (bool, error)
	// Lock is held meanwhile; nil where one process has the database to itself.
	Lock lock.SessionLocker
}

// Schema is how far a database has come.
type Schema struct {
	// Version of the database; 0 for a new one.
	Version int64
	// Known is the newest version that this program knows.
	Known int64
}

// Newer refuses a database that is newer than this program, which does not know what the newer one promised.
func (s Schema) Newer() error {
	if s.Version > s.Known {
		return fmt.Errorf("the database has version %d, newer than this program's %d: use a newer claviger", s.Version, s.Known)
	}
	return nil
}

// Up brings the database to the newest version, and gives that. A newer database is refused untouched.
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

// Schema reads how far the database has come, and changes nothing.
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
	if !begun { // where there are no versions yet, goose would make a table for them
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
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if m.Lock != nil {
		options = append(options, goose.WithSessionLocker(m.Lock))
	}
	provider, err := goose.NewProvider(m.Dialect, m.DB, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

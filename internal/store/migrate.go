package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations bring the database of one engine to the schema that this program knows.
//
// Their numbers are one sequence over two directories. An expansion only adds tables and nullable
// columns, so that nodes of the version before continue. Its number is recorded in a table that
// those nodes do not read. A migration that comes after an expansion is a contraction: it changes
// what those nodes rely on, and they stop when it is recorded.
type Migrations struct {
	Dialect goose.Dialect
	DB      *sql.DB
	// Files contains the directories migrations and expansions.
	Files fs.FS
	// Go lists migrations of this engine that are not run from their file alone.
	Go []*goose.Migration
	// HasTable reports whether the database has a table.
	HasTable func(ctx context.Context, db *sql.DB, name string) (bool, error)
	// Contract calls apply, which applies a contraction, under the conditions that the engine needs
	// for it; nil if there are none.
	Contract func(ctx context.Context, db *sql.DB, apply func() error) error
	// Lock is held during a migration; nil if only one process uses the database.
	Lock lock.SessionLocker
}

// expansionsTable is the table that records the expansions, as goose.DefaultTablename records the
// migrations.
const expansionsTable = "schema_expansions"

// Schema is the version of a database's schema.
type Schema struct {
	// Version of the database; 0 for a new database.
	Version int64
	// Known is the newest version that this program knows.
	Known int64
	// Expanded is set if the database has every expansion that this program knows.
	Expanded bool
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

// Finished reports whether nothing is left to migrate.
func (s Schema) Finished() bool { return s.Expanded && s.Version == s.Known }

// Up migrates the database and returns its schema. It applies contractions only if finish is set,
// or if no server has used the database yet. Otherwise it stops before the first contraction that
// the database does not have. It refuses a newer database and leaves it unchanged.
func (m Migrations) Up(ctx context.Context, finish bool) (s Schema, err error) {
	s, err = m.Schema(ctx)
	if err != nil {
		return s, err
	}
	if err := s.Newer(); err != nil {
		return s, err
	}
	p, err := m.providers()
	if err != nil {
		return s, err
	}
	for _, contraction := range p.contractions() {
		if err := p.upTo(ctx, contraction-1); err != nil {
			return s, err
		}
		if s.Version >= contraction {
			continue
		}
		if !finish {
			finish, err = m.unused(ctx)
			if err != nil {
				return s, err
			}
		}
		if !finish {
			// Later expansions only add, too, and do not rely on the contraction.
			if _, err := p.expansions.Up(ctx); err != nil {
				return s, migrationError(err)
			}
			return m.Schema(ctx)
		}
		if err := m.contract(ctx, p, contraction); err != nil {
			return s, err
		}
	}
	if err := p.upTo(ctx, math.MaxInt64); err != nil {
		return s, err
	}
	return m.Schema(ctx)
}

// unused reports whether no server has created the database's root secret.
func (m Migrations) unused(ctx context.Context) (bool, error) {
	var check string
	err := m.DB.QueryRowContext(ctx, string(selectSetting), rootCheck).Scan(&check)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, migrationError(err)
	}
	return false, nil
}

func (m Migrations) contract(ctx context.Context, p providers, contraction int64) error {
	apply := func() error { return p.upTo(ctx, contraction) }
	if m.Contract == nil {
		return apply()
	}
	return m.Contract(ctx, m.DB, apply)
}

// Schema returns the version of the database's schema. It changes nothing.
func (m Migrations) Schema(ctx context.Context) (s Schema, err error) {
	p, err := m.providers()
	if err != nil {
		return s, err
	}
	s.Version, s.Known, err = m.version(ctx, p.migrations, goose.DefaultTablename)
	if err != nil {
		return s, err
	}
	expanded, known, err := m.version(ctx, p.expansions, expansionsTable)
	if err != nil {
		return s, err
	}
	s.Expanded = expanded >= known
	return s, nil
}

// version returns the version in a table of versions, and the newest one that the provider knows.
func (m Migrations) version(ctx context.Context, p *goose.Provider, table string) (version, known int64, err error) {
	exists, err := m.HasTable(ctx, m.DB, table)
	if err == nil && exists {
		version, known, err = p.GetVersions(ctx)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("version of the database: %w", err)
	}
	if !exists { // goose would create it
		sources := p.ListSources()
		known = sources[len(sources)-1].Version
	}
	return version, known, nil
}

// providers are goose's providers of the two directories.
type providers struct{ migrations, expansions *goose.Provider }

func (m Migrations) providers() (p providers, err error) {
	p.migrations, err = m.provider("migrations", goose.DefaultTablename, append(slices.Clone(goMigrations), m.Go...))
	if err != nil {
		return p, err
	}
	p.expansions, err = m.provider("expansions", expansionsTable, nil)
	return p, err
}

func (m Migrations) provider(directory, table string, inGo []*goose.Migration) (*goose.Provider, error) {
	all, err := m.migrationsIn(directory, inGo)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(table), goose.WithGoMigrations(all...),
	}
	if m.Lock != nil {
		options = append(options, goose.WithSessionLocker(m.Lock))
	}
	provider, err := goose.NewProvider(m.Dialect, m.DB, nil, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

// migrationsIn returns the migrations of a directory. Those that are not in Go run their file as a
// whole, in a transaction: both engines accept several statements at once. goose would split a file
// into its statements, for which it needs four megabytes a file, and all files at the same time.
func (m Migrations) migrationsIn(directory string, inGo []*goose.Migration) ([]*goose.Migration, error) {
	entries, err := fs.ReadDir(m.Files, directory)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(inGo)
	for _, e := range entries {
		number, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(inGo, func(g *goose.Migration) bool { return g.Version == number }) {
			continue // its file is run by the Go code
		}
		all = append(all, goose.NewGoMigration(number, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				statements, err := readMigration(m.Files, directory+"/"+e.Name())
				if err == nil {
					_, err = tx.ExecContext(ctx, string(statements))
				}
				return err
			},
		}, nil))
	}
	return all, nil
}

// readMigration returns the statements of a migration.
func readMigration(files fs.FS, name string) (query, error) {
	text, err := fs.ReadFile(files, name)
	return query(text), err
}

// contractions returns the numbers of the migrations that come after the first expansion.
func (p providers) contractions() (all []int64) {
	first := p.expansions.ListSources()[0].Version
	for _, source := range p.migrations.ListSources() {
		if source.Version > first {
			all = append(all, source.Version)
		}
	}
	return all
}

// upTo applies the migrations up to a number, then the expansions.
func (p providers) upTo(ctx context.Context, number int64) error {
	for _, provider := range []*goose.Provider{p.migrations, p.expansions} {
		if _, err := provider.UpTo(ctx, number); err != nil {
			return migrationError(err)
		}
	}
	return nil
}

// migrationError returns the cause of an error of goose, with the number of the migration.
func migrationError(err error) error {
	if partial, ok := errors.AsType[*goose.PartialError](err); ok && partial.Failed != nil {
		return fmt.Errorf("migration of the database to version %d: %w", partial.Failed.Source.Version, partial.Err)
	}
	return fmt.Errorf("migration of the database: %w", err)
}

//go:build !clientonly && !windows

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Show or update the schema version of the database", Args: cobra.NoArgs,
		Long: `Each start of the server updates an older database, and rejects a newer one.
These commands show the version, or update the database without starting a
server.

With PostgreSQL, a start only adds to the database, so that nodes of the version
before continue meanwhile. When all nodes run the new version, finish the update
with the command finish. Until then, nothing can be created that older nodes do
not understand. With SQLite, each start does all of it.`,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("claviger migrate needs a subcommand: status, up or finish")
		},
	}
	finish := databaseCommand("finish", "Finish the update of the database, when all nodes run this version",
		migrateFinish)
	finish.Long = `Updates the database to the schema version of the program, after every node was
replaced by one of this version. Nodes of an older version could not continue:
the command refuses while one is alive, and names it. Run it beside the nodes,
with their settings. Make a backup first: older versions cannot use the database
again.

With SQLite, the start of the server has done this already.`
	cmd.AddCommand(
		databaseCommand("status", "Show the schema versions of the database and of the program", migrateStatus),
		databaseCommand("up",
			"Update the database as a start of the server does (with SQLite, stop the server first)",
			migrateUp),
		finish,
	)
	return cmd
}

// schema is the output of `claviger migrate`.
type schema struct {
	Engine  string `json:"engine"`
	Version int64  `json:"version"`
	// Known is the version that this program updates a database to.
	Known int64 `json:"known"`
	// Before is the version before the update. It is absent for `migrate status`.
	Before *int64 `json:"before,omitempty"`
	// Expanded says that the database has all that the program adds to it. Finished says that it
	// also has the version of the program.
	Expanded bool `json:"expanded"`
	Finished bool `json:"finished"`
}

// schemaAfter returns the output for the schema after a migration.
func schemaAfter(c config.Config, m app.Migration) schema {
	s := m.After
	return schema{
		Engine: engineOf(c), Version: s.Version, Known: s.Known, Expanded: s.Expanded, Finished: s.Finished(),
	}
}

// compacted is the size of the database file in bytes, before and after.
type compacted struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// databaseCommand returns a command that works on the database of the settings. work returns the
// output for people and the output as JSON.
func databaseCommand(name, short string,
	work func(context.Context, config.Config) (string, any, error),
) *cobra.Command {
	var o *output
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := o.printer(cmd)
			if err != nil {
				return err
			}
			set, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			text, result, err := work(cmd.Context(), set.Config)
			switch {
			case err != nil:
				return err
			case p.json:
				return p.printJSON(result)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	o = outputFlag(cmd)
	addAllSettings(cmd)
	return cmd
}

func migrateStatus(ctx context.Context, c config.Config) (string, any, error) {
	s, err := app.Schema(ctx, c)
	if err != nil {
		return "", nil, err
	}
	state := "up to date"
	switch {
	case s.Newer() != nil:
		state = "newer than the program. Use a newer version of claviger"
	case s.Version == 0:
		state = "not created yet. The next start creates it"
	case s.Version < s.Known && s.Expanded && engineOf(c) == "postgres":
		state = unfinished
	case !s.Finished():
		state = "older than the program. The next start, or `claviger migrate up`, updates it"
	}
	return fmt.Sprintf("engine    %s\ndatabase  version %d\nprogram   version %d\nThe database is %s.\n", engineOf(c),
		s.Version, s.Known, state), schemaAfter(c, app.Migration{After: s}), nil
}

const unfinished = "expanded, not finished. Run `claviger migrate finish` when all nodes run this version"

func migrateUp(ctx context.Context, c config.Config) (string, any, error) {
	m, err := app.Migrate(ctx, c)
	if err != nil {
		return "", nil, err
	}
	text := describeMigration(c, m)
	if !m.After.Finished() {
		text += fmt.Sprintf("It is %s.\n", unfinished)
	}
	return text, migrated(c, m), nil
}

func migrateFinish(ctx context.Context, c config.Config) (string, any, error) {
	m, err := app.FinishMigration(ctx, c)
	if err != nil {
		return "", nil, err
	}
	text := describeMigration(c, m)
	if engineOf(c) == "sqlite" {
		text += "With SQLite, each start of the server does all of the update. There is nothing else to finish.\n"
	}
	return text, migrated(c, m), nil
}

// migrated returns the output of a migration as JSON.
func migrated(c config.Config, m app.Migration) schema {
	now := schemaAfter(c, m)
	now.Before = &m.Before.Version
	return now
}

// describeMigration returns what a migration did, for people.
func describeMigration(c config.Config, m app.Migration) string {
	switch {
	case m.Before.Version < m.After.Version:
		return fmt.Sprintf("Updated the database (%s) from version %d to %d.\n", engineOf(c), m.Before.Version,
			m.After.Version)
	case m.After.Finished():
		return fmt.Sprintf("The database (%s) is up to date at version %d.\n", engineOf(c), m.After.Version)
	case m.Before.Expanded:
		return fmt.Sprintf("The database (%s) stays at version %d.\n", engineOf(c), m.After.Version)
	}
	return fmt.Sprintf("Expanded the database (%s), which stays at version %d.\n", engineOf(c), m.After.Version)
}

func compactCommand() *cobra.Command {
	cmd := databaseCommand("compact", "Remove deleted rows and free pages from the SQLite file", compact)
	cmd.Long = `Rewrites the SQLite database without free pages. Before schema version 10, free
pages could contain deleted rows: run this command once after an upgrade from
such a version, and later only to make the file smaller. Stop the server first.
The old file and the new one exist together for a moment. The command checks
that there is enough disk space before it writes anything.`
	return cmd
}

func compact(ctx context.Context, c config.Config) (string, any, error) {
	done, err := app.Compact(ctx, c, app.Options{})
	if errors.Is(err, app.ErrCompactsItself) {
		return "PostgreSQL reclaims free pages by itself. There is nothing to compact.\n", compacted{}, nil
	}
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("Compacted the database from %d to %d bytes.\n", done.Before, done.After),
		compacted(done), nil
}

func engineOf(c config.Config) string {
	if c.Database.URL.IsZero() {
		return "sqlite"
	}
	return "postgres"
}

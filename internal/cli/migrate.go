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
		Long: `Each start of the server updates an older database to the schema version of the
program, and rejects a newer one. These commands show the version, or update the
database without starting a server.`,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("claviger migrate needs a subcommand: status or up")
		},
	}
	cmd.AddCommand(
		databaseCommand("status", "Show the schema versions of the database and of the program", migrateStatus),
		databaseCommand("up",
			"Update the database to the schema version of the program (with SQLite, stop the server first)",
			migrateUp),
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
	case s.Version < s.Known:
		state = "older than the program. The next start, or `claviger migrate up`, updates it"
	}
	return fmt.Sprintf("engine    %s\ndatabase  version %d\nprogram   version %d\nThe database is %s.\n", engineOf(c),
		s.Version, s.Known, state), schema{Engine: engineOf(c), Version: s.Version, Known: s.Known}, nil
}

func migrateUp(ctx context.Context, c config.Config) (string, any, error) {
	before, err := app.Migrate(ctx, c)
	if err != nil {
		return "", nil, err
	}
	now := schema{Engine: engineOf(c), Version: before.Known, Known: before.Known, Before: &before.Version}
	if before.Version == before.Known {
		return fmt.Sprintf("The database (%s) is up to date at version %d.\n", engineOf(c), before.Known), now, nil
	}
	return fmt.Sprintf("Updated the database (%s) from version %d to %d.\n", engineOf(c), before.Version, before.Known),
		now, nil
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

package main

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
		Use: "migrate", Short: "Look after the version of the database", Args: cobra.NoArgs,
		Long: "Each start brings an older database up to this program's version and refuses a newer one. These commands do so, or only look, without a server.",
		RunE: func(*cobra.Command, []string) error { return errors.New("migrate: say what, status or up") },
	}
	cmd.AddCommand(
		onDatabase("status", "Say which version the database has, and which this program knows", migrateStatus),
		onDatabase("up", "Bring the database up to this program's version; on SQLite no server may be running", migrateUp),
	)
	return cmd
}

// onDatabase makes a command that works on the database of the settings and gives what there is to say.
func onDatabase(name, short string, work func(context.Context, config.Config) (string, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := settings(cmd)
			if err != nil {
				return err
			}
			said, err := work(cmd.Context(), set.Config)
			if err == nil {
				_, err = fmt.Fprint(cmd.OutOrStdout(), said)
			}
			return err
		},
	}
	addAllSettings(cmd)
	return cmd
}

func migrateStatus(ctx context.Context, c config.Config) (string, error) {
	s, err := app.Schema(ctx, c)
	if err != nil {
		return "", err
	}
	say := "up to date"
	switch {
	case s.Newer() != nil:
		say = "newer than this program: use a newer claviger"
	case s.Version == 0:
		say = "not made yet: the next start makes it"
	case s.Version < s.Known:
		say = "older than this program: the next start, or `claviger migrate up`, brings it up"
	}
	return fmt.Sprintf("engine    %s\ndatabase  version %d\nprogram   version %d\nThe database is %s.\n", engineOf(c), s.Version, s.Known, say), nil
}

func migrateUp(ctx context.Context, c config.Config) (string, error) {
	before, err := app.Migrate(ctx, c)
	if err != nil {
		return "", err
	}
	if before.Version == before.Known {
		return fmt.Sprintf("The database (%s) is up to date at version %d.\n", engineOf(c), before.Known), nil
	}
	return fmt.Sprintf("The database (%s) went from version %d to %d.\n", engineOf(c), before.Version, before.Known), nil
}

func engineOf(c config.Config) string {
	if c.Database.URL.IsZero() {
		return "sqlite"
	}
	return "postgres"
}

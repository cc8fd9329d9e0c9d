//go:build !clientonly && !windows

package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

// serverCommands returns the commands that need the packages of the server: the server itself, and
// the commands that work on its data directory or its settings.
func serverCommands() commandTable {
	table := operatorCommands()
	maps.Copy(table, commandTable{
		"serve": serveCommand, "dev": devCommand, "config": configCommand, "migrate": migrateCommand,
		"compact": compactCommand, "health": healthCommand,
	})
	return table
}

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: `Runs the server. It needs no configuration: by default, it listens on
127.0.0.1:8080 and stores everything in ./claviger-data.

While there is no account, each start logs a one-time link to create the first
one, for example with claviger setup. The link works for one day. A later start
creates a new link.

docs/configuration.md lists all settings. ` + "`claviger config`" + ` prints the
effective settings.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd) },
	}
	addAllSettings(cmd)
	return cmd
}

func serve(cmd *cobra.Command) error {
	set, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	// The server finds a new certificate without a signal. Administrators who send SIGHUP out of
	// habit must not stop it.
	signal.Ignore(syscall.SIGHUP)
	log := startLogger(cmd, set)
	a, err := app.Start(cmd.Context(), set.Config, options(cmd, log))
	if err != nil {
		return err
	}
	return errors.Join(serveUntilDone(cmd.Context(), a, log, set), a.Stop(cmd.Context()))
}

// serveUntilDone logs that the server is ready, and waits until it ends.
func serveUntilDone(ctx context.Context, a *app.App, log *slog.Logger, set *config.Loaded) error {
	audit, err := a.Store.AuditState(ctx)
	if err != nil {
		return ignoreWhenDone(ctx, err)
	}
	log.Info("claviger is ready", "url", a.URL, "listen", a.Address, "version", version, "engine", engineOf(set.Config),
		"data", set.Data, "mail", a.Mail,
		"config", cmp.Or(set.File, "none"), "audit_head", audit.String())
	if err := offerSetup(ctx, a, log); err != nil {
		return ignoreWhenDone(ctx, err)
	}
	return waitUntilDone(ctx, a)
}

// offerSetup logs the one-time link. It is shown nowhere else.
func offerSetup(ctx context.Context, a *app.App, log *slog.Logger) error {
	link, until, err := a.SetupLink(ctx)
	if err == nil && !link.IsZero() {
		log.Info("there is no account yet: open this one-time link to create the first one, or give it to "+
			"claviger setup", "link", link.Reveal(), "until", until.Format(time.RFC3339))
	}
	return err
}

// waitUntilDone waits until the user stops the server, or a failure does.
func waitUntilDone(ctx context.Context, a *app.App) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.Failed():
		return err
	}
}

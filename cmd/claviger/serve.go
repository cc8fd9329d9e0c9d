package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: `Runs Claviger. Nothing needs to be set up: it answers at 127.0.0.1:8080 and keeps everything in ./claviger-data.

As long as there is no account, each start logs a new one-time link at which the first one is made.
docs/configuration.md has all settings; ` + "`claviger config`" + ` prints those in force.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd) },
	}
	addAllSettings(cmd)
	return cmd
}

func serve(cmd *cobra.Command) error {
	set, err := settings(cmd)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP) // a changed certificate is found without it, and the habit of sending it must not end the server
	log := newLogger(set.Log)
	a, err := app.Start(cmd.Context(), set.Config, options(log))
	if err != nil {
		return err
	}
	return errors.Join(answer(cmd.Context(), a, log, set), a.Stop(cmd.Context()))
}

// answer says where the server is, and waits for the end.
func answer(ctx context.Context, a *app.App, log *slog.Logger, set *config.Loaded) error {
	log.Info("claviger is ready", "url", a.URL, "listen", a.Address, "version", version, "engine", engineOf(set.Config), "data", set.Data, "mail", a.Mail, "config", cmp.Or(set.File, "none"))
	if err := offerSetup(ctx, a, log); err != nil {
		return stopped(ctx, err)
	}
	return untilEnd(ctx, a)
}

// offerSetup shows the one-time link: this line is the only place that ever does.
func offerSetup(ctx context.Context, a *app.App, log *slog.Logger) error {
	link, until, err := a.SetupLink(ctx)
	if err == nil && !link.IsZero() {
		log.Info("there is no account yet: make the first one at this link; it works once, and the next start makes a new one",
			"link", link.Reveal(), "until", until.Format(time.RFC3339))
	}
	return err
}

// untilEnd waits until the user or a failure ends the server.
func untilEnd(ctx context.Context, a *app.App) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.Failed():
		return err
	}
}

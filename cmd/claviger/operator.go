package main

import (
	"errors"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

// operatorCommands are those of whoever owns the machine. They act on a data directory, through the server that has it or, where none runs, by themselves.
func operatorCommands() []*cobra.Command {
	commands := []*cobra.Command{accountCommand(), clockCommand(), noticesCommand(), tenantCommand(), userCommand(), rootkeyCommand()}
	for _, c := range commands {
		completeNoFiles(c)
	}
	return append(commands, backupCommand(), restoreCommand())
}

// byOperator says of the commands how they do it.
const byOperator = `For whoever owns the machine: it needs no sign-in, but the right to open the data directory. Where a server runs on it, the server does the work, and it counts there at once; where none does,
the command does it by itself.`

// operate gives a command its flags, and lets it work through the operators' API.
func operate(cmd *cobra.Command, o *output, work func(*call, []string) error) *cobra.Command {
	addOperatorSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		c := &call{console: console{cmd.InOrStdin(), cmd.ErrOrStderr()}, ctx: cmd.Context()}
		if c.printer, err = o.printer(cmd); err != nil {
			return err
		}
		set, err := settings(cmd)
		if err != nil {
			return err
		}
		set.Log.Level = "warn" // what a command does by itself, it says by itself
		way, err := app.Operate(c.ctx, set.Config, options(newLogger(set.Log)))
		if errors.Is(err, app.ErrBusy) {
			return failure{err, exitUnavailable, "look whether that process is well, and repeat the command"}
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, way.Close(c.ctx)) }()
		c.Client = client.New("http://claviger").WithTransport(way)
		return adviseOperator(work(c, args))
	}
	return cmd
}

// addOperatorSettings gives a command the flags that say where the data is, and what a command by itself goes by.
func addOperatorSettings(cmd *cobra.Command) {
	addSettings(cmd, func(s config.Setting) bool {
		return slices.Contains([]string{"data", "database.url", "root_secret", "server.base_url", "legacy_password_before"}, s.Key)
	})
	addConfigFlag(cmd)
}

// adviseOperator is advise for what the operators' API says.
func adviseOperator(err error) error {
	if _, ok := errors.AsType[failure](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return failure{err, exitUnavailable, "the server stopped meanwhile: look whether the change was made, and repeat the command"}
	}
	return failure{err, exitByStatus(err), ""}
}

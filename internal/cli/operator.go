//go:build !clientonly && !windows

package cli

import (
	"errors"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

// operatorCommands returns the commands of the operator. They act on a data directory, through the
// server that runs on it or, if none runs, without one.
func operatorCommands() commandTable {
	table := commandTable{
		"account": accountCommand, "clock": clockCommand, "notices": noticesCommand, "tenant": tenantCommand,
		"user": userCommand, "rootkey": rootkeyCommand, "routes": routesCommand, "entries": entriesCommand,
	}.completing()
	table["backup"], table["restore"] = backupCommand, restoreCommand // their arguments are files
	return table
}

// operatorNote ends the description of every operator command.
const operatorNote = `Operator command. Needs no sign-in, but read and write access to the data
directory. If a server runs on the directory, the server makes the change, and
it takes effect there immediately. Otherwise, the command makes the change
itself.`

// operatorCommand adds the flags of an operator command, and makes it call work with a client of
// the operator API.
func operatorCommand(cmd *cobra.Command, o *output, work func(*call, []string) error) *cobra.Command {
	addOperatorSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		c := newCall(cmd, p)
		set, err := loadSettings(cmd)
		if err != nil {
			return err
		}
		set.Log.Level = "warn" // the command prints its own result
		transport, err := app.Operate(c.ctx, set.Config, options(cmd, newLogger(cmd, set.Log)))
		if errors.Is(err, app.ErrBusy) {
			return failure{err, exitUnavailable, "check that process, then repeat the command"}
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, transport.Close(c.ctx)) }()
		anyone, err := client.New("http://claviger")
		if err != nil {
			return err
		}
		c.Client = anyone.WithTransport(transport)
		return withOperatorExitCode(work(c, args), set.Data)
	}
	return cmd
}

// addOperatorSettings adds the flags that say where the data is, and those that a command without a
// server needs.
func addOperatorSettings(cmd *cobra.Command) {
	addSettings(cmd, func(s config.Setting) bool {
		return slices.Contains([]string{
			"data", "database.url", "root_secret", "server.base_url",
			"legacy_password_before",
		}, s.Key)
	})
	addConfigFlag(cmd)
}

// withOperatorExitCode is withExitCode for errors of the operator API. data is the data directory.
func withOperatorExitCode(err error, data string) error {
	if _, ok := errors.AsType[failure](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return failure{
			err, exitUnavailable,
			"the server stopped. Check whether the change was made, then repeat the command",
		}
	}
	if code := exitByStatus(err); code != exitNotFound {
		return failure{err, code, ""}
	}
	if whole, err := filepath.Abs(data); err == nil {
		data = whole
	}
	return failure{
		err, exitNotFound,
		"check the name. The command looked in the data directory " + data + ": name another one with --data",
	}
}

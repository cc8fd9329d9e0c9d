package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/mcp"
)

func mcpCommand() *cobra.Command {
	r := &apiCommand{output: &output{format: "text"}}
	cmd := &cobra.Command{
		Use: "mcp", Short: "Serve help and read-only key tools to an assistant", Args: cobra.NoArgs,
		Long: `Serves the Model Context Protocol on standard input and output. An assistant
starts the command, and you do not. Its tools read the guide, and show who you
are, your keys, their health and their use. They change nothing and show no
secret.

The tools about keys use the session of claviger login, or the key in
CLAVIGER_KEY or CLAVIGER_KEY_FILE. Each call reads it again, so you can sign in
while the assistant runs. The guide needs neither a server nor a session.

A server has the guide and whoami at /mcp, too. See claviger help guide mcp.`,
		Example: "  echo '" + `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "' | claviger mcp",
	}
	r.withServerFlags(cmd).withTenantFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := r.printer(cmd)
		if err != nil {
			return err
		}
		known := newCall(cmd, p)
		if err := known.prepare(r); err != nil {
			return err
		}
		o := mcp.Options{Version: version, Keys: true, Connect: func(ctx context.Context) (mcp.API, error) {
			c := newCall(cmd, p)
			c.ctx = ctx
			err := c.prepare(r)
			if err == nil {
				err = c.authenticate()
			}
			return assistantAPI{c}, assistantAPI{c}.Explain(err)
		}}
		if known.target.Server != localServer {
			o.BaseURL = known.target.Server
		}
		return serveMCP(cmd, o)
	}
	return cmd
}

// serveMCP serves an assistant until it closes standard input or ends the command.
func serveMCP(cmd *cobra.Command, o mcp.Options) error {
	err := mcp.NewServer(o).Run(cmd.Context(), &sdk.IOTransport{
		Reader: io.NopCloser(cmd.InOrStdin()), Writer: writeCloser{cmd.OutOrStdout()},
	})
	if err == nil || errors.Is(err, io.EOF) || cmd.Context().Err() != nil {
		return nil
	}
	return failure{
		fmt.Errorf("standard input is no conversation in the Model Context Protocol: %w", err), exitFailed,
		"let an assistant start the command: claviger help guide mcp",
	}
}

// writeCloser is a writer that the transport cannot close.
type writeCloser struct{ io.Writer }

// Close implements io.Closer.
func (writeCloser) Close() error { return nil }

// assistantAPI is the API for the tools of an assistant, with the credential of the user.
type assistantAPI struct{ *call }

// TenantID implements mcp.API.
func (a assistantAPI) TenantID(_ context.Context, named string) (string, error) {
	a.tenant = cmp.Or(named, a.tenant)
	return a.selectTenant()
}

// Explain implements mcp.API: it returns an error of a command with what to do next. What is wrong
// with arguments is told by their names, and an assistant has no flags to correct.
func (a assistantAPI) Explain(err error) error {
	if p, ok := errors.AsType[*api.Problem](err); ok && len(p.Errors) > 0 {
		return err
	}
	explained := withExitCode(err, a.target.Server, a.byKey)
	if f, ok := errors.AsType[failure](explained); ok && f.next != "" {
		return errors.New(errorText(explained) + ". Next: " + f.next)
	}
	return err
}

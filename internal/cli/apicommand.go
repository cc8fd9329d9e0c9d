package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// localServer is the address of a server with the default configuration.
const localServer = "http://127.0.0.1:8080"

// environmentVariables are the variables that the commands below read, for the reference.
var environmentVariables = []struct{ name, meaning string }{
	{
		"CLAVIGER_KEY",
		"The key to use instead of the session. `CLAVIGER_KEY_FILE` names a file that contains it. Give the value of " +
			"a key, the JSON that `--save` wrote, or the header to send, as `X-API-Key: VALUE`. Without a header, " +
			"commands send a token as a bearer token, id and secret (`id:secret`) by HTTP Basic, and a UUID as " +
			"`X-BLANCCO-API-KEY`. A key cannot do what only a signed-in user may do.",
	},
	{
		"CLAVIGER_MANAGEMENT_KEY_FILE",
		"A file that contains a management key, which programs use instead of a session: its value, or the JSON that " +
			"`management-keys create --save` wrote. It may do what its permissions allow.",
	},
	{"CLAVIGER_SERVER", "The address of the server, like `--server`."},
	{"CLAVIGER_CONTEXT", "The context, like `--context`."},
	{"CLAVIGER_TENANT", "The tenant, like `--tenant`."},
	{"XDG_CONFIG_HOME", "The directory that contains `claviger/contexts.json` (default: `~/.config`)."},
	{"NO_COLOR", "Any value disables colors. They are also disabled when standard output is not a terminal."},
}

// apiCommands returns the commands that call a running server, and those that need no server.
func apiCommands() commandTable {
	table := commandTable{
		"setup": setupCommand, "login": loginCommand, "logout": logoutCommand, "password": passwordCommand,
		"whoami": whoamiCommand, "contexts": contextsCommand, "keys": keysCommand,
		"service-accounts": serviceAccountsCommand, "management-keys": managementKeysCommand,
		"subjects": subjectsCommand, "plans": plansCommand, "apps": appsCommand, "members": membersCommand,
		"scopes": scopesCommand, "tenants": tenantsCommand, "policy": policyCommand, "verify": verifyCommand,
		"audit": auditCommand, "usage": usageCommand, "mcp": mcpCommand, "version": versionCommand,
	}.completing()
	table["scan"] = scanCommand // its arguments are files
	return table
}

// groupCommand returns a command that only contains other commands.
func groupCommand(name, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return failure{
				fmt.Errorf("%s needs a subcommand: %s", cmd.CommandPath(), strings.Join(names, ", ")), exitUsage,
				cmd.CommandPath() + " --help",
			}
		},
	}
}

// output holds the flags for the output of a command.
type output struct {
	format string
	json   bool
	// With utc, lists have exact times. With wide, they have all columns too.
	utc, wide bool
}

func outputFlag(cmd *cobra.Command) *output {
	o := &output{}
	cmd.PersistentFlags().StringVarP(&o.format, "output", "o", "text",
		"output format: text, or json for the answer of the API")
	cmd.PersistentFlags().BoolVar(&o.json, "json", false,
		"same as --output json; errors are printed as JSON too")
	cmd.PersistentFlags().BoolVar(&o.utc, "utc", false, "show exact UTC times in lists, not relative times")
	cmd.PersistentFlags().BoolVar(&o.wide, "wide", false, "show all columns of a list, with exact times and full texts")
	cmd.MarkFlagsMutuallyExclusive("json", "output")
	return o
}

func (o *output) printer(cmd *cobra.Command) (printer, error) {
	if o.format != "text" && o.format != "json" {
		return printer{}, usage("--output: give text or json")
	}
	p := newPrinter(invocationOf(cmd).env, cmd.OutOrStdout(), cmd.ErrOrStderr(),
		o.json || o.format == "json")
	p.exact, p.wide = o.utc, o.wide
	return p, nil
}

// apiCommand holds the flags of commands that call a server.
type apiCommand struct {
	*output
	context, server, tenant string
	// createsContext is set for commands that create contexts. They may name a new context, or
	// another server for an existing one.
	createsContext bool
}

// newAPICommand adds the flags to a command and to all commands below it.
func newAPICommand(cmd *cobra.Command) *apiCommand {
	r := &apiCommand{output: outputFlag(cmd)}
	return r.withServerFlags(cmd)
}

// withServerFlags adds the flags that select the server.
func (r *apiCommand) withServerFlags(cmd *cobra.Command) *apiCommand {
	cmd.PersistentFlags().StringVar(&r.context, "context", "",
		"context to use (CLAVIGER_CONTEXT; default: the current one)")
	cmd.PersistentFlags().StringVar(&r.server, "server", "",
		"address of the server (CLAVIGER_SERVER; default: the one of the context, or "+localServer+")")
	return r
}

// withTenantFlag adds --tenant, for commands on objects of a tenant.
func (r *apiCommand) withTenantFlag(cmd *cobra.Command) *apiCommand {
	cmd.PersistentFlags().StringVar(&r.tenant, "tenant", "",
		"tenant, by id or name (CLAVIGER_TENANT; default: the tenant of the context, or your only tenant)")
	return r
}

// call is one run of a command that calls a server.
type call struct {
	*client.Client
	printer
	terminal
	ctx context.Context
	env environment
	// contexts is the context file, and name the context in it; "" for none.
	contexts *contextFile
	name     string
	// target is the server to call, with its session and default tenant.
	target contextEntry
	// byKey is set if the command uses a key, not a session.
	byKey bool
	// byManagementKey is set if that key is a management key.
	byManagementKey bool
	// tenant is the tenant that the command line or the environment names; "" for none.
	tenant string
}

// newCall returns the call of a command, without a server.
func newCall(cmd *cobra.Command, p printer) *call {
	return &call{
		printer: p, terminal: terminal{cmd.InOrStdin(), cmd.ErrOrStderr()},
		ctx: cmd.Context(), env: invocationOf(cmd).env,
	}
}

// authenticated runs a command with the key in the environment, or else with the session of the
// context.
func (r *apiCommand) authenticated(work func(*call, []string) error) func(*cobra.Command, []string) error {
	return r.unauthenticated(func(c *call, args []string) error {
		if err := c.authenticate(); err != nil {
			return err
		}
		return work(c, args)
	})
}

// inTenant is authenticated for commands on objects of a tenant.
func (r *apiCommand) inTenant(
	work func(c *call, tenant string, args []string) error,
) func(*cobra.Command, []string) error {
	return r.authenticated(func(c *call, args []string) error {
		tenant, err := c.selectTenant()
		if err != nil {
			return err
		}
		return work(c, tenant, args)
	})
}

// unauthenticated runs a command that calls a server without a credential.
func (r *apiCommand) unauthenticated(work func(*call, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := r.printer(cmd)
		if err != nil {
			return err
		}
		c := newCall(cmd, p)
		if err := c.prepare(r); err != nil {
			return err
		}
		return withExitCode(work(c, args), c.target.Server, c.byKey)
	}
}

// prepare selects the server and the tenant that the command line or the environment names.
func (c *call) prepare(r *apiCommand) error {
	if err := c.locate(r); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	c.tenant = cmp.Or(r.tenant, c.env.get("CLAVIGER_TENANT"))
	return nil
}

// connect sets the client for the target server, without a credential.
func (c *call) connect() (err error) {
	c.Client, err = newClient(c.target.Server)
	if err != nil {
		return usage("context %s: %w", c.name, err)
	}
	return nil
}

// newClient returns a client for the server, without a credential.
func newClient(server string) (*client.Client, error) {
	c, err := client.New(server)
	if err != nil {
		return nil, err
	}
	return c.WithHeader("User-Agent", "claviger/"+version), nil
}

// locate selects the context and the server. The target has a session only if the context belongs
// to the server: a session is never sent to another server.
func (c *call) locate(r *apiCommand) (err error) {
	c.contexts, err = openContextFile(c.env)
	if err != nil {
		return err
	}
	name, server := r.context, r.server
	if name == "" && server == "" { // a flag has precedence over both variables
		name, server = c.env.get("CLAVIGER_CONTEXT"), c.env.get("CLAVIGER_SERVER")
	}
	server, err = serverAddress(server)
	if err != nil {
		return err
	}
	c.name = name
	switch known := c.contexts.Contexts[c.name]; {
	case c.name != "" && known == nil && !r.createsContext:
		_, err = c.contexts.context(c.name)
		return err
	case known != nil && server != "" && known.Server != server && !r.createsContext:
		return usage("the context %s belongs to %s, not to the server that you named", c.name, known.Server)
	case c.name == "" && server != "":
		c.name = c.contexts.nameOf(server)
	case c.name == "":
		c.name = c.contexts.Current
	}
	c.target = contextEntry{Server: cmp.Or(server, localServer)} // without what an earlier call selected
	if known := c.contexts.Contexts[c.name]; known != nil && (server == "" || server == known.Server) {
		c.target = *known
	}
	return nil
}

// serverAddress checks a base URL; it may be empty.
func serverAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := client.New(text); err != nil {
		return "", usage("--server: give an address such as https://claviger.example.com")
	}
	return strings.TrimRight(text, "/"), nil
}

func (c *call) authenticate() error {
	key, err := c.keyFromEnvironment()
	switch {
	case err != nil:
		return err
	case key != keyCredential{}:
		c.byKey, c.Client = true, key.clientWith(c.Client)
		return nil
	case c.target.Session == "":
		next := "claviger login"
		if c.target.Server != localServer {
			next += " --server " + c.target.Server
		}
		return failure{fmt.Errorf("not signed in to %s", c.target.Server), exitRefused, next + ", or set CLAVIGER_KEY"}
	}
	c.Client, err = c.target.signedIn()
	return err
}

// keyFromEnvironment returns the key in the environment; the zero value for none.
func (c *call) keyFromEnvironment() (keyCredential, error) {
	key, file := c.env.get("CLAVIGER_KEY"), c.env.get("CLAVIGER_KEY_FILE")
	management := c.env.get("CLAVIGER_MANAGEMENT_KEY_FILE")
	switch {
	case management != "" && (key != "" || file != ""):
		return keyCredential{}, usage(
			"set CLAVIGER_MANAGEMENT_KEY_FILE, or CLAVIGER_KEY or CLAVIGER_KEY_FILE, not both")
	case management != "":
		c.byManagementKey = true
		return c.readCredential(c.ctx, "CLAVIGER_MANAGEMENT_KEY_FILE", management)
	case key != "" && file != "":
		return keyCredential{}, usage("set CLAVIGER_KEY or CLAVIGER_KEY_FILE, not both")
	case file != "":
		return c.readCredential(c.ctx, "CLAVIGER_KEY_FILE", file)
	case key != "":
		return parseNamedCredential(key, "CLAVIGER_KEY")
	}
	return keyCredential{}, nil
}

// selectTenant returns the id of the tenant that was named, or else the tenant of the key, the
// default tenant of the context, or the only tenant.
func (c *call) selectTenant() (string, error) {
	switch {
	case c.tenant != "":
		return c.tenantID(c.tenant)
	case c.byManagementKey:
		self, err := c.ManagementSelf(c.ctx)
		return self.TenantID, err
	case c.byKey:
		me, err := c.Whoami(c.ctx)
		if err != nil {
			return "", err
		}
		return valueOrEmpty(me.TenantID), nil
	case c.target.Tenant != "":
		return c.target.Tenant, nil
	}
	tenants, err := c.allTenants()
	if err != nil {
		return "", err
	}
	if len(tenants) != 1 {
		return "", c.tenantRequired(tenants)
	}
	return tenants[0].ID, c.checkOnlyTenant(tenants[0])
}

// checkOnlyTenant returns an error if the session has ended in another account. The tenants of that
// account are not listed, so that t may not be the only one.
func (c *call) checkOnlyTenant(t api.Tenant) error {
	var now api.Session
	err := c.Do(c.ctx, http.MethodGet, "/api/v1/session", nil, &now)
	if err != nil || len(now.EndedAccounts) == 0 {
		return err
	}
	return failure{
		fmt.Errorf("no tenant is selected. You see only %s (%s), because your session has ended in another account, "+
			"by the policy of that account", t.ID, oneLine(t.Name)),
		exitUsage, "name the tenant with --tenant or CLAVIGER_TENANT, or sign in again: claviger login",
	}
}

// tenantRequired returns the error that asks the user to name one of the tenants.
func (c *call) tenantRequired(tenants []api.Tenant) error {
	if len(tenants) == 0 {
		return failure{
			fmt.Errorf("you do not belong to any tenant"), exitUsage,
			"ask an admin for an invitation, or run claviger tenants create",
		}
	}
	var names []string
	for _, t := range tenants {
		names = append(names, t.ID+" ("+oneLine(t.Name)+")")
	}
	return failure{
		fmt.Errorf("no tenant is selected. You can use %s", strings.Join(names, ", ")), exitUsage,
		"name one with --tenant or CLAVIGER_TENANT, or set a default: claviger contexts use NAME --tenant TENANT",
	}
}

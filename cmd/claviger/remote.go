package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// localServer is where Claviger listens when nothing is configured.
const localServer = "http://127.0.0.1:8080"

// variables are those of the environment that the commands below read, for the reference.
var variables = []struct{ name, meaning string }{
	{"CLAVIGER_KEY", "A key to come with instead of the session, or `CLAVIGER_KEY_FILE`, a file that holds it. It is sent as a bearer token. What only a person may do, a key cannot."},
	{"CLAVIGER_SERVER", "The address of the server, as `--server`."},
	{"CLAVIGER_CONTEXT", "The context, as `--context`."},
	{"CLAVIGER_TENANT", "The tenant, as `--tenant`."},
	{"XDG_CONFIG_HOME", "Where `claviger/contexts.json` is kept; by default `~/.config`."},
	{"NO_COLOR", "Set to anything: no colours, as when standard output is no terminal."},
}

// remoteCommands are those that speak to a running server.
func remoteCommands() []*cobra.Command {
	commands := []*cobra.Command{
		loginCommand(), logoutCommand(), whoamiCommand(), contextsCommand(), keysCommand(), appsCommand(), membersCommand(), scopesCommand(), tenantsCommand(), policyCommand(),
		verifyCommand(), auditCommand(), versionCommand(),
	}
	for _, c := range commands {
		completeNoFiles(c)
	}
	return commands
}

// completeNoFiles keeps shells from offering files where an id is asked for.
func completeNoFiles(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, c := range cmd.Commands() {
		completeNoFiles(c)
	}
}

// noun is a command that only holds others.
func noun(name, short, long string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Long: long, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return failure{fmt.Errorf("%s what? It has %s", cmd.CommandPath(), strings.Join(names, ", ")), exitUsage, cmd.CommandPath() + " --help"}
	}}
}

// output is how a command writes.
type output struct{ format string }

func outputFlag(cmd *cobra.Command) *output {
	o := &output{}
	cmd.PersistentFlags().StringVarP(&o.format, "output", "o", "text", "text for people, or json: what the API answers")
	return o
}

func (o *output) printer(cmd *cobra.Command) (printer, error) {
	if o.format != "text" && o.format != "json" {
		return printer{}, usage("--output: use text or json")
	}
	return newPrinter(cmd.OutOrStdout(), cmd.ErrOrStderr(), o.format == "json"), nil
}

// remote is what commands take that speak to a server.
type remote struct {
	*output
	context, server, tenant string
	// begins is set for the command that makes contexts: it may name a new one, or another server for an old one.
	begins bool
}

// newRemote adds the flags to a command and to all below it.
func newRemote(cmd *cobra.Command) *remote {
	r := &remote{output: outputFlag(cmd)}
	cmd.PersistentFlags().StringVar(&r.context, "context", "", "the context to use (CLAVIGER_CONTEXT); by default the current one")
	cmd.PersistentFlags().StringVar(&r.server, "server", "", "the server's address (CLAVIGER_SERVER); by default that of the context, or "+localServer)
	return r
}

// inTenants adds the flag of what belongs to a tenant.
func (r *remote) inTenants(cmd *cobra.Command) *remote {
	cmd.PersistentFlags().StringVar(&r.tenant, "tenant", "", "the tenant's id (CLAVIGER_TENANT); by default that of the context, or the only one there is")
	return r
}

// call is a command at work with a server.
type call struct {
	*client.Client
	printer
	console
	ctx context.Context
	// book and name of the context in it; "" where none is used.
	book  *book
	name  string
	place entry
	byKey bool
	// tenant is the one that was named; "" for none.
	tenant string
}

// do runs a command with the key of the environment, or else with the session of the context.
func (r *remote) do(work func(*call, []string) error) func(*cobra.Command, []string) error {
	return r.prepared(func(c *call, args []string) error {
		if err := c.authenticate(); err != nil {
			return err
		}
		return work(c, args)
	})
}

// inTenant is do for what belongs to a tenant.
func (r *remote) inTenant(work func(c *call, tenant string, args []string) error) func(*cobra.Command, []string) error {
	return r.do(func(c *call, args []string) error {
		tenant, err := c.whichTenant()
		if err != nil {
			return err
		}
		return work(c, tenant, args)
	})
}

// prepared runs a command that knows its server, and has no credential.
func (r *remote) prepared(work func(*call, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := r.printer(cmd)
		if err != nil {
			return err
		}
		c := &call{printer: p, console: console{cmd.InOrStdin(), cmd.ErrOrStderr()}, ctx: cmd.Context()}
		if err := c.locate(r); err != nil {
			return err
		}
		c.Client = client.New(c.place.Server).WithHeader("User-Agent", "claviger/"+version)
		c.tenant = cmp.Or(r.tenant, os.Getenv("CLAVIGER_TENANT"))
		return advise(work(c, args), c.place.Server, c.byKey)
	}
}

// locate finds the context and its server. A session never goes to another server than its own.
func (c *call) locate(r *remote) (err error) {
	if c.book, err = openBook(); err != nil {
		return err
	}
	name, server := r.context, r.server
	if name == "" && server == "" { // a flag counts before either variable
		name, server = os.Getenv("CLAVIGER_CONTEXT"), os.Getenv("CLAVIGER_SERVER")
	}
	if server, err = serverAddress(server); err != nil {
		return err
	}
	c.name = name
	switch known := c.book.Entries[c.name]; {
	case c.name != "" && known == nil && !r.begins:
		_, err = c.book.named(c.name)
		return err
	case known != nil && server != "" && known.Server != server && !r.begins:
		return usage("the context %s is of %s, not of the server named", c.name, known.Server)
	case c.name == "" && server != "":
		c.name = c.book.of(server)
	case c.name == "":
		c.name = c.book.Current
	}
	if known := c.book.Entries[c.name]; known != nil && (server == "" || server == known.Server) {
		c.place = *known
	}
	c.place.Server = cmp.Or(server, c.place.Server, localServer)
	return nil
}

// serverAddress checks a base URL; it may be empty.
func serverAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usage("--server: give an address as https://claviger.example.com")
	}
	return strings.TrimRight(text, "/"), nil
}

func (c *call) authenticate() error {
	key, err := c.keyOfEnvironment()
	switch {
	case err != nil:
		return err
	case key != "":
		c.byKey, c.Client = true, c.WithKey(key)
		return nil
	case c.place.Session == "":
		next := "claviger login"
		if c.place.Server != localServer {
			next += " --server " + c.place.Server
		}
		return failure{fmt.Errorf("not signed in to %s", c.place.Server), exitRefused, next + ", or set CLAVIGER_KEY"}
	}
	c.Client, err = c.WithSession(c.place.Session)
	return err
}

func (c *call) keyOfEnvironment() (string, error) {
	key, file := os.Getenv("CLAVIGER_KEY"), os.Getenv("CLAVIGER_KEY_FILE")
	switch {
	case key != "" && file != "":
		return "", usage("set CLAVIGER_KEY or CLAVIGER_KEY_FILE, not both")
	case file != "":
		return c.secret(c.ctx, "CLAVIGER_KEY_FILE", file)
	}
	return key, nil
}

// whichTenant gives the tenant that was named, that of the key or of the context, or the only one.
func (c *call) whichTenant() (string, error) {
	switch {
	case c.tenant != "":
		return c.tenant, nil
	case c.byKey:
		me, err := c.Whoami(c.ctx)
		if err != nil {
			return "", err
		}
		return orNone(me.TenantID), nil
	case c.place.Tenant != "":
		return c.place.Tenant, nil
	}
	tenants, err := every(0, func(p client.Page) (api.List[api.Tenant], error) { return c.Tenants(c.ctx, p) })
	if err != nil {
		return "", err
	}
	if len(tenants.Items) == 1 {
		return tenants.Items[0].ID, nil
	}
	return "", c.nameOne(tenants.Items)
}

// nameOne asks for one of the tenants.
func (c *call) nameOne(tenants []api.Tenant) error {
	if len(tenants) == 0 {
		return failure{fmt.Errorf("you belong to no tenant"), exitUsage, "ask an admin for an invitation, or claviger tenants create"}
	}
	var names []string
	for _, t := range tenants {
		names = append(names, t.ID+" ("+oneLine(t.Name)+")")
	}
	return failure{fmt.Errorf("which tenant? There are %s", strings.Join(names, ", ")), exitUsage, "name one with --tenant or CLAVIGER_TENANT, or for good: claviger login --tenant ID"}
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// contextFile is contexts.json: the servers that the user works with, and the sessions there.
// Because of the sessions, only its owner may read the file.
type contextFile struct {
	path     string
	Current  string                   `json:"current"`
	Contexts map[string]*contextEntry `json:"contexts"`
}

// contextEntry is a named context: a server, and the session of the user there.
type contextEntry struct {
	Server string `json:"server"`
	Email  string `json:"email,omitempty"`
	// Tenant is the id of the default tenant; "" for none.
	Tenant  string              `json:"tenant,omitempty"`
	Session client.SavedSession `json:"session,omitempty"`
}

// signedIn returns a client for the server of the context, with the session of the context. No
// other function uses a stored session, so that no other server receives it.
func (e contextEntry) signedIn() (*client.Client, error) {
	anyone, err := newClient(e.Server)
	if err != nil {
		return nil, usage("%s: %w", e.Server, err)
	}
	return anyone.WithSession(e.Session)
}

// openContextFile reads contexts.json from the user's configuration directory. It returns an empty
// contextFile if there is no file.
func openContextFile(env environment) (*contextFile, error) {
	b := &contextFile{Contexts: map[string]*contextEntry{}}
	dir, err := env.configDir()
	if err != nil {
		return b, nil // a program with a key needs no home directory
	}
	b.path = filepath.Join(dir, "claviger", "contexts.json")
	text, err := b.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("%s: %w", b.path, err)
	}
	return b, nil
}

// read returns the content of the file. It returns an error if others may read the file.
func (b *contextFile) read() ([]byte, error) {
	file, err := os.Open(b.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	// On Windows, modes have no meaning: the access list of the directory protects the file.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, failure{
			fmt.Errorf("other users can read %s, which contains your sessions", b.path), exitFailed,
			"chmod 600 " + b.path,
		}
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(file)
	return text.Bytes(), err
}

// save replaces the file atomically.
func (b *contextFile) save() error {
	if b.path == "" {
		return failure{
			errors.New("there is no directory to store the session in"), exitFailed,
			"set HOME or XDG_CONFIG_HOME",
		}
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return err
	}
	return writeSecret(b.path, append(text, '\n'), true)
}

// context returns the context with this name.
func (b *contextFile) context(name string) (*contextEntry, error) {
	if e := b.Contexts[name]; e != nil {
		return e, nil
	}
	return nil, failure{
		fmt.Errorf("there is no context %q", name), exitUsage,
		"claviger contexts list, or claviger login --context " + name + " --server URL",
	}
}

// nameOf returns the name of a context for the server, or "" if there is none. It prefers the
// current context.
func (b *contextFile) nameOf(server string) string {
	if e := b.Contexts[b.Current]; e != nil && e.Server == server {
		return b.Current
	}
	for _, name := range b.names() {
		if b.Contexts[name].Server == server {
			return name
		}
	}
	return ""
}

func (b *contextFile) names() []string { return slices.Sorted(maps.Keys(b.Contexts)) }

// contextItem is a context in the output of `claviger contexts list`. It does not contain the
// session.
type contextItem struct {
	Name     string `json:"name"`
	Server   string `json:"server"`
	Email    string `json:"email"`
	Tenant   string `json:"tenant"`
	SignedIn bool   `json:"signed_in"`
	Current  bool   `json:"current"`
}

func (b *contextFile) list() (l api.List[contextItem]) {
	l.Items = []contextItem{}
	for _, name := range b.names() {
		e := b.Contexts[name]
		l.Items = append(l.Items, contextItem{name, e.Server, e.Email, e.Tenant, e.Session != "", name == b.Current})
	}
	return l
}

func contextsCommand() *cobra.Command {
	cmd := groupCommand("contexts", "Manage the servers that you are signed in to",
		`Each sign-in is stored as a named context: a server, the user who is signed in
there, and a default tenant. Commands use the current context unless --context,
--server, CLAVIGER_CONTEXT or CLAVIGER_SERVER names another one.`)
	output := outputFlag(cmd)
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the contexts", Args: cobra.NoArgs,
			RunE: output.withContextFile(func(p printer, b *contextFile, _ []string) error {
				return printList(p, b.list(), []column[contextItem]{
					{"current", func(l contextItem) string { return map[bool]string{true: "*"}[l.Current] }},
					{"name", func(l contextItem) string { return l.Name }},
					{"server", func(l contextItem) string { return l.Server }},
					{"e-mail", func(l contextItem) string { return l.Email }},
					{"tenant", func(l contextItem) string { return l.Tenant }},
					{"signed in", func(l contextItem) string { return yesNo(l.SignedIn) }},
				})
			}),
		},
		useContext(output),
		&cobra.Command{
			Use: "remove CONTEXT", Short: "Remove a context and its session from this computer",
			Args: cobra.ExactArgs(1),
			RunE: output.withContextFile(func(p printer, b *contextFile, args []string) error {
				if _, err := b.context(args[0]); err != nil {
					return err
				}
				delete(b.Contexts, args[0])
				if b.Current == args[0] {
					b.Current = ""
				}
				return errors.Join(b.save(),
					p.printDone("Removed %s. Its session on the server, if any, stays valid until it expires. "+
						"To end a session, use claviger logout.", args[0]))
			}),
		},
	)
	return cmd
}

func useContext(o *output) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use: "use [CONTEXT]", Short: "Select the current context, or its tenant", Args: cobra.MaximumNArgs(1),
		Long: `Selects the current context. With --tenant, also sets its default tenant, by id
or name. An empty value removes the default tenant. Without CONTEXT, --tenant sets
that of the current context.`,
		Example: "  claviger contexts use 127.0.0.1:8080\n  claviger contexts use --tenant Standard",
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the default `tenant` of the context, by id or name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		b, err := openContextFile(invocationOf(cmd).env)
		if err != nil {
			return err
		}
		name := b.Current
		switch {
		case len(args) > 0:
			name = args[0]
		case !cmd.Flags().Changed("tenant"):
			return usage("name a context, or give --tenant; claviger contexts list shows the contexts")
		case name == "":
			return usage("there is no current context: name one, or run claviger login")
		}
		e, err := b.context(name)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("tenant") {
			e.Tenant, err = o.tenantOf(cmd, p, *e, tenant)
			if err != nil {
				return err
			}
		}
		b.Current = name
		if err := b.save(); err != nil || tenant == "" {
			return errors.Join(err, p.printDone("The current context is %s.", name))
		}
		return p.printDone("The current context is %s, with the tenant %s.", name, e.Tenant)
	}
	return cmd
}

// tenantOf returns the id of a tenant that the session of a context can see. It returns "" for "".
func (o *output) tenantOf(cmd *cobra.Command, p printer, e contextEntry, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if e.Session == "" {
		next := "claviger login --server " + e.Server + " --tenant TENANT"
		return "", failure{fmt.Errorf("not signed in to %s", e.Server), exitRefused, next}
	}
	signedIn, err := e.signedIn()
	if err != nil {
		return "", err
	}
	c := newCall(cmd, p)
	c.Client = signedIn
	id, err := c.tenantID(text)
	if err == nil {
		_, err = c.Tenant(c.ctx, id)
	}
	return id, withExitCode(err, e.Server, false)
}

// withContextFile runs a command on the context file.
func (o *output) withContextFile(do func(printer, *contextFile, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		b, err := openContextFile(invocationOf(cmd).env)
		if err != nil {
			return err
		}
		return do(p, b, args)
	}
}

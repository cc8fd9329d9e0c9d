package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// book holds the addresses of the servers that somebody works with. It holds their sessions, so that nobody else may read its file.
type book struct {
	path    string
	Current string            `json:"current"`
	Entries map[string]*entry `json:"contexts"`
}

// entry is a named context: a server, and who is signed in there.
type entry struct {
	Server string `json:"server"`
	Email  string `json:"email,omitempty"`
	// Tenant is the one that commands mean when they name none.
	Tenant  string              `json:"tenant,omitempty"`
	Session client.SavedSession `json:"session,omitempty"`
}

// openBook reads contexts.json of the user's configuration; it is empty where there is none.
func openBook() (*book, error) {
	b := &book{Entries: map[string]*entry{}}
	dir, err := os.UserConfigDir()
	if err != nil {
		return b, nil // a program with a key needs no home
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

// read gives the text of a file that its owner alone may read.
func (b *book) read() ([]byte, error) {
	file, err := os.Open(b.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, failure{fmt.Errorf("%s can be read by others, and it holds your sessions", b.path), exitFailed, "chmod 600 " + b.path}
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(file)
	return text.Bytes(), err
}

// save replaces the file at once.
func (b *book) save() error {
	if b.path == "" {
		return failure{errors.New("there is no place to keep the session"), exitFailed, "set HOME or XDG_CONFIG_HOME"}
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

// named gives the context of the name.
func (b *book) named(name string) (*entry, error) {
	if e := b.Entries[name]; e != nil {
		return e, nil
	}
	return nil, failure{fmt.Errorf("there is no context %q", name), exitUsage, "claviger contexts list, or claviger login --context " + name + " --server URL"}
}

// of gives the name of a context of the server, the current one before others; "" where there is none.
func (b *book) of(server string) string {
	if e := b.Entries[b.Current]; e != nil && e.Server == server {
		return b.Current
	}
	for _, name := range b.names() {
		if b.Entries[name].Server == server {
			return name
		}
	}
	return ""
}

func (b *book) names() []string { return slices.Sorted(maps.Keys(b.Entries)) }

// listed is a context as `claviger contexts list` shows it: without its session.
type listed struct {
	Name     string `json:"name"`
	Server   string `json:"server"`
	Email    string `json:"email"`
	Tenant   string `json:"tenant"`
	SignedIn bool   `json:"signed_in"`
	Current  bool   `json:"current"`
}

func (b *book) list() (l api.List[listed]) {
	l.Items = []listed{}
	for _, name := range b.names() {
		e := b.Entries[name]
		l.Items = append(l.Items, listed{name, e.Server, e.Email, e.Tenant, e.Session != "", name == b.Current})
	}
	return l
}

func contextsCommand() *cobra.Command {
	cmd := noun("contexts", "Choose among several servers", `Each sign-in is kept as a named context: a server, who is signed in there, and the tenant that is meant when a command names none.
The current context counts unless --context, --server or CLAVIGER_CONTEXT says otherwise.`)
	output := outputFlag(cmd)
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the contexts", Args: cobra.NoArgs, RunE: output.withBook(func(p printer, b *book, _ []string) error {
			return printList(p, b.list(), []column[listed]{
				{"current", func(l listed) string { return map[bool]string{true: "*"}[l.Current] }},
				{"name", func(l listed) string { return l.Name }},
				{"server", func(l listed) string { return l.Server }},
				{"e-mail", func(l listed) string { return l.Email }},
				{"tenant", func(l listed) string { return l.Tenant }},
				{"signed in", func(l listed) string { return yesNo(l.SignedIn) }},
			})
		})},
		&cobra.Command{Use: "use CONTEXT", Short: "Make a context the current one", Args: cobra.ExactArgs(1), RunE: output.withBook(func(p printer, b *book, args []string) error {
			if _, err := b.named(args[0]); err != nil {
				return err
			}
			b.Current = args[0]
			return errors.Join(b.save(), p.done("%s is the current context.", args[0]))
		})},
		&cobra.Command{Use: "remove CONTEXT", Short: "Forget a context, with its session", Args: cobra.ExactArgs(1), RunE: output.withBook(func(p printer, b *book, args []string) error {
			if _, err := b.named(args[0]); err != nil {
				return err
			}
			delete(b.Entries, args[0])
			if b.Current == args[0] {
				b.Current = ""
			}
			return errors.Join(b.save(), p.done("%s is forgotten. A session that it had goes on until it expires: next time use claviger logout.", args[0]))
		})},
	)
	return cmd
}

// withBook runs a command that is about the contexts themselves.
func (o *output) withBook(do func(printer, *book, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		b, err := openBook()
		if err != nil {
			return err
		}
		return do(p, b, args)
	}
}

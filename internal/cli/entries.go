//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const entriesPath = "/operator/v1/entries"

func entriesCommand() *cobra.Command {
	cmd := groupCommand("entries", "Manage entries: the names under which reverse proxies ask about requests",
		`Manages entries: the names under which reverse proxies ask about requests. See
docs/routes.md.

`+operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(listEntries(o), createEntry(o), updateEntry(o), deleteEntry(o))
	return cmd
}

func listEntries(o *output) *cobra.Command {
	return operatorCommand(&cobra.Command{
		Use: "list", Short: "List entries, those of the file first", Args: cobra.NoArgs,
		Long: `Lists the entries of the file in the setting server.routes, then those in the
database. An entry of the file counts instead of one in the database that has the
same name.`,
	}, o, func(c *call, _ []string) error {
		var all api.List[api.Entry]
		if err := c.Do(c.ctx, http.MethodGet, entriesPath, nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, append(entryColumns,
			column[api.Entry]{"source", func(e api.Entry) string { return e.Source }},
			column[api.Entry]{"overridden", func(e api.Entry) string { return yesNo(e.Overridden) }}))
	})
}

const otherwiseUsage = "what happens where no rule matches: `refuse or any-key`"

func createEntry(o *output) *cobra.Command {
	in := api.CreateEntryRequest{}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an entry that is bound to a tenant", Args: cobra.ExactArgs(1),
		Long: `Creates an entry that is bound to a tenant: only credentials of the tenant are
accepted, and the route rules of its applications count. The entry "default" is
for requests that name none. With --otherwise any-key, a valid credential of the
tenant suffices where no rule matches.`,
		Example: `  claviger entries create shop --tenant Standard --otherwise any-key`,
	}
	cmd.Flags().StringVar(&in.Tenant, "tenant", "",
		"`tenant` that the entry is bound to: its id, or a name that only one tenant of the server has")
	cmd.Flags().StringVar(&in.Otherwise, "otherwise", "refuse", otherwiseUsage)
	_ = cmd.MarkFlagRequired("tenant")
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		in.Name = args[0]
		var e api.Entry
		return c.showEntry(&e, c.Do(c.ctx, http.MethodPost, entriesPath, in, &e))
	})
}

func updateEntry(o *output) *cobra.Command {
	in := api.UpdateEntryRequest{}
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change what happens where no rule matches", Args: cobra.ExactArgs(1),
		Long: "Changes what happens to requests of an entry in the database that no rule matches.",
	}
	cmd.Flags().StringVar(&in.Otherwise, "otherwise", "", otherwiseUsage)
	_ = cmd.MarkFlagRequired("otherwise")
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		var e api.Entry
		return c.showEntry(&e, c.Do(c.ctx, http.MethodPatch, entryPath(args[0]), in, &e))
	})
}

func deleteEntry(o *output) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete an entry of the database", Args: cobra.ExactArgs(1),
		Long: `Deletes an entry of the database. Requests that name it are refused from then
on. Asks for confirmation.`,
	}
	yes := yesFlag(cmd)
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		if err := c.confirmUnless(*yes, "This deletes the entry %q.", args[0]); err != nil {
			return err
		}
		if err := c.Do(c.ctx, http.MethodDelete, entryPath(args[0]), nil, nil); err != nil {
			return err
		}
		return c.printDone("Deleted %s.", args[0])
	})
}

func entryPath(name string) string { return entriesPath + "/" + url.PathEscape(name) }

func (c *call) showEntry(e *api.Entry, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, *e, entryColumns)
}

var entryColumns = []column[api.Entry]{
	{"name", func(e api.Entry) string { return e.Name }},
	{"tenant", func(e api.Entry) string { return valueOrEmpty(e.TenantID) }},
	{"otherwise", func(e api.Entry) string { return e.Otherwise }},
	{"hosts", func(e api.Entry) string { return joinWords(e.Hosts) }},
}

package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func auditCommand() *cobra.Command {
	var account string
	var most int
	cmd := &cobra.Command{
		Use: "audit", Short: "Read what happened, newest first", Args: cobra.NoArgs,
		Long: "Reads the audit trail of a tenant, or with --account that of an account and all its tenants.",
	}
	r := newRemote(cmd).inTenants(cmd)
	cmd.Flags().StringVar(&account, "account", "", "the id of an account, for the trail of all of it")
	cmd.Flags().IntVar(&most, "limit", 50, "how many events to read; 0 for all")
	cmd.MarkFlagsMutuallyExclusive("account", "tenant")
	ofTenant := r.inTenant(func(c *call, tenant string, _ []string) error {
		return c.showEvents(every(most, func(p client.Page) (api.List[api.Event], error) { return c.TenantEvents(c.ctx, tenant, p) }))
	})
	ofAccount := r.do(func(c *call, _ []string) error {
		return c.showEvents(every(most, func(p client.Page) (api.List[api.Event], error) { return c.AccountEvents(c.ctx, account, p) }))
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case most < 0:
			return usage("--limit: use 0 or more")
		case account != "":
			return ofAccount(cmd, args)
		}
		return ofTenant(cmd, args)
	}
	return cmd
}

func (c *call) showEvents(l api.List[api.Event], err error) error {
	if err != nil {
		return err
	}
	return printList(c.printer, l, []column[api.Event]{
		{"at", func(e api.Event) string { return whenText(e.At) }},
		{"action", func(e api.Event) string { return e.Action }},
		{"by", func(e api.Event) string { return actorText(e.Actor) }},
		{"target", func(e api.Event) string { return targetText(e.Target) }},
		{"from", func(e api.Event) string { return orNone(e.IP) }},
		{"details", func(e api.Event) string { return detailsText(e.Details) }},
	})
}

func actorText(a api.Actor) string {
	switch {
	case a.Email != nil:
		return *a.Email
	case a.ID != nil:
		return *a.ID
	}
	return a.Type
}

func targetText(t api.Target) string {
	switch {
	case t.ID == nil:
		return t.Type
	case t.Name == nil:
		return *t.ID
	}
	return *t.ID + " (" + *t.Name + ")"
}

func detailsText(details map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(details)) {
		list = append(list, name+"="+details[name])
	}
	return words(list)
}

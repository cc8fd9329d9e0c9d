package cli

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Show the audit trail, newest first", Args: cobra.NoArgs,
		Long: "Shows the audit trail of a tenant or, with --account, of an account and all its tenants.",
	}
	r := newAPICommand(cmd).withTenantFlag(cmd)
	export := &cobra.Command{
		Use: "export", Short: "Print the whole audit trail as JSON lines, newest first", Args: cobra.NoArgs,
		Long: `Prints every event of a tenant or, with --account, of an account and all its
tenants. Each event is one JSON object on its own line, whatever --output says.`,
	}
	cmd.AddCommand(export)
	cmd.AddCommand(auditServerCommands(r)...)
	var most int
	cmd.Flags().IntVar(&most, "limit", 50, "maximum number of events; 0 for all")
	readTrail(cmd, r, func(c *call, read trailPages) error {
		if most < 0 {
			return usage("--limit: give 0 or more")
		}
		return c.showEvents(allPages(most, read))
	})
	readTrail(export, r, func(c *call, read trailPages) error {
		_, err := forEachPage(0, read, func(events []api.Event) error {
			for _, e := range events {
				if err := c.printJSON(e); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	return cmd
}

// trailPages reads one page of an audit trail.
type trailPages = func(client.Page) (api.List[api.Event], error)

// readTrail makes a command read the trail of the tenant, or of the account that --account names.
func readTrail(cmd *cobra.Command, r *apiCommand, work func(*call, trailPages) error) {
	var account, since, until string
	var filter client.EventFilter
	flags := cmd.Flags()
	flags.StringVar(&filter.Action, "action", "",
		"only this action, such as key.create, or all actions with this prefix, such as key")
	flags.StringVar(&filter.Actor, "by", "",
		"only events by this `person` or key: an id, or the e-mail address of a member")
	flags.StringVar(&filter.Target, "target", "",
		"only events about this `object`: an id, or the e-mail address of a member")
	flags.StringVar(&since, "since", "", "only events from this `time` on: "+sinceHelp)
	flags.StringVar(&until, "until", "", "only events before this `time`: "+sinceHelp)
	flags.StringVar(&account, "account", "", "show the trail of a whole account, by id or name")
	cmd.MarkFlagsMutuallyExclusive("account", "tenant")
	within := func(c *call) (err error) {
		filter.Since, err = c.optionalTimeFlag(cmd, "since", since, ago)
		if err == nil {
			filter.Until, err = c.optionalTimeFlag(cmd, "until", until, ago)
		}
		return err
	}
	ofTenant := r.inTenant(func(c *call, tenant string, _ []string) (err error) {
		if err := within(c); err != nil {
			return err
		}
		for _, id := range []*string{&filter.Actor, &filter.Target} {
			if !isEmail(*id) {
				continue
			}
			*id, err = c.userID(tenant, *id)
			if err != nil {
				return err
			}
		}
		return work(c,
			func(p client.Page) (api.List[api.Event], error) { return c.TenantEvents(c.ctx, tenant, filter, p) })
	})
	ofAccount := r.authenticated(func(c *call, _ []string) (err error) {
		if err := within(c); err != nil {
			return err
		}
		account, err = c.accountID(account)
		if err != nil {
			return err
		}
		return work(c,
			func(p client.Page) (api.List[api.Event], error) { return c.AccountEvents(c.ctx, account, filter, p) })
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if account != "" {
			return ofAccount(cmd, args)
		}
		return ofTenant(cmd, args)
	}
}

func (c *call) showEvents(l api.List[api.Event], err error) error {
	if err != nil {
		return err
	}
	return printList(c.printer, l, []column[api.Event]{
		{"at", func(e api.Event) string { return timeText(e.At) }},
		{"action", func(e api.Event) string { return e.Action }},
		{"by", func(e api.Event) string { return actorText(e.Actor) }},
		{"target", func(e api.Event) string { return targetText(e.Target) }},
		{"from", func(e api.Event) string { return valueOrEmpty(e.IP) }},
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
	return *t.Name + " (" + *t.ID + ")" // the name comes first, because the end may be truncated
}

func detailsText(details map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(details)) {
		list = append(list, name+"="+details[name])
	}
	return joinWords(list)
}

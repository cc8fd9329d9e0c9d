package main

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Read what happened, newest first", Args: cobra.NoArgs,
		Long: "Reads the audit trail of a tenant, or with --account that of an account and all its tenants.",
	}
	r := newRemote(cmd).inTenants(cmd)
	export := &cobra.Command{
		Use: "export", Short: "Write the whole audit trail as lines of JSON, newest first", Args: cobra.NoArgs,
		Long: "Writes every event of a tenant, or with --account of an account and all its tenants, as one JSON object a line, whatever --output says.",
	}
	cmd.AddCommand(export, verifyAudit(r))
	var most int
	cmd.Flags().IntVar(&most, "limit", 50, "how many events to read; 0 for all")
	readTrail(cmd, r, func(c *call, read trailPages) error {
		if most < 0 {
			return usage("--limit: use 0 or more")
		}
		return c.showEvents(every(most, read))
	})
	readTrail(export, r, func(c *call, read trailPages) error {
		_, err := eachPage(0, read, func(events []api.Event) error {
			for _, e := range events {
				if err := c.asJSON(e); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	return cmd
}

// trailPages reads pages of an audit trail.
type trailPages = func(client.Page) (api.List[api.Event], error)

// readTrail gives a command the trail of the tenant, or of the account that its flag names.
func readTrail(cmd *cobra.Command, r *remote, work func(*call, trailPages) error) {
	var account string
	var filter client.EventFilter
	flags := cmd.Flags()
	flags.StringVar(&filter.Action, "action", "", "only this action, such as key.create, or all that begin so, such as key")
	flags.StringVar(&filter.Actor, "by", "", "only what the person or key with this id did")
	flags.StringVar(&filter.Target, "target", "", "only what was done to the thing with this id")
	flags.TimeVar(&filter.Since, "since", time.Time{}, []string{time.RFC3339Nano, time.DateOnly}, "only from this `time` on, such as 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.TimeVar(&filter.Until, "until", time.Time{}, []string{time.RFC3339Nano, time.DateOnly}, "only before this `time`")
	flags.StringVar(&account, "account", "", "the id of an account, for the trail of all of it")
	cmd.MarkFlagsMutuallyExclusive("account", "tenant")
	ofTenant := r.inTenant(func(c *call, tenant string, _ []string) error {
		return work(c, func(p client.Page) (api.List[api.Event], error) { return c.TenantEvents(c.ctx, tenant, filter, p) })
	})
	ofAccount := r.do(func(c *call, _ []string) error {
		return work(c, func(p client.Page) (api.List[api.Event], error) { return c.AccountEvents(c.ctx, account, filter, p) })
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if account != "" {
			return ofAccount(cmd, args)
		}
		return ofTenant(cmd, args)
	}
}

func verifyAudit(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Look whether the audit trail is whole", Args: cobra.NoArgs,
		Long: `Follows the chain of every tenant, every account and the server from its first record to its last, and says what was edited, deleted, moved or cut off first. The exit code is 10 then.

` + byOperator,
	}
	operate(cmd, r.output, func(c *call, _ []string) error {
		var found api.AuditFinding
		if err := c.Do(c.ctx, http.MethodGet, "/operator/v1/audit", nil, &found); err != nil {
			return err
		}
		return c.showFinding(found)
	})
	notRemote(cmd)
	return cmd
}

// notRemote takes from a command the flags of those that speak to a server, which stand with its parent.
func notRemote(cmd *cobra.Command) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range []string{"context", "server", "tenant"} {
			if cmd.Flags().Changed(name) {
				return usage("--%s: %s works on a data directory; name that with --data", name, cmd.CommandPath())
			}
		}
		return run(cmd, args)
	}
}

func (c *call) showFinding(f api.AuditFinding) error {
	err := printOne(c.printer, f, []column[api.AuditFinding]{
		{"whole", func(f api.AuditFinding) string { return yesNo(f.Whole) }},
		{"damage", func(f api.AuditFinding) string {
			if f.Whole {
				return ""
			}
			return f.Damage.Message
		}},
		{"chains", func(f api.AuditFinding) string { return strconv.FormatInt(f.Chains, 10) }},
		{"records", func(f api.AuditFinding) string { return strconv.FormatInt(f.Records, 10) }},
	})
	if err == nil && !f.Whole {
		err = failure{errors.New("the audit trail is damaged"), exitNo, ""}
	}
	return err
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

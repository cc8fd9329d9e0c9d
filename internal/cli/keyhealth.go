package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func keyHealth(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Show keys that are old, unused or have too many permissions", Args: cobra.NoArgs,
		Long: `Checks the active and disabled keys, newest first. Admins and auditors see all
keys of the tenant, and its management keys. Members see their own keys.`,
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			var all api.KeyHealthList
			list, err := allPages(0, func(p client.Page) (api.List[api.KeyHealth], error) {
				l, err := c.KeyHealth(c.ctx, tenant, p)
				if l.Summary != nil { // the first page
					all.Summary = l.Summary
					all.ManagementKeys = l.ManagementKeys
				}
				return api.List[api.KeyHealth]{Items: l.Items, NextCursor: l.NextCursor}, err
			})
			if err != nil {
				return err
			}
			all.Items = list.Items
			if c.json {
				return c.printJSON(all)
			}
			if err := printList(c.printer, list, healthColumns, "id"); err != nil {
				return err
			}
			if all.Summary != nil { // a management key gets none
				c.printGuidance(all.Summary.Findings)
			}
			return c.printManagementHealth(all.ManagementKeys)
		}),
	}
}

// printManagementHealth prints the health of management keys, if there are any.
func (c *call) printManagementHealth(l *api.ManagementKeyHealthList) error {
	if l == nil || len(l.Items) == 0 {
		return nil
	}
	if err := c.printDone(""); err != nil { // a line between the lists
		return err
	}
	list := api.List[api.ManagementKeyHealth]{Items: l.Items}
	if err := printList(c.printer, list, managementHealthColumns, "id"); err != nil {
		return err
	}
	c.printGuidance(l.Findings)
	return nil
}

// printGuidance prints what to do about each finding.
func (c *call) printGuidance(findings []api.FindingCount) {
	for _, f := range findings {
		if f.Keys > 0 {
			c.note("%s (%d): %s", f.Finding, f.Keys, f.Guidance)
		}
	}
}

var healthColumns = append(columnsOfPart(keyColumns[:4],
	func(h api.KeyHealth) api.Key { return api.Key{KeySummary: h.Key} }),
	column[api.KeyHealth]{"age", func(h api.KeyHealth) string { return strconv.Itoa(h.AgeDays) + " days" }},
	column[api.KeyHealth]{"expires in", func(h api.KeyHealth) string { return daysOr(h.DaysToExpiry, "never") }},
	column[api.KeyHealth]{"last used", func(h api.KeyHealth) string { return timeOr(h.LastUsedAt, "never") }},
	column[api.KeyHealth]{"findings", func(h api.KeyHealth) string { return joinWords(h.Findings) }},
)

var managementHealthColumns = []column[api.ManagementKeyHealth]{
	{"id", func(h api.ManagementKeyHealth) string { return h.ManagementKey.ID }},
	{"management key", func(h api.ManagementKeyHealth) string { return h.ManagementKey.Name }},
	{"service account", func(h api.ManagementKeyHealth) string { return partyText(h.ManagementKey.ServiceAccount) }},
	{"age", func(h api.ManagementKeyHealth) string { return strconv.Itoa(h.AgeDays) + " days" }},
	{"expires in", func(h api.ManagementKeyHealth) string { return daysOr(&h.DaysToExpiry, "never") }},
	{"last used", func(h api.ManagementKeyHealth) string { return timeOr(h.LastUsedAt, "never") }},
	{"findings", func(h api.ManagementKeyHealth) string { return joinWords(h.Findings) }},
}

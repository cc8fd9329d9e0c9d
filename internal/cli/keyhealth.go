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
keys of the tenant. Members see their own keys.`,
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			var all api.KeyHealthList
			list, err := allPages(0, func(p client.Page) (api.List[api.KeyHealth], error) {
				l, err := c.KeyHealth(c.ctx, tenant, p)
				if l.Summary != nil {
					all.Summary = l.Summary
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
			c.printGuidance(*all.Summary)
			return nil
		}),
	}
}

// printGuidance prints what to do about each finding.
func (c *call) printGuidance(s api.KeyHealthSummary) {
	for _, f := range s.Findings {
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

package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func keyHealth(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Tell which keys are old, unused or allowed too much", Args: cobra.NoArgs,
		Long: "Examines the keys that are active or disabled, newest first: all of the tenant's for its admins and auditors, for a member their own.",
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			var all api.KeyHealthList
			list, err := every(0, func(p client.Page) (api.List[api.KeyHealth], error) {
				l, err := c.KeyHealth(c.ctx, tenant, p)
				if l.Summary != nil {
					all.Summary = l.Summary
				}
				return api.List[api.KeyHealth]{Items: l.Items, NextCursor: l.NextCursor}, err
			})
			if err != nil {
				return err
			}
			if all.Items = list.Items; c.json {
				return c.asJSON(all)
			}
			if err := printList(c.printer, list, healthColumns); err != nil {
				return err
			}
			c.advise(*all.Summary)
			return nil
		}),
	}
}

// advise says what to do about what was found.
func (c *call) advise(s api.KeyHealthSummary) {
	for _, f := range s.Findings {
		if f.Keys > 0 {
			c.note("%s (%d): %s", f.Finding, f.Keys, f.Guidance)
		}
	}
}

var healthColumns = append(of(keyColumns[:4], func(h api.KeyHealth) api.Key { return api.Key{KeySummary: h.Key} }),
	column[api.KeyHealth]{"age", func(h api.KeyHealth) string { return strconv.Itoa(h.AgeDays) + " days" }},
	column[api.KeyHealth]{"expires in", func(h api.KeyHealth) string { return daysOr(h.DaysToExpiry, "never") }},
	column[api.KeyHealth]{"last used", func(h api.KeyHealth) string { return whenOr(h.LastUsedAt, "never") }},
	column[api.KeyHealth]{"findings", func(h api.KeyHealth) string { return words(h.Findings) }},
)

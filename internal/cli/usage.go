package cli

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func usageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "usage", Short: "Show how much keys are used", Args: cobra.NoArgs,
		Long: `Shows how many requests with the keys of a tenant were accepted and refused.
Admins and auditors see everything, members see their own keys, by day, hour and
key. Days and hours are in UTC.`,
	}
	r := newAPICommand(cmd).withTenantFlag(cmd)
	var by, application, keyID, since, until string
	var asCSV bool
	flags := cmd.Flags()
	flags.StringVar(&by, "by", "day", "add up by `what`: "+joinWords(api.UsageBy("").Values()))
	flags.StringVar(&since, "since", "", "count from this `time` on: "+sinceHelp)
	flags.StringVar(&until, "until", "", "count until this `time`: "+sinceHelp)
	flags.StringVar(&application, "application", "", "count only requests for this application, by `id` or name")
	flags.StringVar(&keyID, "key", "", "count only requests of this key, by `id`, public id or name")
	flags.BoolVar(&asCSV, "csv", false, "print CSV")
	cmd.RunE = r.inTenant(func(c *call, tenant string, _ []string) (err error) {
		f := client.UsageFilter{By: api.UsageBy(by)}
		if !slices.Contains(f.By.Values(), f.By) {
			return usage("--by: give one of %s", joinWords(f.By.Values()))
		}
		f.Since, err = c.optionalTimeFlag(cmd, "since", since, ago)
		if err == nil {
			f.Until, err = c.optionalTimeFlag(cmd, "until", until, ago)
		}
		if err == nil && application != "" {
			f.Application, err = c.applicationID(tenant, application)
		}
		if err == nil && keyID != "" {
			f.Key, err = c.keyID(tenant, keyID)
		}
		if err != nil {
			return err
		}
		return c.showUsage(tenant, f, asCSV)
	})
	cmd.AddCommand(statementCommand(r))
	return cmd
}

// showUsage prints all pages of a report.
func (c *call) showUsage(tenant string, f client.UsageFilter, asCSV bool) error {
	var all api.Usage
	list, err := allPages(0, func(p client.Page) (api.List[api.UsageItem], error) {
		u, err := c.Usage(c.ctx, tenant, f, p)
		if p.Cursor == "" {
			all = u
		}
		return api.List[api.UsageItem]{Items: u.Items, NextCursor: u.NextCursor}, err
	})
	if err != nil {
		return err
	}
	all.Items, all.NextCursor = list.Items, nil
	columns := slices.DeleteFunc(slices.Clone(usageColumns), func(u usageColumn) bool {
		return u.by != "" && u.by != f.By && (u.by != api.UsageByDay || f.By != api.UsageByHour)
	})
	switch {
	case asCSV:
		return c.printCSV(columns, list.Items)
	case c.json:
		return c.printJSON(all)
	}
	shown := make([]column[api.UsageItem], len(columns))
	for i, u := range columns {
		shown[i] = u.column
	}
	if err := printList(c.printer, list, shown); err != nil {
		return err
	}
	if all.Total != nil {
		c.note("%d accepted, %d refused", all.Total.Accepted, all.Total.Refused)
	}
	return nil
}

// usageColumn is a column of the reports that are added up by this.
type usageColumn struct {
	by api.UsageBy // "" for all
	column[api.UsageItem]
}

var usageColumns = []usageColumn{
	{
		api.UsageByDay,
		column[api.UsageItem]{"begins at", func(i api.UsageItem) string { return timeOr(i.BeginsAt, "") }},
	},
	{api.UsageByKey, column[api.UsageItem]{"key", func(i api.UsageItem) string { return textOr(i.KeyID, "others") }}},
	{api.UsageByKey, column[api.UsageItem]{"owner", func(i api.UsageItem) string { return textOr(i.OwnerID, "") }}},
	{api.UsageByCode, column[api.UsageItem]{"code", func(i api.UsageItem) string { return textOr(i.Code, "") }}},
	{
		api.UsageByApplication,
		column[api.UsageItem]{"application", func(i api.UsageItem) string { return textOr(i.ApplicationID, "none") }},
	},
	{
		api.UsageByTransport,
		column[api.UsageItem]{"transport", func(i api.UsageItem) string { return textOr(i.Transport, "unknown") }},
	},
	{"", column[api.UsageItem]{"accepted", func(i api.UsageItem) string { return strconv.FormatInt(i.Accepted, 10) }}},
	{"", column[api.UsageItem]{"refused", func(i api.UsageItem) string { return strconv.FormatInt(i.Refused, 10) }}},
}

// textOr returns the text, or none where there is none or it is empty.
func textOr[T ~string](text *T, none string) string {
	if text == nil || *text == "" {
		return none
	}
	return string(*text)
}

// printCSV prints the items as CSV, under the names of the columns.
func (c *call) printCSV(columns []usageColumn, items []api.UsageItem) error {
	rows := [][]string{nil}
	for _, u := range columns {
		rows[0] = append(rows[0], u.title)
	}
	for _, item := range items {
		var row []string
		for _, u := range columns {
			row = append(row, sanitized(u.text(item)))
		}
		rows = append(rows, row)
	}
	return writeCSV(c.out, rows)
}

func writeCSV(to io.Writer, rows [][]string) error {
	w := csv.NewWriter(to)
	err := w.WriteAll(rows)
	w.Flush()
	return err
}

func statementCommand(r *apiCommand) *cobra.Command {
	var account, month string
	var asCSV bool
	cmd := &cobra.Command{
		Use: "statement", Short: "Show the monthly statement of an account", Args: cobra.NoArgs,
		Long: `Shows how many requests each tenant of an account accepted and refused in a
calendar month, in UTC. For owners and admins of the account.`,
	}
	cmd.Flags().StringVar(&account, "account", "", "account, by `id` or name (default: the only one)")
	cmd.Flags().StringVar(&month, "month", "", "the `month`, such as 2026-11; by default this month")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV")
	cmd.RunE = r.authenticated(func(c *call, _ []string) error {
		id, err := c.selectAccount(account)
		if err != nil {
			return err
		}
		st, err := c.Statement(c.ctx, id, month)
		if err != nil {
			return err
		}
		if asCSV {
			rows := [][]string{{"month", "tenant_id", "tenant", "accepted", "refused"}}
			for _, t := range st.Tenants {
				rows = append(rows, []string{
					st.Month, t.TenantID, sanitized(t.Name), strconv.FormatInt(t.Accepted, 10),
					strconv.FormatInt(t.Refused, 10),
				})
			}
			return writeCSV(c.out, rows)
		}
		if c.json {
			return c.printJSON(st)
		}
		if err := printList(c.printer, api.List[api.StatementItem]{Items: st.Tenants}, statementColumns); err != nil {
			return err
		}
		c.note("%s: %d accepted, %d refused", st.Month, st.Total.Accepted, st.Total.Refused)
		if !st.Complete {
			c.note("The month is not complete: requests can still be counted.")
		}
		return nil
	})
	return cmd
}

var statementColumns = []column[api.StatementItem]{
	{"tenant", func(t api.StatementItem) string { return t.Name }},
	{"id", func(t api.StatementItem) string { return t.TenantID }},
	{"accepted", func(t api.StatementItem) string { return strconv.FormatInt(t.Accepted, 10) }},
	{"refused", func(t api.StatementItem) string { return strconv.FormatInt(t.Refused, 10) }},
}

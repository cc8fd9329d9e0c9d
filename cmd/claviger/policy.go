package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

const day = 24 * time.Hour

func policyCommand() *cobra.Command {
	cmd := noun("policy", "Look after the security policy of an account, which all its tenants inherit", "")
	r := newRemote(cmd)
	account := cmd.PersistentFlags().String("account", "", "the account's id; by default the only one there is")
	cmd.AddCommand(showPolicy(r, account), setPolicy(r, account))
	return cmd
}

func showPolicy(r *remote, account *string) *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show how long keys and sessions may live", Args: cobra.NoArgs, RunE: r.do(func(c *call, _ []string) error {
		id, err := c.whichAccount(*account)
		if err != nil {
			return err
		}
		p, err := c.Policy(c.ctx, id)
		if err != nil {
			return err
		}
		return printOne(c.printer, p, policyFields)
	})}
}

func setPolicy(r *remote, account *string) *cobra.Command {
	var patch api.PolicyPatch
	cmd := &cobra.Command{
		Use: "set", Short: "Change how long keys and sessions may live", Args: cobra.NoArgs,
		Long: `Changes what the flags name and keeps the rest. Keys older than a policy count from the day it takes effect; a looser one revives no key.
With --dry-run nothing changes: it tells how many keys would end earlier than now, and when the first of them would.`,
		Example: `  claviger policy set --auto-expiry 120d --dry-run
  claviger policy set --auto-expiry off --acknowledge-risk
  claviger policy set --max-lifetime 365d --session-idle 30m`,
	}
	flags := cmd.Flags()
	auto := flags.String("auto-expiry", "", "expire keys after so many `days`, 90d to 360d in steps of 30; or off")
	longest := flags.String("max-lifetime", "", "let no key live longer than so many `days`, as 30d, 90d, 180d, 365d or 3650d; or none")
	idle := flags.String("session-idle", "", "end sessions unused for so `long`, as 30m; or default")
	absolute := flags.String("session-absolute", "", "end sessions so `long` after they began, as 24h; or default")
	flags.BoolVar(&patch.AcknowledgeRisk, "acknowledge-risk", false, "switch automatic expiration off knowing that keys which never expire are a risk")
	dry := flags.Bool("dry-run", false, "only tell what it would do")
	cmd.MarkFlagsOneRequired("auto-expiry", "max-lifetime", "session-idle", "session-absolute")
	cmd.RunE = r.do(func(c *call, _ []string) (err error) {
		if *auto != "" {
			if patch.AutoExpiry, err = autoExpiry(*auto); err != nil {
				return err
			}
		}
		for _, f := range []struct {
			name, value, none string
			unit              time.Duration
			to                *api.Optional[int]
		}{
			{"max-lifetime", *longest, "none", day, &patch.MaxLifetimeDays},
			{"session-idle", *idle, "default", time.Minute, &patch.SessionIdleMinutes},
			{"session-absolute", *absolute, "default", time.Hour, &patch.SessionAbsoluteHours},
		} {
			if *f.to, err = units(f.name, f.value, f.none, f.unit); err != nil {
				return err
			}
		}
		id, err := c.whichAccount(*account)
		if err != nil {
			return err
		}
		return c.changePolicy(id, patch, *dry)
	})
	return cmd
}

func (c *call) changePolicy(account string, patch api.PolicyPatch, dry bool) error {
	if dry {
		effect, err := c.TryPolicy(c.ctx, account, patch)
		if err != nil {
			return err
		}
		return printOne(c.printer, effect, effectFields)
	}
	p, err := c.EditPolicy(c.ctx, account, patch)
	if err != nil {
		return err
	}
	return printOne(c.printer, p, policyFields)
}

func autoExpiry(value string) (*api.AutoExpiryPatch, error) {
	if value == "off" {
		return &api.AutoExpiryPatch{Enabled: api.To(false)}, nil
	}
	days, err := units("auto-expiry", value, "", day)
	return &api.AutoExpiryPatch{Enabled: api.To(true), Days: days}, err
}

// units reads a duration as a number of whole units, or the word that stands for null; a flag that was not given is absent.
func units(flag, value, null string, unit time.Duration) (o api.Optional[int], err error) {
	switch {
	case value == "":
		return o, nil
	case value == null:
		return api.Cleared[int](), nil
	}
	d, err := span(flag, value)
	if err != nil {
		return o, err
	}
	if d%unit != 0 {
		return o, usage("--%s: give whole %s", flag, map[time.Duration]string{time.Minute: "minutes", time.Hour: "hours", day: "days"}[unit])
	}
	return api.To(int(d / unit)), nil
}

// whichAccount gives the account that was named, or the only one.
func (c *call) whichAccount(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	accounts, err := every(0, func(p client.Page) (api.List[api.Account], error) { return c.Accounts(c.ctx, p) })
	if err != nil {
		return "", err
	}
	if len(accounts.Items) == 1 {
		return accounts.Items[0].ID, nil
	}
	var names []string
	for _, a := range accounts.Items {
		names = append(names, a.ID+" ("+oneLine(a.Name)+")")
	}
	return "", failure{fmt.Errorf("which account? There are %s", strings.Join(names, ", ")), exitUsage, "name one with --account"}
}

var policyFields = []column[api.Policy]{
	{"automatic expiration", autoExpiryText},
	{"maximum lifetime", func(p api.Policy) string { return daysOr(p.MaxLifetimeDays, "none") }},
	{"sessions end unused", func(p api.Policy) string {
		return "after " + (time.Duration(p.SessionIdleMinutes) * time.Minute).String()
	}},
	{"sessions end at all", func(p api.Policy) string {
		return "after " + (time.Duration(p.SessionAbsoluteHours) * time.Hour).String()
	}},
}

func autoExpiryText(p api.Policy) string {
	if p.AutoExpiry.InForceSince == nil {
		return "off"
	}
	return daysOr(p.AutoExpiry.Days, "") + ", in force since " + whenText(*p.AutoExpiry.InForceSince)
}

var effectFields = []column[api.PolicyEffect]{
	{"keys that end earlier", func(e api.PolicyEffect) string { return strconv.Itoa(e.Affected) }},
	{"the first of them", func(e api.PolicyEffect) string { return whenOr(e.FirstExpiresAt, "") }},
	{"keys that end at once", func(e api.PolicyEffect) string { return strconv.Itoa(e.ExpiredNow) }},
}

func daysOr(n *int, none string) string {
	if n == nil {
		return none
	}
	return strconv.Itoa(*n) + " days"
}

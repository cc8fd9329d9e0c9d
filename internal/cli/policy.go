package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func policyCommand() *cobra.Command {
	cmd := groupCommand("policy", "Manage the security policy of an account, which applies to all its tenants", "")
	r := newAPICommand(cmd)
	account := cmd.PersistentFlags().String("account", "",
		"account, by id or name (default: the only one)")
	cmd.AddCommand(showPolicy(r, account), setPolicy(r, account))
	return cmd
}

func showPolicy(r *apiCommand, account *string) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the maximum lifetimes of keys and sessions", Args: cobra.NoArgs,
		RunE: r.authenticated(func(c *call, _ []string) error {
			id, err := c.selectAccount(*account)
			if err != nil {
				return err
			}
			p, err := c.Policy(c.ctx, id)
			if err != nil {
				return err
			}
			return printOne(c.printer, p, policyFields)
		}),
	}
}

func setPolicy(r *apiCommand, account *string) *cobra.Command {
	var patch api.UpdatePolicyRequest
	cmd := &cobra.Command{
		Use: "set", Short: "Update the maximum lifetimes of keys and sessions", Args: cobra.NoArgs,
		Long: `Updates what the flags name, and leaves the rest unchanged. For keys that are
older than a policy, the time starts on the day that the policy takes effect. A
less strict policy does not make expired keys valid again. With --dry-run,
nothing changes. The command prints how many keys would expire earlier than now,
and when the first of them would expire.`,
		Example: `  claviger policy set --auto-expiry 120d --dry-run
  claviger policy set --auto-expiry off --acknowledge-risk
  claviger policy set --max-lifetime 365d --session-idle 30m
  claviger policy set --require-factor admins`,
	}
	flags := cmd.Flags()
	auto := flags.String("auto-expiry", "",
		"expire keys after this number of `days`: 90d to 360d in steps of 30, or off")
	longest := flags.String("max-lifetime", "",
		"maximum lifetime of keys in `days`: 30d, 90d, 180d, 365d or 3650d, or none")
	idle := flags.String("session-idle", "", "end sessions that are unused for this `long`, such as 30m, or default")
	absolute := flags.String("session-absolute", "", "end sessions this `long` after sign-in, such as 24h, or default")
	require := flags.String("require-factor", "", "require a second factor of `whom`: off, admins or all")
	flags.BoolVar(&patch.AcknowledgeRisk, "acknowledge-risk", false,
		"accept the risk of keys that never expire (required to turn automatic expiration off)")
	dry := flags.Bool("dry-run", false, "show the effect without changing anything")
	cmd.MarkFlagsOneRequired("auto-expiry", "max-lifetime", "session-idle", "session-absolute",
		"require-factor")
	cmd.RunE = r.authenticated(func(c *call, _ []string) (err error) {
		if *auto != "" {
			patch.AutoExpiry, err = autoExpiry(*auto)
			if err != nil {
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
			*f.to, err = parseUnits(f.name, f.value, f.none, f.unit)
			if err != nil {
				return err
			}
		}
		if *require != "" {
			patch.RequireSecondFactor = api.To(api.FactorRule(*require))
		}
		id, err := c.selectAccount(*account)
		if err != nil {
			return err
		}
		return c.changePolicy(id, patch, *dry)
	})
	return cmd
}

func (c *call) changePolicy(account string, patch api.UpdatePolicyRequest, dry bool) error {
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
	days, err := parseUnits("auto-expiry", value, "", day)
	return &api.AutoExpiryPatch{Enabled: api.To(true), Days: days}, err
}

// parseUnits parses a duration as a number of whole units, or the word that stands for null. It
// returns an absent value if the flag was not given.
func parseUnits(flag, value, null string, unit time.Duration) (o api.Optional[int], err error) {
	switch {
	case value == "":
		return o, nil
	case value == null:
		return api.Cleared[int](), nil
	}
	d, err := parseSpanFlag(flag, value)
	if err != nil {
		return o, err
	}
	if d%unit != 0 {
		return o, usage("--%s: give whole %s", flag,
			map[time.Duration]string{time.Minute: "minutes", time.Hour: "hours", day: "days"}[unit])
	}
	return api.To(int(d / unit)), nil
}

// selectAccount returns the id of the named account, or of the only account.
func (c *call) selectAccount(named string) (string, error) {
	if named != "" {
		return c.accountID(named)
	}
	accounts, err := c.allAccounts()
	if err != nil {
		return "", err
	}
	if len(accounts) == 1 {
		return accounts[0].ID, nil
	}
	var names []string
	for _, a := range accounts {
		names = append(names, a.ID+" ("+oneLine(a.Name)+")")
	}
	return "", failure{
		fmt.Errorf("no account is selected. You can use %s", strings.Join(names, ", ")), exitUsage,
		"name one with --account",
	}
}

var policyFields = []column[api.Policy]{
	{"automatic expiration", autoExpiryText},
	{"maximum lifetime", func(p api.Policy) string { return daysOr(p.MaxLifetimeDays, "none") }},
	{"unused sessions end", func(p api.Policy) string {
		return "after " + (time.Duration(p.SessionIdleMinutes) * time.Minute).String()
	}},
	{"all sessions end", func(p api.Policy) string {
		return "after " + (time.Duration(p.SessionAbsoluteHours) * time.Hour).String()
	}},
	{"second factor required", func(p api.Policy) string { return string(p.RequireSecondFactor) }},
}

func autoExpiryText(p api.Policy) string {
	if p.AutoExpiry.InForceSince == nil {
		return "off"
	}
	return daysOr(p.AutoExpiry.Days, "") + ", in effect since " + timeText(*p.AutoExpiry.InForceSince)
}

var effectFields = []column[api.PolicyEffect]{
	{"keys that expire earlier", func(e api.PolicyEffect) string { return strconv.Itoa(e.Affected) }},
	{"first expiry", func(e api.PolicyEffect) string { return timeOr(e.FirstExpiresAt, "") }},
	{"keys that expire immediately", func(e api.PolicyEffect) string { return strconv.Itoa(e.ExpiredNow) }},
	{"keys that expire later", func(e api.PolicyEffect) string { return strconv.Itoa(e.ExpireLater) }},
	{"people who must set up a second factor", func(e api.PolicyEffect) string {
		return strconv.Itoa(e.WithoutSecondFactor)
	}},
}

func daysOr(n *int, none string) string {
	if n == nil {
		return none
	}
	return strconv.Itoa(*n) + " days"
}

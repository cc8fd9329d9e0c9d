//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const clockPath = "/operator/v1/clock"

func clockCommand() *cobra.Command {
	cmd := groupCommand("clock", "Show and repair the server's time", operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(clockStatus(o), repairClock(o))
	return cmd
}

func clockStatus(o *output) *cobra.Command {
	return operatorCommand(&cobra.Command{
		Use: "status", Short: "Show the clocks that are compared, and whether they agree", Args: cobra.NoArgs,
		Long: `Shows the machine's clock, PostgreSQL's clock and the latest recorded time. If
the clock is not trusted, shows the reason.`,
	}, o, func(c *call, _ []string) error {
		var s api.ClockStatus
		if err := c.Do(c.ctx, http.MethodGet, clockPath, nil, &s); err != nil {
			return err
		}
		return printOne(c.printer, s, []column[api.ClockStatus]{
			{"trusted", func(s api.ClockStatus) string { return yesNo(s.Trusted) }},
			{"reason", func(s api.ClockStatus) string { return valueOrEmpty(s.Reason) }},
			{"machine's clock", func(s api.ClockStatus) string { return timeText(s.Time) }},
			{"database's clock", func(s api.ClockStatus) string { return timeOr(s.DatabaseTime, "") }},
			{"latest recorded time", func(s api.ClockStatus) string { return timeOr(s.Record, "") }},
			{"horizon", func(s api.ClockStatus) string { return timeOr(s.Horizon, "") }},
		})
	})
}

func repairClock(o *output) *cobra.Command {
	var stated string
	cmd := &cobra.Command{
		Use: "repair", Short: "Reset the recorded time to the present", Args: cobra.NoArgs,
		Long: `Resets the latest recorded time to the present, after a wrong clock had moved it
ahead, and trusts the machine's clock from then on. Every recorded time in the
future becomes the present, and sessions that began in the future end. The
command prints what may be valid again: what had expired by the recorded time,
but has not expired by the present time. The audit trail contains the same
numbers.

A second clock must agree with the machine's clock within one minute. With
PostgreSQL, this is the clock of the database. With SQLite, give the present
time with --time, from a clock that you trust.`,
	}
	cmd.Flags().StringVar(&stated, "time", "", "the present `time`, such as 2026-01-31T12:00:00Z")
	return operatorCommand(cmd, o, func(c *call, _ []string) error {
		var in api.RepairClockRequest
		if cmd.Flags().Changed("time") {
			m, err := parseTimeFlag("time", stated)
			if err == nil && m.relative {
				err = usage("--time: give a point in time, such as 2027-01-31T12:00:00Z")
			}
			if err != nil {
				return err
			}
			in.Time = &m.at
		}
		var done api.RepairClockResponse
		if err := c.Do(c.ctx, http.MethodPost, clockPath+"/repair", in, &done); err != nil {
			return err
		}
		count := func(n func(api.RepairClockResponse) int64) func(api.RepairClockResponse) string {
			return func(r api.RepairClockResponse) string { return strconv.FormatInt(n(r), 10) }
		}
		return printOne(c.printer, done, []column[api.RepairClockResponse]{
			{"from", func(r api.RepairClockResponse) string { return timeText(r.From) }},
			{"to", func(r api.RepairClockResponse) string { return timeText(r.To) }},
			{"keys that may be valid again", count(func(r api.RepairClockResponse) int64 { return r.MayReviveKeys })},
			{
				"previous secrets that may be valid again",
				count(func(r api.RepairClockResponse) int64 { return r.MayRevivePreviousSecrets }),
			},
			{
				"sessions that may be valid again",
				count(func(r api.RepairClockResponse) int64 { return r.MayReviveSessions }),
			},
			{"links that may be valid again", count(func(r api.RepairClockResponse) int64 { return r.MayReviveLinks })},
			{"sessions ended", count(func(r api.RepairClockResponse) int64 { return r.SessionsEnded })},
			{"keys that stay expired", count(func(r api.RepairClockResponse) int64 { return r.KeysForgotten })},
			{"changes later than now", count(func(r api.RepairClockResponse) int64 { return r.ChangesAhead })},
		})
	})
}

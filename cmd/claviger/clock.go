package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const clockPath = "/operator/v1/clock"

func clockCommand() *cobra.Command {
	cmd := noun("clock", "Show and repair what the server takes the time to be", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(clockStatus(o), repairClock(o))
	return cmd
}

func clockStatus(o *output) *cobra.Command {
	return operate(&cobra.Command{
		Use: "status", Short: "Show the clocks that are compared, and whether they agree", Args: cobra.NoArgs,
		Long: "Shows the machine's clock, PostgreSQL's, the latest time on record, and why the clock is in doubt if it is.",
	}, o, func(c *call, _ []string) error {
		var s api.ClockStatus
		if err := c.Do(c.ctx, http.MethodGet, clockPath, nil, &s); err != nil {
			return err
		}
		return printOne(c.printer, s, []column[api.ClockStatus]{
			{"trusted", func(s api.ClockStatus) string { return yesNo(s.Trusted) }},
			{"reason", func(s api.ClockStatus) string { return orNone(s.Reason) }},
			{"machine's clock", func(s api.ClockStatus) string { return whenText(s.Time) }},
			{"database's clock", func(s api.ClockStatus) string { return whenOr(s.DatabaseTime, "") }},
			{"latest on record", func(s api.ClockStatus) string { return whenOr(s.Record, "") }},
			{"horizon", func(s api.ClockStatus) string { return whenOr(s.Horizon, "") }},
		})
	})
}

func repairClock(o *output) *cobra.Command {
	var stated time.Time
	cmd := &cobra.Command{
		Use: "repair", Short: "Put the time on record back to the present", Args: cobra.NoArgs,
		Long: `Puts the latest time on record back to the present, where a clock that was wrong put it ahead, and trusts the machine's clock from then on. Every time of the future that is on
record becomes the present, and sessions that began in it end. It prints what may be good again: what had expired by the time on record and has not by the present one. The audit trail holds the same.

A second clock must agree with the machine's within a minute. With PostgreSQL its clock does. With SQLite state the present time with --time, by a clock that you trust.`,
	}
	cmd.Flags().TimeVar(&stated, "time", time.Time{}, []string{time.RFC3339Nano}, "the present `time`, such as 2026-01-31T12:00:00Z")
	return operate(cmd, o, func(c *call, _ []string) error {
		var in api.RepairClockRequest
		if cmd.Flags().Changed("time") {
			in.Time = &stated
		}
		var done api.RepairClockResponse
		if err := c.Do(c.ctx, http.MethodPost, clockPath+"/repair", in, &done); err != nil {
			return err
		}
		count := func(n func(api.RepairClockResponse) int64) func(api.RepairClockResponse) string {
			return func(r api.RepairClockResponse) string { return strconv.FormatInt(n(r), 10) }
		}
		return printOne(c.printer, done, []column[api.RepairClockResponse]{
			{"from", func(r api.RepairClockResponse) string { return whenText(r.From) }},
			{"to", func(r api.RepairClockResponse) string { return whenText(r.To) }},
			{"may revive keys", count(func(r api.RepairClockResponse) int64 { return r.MayReviveKeys })},
			{"may revive previous secrets", count(func(r api.RepairClockResponse) int64 { return r.MayRevivePreviousSecrets })},
			{"may revive sessions", count(func(r api.RepairClockResponse) int64 { return r.MayReviveSessions })},
			{"may revive links", count(func(r api.RepairClockResponse) int64 { return r.MayReviveLinks })},
			{"sessions ended", count(func(r api.RepairClockResponse) int64 { return r.SessionsEnded })},
			{"keys forgotten", count(func(r api.RepairClockResponse) int64 { return r.KeysForgotten })},
			{"changes ahead", count(func(r api.RepairClockResponse) int64 { return r.ChangesAhead })},
		})
	})
}

package main

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const noticesPath = "/operator/v1/notices"

func noticesCommand() *cobra.Command {
	cmd := noun("notices", "See what people were told by mail, and send again what did not reach them", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(listNotices(o), retryNotices(o))
	return cmd
}

func listNotices(o *output) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List notices, newest first", Args: cobra.NoArgs,
		Long: "Lists the newest 200 notices, or those in one state: waiting, claimed, sending, sent, skipped, dead or in_doubt.",
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in this state")
	return operate(cmd, o, func(c *call, _ []string) error {
		var all api.List[api.Notice]
		path := noticesPath
		if state != "" {
			path += "?state=" + url.QueryEscape(state)
		}
		if err := c.Do(c.ctx, http.MethodGet, path, nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, []column[api.Notice]{
			{"id", func(n api.Notice) string { return n.ID }},
			{"kind", func(n api.Notice) string { return n.Kind }},
			{"state", func(n api.Notice) string { return n.State }},
			{"e-mail", func(n api.Notice) string { return orNone(n.Email) }},
			{"due", func(n api.Notice) string { return whenText(n.DueAt) }},
			{"attempts", func(n api.Notice) string { return strconv.Itoa(n.Attempts) }},
			{"reason", func(n api.Notice) string { return orNone(n.Reason) }},
		})
	})
}

func retryNotices(o *output) *cobra.Command {
	var dead bool
	cmd := &cobra.Command{
		Use: "retry [ID]", Short: "Send a notice again, or all dead ones", Args: cobra.MaximumNArgs(1),
		Long: `Lets a notice that waits, was skipped, is dead or in doubt be sent as if it had never been tried. One in doubt may have arrived already, and then arrives twice; so --dead leaves those alone.`,
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "all that are dead")
	return operate(cmd, o, func(c *call, args []string) error {
		if (len(args) == 1) == dead {
			return usage("name one notice, or give --dead")
		}
		retry := api.NoticeRetry{Dead: dead}
		if !dead {
			retry.ID = args[0]
		}
		var out api.NoticesRetried
		if err := c.Do(c.ctx, http.MethodPost, noticesPath+"/retry", retry, &out); err != nil {
			return err
		}
		return printOne(c.printer, out, []column[api.NoticesRetried]{{"retried", func(r api.NoticesRetried) string { return strconv.FormatInt(r.Retried, 10) }}})
	})
}

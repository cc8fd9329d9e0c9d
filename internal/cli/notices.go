//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const noticesPath = "/operator/v1/notices"

func noticesCommand() *cobra.Command {
	cmd := groupCommand("notices", "Show notices sent by e-mail, and retry failed ones",
		operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(listNotices(o), retryNotices(o))
	return cmd
}

func listNotices(o *output) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List notices, newest first", Args: cobra.NoArgs,
		Long: `Lists the newest 200 notices, or the newest 200 in one state: waiting, claimed,
sending, sent, skipped, dead or in_doubt.`,
	}
	cmd.Flags().StringVar(&state, "state", "", "only notices in this state")
	return operatorCommand(cmd, o, func(c *call, _ []string) error {
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
			{"e-mail", func(n api.Notice) string { return valueOrEmpty(n.Email) }},
			{"due", func(n api.Notice) string { return timeText(n.DueAt) }},
			{"attempts", func(n api.Notice) string { return strconv.Itoa(n.Attempts) }},
			{"reason", func(n api.Notice) string { return valueOrEmpty(n.Reason) }},
		})
	})
}

func retryNotices(o *output) *cobra.Command {
	var dead bool
	cmd := &cobra.Command{
		Use: "retry [ID]", Short: "Retry a notice, or all dead ones", Args: cobra.MaximumNArgs(1),
		Long: `Sends a notice that is waiting, skipped, dead or in doubt, as if it had never
been tried. A notice in doubt may have arrived already, and can arrive twice.
Therefore --dead does not retry those.`,
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "retry all dead notices")
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		if (len(args) == 1) == dead {
			return usage("name one notice, or give --dead")
		}
		retry := api.RetryNoticesRequest{Dead: dead}
		if !dead {
			retry.ID = args[0]
		}
		var out api.RetryNoticesResponse
		if err := c.Do(c.ctx, http.MethodPost, noticesPath+"/retry", retry, &out); err != nil {
			return err
		}
		return printOne(c.printer, out,
			[]column[api.RetryNoticesResponse]{{
				"retried",
				func(r api.RetryNoticesResponse) string { return strconv.FormatInt(r.Retried, 10) },
			}})
	})
}

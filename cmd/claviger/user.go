package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func userCommand() *cobra.Command {
	cmd := noun("user", "Take a person out of use everywhere, or back into it", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(
		switchUser(o, "disable", "disabled", "Disable a person everywhere", "Ends the person's sessions and lets none of their keys through, in any tenant, until they are enabled."),
		switchUser(o, "enable", "active", "Enable a person again", "Lets the person sign in again, and their keys through."),
	)
	return cmd
}

func switchUser(o *output, verb, status, short, long string) *cobra.Command {
	return operate(&cobra.Command{Use: verb + " EMAIL|ID", Short: short, Long: long, Args: cobra.ExactArgs(1)}, o, func(c *call, args []string) error {
		var u api.User
		if err := c.Do(c.ctx, http.MethodPatch, "/operator/v1/users/"+url.PathEscape(args[0]), api.UserPatch{Status: status}, &u); err != nil {
			return err
		}
		return printOne(c.printer, u, []column[api.User]{
			{"id", func(u api.User) string { return u.ID }},
			{"e-mail", func(u api.User) string { return u.Email }},
			{"name", func(u api.User) string { return u.Name }},
			{"status", func(u api.User) string { return u.Status }},
		})
	})
}

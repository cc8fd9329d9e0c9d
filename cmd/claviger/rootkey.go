package main

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const rootkeyPath = "/operator/v1/rootkey"

func rootkeyCommand() *cobra.Command {
	cmd := noun("rootkey", "Rotate the keys of the server itself, which come from its root secret", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(rootkeyStatus(o), rotateRootkey(o), retireRootkey(o))
	return cmd
}

func rootkeyStatus(o *output) *cobra.Command {
	return operate(&cobra.Command{
		Use: "status", Short: "List the live versions and how much is left under each", Args: cobra.NoArgs,
		Long: `Lists the live versions of the server's keys and how much is left under each: sealed digests and copies of secrets, sign-ins and links, and, under the tag key, ids of keys. Cursors
of lists are not counted.`,
	}, o, func(c *call, _ []string) error {
		var all api.List[api.ServerKey]
		if err := c.Do(c.ctx, http.MethodGet, rootkeyPath, nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, serverKeyColumns)
	})
}

func rotateRootkey(o *output) *cobra.Command {
	var r api.Rotation
	cmd := &cobra.Command{
		Use: "rotate", Short: "Begin a new version of the server's keys", Args: cobra.NoArgs,
		Long: `Begins a new version of the keys that seal digests and copies of secrets and that mark cursors, sign-ins and links. Nothing that was issued ends. With PostgreSQL it is used after two
minutes, so that every node knows it by then. The server wraps anew what the old version sealed; claviger rootkey status shows how much is left.

With --tag the key that marks the ids of API keys gets a new version instead. Its old one stays while ids of it live.`,
	}
	cmd.Flags().BoolVar(&r.Tag, "tag", false, "the tag key alone")
	return operate(cmd, o, func(c *call, _ []string) error {
		var made api.Rotated
		if err := c.Do(c.ctx, http.MethodPost, rootkeyPath+"/rotate", r, &made); err != nil {
			return err
		}
		return printOne(c.printer, made, []column[api.Rotated]{
			{"version", func(m api.Rotated) string { return strconv.Itoa(m.Version) }},
			{"used from", func(m api.Rotated) string { return whenText(m.UsedFrom) }},
		})
	})
}

func retireRootkey(o *output) *cobra.Command {
	var r api.Retirement
	cmd := &cobra.Command{
		Use: "retire VERSION", Short: "End an old version, under which nothing is left", Args: cobra.ExactArgs(1),
		Long: "Ends an old version of the keys that claviger rootkey rotate rotates. While something is left under it, it is refused and says what. Lists that somebody is paging through begin again.",
	}
	cmd.Flags().BoolVar(&r.Tag, "tag", false, "a version of the tag key")
	return operate(cmd, o, func(c *call, args []string) (err error) {
		if r.Version, err = strconv.Atoi(args[0]); err != nil {
			return usage("VERSION is a number, as claviger rootkey status lists it")
		}
		var rest api.List[api.ServerKey]
		if err := c.Do(c.ctx, http.MethodPost, rootkeyPath+"/retire", r, &rest); err != nil {
			return err
		}
		return printList(c.printer, rest, serverKeyColumns)
	})
}

var serverKeyColumns = []column[api.ServerKey]{
	{"key", func(k api.ServerKey) string { return k.Key }},
	{"version", func(k api.ServerKey) string { return strconv.Itoa(k.Version) }},
	{"current", func(k api.ServerKey) string { return yesNo(k.Current) }},
	{"created", func(k api.ServerKey) string { return whenText(k.CreatedAt) }},
	{"used from", func(k api.ServerKey) string { return whenOr(k.UsedFrom, "the beginning") }},
	{"wrapped anew", func(k api.ServerKey) string { return whenOr(k.RewrappedAt, "") }},
	{"left", func(k api.ServerKey) string { return strconv.FormatInt(k.Left, 10) }},
}

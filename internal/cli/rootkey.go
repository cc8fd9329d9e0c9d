//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const rootkeyPath = "/operator/v1/rootkey"

func rootkeyCommand() *cobra.Command {
	cmd := groupCommand("rootkey", "Rotate the server's own keys, which are derived from its root secret",
		operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(rootkeyStatus(o), rotateRootkey(o), retireRootkey(o))
	return cmd
}

func rootkeyStatus(o *output) *cobra.Command {
	return operatorCommand(&cobra.Command{
		Use: "status", Short: "List the current key versions and how much data uses each", Args: cobra.NoArgs,
		Long: `Lists the versions of the server's keys that are in use, and how much data is
protected by each: sealed digests and copies of secrets, sessions and links and,
for the tag key, ids of API keys. Cursors of lists are not counted.`,
	}, o, func(c *call, _ []string) error {
		var all api.List[api.ServerKey]
		if err := c.Do(c.ctx, http.MethodGet, rootkeyPath, nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, serverKeyColumns)
	})
}

func rotateRootkey(o *output) *cobra.Command {
	var r api.RotateKeysRequest
	cmd := &cobra.Command{
		Use: "rotate", Short: "Create a new version of the server's keys", Args: cobra.NoArgs,
		Long: `Creates a new version of the keys that seal digests and copies of secrets, and
that authenticate cursors, sessions and links. Everything that was issued stays
valid. With PostgreSQL, the new version is used after two minutes, when every
node knows it. The server re-encrypts what the old version sealed. claviger
rootkey status shows how much remains.

With --tag, creates a new version of the key that authenticates the ids of API
keys instead. The old version stays in use while such ids exist.`,
	}
	cmd.Flags().BoolVar(&r.Tag, "tag", false, "rotate only the tag key")
	return operatorCommand(cmd, o, func(c *call, _ []string) error {
		var made api.RotateKeysResponse
		if err := c.Do(c.ctx, http.MethodPost, rootkeyPath+"/rotate", r, &made); err != nil {
			return err
		}
		return printOne(c.printer, made, []column[api.RotateKeysResponse]{
			{"version", func(m api.RotateKeysResponse) string { return strconv.Itoa(m.Version) }},
			{"active since", func(m api.RotateKeysResponse) string { return timeText(m.UsedFrom) }},
		})
	})
}

func retireRootkey(o *output) *cobra.Command {
	var r api.RetireKeysRequest
	cmd := &cobra.Command{
		Use: "retire VERSION", Short: "Retire an old version that no data uses any more", Args: cobra.ExactArgs(1),
		Long: `Retires an old version of the keys. While data still uses the version, the
command fails and says which. Clients that are reading a list in pages must
start again.`,
	}
	cmd.Flags().BoolVar(&r.Tag, "tag", false, "retire a version of the tag key")
	return operatorCommand(cmd, o, func(c *call, args []string) (err error) {
		r.Version, err = strconv.Atoi(args[0])
		if err != nil {
			return usage("VERSION: give a number, as claviger rootkey status lists it")
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
	{"created", func(k api.ServerKey) string { return timeText(k.CreatedAt) }},
	{"active since", func(k api.ServerKey) string { return timeOr(k.UsedFrom, "start") }},
	{"re-encrypted", func(k api.ServerKey) string { return timeOr(k.RewrappedAt, "") }},
	{"remaining", func(k api.ServerKey) string { return strconv.FormatInt(k.Left, 10) }},
}

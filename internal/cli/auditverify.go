//go:build !clientonly && !windows

package cli

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// auditServerCommands returns the audit commands that work on a data directory.
func auditServerCommands(r *apiCommand) []*cobra.Command {
	return []*cobra.Command{archiveAudit(r), verifyAudit(r)}
}

func verifyAudit(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that the audit trail is intact", Args: cobra.NoArgs,
		Long: `Checks the chain of every tenant, every account and the server, from the first
record to the last. If a record was edited, deleted, moved or cut off, the
command reports the first such place and exits with code 10.

The end of each chain is signed with a key that is derived from the root secret.
An attacker who can write to the database, but has no root secret, cannot change
the trail unnoticed. The attacker can still replace the whole database by an
earlier copy. To detect this, store the head that this command prints in another
place, and pass it as --since the next time. The command then checks that the
trail still begins in the same way.

With --file, the command checks an archive from claviger audit archive. This
needs no server and no database. If the command finds the root secret (in the
data directory or in CLAVIGER_ROOT_SECRET), it checks the signatures. Valid
signatures prove that nobody without the root secret edited, removed, moved or
cut off anything. Without the root secret, the command only checks that the
archive is consistent. A consistent archive can still be a forgery. To detect
one, pass a head that you stored elsewhere as --since.

` + operatorNote,
		Example: "  claviger audit verify --data /var/lib/claviger\n" +
			"  claviger audit archive --data /var/lib/claviger trail.jsonl\n" +
			"  claviger audit verify --data /var/lib/claviger --file trail.jsonl",
	}
	var since, file string
	cmd.Flags().StringVar(&since, "since", "",
		"a `head` that the trail must still contain, from an earlier audit verify, the log or a backup")
	cmd.Flags().StringVar(&file, "file", "", "check this `archive` instead of the database")
	operatorCommand(cmd, r.output, func(c *call, _ []string) error {
		var found api.AuditFinding
		path := "/operator/v1/audit"
		if since != "" {
			path += "?" + url.Values{"since": {since}}.Encode()
		}
		stop := c.waiting("Checking the audit trail")
		err := c.Do(c.ctx, http.MethodGet, path, nil, &found)
		stop()
		if err != nil {
			return err
		}
		return c.showFinding(found)
	})
	ofDatabase := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file == "" {
			return ofDatabase(cmd, args)
		}
		return verifyArchive(cmd, r.output, file, since)
	}
	rejectAPIFlags(cmd)
	return cmd
}

// rejectAPIFlags makes a command reject the flags --context, --server and --tenant, which it
// inherits from its parent, a command that calls a server.
func rejectAPIFlags(cmd *cobra.Command) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range []string{"context", "server", "tenant"} {
			if cmd.Flags().Changed(name) {
				return usage("--%s: %s works on a data directory. Name it with --data", name, cmd.CommandPath())
			}
		}
		return run(cmd, args)
	}
}

func (c *call) showFinding(f api.AuditFinding) error {
	err := printOne(c.printer, f, []column[api.AuditFinding]{
		{"whole", func(f api.AuditFinding) string { return yesNo(f.Whole) }},
		{"damage", func(f api.AuditFinding) string {
			if f.Whole {
				return ""
			}
			return f.Damage.Message
		}},
		{"head", func(f api.AuditFinding) string { return valueOrEmpty(f.Head) }},
		{"chains", func(f api.AuditFinding) string { return strconv.FormatInt(f.Chains, 10) }},
		{"records", func(f api.AuditFinding) string { return strconv.FormatInt(f.Records, 10) }},
	})
	if err == nil && !f.Whole {
		err = failure{errors.New("the audit trail is damaged"), exitNegative, ""}
	}
	return err
}

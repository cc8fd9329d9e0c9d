//go:build !clientonly && !windows

package cli

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/backup"
)

type restoreFlags struct {
	passphraseFile, identity string
	options                  app.Restoring
}

func restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Restore a backup into an empty data directory", Args: cobra.ExactArgs(1),
		Long: `Restores a backup into a data directory and a database without accounts, on
which no server runs. The root secret must be there first: put root.key into the
directory, or set CLAVIGER_ROOT_SECRET.

What was revoked after the backup must stay revoked. The file
revocations.journal in the old data directory records it. Copy this file into
the new directory, or name it with --journal. The restore revokes the keys that
were revoked, deleted or refreshed after the backup, disables what was disabled,
and removes people who were deleted or removed. If no journal reaches back to
the backup, the restore fails and names the time that is not covered. To restore
anyway, pass --without-journal.

Several nodes on one PostgreSQL database have one journal each. The changes that
a node made in its last seconds may be only in its own journal, so name the
journals of all nodes: repeat --journal, or name a directory that contains them
(NAME.journal). The restore merges them. If the journal of a node that was alive is missing, the
restore fails and names the node. --without-journal accepts this too.

If scopes, roles, applications or settings allowed less after the backup, the
restore applies the stricter of backup and journal. People who changed their
password after the backup have no password, and need a new one. All sessions
have ended, and unused links are invalid.`,
		Example: `  claviger restore --data /var/lib/claviger.new --journal /var/lib/claviger/revocations.journal \
    --passphrase-file /root/passphrase /backups/monday.age`,
	}
	o := outputFlag(cmd)
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "",
		"`file` that contains the passphrase; - for standard input")
	cmd.Flags().StringVar(&f.identity, "identity", "",
		"`file` that contains the age identity (private key) for a backup that was encrypted with --recipient")
	cmd.Flags().StringArrayVar(&f.options.Journals, "journal", nil,
		"`file` that records what was revoked after the backup, or a directory of such files (*.journal); "+
			"repeat for more (default: "+app.JournalFile+" in the data directory)")
	cmd.Flags().BoolVar(&f.options.WithoutJournal, "without-journal", false,
		"accept that revocations after the backup that are in no journal are undone")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "identity")
	addOperatorSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		c := newCall(cmd, p)
		return withRestoreExitCode(f.run(cmd, c, args[0]))
	}
	return cmd
}

func (f *restoreFlags) run(cmd *cobra.Command, c *call, path string) error {
	set, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	set.Log.Level = "warn"
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	key, err := f.key(c)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	shown := c.progress(info.Size(), "rows")
	text, err := backup.Decrypt(shown.countBytes(file), key)
	if err != nil {
		return err
	}
	done, err := app.Restore(c.ctx, set.Config, options(cmd, newLogger(cmd, set.Log)), shown.countRows(text), f.options)
	shown.finish()
	if err != nil {
		return err
	}
	return c.showRestored(done)
}

func (f *restoreFlags) key(c *call) (k backup.Identity, err error) {
	if f.identity != "" {
		text, err := c.readSecretFile(f.identity)
		return backup.Identity{Identities: string(text)}, err
	}
	k.Passphrase, err = c.readSecret(c.ctx, "Passphrase", f.passphraseFile)
	return k, err
}

func withRestoreExitCode(err error) error {
	switch {
	case errors.Is(err, app.ErrUncovered):
		return failure{
			err, exitConflict,
			"name the journal of each node of the old server with --journal, or accept with --without-journal " +
				"that revocations in that time are undone",
		}
	case errors.Is(err, app.ErrInUse):
		return failure{err, exitConflict, "name an empty data directory with --data, or an empty database"}
	}
	return err
}

// restoreResult is the output of `claviger restore`.
type restoreResult struct {
	BackupOf time.Time `json:"backup_of"`
	Rows     int64     `json:"rows"`
	// RevocationsCovered reports whether the journals contain everything that was revoked after the
	// backup.
	RevocationsCovered bool `json:"covered"`
	// MissingNodes are the nodes that were alive and whose journal is missing.
	MissingNodes []string `json:"missing_nodes"`
	// The numbers count the objects that the journal revoked or restricted.
	Keys           int `json:"keys"`
	Users          int `json:"users"`
	Passwords      int `json:"passwords"`
	Emails         int `json:"emails"`
	Members        int `json:"members"`
	AccountMembers int `json:"account_members"`
	Applications   int `json:"applications"`
	Tenants        int `json:"tenants"`
	Accounts       int `json:"accounts"`
	Policies       int `json:"policies"`
}

func (c *call) showRestored(r app.Restored) error {
	if !r.Covered {
		c.note("Not all revocations between %s and now are known. Review the keys.",
			timeText(r.Backup.CreatedAt))
	}
	for _, n := range r.Missing {
		c.note("The journal of node %s on %s is missing.", n.ID, n.Name)
	}
	if r.RepairTime {
		c.note("The backup was made while the clock was wrong, before it was repaired. Start the server, then run " +
			"claviger clock repair again.")
	}
	if n := r.Revocations.Passwords; n > 0 {
		c.note("%d people changed their password after the backup. They have no password now, and need a new one.", n)
	}
	if n := r.Revocations.Emails; n > 0 {
		c.note("%d people changed their e-mail address after the backup. They have no address now and cannot sign in. "+
			"Set it by their id: claviger user email ID NEW-EMAIL.", n)
	}
	number := func(n func(restoreResult) int) func(restoreResult) string {
		return func(r restoreResult) string { return strconv.Itoa(n(r)) }
	}
	t := r.Revocations
	missing := make([]string, len(r.Missing))
	for i, n := range r.Missing {
		missing[i] = n.ID
	}
	done := restoreResult{
		BackupOf: r.Backup.CreatedAt, Rows: r.Rows, RevocationsCovered: r.Covered,
		MissingNodes: missing,
		Keys:         t.Keys, Users: t.Users, Passwords: t.Passwords, Emails: t.Emails, Members: t.Members,
		AccountMembers: t.AccountMembers,
		Applications:   t.Applications, Tenants: t.Tenants, Accounts: t.Accounts, Policies: t.Policies,
	}
	return printOne(c.printer, done, []column[restoreResult]{
		{"backup of", func(r restoreResult) string { return timeText(r.BackupOf) }},
		{"rows", func(r restoreResult) string { return strconv.FormatInt(r.Rows, 10) }},
		{"all revocations known", func(r restoreResult) string { return yesNo(r.RevocationsCovered) }},
		{"keys revoked or restricted", number(func(r restoreResult) int { return r.Keys })},
		{"users", number(func(r restoreResult) int { return r.Users })},
		{"passwords", number(func(r restoreResult) int { return r.Passwords })},
		{"e-mail addresses", number(func(r restoreResult) int { return r.Emails })},
		{"members", number(func(r restoreResult) int { return r.Members })},
		{"account members", number(func(r restoreResult) int { return r.AccountMembers })},
		{"applications", number(func(r restoreResult) int { return r.Applications })},
		{"tenants", number(func(r restoreResult) int { return r.Tenants })},
		{"accounts", number(func(r restoreResult) int { return r.Accounts })},
		{"policies", number(func(r restoreResult) int { return r.Policies })},
	})
}

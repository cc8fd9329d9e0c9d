package main

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
	how                      app.Restoring
}

func restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Bring a backup back into an empty data directory", Args: cobra.ExactArgs(1),
		Long: `Brings a backup back into a data directory and a database without accounts, on which no server runs. The root secret must be there first: put root.key into the directory, or set CLAVIGER_ROOT_SECRET.

What was revoked after the backup must not come back to life. The file revocations.journal in the old data directory tells of it: copy it into the new one, or name it with --journal. Keys that it says were revoked,
deleted or refreshed are revoked, what was disabled is disabled, and people who were deleted or removed are gone. Where no journal reaches back to the backup, the restore is refused and says which time is not covered;
--without-journal accepts that.

All else is as it was in the backup: scopes, roles, settings and passwords too. Nobody is signed in, and links that were not used are void.`,
		Example: "  claviger restore --data /var/lib/claviger.new --journal /var/lib/claviger/revocations.journal --passphrase-file /root/passphrase /backups/monday.age",
	}
	o := outputFlag(cmd)
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "the `file` that holds the passphrase; - for standard input")
	cmd.Flags().StringVar(&f.identity, "identity", "", "the `file` of an identity of age, for a backup that was encrypted to its recipient")
	cmd.Flags().StringVar(&f.how.Journal, "journal", "", "the `file` that tells what was revoked after the backup; by default "+app.JournalFile+" in the data directory")
	cmd.Flags().BoolVar(&f.how.WithoutJournal, "without-journal", false, "accept that what was revoked after the backup, and no journal tells of, works again")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "identity")
	addOperatorSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		c := &call{printer: p, console: console{cmd.InOrStdin(), cmd.ErrOrStderr()}, ctx: cmd.Context()}
		return adviseRestore(f.run(cmd, c, args[0]))
	}
	return cmd
}

func (f *restoreFlags) run(cmd *cobra.Command, c *call, path string) error {
	set, err := settings(cmd)
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
	text, err := backup.Decrypt(file, key)
	if err != nil {
		return err
	}
	done, err := app.Restore(c.ctx, set.Config, options(newLogger(set.Log)), text, f.how)
	if err != nil {
		return err
	}
	return c.showRestored(done)
}

func (f *restoreFlags) key(c *call) (k backup.Key, err error) {
	if f.identity != "" {
		text, err := readSecretFile(f.identity)
		return backup.Key{Identities: string(text)}, err
	}
	k.Passphrase, err = c.secret(c.ctx, "Passphrase", f.passphraseFile)
	return k, err
}

func adviseRestore(err error) error {
	switch {
	case errors.Is(err, app.ErrUncovered):
		return failure{err, exitConflict, "name the journal of the old server with --journal, or accept with --without-journal that what was revoked in that time works again"}
	case errors.Is(err, app.ErrInUse):
		return failure{err, exitConflict, "name an empty data directory with --data, or an empty database"}
	}
	return err
}

// restored is what there is to say of a restore.
type restored struct {
	BackupOf time.Time `json:"backup_of"`
	Rows     int64     `json:"rows"`
	// Covered is whether a journal told of everything that was revoked after the backup.
	Covered bool `json:"covered"`
	// Keys, Users, Members, Officers, Tenants and Accounts are how many the journal took authority from.
	Keys     int `json:"keys"`
	Users    int `json:"users"`
	Members  int `json:"members"`
	Officers int `json:"officers"`
	Tenants  int `json:"tenants"`
	Accounts int `json:"accounts"`
}

func (c *call) showRestored(r app.Restored) error {
	if !r.Covered {
		c.note("Not all that was revoked between %s and now is known: look through the keys.", whenText(r.Backup.CreatedAt))
	}
	c.note("Scopes, roles, settings and passwords are those of the backup.")
	number := func(n func(restored) int) func(restored) string {
		return func(r restored) string { return strconv.Itoa(n(r)) }
	}
	t := r.Taken
	return printOne(c.printer, restored{r.Backup.CreatedAt, r.Rows, r.Covered, t.Keys, t.Users, t.Members, t.Officers, t.Tenants, t.Accounts}, []column[restored]{
		{"backup of", func(r restored) string { return whenText(r.BackupOf) }},
		{"rows", func(r restored) string { return strconv.FormatInt(r.Rows, 10) }},
		{"revocations since known", func(r restored) string { return yesNo(r.Covered) }},
		{"keys revoked again", number(func(r restored) int { return r.Keys })},
		{"users", number(func(r restored) int { return r.Users })},
		{"members", number(func(r restored) int { return r.Members })},
		{"officers", number(func(r restored) int { return r.Officers })},
		{"tenants", number(func(r restored) int { return r.Tenants })},
		{"accounts", number(func(r restored) int { return r.Accounts })},
	})
}

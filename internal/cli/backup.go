//go:build !clientonly && !windows

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/backup"
)

type backupFlags struct {
	passphraseFile string
	recipients     []string
	force          bool
}

func backupCommand() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write an encrypted backup of the database", Args: cobra.ExactArgs(1),
		Long: `Writes a consistent copy of the whole database into one encrypted file with mode
0600. The server keeps running. To restore it, into SQLite or PostgreSQL, run
claviger restore.

THE ROOT SECRET IS NOT IN THE BACKUP. Store a copy of root.key, or of the value
of CLAVIGER_ROOT_SECRET, in another place. Without it, no key in the backup can
be verified. Anybody who has both can test guesses at keys. The backup does not
contain sessions. Unused links become invalid when the backup is restored.

The file is encrypted with age (age-encryption.org): with a passphrase from
--passphrase-file, a prompt or standard input, or for the public keys that
--recipient names, as age-keygen creates them.

` + operatorNote,
		Example: `  claviger backup --passphrase-file /root/passphrase /backups/monday.age
  claviger backup --recipient age1… /backups/tuesday.age`,
	}
	o := outputFlag(cmd)
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "",
		"`file` that contains the passphrase; - for standard input")
	cmd.Flags().StringArrayVar(&f.recipients, "recipient", nil,
		"encrypt for this age public key (age1…) instead; repeat for more")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite an existing file")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "recipient")
	return operatorCommand(cmd, o, func(c *call, args []string) error { return f.run(c, args[0]) })
}

func (f *backupFlags) run(c *call, path string) error {
	if err := f.checkTarget(path); err != nil {
		return err
	}
	lock := backup.Recipient{Recipients: f.recipients, WorkFactor: passphraseWorkFactor}
	if len(f.recipients) == 0 {
		var err error
		lock.Passphrase, err = c.newPassphrase(f.passphraseFile)
		if err != nil {
			return err
		}
	}
	body, err := c.Stream(c.ctx, "/operator/v1/backup")
	if err != nil {
		return err
	}
	defer body.Close()
	shown := c.progress(0, "rows")
	made, err := f.write(path, lock, shown.countBytes(shown.countRows(body)))
	shown.finish()
	if err != nil {
		return err
	}
	return c.showBackup(made)
}

// checkTarget returns an error if the file exists and may not be overwritten.
func (f *backupFlags) checkTarget(path string) error {
	if _, err := os.Lstat(path); err == nil && !f.force {
		return usage("%s already exists. Name another file, or overwrite it with --force", path)
	}
	return nil
}

// newPassphrase reads a new passphrase. At a terminal, it asks twice.
func (c *call) newPassphrase(file string) (string, error) {
	return c.readNewSecret(c.ctx, "Passphrase", file)
}

// backupResult is the output of `claviger backup`.
type backupResult struct {
	File      string    `json:"file"`
	CreatedAt time.Time `json:"created_at"`
	Rows      int64     `json:"rows"`
}

// write encrypts the body into a file. The file gets its name only when it is complete and on disk.
func (f *backupFlags) write(path string, lock backup.Recipient, body io.Reader) (m backupResult, err error) {
	file, err := createPending(path, true)
	if err != nil {
		return m, err
	}
	h, rows, err := encryptBackup(file.file, lock, body)
	if err == nil {
		err = f.checkTarget(path)
	}
	if err != nil {
		file.discard()
		return m, fmt.Errorf("the backup was not written: %w", err)
	}
	return backupResult{path, h.CreatedAt, rows}, file.commit(nil)
}

func encryptBackup(to io.Writer, lock backup.Recipient, body io.Reader) (h backup.Header, rows int64, err error) {
	sealed, err := backup.Encrypt(to, lock)
	if err != nil {
		return h, 0, err
	}
	h, rows, err = backup.Check(sealed, body)
	return h, rows, errors.Join(err, sealed.Close())
}

func (c *call) showBackup(m backupResult) error {
	c.note("The root secret is not in the backup. Store a copy of root.key in another place.")
	return printOne(c.printer, m, []column[backupResult]{
		{"file", func(m backupResult) string { return m.File }},
		{"created", func(m backupResult) string { return timeText(m.CreatedAt) }},
		{"rows", func(m backupResult) string { return strconv.FormatInt(m.Rows, 10) }},
	})
}

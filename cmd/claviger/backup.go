package main

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
		Long: `Writes everything in the database, as it is at one moment, into one encrypted file of mode 0600. The server goes on meanwhile. claviger restore brings it back, into SQLite or PostgreSQL.

THE ROOT SECRET IS NOT IN THE BACKUP. Keep a copy of root.key, or of what CLAVIGER_ROOT_SECRET holds, in another place: without it no key of the backup can be verified, and whoever has both can test
guesses at keys. Sessions are left out, and links that were not used are void once it is restored.

The file is encrypted with age (age-encryption.org): by a passphrase from --passphrase-file, a prompt or standard input, or to the recipients named, as age-keygen makes them.

` + byOperator,
		Example: "  claviger backup --passphrase-file /root/passphrase /backups/monday.age\n  claviger backup --recipient age1… /backups/tuesday.age",
	}
	o := outputFlag(cmd)
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "the `file` that holds the passphrase; - for standard input")
	cmd.Flags().StringArrayVar(&f.recipients, "recipient", nil, "encrypt to this recipient of age instead, age1…; may be given more than once")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace a file that is there")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "recipient")
	return operate(cmd, o, func(c *call, args []string) error { return f.run(c, args[0]) })
}

func (f *backupFlags) run(c *call, path string) error {
	if err := f.free(path); err != nil {
		return err
	}
	lock := backup.Lock{Recipients: f.recipients}
	if len(f.recipients) == 0 {
		var err error
		if lock.Passphrase, err = c.newPassphrase(f.passphraseFile); err != nil {
			return err
		}
	}
	body, err := c.Stream(c.ctx, "/operator/v1/backup")
	if err != nil {
		return err
	}
	defer body.Close()
	made, err := f.write(path, lock, body)
	if err != nil {
		return err
	}
	return c.showBackup(made)
}

// free refuses a file that is there, unless it may be replaced.
func (f *backupFlags) free(path string) error {
	if _, err := os.Lstat(path); err == nil && !f.force {
		return usage("%s is there already: name another file, or replace it with --force", path)
	}
	return nil
}

// newPassphrase asks for a passphrase, on a terminal twice.
func (c *call) newPassphrase(file string) (string, error) {
	passphrase, err := c.secret(c.ctx, "Passphrase", file)
	if err != nil || file != "" || !isTerminal(c.in) {
		return passphrase, err
	}
	again, err := c.secret(c.ctx, "Passphrase again", "")
	if err == nil && again != passphrase {
		err = usage("the two passphrases differ")
	}
	return passphrase, err
}

// madeBackup is what there is to say of a backup.
type madeBackup struct {
	File      string    `json:"file"`
	CreatedAt time.Time `json:"created_at"`
	Rows      int64     `json:"rows"`
}

// write encrypts the body into a file that has its name only once it is whole and on disk.
func (f *backupFlags) write(path string, lock backup.Lock, body io.Reader) (m madeBackup, err error) {
	file, err := reserve(path, true)
	if err != nil {
		return m, err
	}
	h, rows, err := seal(file.file, lock, body)
	if err == nil {
		err = f.free(path)
	}
	if err != nil {
		file.drop()
		return m, fmt.Errorf("no backup was written: %w", err)
	}
	return madeBackup{path, h.CreatedAt, rows}, file.place(nil)
}

func seal(to io.Writer, lock backup.Lock, body io.Reader) (h backup.Header, rows int64, err error) {
	sealed, err := backup.Encrypt(to, lock)
	if err != nil {
		return h, 0, err
	}
	h, rows, err = backup.Check(sealed, body)
	return h, rows, errors.Join(err, sealed.Close())
}

func (c *call) showBackup(m madeBackup) error {
	c.note("The root secret is not in the backup: keep root.key in another place.")
	return printOne(c.printer, m, []column[madeBackup]{
		{"file", func(m madeBackup) string { return m.File }},
		{"of", func(m madeBackup) string { return whenText(m.CreatedAt) }},
		{"rows", func(m madeBackup) string { return strconv.FormatInt(m.Rows, 10) }},
	})
}

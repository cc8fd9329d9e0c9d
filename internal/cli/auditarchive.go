//go:build !clientonly && !windows

package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
)

// archiveAudit writes the audit trail with its hashes and signatures into a file.
func archiveAudit(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "archive FILE", Args: cobra.ExactArgs(1),
		Short: "Write the audit trail into a file that can be verified on its own",
		Long: `Writes the audit trail of the whole server into a file with mode 0600. With
--chain, writes only one chain: of one tenant, one account or the server. Each
line is a JSON object. The file contains the hashes that chain the records, and
the signed end of each chain. To check it later, on any machine, run claviger
audit verify --file.

` + operatorNote,
		Example: "  claviger audit archive --data /var/lib/claviger audit.jsonl",
	}
	var chain string
	var f backupFlags
	cmd.Flags().StringVar(&chain, "chain", "",
		"only this chain: the `id` of a tenant or an account, or the word server")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite an existing file")
	operatorCommand(cmd, r.output, func(c *call, args []string) error {
		if err := f.checkTarget(args[0]); err != nil {
			return err
		}
		path := "/operator/v1/audit/archive"
		if chain != "" {
			path += "?" + url.Values{"chain": {chain}}.Encode()
		}
		body, err := c.Stream(c.ctx, path)
		if err != nil {
			return err
		}
		defer body.Close()
		file, err := createPending(args[0], true)
		if err != nil {
			return err
		}
		shown := c.progress(0, "records")
		size, err := io.Copy(file.file, shown.countBytes(shown.countRows(body)))
		shown.finish()
		if err == nil {
			err = f.checkTarget(args[0])
		}
		if err != nil {
			file.discard()
			return fmt.Errorf("the archive was not written: %w", err)
		}
		if err := file.commit(nil); err != nil {
			return err
		}
		return printOne(c.printer, archiveResult{args[0], size}, []column[archiveResult]{
			{"file", func(m archiveResult) string { return m.File }},
			{"bytes", func(m archiveResult) string { return strconv.FormatInt(m.Bytes, 10) }},
		})
	})
	rejectAPIFlags(cmd)
	return cmd
}

// archiveResult is the output of `claviger audit archive`.
type archiveResult struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// archiveFinding is the output of `claviger audit verify --file`.
type archiveFinding struct {
	api.AuditFinding
	// Proven is true if the signatures were checked.
	Proven bool `json:"proven"`
	// CreatedAt is when the archive was written, according to the archive itself. Change is the
	// number of the last change that it contains.
	CreatedAt time.Time `json:"created_at"`
	Change    int64     `json:"change"`
}

func verifyArchive(cmd *cobra.Command, o *output, path, since string) error {
	p, err := o.printer(cmd)
	if err != nil {
		return err
	}
	set, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	c := newCall(cmd, p)
	shown := c.progress(info.Size(), "records")
	found, err := app.VerifyArchive(set.Config, shown.countBytes(shown.countRows(file)), since)
	shown.finish()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f := archiveFinding{
		AuditFinding: api.AuditFinding{Whole: found.Damage == nil, Chains: found.Chains, Records: found.Records},
		Proven:       found.Proven, CreatedAt: found.Header.CreatedAt, Change: found.Header.Change,
	}
	switch d := found.Damage; {
	case d != nil:
		f.Damage = &api.AuditFault{After: d.After, Message: d.What}
		if d.Chain != "" {
			f.Damage.Chain = &d.Chain
		}
	case found.Header.Chain == "":
		head := found.State.String()
		f.Head = &head
	}
	return c.showArchive(f)
}

func (c *call) showArchive(f archiveFinding) error {
	switch {
	case !f.Proven:
		c.note("No signature was checked, because the root secret was not found. The archive could be a forgery. " +
			"Compare its head with one that you stored elsewhere (--since), or name the directory that " +
			"contains root.key with --data.")
	case f.Whole:
		c.note("All signatures are valid: up to change %d, nobody without the root secret edited, "+
			"removed or moved a record. The archive cannot show later changes.", f.Change)
	}
	err := printOne(c.printer, f, []column[archiveFinding]{
		{"whole", func(f archiveFinding) string { return yesNo(f.Whole) }},
		{"damage", func(f archiveFinding) string {
			if f.Whole {
				return ""
			}
			return f.Damage.Message
		}},
		{"signatures checked", func(f archiveFinding) string { return yesNo(f.Proven) }},
		{"head", func(f archiveFinding) string { return valueOrEmpty(f.Head) }},
		{"created", func(f archiveFinding) string { return timeText(f.CreatedAt) }},
		{"last change", func(f archiveFinding) string { return strconv.FormatInt(f.Change, 10) }},
		{"chains", func(f archiveFinding) string { return strconv.FormatInt(f.Chains, 10) }},
		{"records", func(f archiveFinding) string { return strconv.FormatInt(f.Records, 10) }},
	})
	if err == nil && !f.Whole {
		err = failure{errors.New("the archive of the audit trail is damaged"), exitNegative, ""}
	}
	return err
}

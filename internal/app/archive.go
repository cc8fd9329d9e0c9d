package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

// archive writes the audit trail; only one chain of it unless chain is "".
func (a *App) archive(ctx context.Context, to io.Writer, chain string) error {
	err := audit.WriteArchive(ctx, to, a.Store, audit.ArchiveHeader{
		Version: a.options.Version, CreatedAt: a.clock.Now().UTC(), Chain: chain,
	})
	if errors.Is(err, audit.ErrNoChain) {
		return fault.New(fault.NotFound, "There is no chain of this name. Use a tenant's id, an account's or server.")
	}
	return err
}

// VerifyArchive verifies the chains of an archive of the audit trail. It also verifies the
// signatures if the settings or the data directory have the root secret. since is a head of the
// trail that was noted earlier, or "".
func VerifyArchive(c config.Config, from io.Reader, since string) (f audit.ArchiveFinding, err error) {
	var state audit.State
	if since != "" {
		state, err = audit.ParseState(since)
		if err != nil {
			return f, err
		}
	}
	key, err := auditKey(c)
	if err != nil {
		return f, err
	}
	return audit.VerifyArchive(from, key, state)
}

// auditKey returns the key that signs the audit trail; nil where there is no root secret.
func auditKey(c config.Config) (*audit.Key, error) {
	text := c.RootSecret.Reveal()
	if text == "" {
		c, err := c.Resolve()
		if err != nil {
			return nil, err
		}
		text, err = readSecret(filepath.Join(c.Data, rootFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	root, err := credential.ParseRoot(text)
	if err != nil {
		return nil, err
	}
	return audit.NewKey(root.AuditKey), nil
}

package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

// backup writes the database as it is at one moment, while changes go on. Before it writes
// anything, the journal has caught up with that moment: a restore needs that.
func (a *App) backup(ctx context.Context, to io.Writer) error {
	return a.Store.Snapshot(ctx, func(tx *sql.Tx, of store.Moment) error {
		if err := a.journal.catchUp(ctx); err != nil {
			return err
		}
		return backup.Write(ctx, to, tx, backup.Header{
			Version: a.options.Version, Schema: of.Schema, Engine: a.Store.Engine(),
			CreatedAt: of.At, Change: of.Trail.Change, RootCheck: a.rootCheck,
			AuditHead: of.Trail.String(),
		})
	})
}

// Restoring says how to restore a backup.
type Restoring struct {
	// Journals are the journals of revocations, one of each node, or directories that hold some
	// (*.journal); nil for the one in the data directory.
	Journals []string
	// WithoutJournal accepts that what was revoked after the backup, and is in no journal, is
	// valid again.
	WithoutJournal bool
}

// Restored is the result of a restore.
type Restored struct {
	Backup backup.Header
	// At is the time of the restore.
	At   time.Time
	Rows int64
	// Covered is set where the journals reach back to the backup and none is missing.
	Covered bool
	// Missing are the nodes that were alive and whose journals are not there.
	Missing []journal.Node
	// RepairTime is set where the backup was made before a repair of the time: the time must be
	// repaired again.
	RepairTime  bool
	Revocations journal.Revocations

	// change and event are the number of the change and the id of its event.
	change int64
	event  ident.EventID
}

// Reasons why a restore is refused.
var (
	// ErrUncovered says that no journal tells what was revoked after the backup.
	ErrUncovered = errors.New("no journal tells what was revoked")
	// ErrInUse says that there are accounts already.
	ErrInUse = store.ErrInUse
)

// Restore restores a backup into an empty data directory and database that no server uses. The root
// secret must be there already.
func Restore(ctx context.Context, c config.Config, o Options, from io.Reader, how Restoring) (r Restored, err error) {
	c, err = c.Resolve()
	if err != nil {
		return r, err
	}
	data, err := openData(c.Data)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	b, err := backup.NewReader(from)
	if err != nil {
		return r, err
	}
	revoked, err := readRevocations(data, b.Header, how)
	if err != nil {
		return r, err
	}
	root, err := data.root(c, true)
	if err != nil {
		return r, err
	}
	if root.Fingerprint() != b.Header.RootCheck {
		return r, errors.New("the backup needs another root secret: put back the one of the server that it was made on")
	}
	failure := newFailure()
	s, clock, err := openStore(ctx, c, o, store.Options{Fatal: failure.fail})
	if err != nil {
		return r, err
	}
	failure.whenFailed(s.Halt)
	defer func() { err = errors.Join(err, s.Close()) }()
	s.SetRoot(root)
	if why := clock.Reason(); why != "" {
		return r, fmt.Errorf("the clock is in doubt: %s", why)
	}
	if err := checkSchema(ctx, s, b.Header); err != nil {
		return r, err
	}
	r, err = restore(ctx, s, clock, b, revoked)
	if err != nil {
		return r, err
	}
	if err := revoked.writeAfter(r, data.file(JournalFile)); err != nil {
		return r, err
	}
	if err := s.Analyze(ctx); err != nil { // the data is there; the planner only knows it less well for a while
		o.Log.Warn("no statistics of the restored tables", "error", err)
	}
	return r, nil
}

// checkSchema returns an error unless the database can take the rows of the backup.
func checkSchema(ctx context.Context, s *store.Store, b backup.Header) error {
	if b.Schema != s.Known() && b.Schema != backup.PreviousSchema {
		return fmt.Errorf("the backup has schema version %d, and this program's is %d: "+
			"restore it with claviger %s, the version that made it, and start the newer one on what that leaves",
			b.Schema, s.Known(), b.Version)
	}
	upgraded, err := s.Upgraded(ctx)
	if err == nil && !upgraded {
		err = errors.New("the upgrade of this database is not finished: run claviger migrate finish first, " +
			"or restore into a new database")
	}
	return err
}

// restore fills the database and revokes again what the journals say.
func restore(ctx context.Context, s *store.Store, clock *nodeClock, b *backup.Reader,
	revoked revocations,
) (r Restored, err error) {
	r = Restored{
		Backup: b.Header, Missing: revoked.missing,
		RepairTime: revoked.Repaired > b.Header.Change,
	}
	fill := func(ctx context.Context, tx *sql.Tx) (err error) {
		r.Rows, err = b.Fill(ctx, tx)
		return err
	}
	apply := func(ctx context.Context, tx *store.Tx) (_ audit.Event, err error) {
		r.Covered, err = revoked.checkDatabase(ctx, tx, b.Header)
		if err != nil {
			return audit.Event{}, err
		}
		clock.Advance(b.Header.CreatedAt)
		clock.Advance(revoked.Latest)
		r.At = clock.Now()
		of := journal.Backup{At: b.Header.CreatedAt, Change: b.Header.Change}
		objects := journal.Tx{
			Keys: tx, People: tx, Tenants: tx, Machines: tx, Subjects: tx, Management: tx,
			Routes: tx,
		}
		r.Revocations, err = revoked.Apply(ctx, objects, of, r.At)
		if err != nil {
			return audit.Event{}, err
		}
		return r.auditEvent(), nil
	}
	change, event, err := s.Restore(ctx, fill, apply)
	r.change, r.event = change, event.ID
	return r, err
}

// auditEvent returns the event that says that a backup was restored. A journal that is made anew
// from the audit trail is complete from there on.
func (r Restored) auditEvent() audit.Event {
	e := audit.By(principal.Operator(), audit.ActionServerRestore,
		audit.Target{Type: "server"}).WithEffects(audit.Effect{Kind: audit.EffectDatabaseRestored})
	e = e.With("backup_of", r.Backup.CreatedAt.Format(time.RFC3339))
	if r.Covered {
		e = e.With("covered", "yes")
	}
	return r.Revocations.On(e)
}

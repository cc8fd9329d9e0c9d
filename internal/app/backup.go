package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/verify"
)

// backup writes the database as it is at one moment. Changes go on meanwhile. The journal reaches as far before anything is written: a restore asks for that.
func (a *App) backup(ctx context.Context, to io.Writer) error {
	return a.Store.Snapshot(ctx, func(tx *sql.Tx, at time.Time, change int64) error {
		if err := a.catchUp(ctx); err != nil {
			return err
		}
		return backup.Write(ctx, to, tx, backup.Header{
			Version: a.options.Version, Schema: a.Store.Version(), Engine: a.Store.Engine(), CreatedAt: at, Change: change, RootCheck: a.rootCheck,
		})
	})
}

// Restoring says how a backup is brought back.
type Restoring struct {
	// Journal is the file of what was revoked after the backup; "" for the one in the data directory.
	Journal string
	// WithoutJournal accepts that what was revoked after the backup, and no journal tells of, is in force again.
	WithoutJournal bool
}

// Restored says what a restore did.
type Restored struct {
	Backup backup.Header
	// At is the time of the restore.
	At   time.Time
	Rows int64
	// Covered is whether a journal reached back to the backup.
	Covered bool
	Taken   journal.Taken
}

// Why a restore is refused.
var (
	// ErrUncovered says that no journal tells what was revoked after the backup.
	ErrUncovered = errors.New("no journal tells what was revoked")
	// ErrInUse says that there are accounts already.
	ErrInUse = store.ErrInUse
)

// Restore brings a backup back into an empty data directory and database that no server has. The root secret must be there already.
func Restore(ctx context.Context, c config.Config, o Options, from io.Reader, how Restoring) (r Restored, err error) {
	if c, err = c.Resolve(); err != nil {
		return r, err
	}
	a := &App{options: o, failed: make(chan error, 1)}
	if a.data, err = openData(c.Data); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, a.Stop(ctx)) }()
	b, err := backup.NewReader(from)
	if err != nil {
		return r, err
	}
	record, err := a.recordOf(b.Header, how)
	if err != nil {
		return r, err
	}
	root, err := a.data.root(c, true)
	if err != nil {
		return r, err
	}
	if root.Check() != b.Header.RootCheck {
		return r, errors.New("the backup needs another root secret: put back the one of the server that it was made on")
	}
	if err := a.openStore(ctx, c, verify.NewGenerations()); err != nil {
		return r, err
	}
	if why := a.clock.Reason(); why != "" {
		return r, fmt.Errorf("the clock is in doubt: %s", why)
	}
	if b.Header.Schema != a.Store.Version() {
		return r, fmt.Errorf("the backup has schema version %d, and this program's is %d: restore it with claviger %s, the version that made it, and start the newer one on what that leaves",
			b.Header.Schema, a.Store.Version(), b.Header.Version)
	}
	if r, err = a.restore(ctx, b, record); err != nil {
		return r, err
	}
	if err := a.Store.Analyze(ctx); err != nil { // the data is there; the planner only knows it less well for a while
		a.options.Log.Warn("no statistics of the restored tables", "error", err)
	}
	return r, nil
}

// underWay is how long a change may have had its time before it is committed, and so not be in a backup that was made after that time.
const underWay = 15 * time.Second

// record is what a journal says, with its text.
type record struct {
	*journal.State
	text    []byte
	covered bool
}

// recordOf reads the journal, and refuses one that does not reach back to the backup, or ends before it, unless that is accepted.
func (a *App) recordOf(h backup.Header, how Restoring) (r record, err error) {
	path := how.Journal
	if path == "" {
		path = a.data.file(JournalFile)
	}
	r.text, err = os.ReadFile(path)
	found := err == nil
	if err != nil && (how.Journal != "" || !errors.Is(err, fs.ErrNotExist)) {
		return r, fmt.Errorf("journal of revocations: %w", err)
	}
	if r.State, err = journal.Read(bytes.NewReader(r.text)); err != nil {
		return r, fmt.Errorf("journal of revocations: %s: %w", path, err)
	}
	begins := r.Begin.IsZero() || r.Begin.Before(h.CreatedAt.Add(-underWay))
	r.covered = found && begins && r.Upto >= h.Change
	switch {
	case r.covered || how.WithoutJournal:
		return r, nil
	case found && begins:
		return r, fmt.Errorf("%w since %s, when the journal ends, before the backup was made: take that of the node that ran last", ErrUncovered, r.Latest.Format(time.RFC3339))
	case found:
		return r, fmt.Errorf("%w from %s, when the backup was made, to %s, when the journal begins", ErrUncovered, h.CreatedAt.Format(time.RFC3339), r.Begin.Format(time.RFC3339))
	}
	return r, fmt.Errorf("%w since %s, when the backup was made", ErrUncovered, h.CreatedAt.Format(time.RFC3339))
}

// restore fills the database, takes away what the journal says, and writes on in the journal.
func (a *App) restore(ctx context.Context, b *backup.Reader, rec record) (r Restored, err error) {
	r = Restored{Backup: b.Header, Covered: rec.covered}
	fill := func(ctx context.Context, tx *sql.Tx) (err error) {
		r.Rows, err = b.Fill(ctx, tx)
		return err
	}
	change, err := a.Store.Restore(ctx, fill, func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		a.clock.Advance(b.Header.CreatedAt)
		a.clock.Advance(rec.Latest)
		r.At = a.clock.Now()
		if r.Taken, err = rec.Apply(ctx, tx, r.At); err != nil {
			return audit.Event{}, err
		}
		return r.event(), nil
	})
	if err != nil || len(rec.text) == 0 {
		return r, err
	}
	whole := rec.text[:bytes.LastIndexByte(rec.text, '\n')+1]
	whole = append(whole[:len(whole):len(whole)], journal.RestoreMarker(change).Encode()...)
	if !rec.covered {
		whole = append(whole, journal.StartMarker(r.At).Encode()...)
	}
	return r, WriteFile(a.data.file(JournalFile), whole)
}

// event says that a backup was restored. A journal that is made anew from the audit trail is complete since then.
func (r Restored) event() audit.Event {
	e := audit.By(principal.Operator(), audit.ActionServerRestore, audit.Target{Type: "server"}).WithEffects(audit.Effect{Kind: audit.EffectDatabaseRestored})
	e = e.With("backup_of", r.Backup.CreatedAt.Format(time.RFC3339))
	if r.Covered {
		e = e.With("covered", "yes")
	}
	return r.Taken.On(e)
}

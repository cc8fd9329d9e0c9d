package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// Follower tells a node what all nodes changed in the database that they share. Changes are numbered in the order of their COMMITs, without gaps
// (see record), so whoever reads on from the last number it saw misses none.
type Follower struct {
	store *Store
	// take is told when each change was made, after what it made stale is outdated.
	take func(at time.Time)
	seen change

	begun time.Duration // of the uptime
	// confirmed is until when nothing was missed, in nanoseconds after begun, by the machine's uptime: what the app's clock tells may stand still, and monotonic time does while the machine is suspended.
	confirmed atomic.Int64
	changes   atomic.Uint64
}

type change struct {
	number int64
	id     ident.EventID
}

// ErrRewritten says that a change which this node saw is no longer in the database: it was restored, or a server took over that did not have everything. What
// the node remembers may never have been.
var ErrRewritten = errors.New("the database has forgotten a change that this node saw: it went back in time")

const (
	selectNewest  query = `SELECT change_number, id FROM audit_events ORDER BY change_number DESC LIMIT 1`
	selectChanges query = `SELECT change_number, id, at, stale, (SELECT MAX(version_id) FROM goose_db_version)
		FROM audit_events WHERE change_number >= $1 ORDER BY change_number LIMIT 1000`
)

// changesAtOnce is the limit of selectChanges.
const changesAtOnce = 1000

// Follow begins after the newest change. What is remembered of the database must be read later than that.
func (s *Store) Follow(ctx context.Context, take func(at time.Time)) (*Follower, error) {
	f := &Follower{store: s, take: take, begun: s.Uptime()}
	if err := s.control.row(ctx, selectNewest).Scan(&f.seen.number, &f.seen.id); err != nil {
		return nil, s.fault(err)
	}
	return f, nil
}

// Pass reads what was changed since the last one. It is called by one at a time. Where a newer version of Claviger has
// migrated the database, or invalidates what this one does not know, it says so in Store.Obsolete and follows no further.
func (f *Follower) Pass(ctx context.Context) error {
	for {
		asked := f.store.Uptime() - f.begun
		n, err := f.read(ctx)
		if o, ok := errors.AsType[*Obsolete](err); ok {
			f.store.obsolete.Store(o)
			return o.fault()
		}
		if err != nil {
			return f.store.fault(err)
		}
		if n < changesAtOnce {
			f.store.obsolete.Store(nil)
			f.confirmed.Store(int64(asked))
			return nil
		}
	}
}

// read takes the next changes, behind the one that was seen last and is read again.
func (f *Follower) read(ctx context.Context) (n int, err error) {
	last := f.seen
	err = each(ctx, f.store.control, selectChanges, func(row *sql.Rows) error {
		var c change
		var at time.Time
		var stale []byte
		var version int64
		if err := row.Scan(&c.number, &c.id, when{&at}, &stale, &version); err != nil {
			return err
		}
		if o := f.store.newer(version); o != nil {
			return o
		}
		if n++; n == 1 {
			if c != last {
				return ErrRewritten
			}
			return nil
		}
		return f.follow(c, at, stale)
	}, last.number)
	if err == nil && n == 0 {
		err = ErrRewritten
	}
	return n, err
}

func (f *Follower) follow(c change, at time.Time, stale []byte) error {
	s, err := audit.ParseStale(stale)
	if err != nil {
		return &Obsolete{fmt.Sprintf("change %d is not understood (%v): upgrade this node", c.number, err)}
	}
	// Also where this node made the change itself: as long as the reply to its COMMIT is missing, nothing else tells it.
	f.store.Outdate(s)
	f.take(at)
	f.seen = c
	f.changes.Add(1)
	return nil
}

// Behind is how long ago the node last knew of every change.
func (f *Follower) Behind() time.Duration {
	return f.store.Uptime() - f.begun - time.Duration(f.confirmed.Load())
}

// Changes is how many were followed, this node's own among them.
func (f *Follower) Changes() uint64 { return f.changes.Load() }

// Shared reports whether other nodes may have the database open too.
func (s *Store) Shared() bool { return s.backend.Listen != nil }

// Listen calls woken whenever a change was announced, until the context ends or the connection for it fails. Announcements may be lost: they say when to look, never that there
// is nothing to see.
func (s *Store) Listen(ctx context.Context, woken func()) error { return s.backend.Listen(ctx, woken) }

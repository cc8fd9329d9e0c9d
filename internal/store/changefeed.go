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

// ChangeFeed delivers the changes that all nodes make in a shared database. Changes are numbered in
// the order of their COMMITs, without gaps (see Tx.record), so a reader that continues after the
// last number it read misses none.
type ChangeFeed struct {
	store *Store
	// onChange is called with the time of each change, after the cached facts were invalidated.
	onChange func(at time.Time)
	last     position

	startedAt time.Duration // uptime of the machine at the start
	// completeAt is when the feed last knew of every change, in nanoseconds of uptime after
	// startedAt. It uses the uptime of the machine because the application's clock may stand still,
	// and monotonic time stops while the machine is suspended.
	completeAt atomic.Int64
	changes    atomic.Uint64
}

type position struct {
	number int64
	id     ident.EventID
}

// ErrRewritten says that a change which this node read is no longer in the database. The database
// was restored, or a server with older data took over. Cached facts of this node may be wrong.
var ErrRewritten = errors.New("the database no longer has a change that this node read: it was restored, or " +
	"replaced by older data")

const (
	selectNewest  query = `SELECT change_number, id FROM audit_events ORDER BY change_number DESC LIMIT 1`
	selectChanges query = `SELECT change_number, id, at, stale, (SELECT MAX(version_id) FROM goose_db_version)
		FROM audit_events WHERE change_number >= $1 ORDER BY change_number LIMIT 1000`
)

// changesPerRead is the limit of selectChanges.
const changesPerRead = 1000

// OpenChangeFeed returns a feed that begins after the newest change. Read what you cache after this
// call. The feed calls onChange with the time of each later change.
func (s *Store) OpenChangeFeed(ctx context.Context, onChange func(at time.Time)) (*ChangeFeed, error) {
	f := &ChangeFeed{store: s, onChange: onChange, startedAt: s.Uptime()}
	if err := s.control.row(ctx, selectNewest).Scan(&f.last.number, &f.last.id); err != nil {
		return nil, s.fault(err)
	}
	return f, nil
}

// ReadChanges reads the changes since its last call, and invalidates what they make stale. It must
// not run concurrently. If a newer version of Claviger has migrated the database, or a change
// invalidates something that this version does not know, it sets Store.Obsolete and reads no
// further.
func (f *ChangeFeed) ReadChanges(ctx context.Context) error {
	for {
		asked := f.store.Uptime() - f.startedAt
		n, err := f.read(ctx)
		if o, ok := errors.AsType[*Obsolete](err); ok {
			f.store.obsolete.Store(o)
			return o.fault()
		}
		if err != nil {
			return f.store.fault(err)
		}
		if n < changesPerRead {
			f.store.obsolete.Store(nil)
			f.completeAt.Store(int64(asked))
			return nil
		}
	}
}

// read reads the next changes. The first row is the last change that was read before; it must still
// be the same.
func (f *ChangeFeed) read(ctx context.Context) (n int, err error) {
	last := f.last
	err = forEachRow(ctx, f.store.control, selectChanges, func(row *sql.Rows) error {
		var c position
		var at time.Time
		var stale []byte
		var version int64
		if err := row.Scan(&c.number, &c.id, nullTime{&at}, &stale, &version); err != nil {
			return err
		}
		if o := f.store.newerSchema(version); o != nil {
			return o
		}
		n++
		if n == 1 {
			if c != last {
				return ErrRewritten
			}
			return nil
		}
		return f.apply(c, at, stale)
	}, last.number)
	if err == nil && n == 0 {
		err = ErrRewritten
	}
	return n, err
}

func (f *ChangeFeed) apply(c position, at time.Time, stale []byte) error {
	s, err := audit.ParseInvalidation(stale)
	if err != nil {
		return &Obsolete{fmt.Sprintf("change %d is not understood (%v): upgrade this node", c.number, err)}
	}
	// This also applies to the node's own changes: while the reply to their COMMIT is missing,
	// nothing else invalidates what they made stale.
	f.store.invalidateCommitted(c.number, s)
	f.onChange(at)
	f.last = c
	f.changes.Add(1)
	return nil
}

// Lag returns the time since the feed last knew of every change.
func (f *ChangeFeed) Lag() time.Duration {
	return f.store.Uptime() - f.startedAt - time.Duration(f.completeAt.Load())
}

// Changes returns how many changes the feed delivered, including those of this node.
func (f *ChangeFeed) Changes() uint64 { return f.changes.Load() }

// Shared reports whether other nodes may use the same database.
func (s *Store) Shared() bool { return s.backend.Listen != nil }

// Listen calls woken for each announced change until the context ends or its connection fails.
// Announcements may be lost, so their absence proves nothing.
func (s *Store) Listen(ctx context.Context, woken func()) error { return s.backend.Listen(ctx, woken) }

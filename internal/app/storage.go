package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
)

// storage is what the services stand on: the data directory, the database, the clock, the journal
// of revocations and the keyring.
type storage struct {
	// Store is the database.
	Store *store.Store
	// Usage collects the last uses of keys.
	Usage *usage.Recorder

	data        dataDir
	disk        *disk
	clock       *nodeClock
	journal     *nodeJournal
	keyring     *credential.Keyring
	rootCheck   string
	generations *verify.Generations
	// feed follows the changes of other nodes.
	feed       *changeFeed
	keyHeaders *keyHeaders
	entries    *entryCache
	failure    *failure
}

// openStorage opens everything in the data directory and the database. Afterwards the node has read
// all changes of other nodes. Where it fails, nothing but the data directory stays open.
func openStorage(ctx context.Context, data dataDir, c config.Config, o Options,
	tracing *telemetry.Tracing,
) (*storage, error) {
	s := &storage{
		data: data, Usage: &usage.Recorder{RowsPerSecond: int(c.Uses.RowsPerSecond)},
		generations: verify.NewGenerations(), failure: newFailure(),
	}
	s.keyHeaders = &keyHeaders{
		load: func(ctx context.Context) ([]audit.KeyHeader, error) { return s.Store.KeyHeaders(ctx) },
	}
	s.entries = &entryCache{
		load: func(ctx context.Context) ([]route.Entry, error) { return s.Store.RouteEntries(ctx) },
	}
	var err error
	s.disk, err = openDisk(data, o.Space, func() bool { return s.Store != nil && s.Store.Full() })
	if err != nil {
		return nil, err
	}
	s.Store, s.clock, err = openStore(ctx, c, o, store.Options{
		Invalidate: s.invalidate, Fatal: s.failure.fail, Trace: tracing.StartWrite,
		Committed: func(change int64, e audit.Event) error { return s.journal.note(change, e) },
		LastUse:   s.Usage.LastUse,
	})
	if err != nil {
		return nil, err
	}
	s.failure.whenFailed(s.Store.Halt)
	s.warnUnfinished(ctx, o.Log)
	err = s.openKeys(ctx, c, o.Log)
	if err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// warnUnfinished tells the operator that the database needs `claviger migrate finish`.
func (s *storage) warnUnfinished(ctx context.Context, log *slog.Logger) {
	upgraded, err := s.Store.Upgraded(ctx)
	if err == nil && !upgraded {
		log.Warn("the upgrade of the database is not finished: run `claviger migrate finish` when all nodes run " +
			"this version")
	}
}

// openKeys opens the journal, follows the changes of other nodes and opens the keyring.
func (s *storage) openKeys(ctx context.Context, c config.Config, log *slog.Logger) (err error) {
	s.journal, err = openJournal(s.data, s.Store, s.clock, log)
	if err != nil {
		return err
	}
	adopted, err := s.Store.Adopted(ctx)
	if err != nil {
		return err
	}
	root, err := s.data.root(c, adopted)
	if err != nil {
		return err
	}
	s.rootCheck = root.Fingerprint()
	versions, err := s.Store.AdoptRoot(ctx, root)
	if err != nil {
		return err
	}
	if err := s.journal.catchUp(ctx); err != nil {
		return err
	}
	s.feed, err = openChangeFeed(ctx, s.Store, s.clock, time.Duration(c.Database.MaxStaleness), log)
	if err != nil {
		return err
	}
	s.keyring, err = credential.NewKeyring(root, versions, rand.Reader, s.clock.Now)
	return err
}

// close closes the journal and the database, but not the data directory.
func (s *storage) close(ctx context.Context) error {
	if s.journal == nil {
		return s.Store.Close()
	}
	s.journal.leave(ctx)
	return errors.Join(s.Store.Close(), s.journal.Close())
}

// openStore opens the database, brings it up to this version, and starts the clock from the latest
// time on record. The hooks are those of store.Options; all else is filled in here.
func openStore(ctx context.Context, c config.Config, o Options,
	hooks store.Options,
) (s *store.Store, clock *nodeClock, err error) {
	backend, err := openBackend(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	// The clock needs the store and the store the clock. The store asks for no time before the
	// clock is there.
	hooks.Now = func() time.Time { return clock.Now() }
	hooks.Horizon = func() time.Time { return clock.Horizon() }
	hooks.Doubt = func() error { return clock.Doubt() }
	hooks.Uptime = o.Uptime
	hooks.Rand = rand.Reader
	s = store.New(backend, hooks)
	last, err := s.Mark(ctx)
	if err == nil {
		clock = newClock(s, last, o)
		err = clock.compare(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, clock, nil
}

// openBackend opens the database that the settings name, and brings it up to this version.
func openBackend(ctx context.Context, c config.Config) (store.Backend, error) {
	if c.Database.URL.IsZero() {
		return sqlite.Open(ctx, filepath.Join(c.Data, databaseFile))
	}
	return postgres.OpenSized(ctx, c.Database.URL, int(c.Database.MaxConnections))
}

// invalidate applies a change of this node or of another one to what this node has in memory.
func (s *storage) invalidate(i audit.Invalidation) {
	s.generations.Invalidate(i)
	s.keyHeaders.invalidate(i)
	s.entries.invalidate(i)
	if i.TimeRepaired != nil && s.clock.Reset(*i.TimeRepaired) {
		s.Usage.ClampTo(*i.TimeRepaired)
	}
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Tx is one transaction. Its methods implement the Tx interfaces of the domain packages.
type Tx struct {
	store      *Store // a named field, so that reads through the pool do not become methods of the transaction
	tx         *sql.Tx
	statements *statements
	unprepared []query
	// timeRepairedTo is the time of the change if the change repairs the recorded time.
	timeRepairedTo time.Time
	// endedKeys counts the rows of keys that [Tx.EndOwner] wrote.
	endedKeys int
}

// Ledger writes for one domain package, which sees only its own interface of the transaction.
type Ledger[T any] struct {
	store  *Store
	narrow func(*Tx) T
}

// NewLedger returns the ledger of a package. narrow converts *Tx to the package's interface.
func NewLedger[T any](s *Store, narrow func(*Tx) T) Ledger[T] {
	return Ledger[T]{store: s, narrow: narrow}
}

const (
	// writeDeadline bounds a write with its retries. The cancellation of the caller does not
	// interrupt a write.
	writeDeadline = 10 * time.Second
	maxAttempts   = 20
)

// MaxChangeDuration is how long a change can take, from its first statement until its outcome is
// known.
const MaxChangeDuration = writeDeadline + resolveDeadline

// errContention marks a failure after which the whole change runs again.
var errContention = errors.New("contention")

// errBegin marks a transaction that did not begin; nothing of it was sent.
var errBegin = errors.New("BEGIN")

// errInDoubt marks a COMMIT whose outcome is unknown.
var errInDoubt = errors.New("COMMIT")

// Write implements audit.Ledger.
func (l Ledger[T]) Write(ctx context.Context, who principal.Principal,
	change func(ctx context.Context, tx T) (audit.Event, error),
) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeDeadline)
	defer cancel()
	ctx, end := l.store.Trace(ctx)
	start := time.Now()
	err := l.store.admitAndWrite(ctx, caller, who,
		func(ctx context.Context, tx *Tx) (audit.Event, error) { return change(ctx, l.narrow(tx)) })
	o := outcomeOf(err)
	l.store.counts.record(start, o)
	end(outcomeNames[o], o != doneOutcome && o != refusedOutcome)
	return l.store.fault(err)
}

// admitAndWrite runs the change when it is the turn of who. A caller who leaves gives up a waiting
// change, but not one that has begun.
func (s *Store) admitAndWrite(ctx, caller context.Context, who principal.Principal,
	change func(context.Context, *Tx) (audit.Event, error),
) error {
	if err := s.writesRefused(); err != nil {
		return err
	}
	pass, err := s.gates.admit(caller, who)
	if err != nil {
		return err
	}
	defer pass.Release()
	return s.writeWithRetries(ctx, change)
}

// writeWithRetries runs the change again after contention. It also runs the change once more, on a
// new connection, if the transaction did not begin or its connection was lost before COMMIT, as
// happens when the server restarts.
func (s *Store) writeWithRetries(ctx context.Context, change func(context.Context, *Tx) (audit.Event, error)) error {
	reconnected := false
	for attempt := 1; ; attempt++ {
		err := s.writeOnce(ctx, change)
		switch {
		case attempt == maxAttempts || ctx.Err() != nil:
			return err
		case errors.Is(err, errContention):
			s.counts.Retries.Add(1)
		case !reconnected && (s.disconnected(err) || errors.Is(err, errBegin)):
			reconnected = true
			s.closeIdle()
		default:
			return err
		}
	}
}

// writeOnce runs the change once. A failure before COMMIT keeps nothing; a COMMIT that fails has an
// unknown outcome.
func (s *Store) writeOnce(ctx context.Context, do func(context.Context, *Tx) (audit.Event, error)) error {
	if err := s.writable(); err != nil && (s.halted.Load() || !isClockRepair(ctx)) {
		return err
	}
	pool := s.writing
	if isClockRepair(ctx) { // it reads whole tables
		pool = s.restoring
	}
	sqlTx, err := pool.db.BeginTx(ctx, nil)
	if err != nil {
		return s.markContention(fmt.Errorf("%w: %w", errBegin, err))
	}
	tx := &Tx{store: s, tx: sqlTx, statements: pool}
	defer tx.prepareNew(ctx)
	defer func() { _ = sqlTx.Rollback() }() // no effect after a COMMIT
	once, repeatable := audit.IdempotencyKeyOf(ctx)
	if repeatable {
		if err := tx.reserve(ctx, once); err != nil {
			return s.markContention(err)
		}
	}
	event, err := do(ctx, tx)
	if errors.Is(err, audit.ErrNothing) {
		s.invalidateFound(ctx, tx, event.Invalidates)
		return nil
	}
	if err != nil {
		return s.markContention(err)
	}
	change, event, err := tx.record(ctx, event)
	if err != nil {
		return s.markContention(err)
	}
	if repeatable {
		if err := tx.recordResult(ctx, once, event); err != nil {
			return s.markContention(err)
		}
	}
	return s.commit(ctx, tx, change, event)
}

// errHalted is the error of every write once the database can no longer be trusted, or another
// process may use it.
var errHalted = fault.New(fault.Unavailable, "This node is stopping.")

func (s *Store) markContention(err error) error {
	if s.backend.Classify(err) == Contention {
		return errors.Join(errContention, err)
	}
	return err
}

const (
	lockChange        query = `UPDATE counters SET value = value WHERE name = 'change'`
	lockChangeCounter query = `SELECT 1 FROM counters WHERE name = 'change'`
	nextChange        query = `UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value`
	// selectHead also reads the version of the schema, in the same round trip.
	selectHead query = `SELECT v.version, h.seq, h.hash, h.change_number, h.unproven, h.mac, h.mac_version
		FROM (SELECT MAX(version_id) AS version FROM goose_db_version) v
		LEFT JOIN audit_heads h ON h.chain = $1`
	upsertHead query = `INSERT INTO audit_heads (chain, seq, hash, change_number, unproven, mac, mac_version)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
		change_number = excluded.change_number,
			unproven = excluded.unproven, mac = excluded.mac, mac_version = excluded.mac_version`
	insertEvent query = `INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, effects, at,
		actor_type, actor_id, actor_email, action,
		target_type, target_id, target_name, ip, request_id, details, account_id, tenant_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
)

// record appends the event to its chain and returns it with the number of its change. The row of
// the change counter serializes this step: no other transaction runs between here and COMMIT, so
// the head that record reads is the last one.
func (t *Tx) record(ctx context.Context, e audit.Event) (change int64, _ audit.Event, err error) {
	if err := e.Check(); err != nil {
		return 0, e, err
	}
	if t.store.auditKey == nil {
		return 0, e, errors.New("a change was written before the root secret was set")
	}
	if err := t.row(ctx, nextChange).Scan(&change); err != nil {
		return 0, e, err
	}
	e.At = t.timeRepairedTo
	if e.At.IsZero() {
		e.At = t.store.Now()
		if err := t.store.Doubt(); err != nil { // the doubt may have begun after the change did
			return 0, e, err
		}
	}
	e.ID = ident.New[ident.EventID](e.At, t.store.Rand)
	head, err := t.head(ctx, e.Chain())
	if err != nil {
		return 0, e, err
	}
	r := head.Append(e)
	r.Change = change
	if err := t.setHead(ctx, r.Chain(), t.store.auditKey.NextHead(head, r)); err != nil {
		return 0, e, err
	}
	return change, e, t.insertRecord(ctx, r, change)
}

// head returns the end of a chain. It refuses a schema that a newer version made meanwhile, so that
// no change follows such a migration unnoticed.
func (t *Tx) head(ctx context.Context, chain string) (audit.Head, error) {
	var stored storedHead
	var version int64
	if err := t.row(ctx, selectHead, chain).Scan(append([]any{&version}, stored.fields()...)...); err != nil {
		return audit.Head{}, err
	}
	if o := t.store.newerSchema(version); o != nil {
		t.store.obsolete.Store(o)
		return audit.Head{}, o.fault()
	}
	return stored.head(), nil
}

func (t *Tx) setHead(ctx context.Context, chain string, h audit.Head) error {
	return t.exec(ctx, upsertHead, chain, h.Seq, h.Hash[:], h.Change, h.Unproven, h.MAC.Sum[:], h.MAC.Version)
}

// storedHead scans a head, which may be missing.
type storedHead struct {
	audit.Head
	hash, mac []byte
	version   int64
}

// fields are the destinations of the columns seq, hash, change_number, unproven, mac and
// mac_version.
func (s *storedHead) fields() []any {
	return []any{nullInt{&s.Seq}, &s.hash, nullInt{&s.Change}, nullInt{&s.Unproven}, &s.mac, nullInt{&s.version}}
}

func (s *storedHead) head() audit.Head {
	h := s.Head
	h.Hash, h.MAC = scanHash(s.hash), audit.MAC{Version: int(s.version), Sum: scanHash(s.mac)}
	return h
}

func (t *Tx) insertRecord(ctx context.Context, r audit.Record, change int64) error {
	stale, err := json.Marshal(r.Invalidates)
	if err != nil {
		return err
	}
	details, err := json.Marshal(r.Details)
	if err != nil {
		return err
	}
	_, err = t.run(ctx, insertEvent, r.Chain(), r.Seq, r.PrevHash[:], r.Hash[:], r.ID, change, string(stale),
		string(audit.EncodeEffects(r.Effects)), micros(r.At),
		r.Actor.Type, r.Actor.ID, r.Actor.Email, r.Action, r.Target.Type, r.Target.ID, r.Target.Name, r.IP, r.RequestID,
		string(details),
		nullIfEmpty(r.Account), nullIfEmpty(r.Tenant))
	return err
}

// exec runs a statement.
func (t *Tx) exec(ctx context.Context, q query, args ...any) error {
	_, err := t.run(ctx, q, args...)
	return err
}

// count runs a statement and returns the number of rows that it changed.
func (t *Tx) count(ctx context.Context, q query, args ...any) (int64, error) {
	result, err := t.run(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// countUpTo runs a query that counts rows. Its last argument bounds the count.
func (t *Tx) countUpTo(ctx context.Context, q query, args ...any) (n int, err error) {
	err = t.row(ctx, q, args...).Scan(&n)
	return n, err
}

// runOne runs a statement that must change exactly one row. It returns fault.NotFound if no row was
// changed.
func (t *Tx) runOne(ctx context.Context, q query, args ...any) error {
	result, err := t.run(ctx, q, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return fault.NotFound
}

const incrementCounter query = `UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value`

// nextNumber returns the next stable number of a kind of object.
func (t *Tx) nextNumber(ctx context.Context, noun string) (n int64, err error) {
	err = t.row(ctx, incrementCounter, noun).Scan(&n)
	return n, err
}

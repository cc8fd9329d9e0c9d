package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Tx is one transaction. Its methods make up the Tx interfaces of the domain packages.
type Tx struct {
	store      *Store // a named field: what reads through the pool must not pass for a method of the transaction
	tx         *sql.Tx
	statements *statements
	unprepared []query
	// repairedAt is the time of the change where it is a repair of the time on record.
	repairedAt time.Time
}

// Ledger writes for one domain package, which sees of the transaction only its own interface.
type Ledger[T any] struct {
	store  *Store
	narrow func(*Tx) T
}

// NewLedger gives a package its ledger; narrow is the conversion from *Tx to its interface.
func NewLedger[T any](s *Store, narrow func(*Tx) T) Ledger[T] {
	return Ledger[T]{store: s, narrow: narrow}
}

const (
	// writeDeadline bounds a write, retries included; the caller's own cancellation does not end it half way.
	writeDeadline = 10 * time.Second
	maxAttempts   = 20
)

// Settled is how long a change can take, from its first statement until it is known what became of it.
const Settled = writeDeadline + settleDeadline

// errContention marks a failure after which the whole change is run again.
var errContention = errors.New("contention")

// errInDoubt marks a COMMIT of unknown outcome.
var errInDoubt = errors.New("COMMIT")

// Write implements audit.Ledger.
func (l Ledger[T]) Write(ctx context.Context, who principal.Principal, change func(ctx context.Context, tx T) (audit.Event, error)) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeDeadline)
	defer cancel()
	ctx, end := l.store.Trace(ctx)
	start := time.Now()
	err := l.store.inTurn(ctx, caller, who, func(ctx context.Context, tx *Tx) (audit.Event, error) { return change(ctx, l.narrow(tx)) })
	o := outcomeOf(err)
	l.store.counts.wrote(start, o)
	end(outcomes[o], o != done && o != refused)
	return l.store.fault(err)
}

// inTurn runs the change once it is the turn of who. Callers who leave give up their place, but not what has begun.
func (s *Store) inTurn(ctx, caller context.Context, who principal.Principal, change func(context.Context, *Tx) (audit.Event, error)) error {
	if err := s.refused(); err != nil {
		return err
	}
	pass, err := s.gates.admit(caller, who)
	if err != nil {
		return err
	}
	defer pass.Leave()
	return s.attempts(ctx, change)
}

// attempts runs the change until it meets no contention. Where the connection was lost before COMMIT, as the connections of a
// pool are when the server restarts, it runs once more on a new one.
func (s *Store) attempts(ctx context.Context, change func(context.Context, *Tx) (audit.Event, error)) error {
	reconnected := false
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, change)
		switch {
		case attempt == maxAttempts || ctx.Err() != nil:
			return err
		case errors.Is(err, errContention):
			s.counts.Retries.Add(1)
		case s.disconnected(err) && !reconnected:
			reconnected = true
			s.backend.Renew()
		default:
			return err
		}
	}
}

// attempt runs the change once. Whatever fails before COMMIT leaves nothing; a COMMIT that fails has an unknown outcome.
func (s *Store) attempt(ctx context.Context, do func(context.Context, *Tx) (audit.Event, error)) error {
	if err := s.writable(); err != nil && (s.halted.Load() || !repairing(ctx)) {
		return err
	}
	sqlTx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return s.contention(err)
	}
	tx := &Tx{store: s, tx: sqlTx, statements: s.writing}
	defer tx.prepareRest(ctx)
	defer func() { _ = sqlTx.Rollback() }() // does nothing after a COMMIT
	once, repeatable := audit.OnceOf(ctx)
	if repeatable {
		if err := tx.claim(ctx, once); err != nil {
			return s.contention(err)
		}
	}
	event, err := do(ctx, tx)
	if errors.Is(err, audit.ErrNothing) {
		// What was found done may have been committed by a write that has not told yet.
		s.Outdate(event.Stale)
		return nil
	}
	if err != nil {
		return s.contention(err)
	}
	change, event, err := tx.record(ctx, event)
	if err != nil {
		return s.contention(err)
	}
	if repeatable {
		if err := tx.remember(ctx, once, event); err != nil {
			return s.contention(err)
		}
	}
	return s.commit(ctx, tx, change, event)
}

// errHalted answers every write once the database can no longer be trusted, or is no longer ours alone.
var errHalted = fault.New(fault.Unavailable, "This node is stopping.")

func (s *Store) contention(err error) error {
	if s.backend.Classify(err) == Contention {
		return errors.Join(errContention, err)
	}
	return err
}

const (
	lockChange query = `UPDATE counters SET value = value WHERE name = 'change'`
	nextChange query = `UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value`
	// selectHead reads the version of the schema as well, in the same round trip.
	selectHead query = `SELECT v.version, h.seq, h.hash FROM (SELECT MAX(version_id) AS version FROM goose_db_version) v
		LEFT JOIN audit_heads h ON h.chain = $1`
	upsertHead  query = `INSERT INTO audit_heads (chain, seq, hash) VALUES ($1, $2, $3) ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`
	insertEvent query = `INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, effects, at, actor_type, actor_id, actor_email, action,
		target_type, target_id, target_name, ip, request_id, details, account_id, tenant_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
)

// record appends the event to its chain, and gives it with the number of its change. Taking the change counter's row first makes this the only transaction between here and
// COMMIT, so the head of the chain that it reads is the last one.
func (t *Tx) record(ctx context.Context, e audit.Event) (change int64, _ audit.Event, err error) {
	if err := e.Check(); err != nil {
		return 0, e, err
	}
	if err := t.row(ctx, nextChange).Scan(&change); err != nil {
		return 0, e, err
	}
	e.At = t.repairedAt
	if e.At.IsZero() {
		e.At = t.store.Now()
		if err := t.store.Doubt(); err != nil { // since the change began
			return 0, e, err
		}
	}
	e.ID = ident.New[ident.EventID](e.At, t.store.Rand)
	head, err := t.head(ctx, e.Chain())
	if err != nil {
		return 0, e, err
	}
	r := head.Append(e)
	if _, err := t.run(ctx, upsertHead, r.Chain(), r.Seq, r.Hash[:]); err != nil {
		return 0, e, err
	}
	return change, e, t.insertRecord(ctx, r, change)
}

// head returns the end of a chain. It refuses a schema that a newer version has made meanwhile: no migration is committed
// unseen between two changes.
func (t *Tx) head(ctx context.Context, chain string) (audit.Head, error) {
	var head audit.Head
	var version int64
	var hash []byte
	if err := t.row(ctx, selectHead, chain).Scan(&version, number{&head.Seq}, &hash); err != nil {
		return audit.Head{}, err
	}
	if o := t.store.newer(version); o != nil {
		t.store.obsolete.Store(o)
		return audit.Head{}, o.fault()
	}
	copy(head.Hash[:], hash)
	return head, nil
}

func (t *Tx) insertRecord(ctx context.Context, r audit.Record, change int64) error {
	stale, err := json.Marshal(r.Stale)
	if err != nil {
		return err
	}
	details, err := json.Marshal(r.Details)
	if err != nil {
		return err
	}
	_, err = t.run(ctx, insertEvent, r.Chain(), r.Seq, r.PrevHash[:], r.Hash[:], r.ID, change, string(stale), string(audit.EncodeEffects(r.Effects)), micros(r.At),
		r.Actor.Type, r.Actor.ID, r.Actor.Email, r.Action, r.Target.Type, r.Target.ID, r.Target.Name, r.IP, r.RequestID, string(details),
		optional(r.Account), optional(r.Tenant))
	return err
}

// exec runs a statement of a change.
func (t *Tx) exec(ctx context.Context, q query, args ...any) error {
	_, err := t.run(ctx, q, args...)
	return err
}

// count runs a statement and gives how many rows it touched.
func (t *Tx) count(ctx context.Context, q query, args ...any) (int64, error) {
	result, err := t.run(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one runs a statement that must touch exactly one row; fault.NotFound where it touches none.
func (t *Tx) one(ctx context.Context, q query, args ...any) error {
	result, err := t.run(ctx, q, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return fault.NotFound
}

const nextNumber query = `UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value`

// number gives the next of the stable numbers of a noun.
func (t *Tx) number(ctx context.Context, noun string) (n int64, err error) {
	err = t.row(ctx, nextNumber, noun).Scan(&n)
	return n, err
}

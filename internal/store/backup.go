package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/journal"
)

const (
	// voidLinks is about what a backup cannot know: whether a link was used after it.
	voidLinks query = `UPDATE links SET expires_at = $1 WHERE used_at IS NULL AND expires_at > $1`
	// doubtNotices is about the same of notices.
	doubtNotices     query = `UPDATE outbox SET state = 'in_doubt', last_error = $1 WHERE state IN ('waiting', 'claimed', 'sending')`
	listEffectsAfter query = `SELECT change_number, id, at, action, target_id, details, account_id, tenant_id, effects FROM audit_events
		WHERE change_number > $1 ORDER BY change_number LIMIT $2`
	selectLastChange query = `SELECT value FROM counters WHERE name = 'change'`
)

// Snapshot calls read with a transaction that sees one moment of the database, however long it takes, and with that moment: its time, and the last change
// that it holds.
func (s *Store) Snapshot(ctx context.Context, read func(tx *sql.Tx, at time.Time, change int64) error) error {
	pass, err := s.gates.snapshots.Enter(ctx, "")
	if err != nil {
		return fault.Retry(fault.Unavailable, time.Minute, "Two backups are being made already. Wait until one is over.")
	}
	defer pass.Leave()
	tx, err := s.backend.Snapshot(ctx)
	if err != nil {
		return s.fault(err)
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	var change int64
	if err := tx.QueryRowContext(ctx, string(selectLastChange)).Scan(&change); err != nil { // with the first read the moment is settled
		return s.fault(err)
	}
	return read(tx, s.Now(), change)
}

// ErrInUse says that there are accounts where a backup is to be brought back.
var ErrInUse = errors.New("there are accounts in this database: a backup is restored into an empty one")

// Restore brings a backup back, in one transaction that may take its time: fill puts the rows there, and settle does what is to be done with them and gives the event that tells of it. Links that
// were not used are void from now on, and no later start believes it to be earlier than settle leaves the clock. It gives the number of the change.
func (s *Store) Restore(ctx context.Context, fill func(ctx context.Context, tx *sql.Tx) error, settle func(context.Context, *Tx) (audit.Event, error)) (change int64, err error) {
	sqlTx, err := s.backend.Restore.BeginTx(ctx, nil)
	if err != nil {
		return 0, s.fault(err)
	}
	tx := &Tx{store: s, tx: sqlTx, statements: &statements{db: s.backend.Restore}}
	defer func() { _ = sqlTx.Rollback() }() // does nothing after a COMMIT
	var accounts int
	if err := tx.row(ctx, countAccounts).Scan(&accounts); err != nil {
		return 0, s.fault(err)
	}
	if accounts > 0 {
		return 0, ErrInUse
	}
	if err := fill(ctx, sqlTx); err != nil {
		return 0, err
	}
	event, err := settle(ctx, tx)
	if err != nil {
		return 0, s.fault(err)
	}
	if err := tx.closeGap(ctx); err != nil {
		return 0, s.fault(err)
	}
	if change, _, err = tx.record(ctx, event); err != nil {
		return 0, s.fault(err)
	}
	return change, s.fault(sqlTx.Commit())
}

// closeGap makes what a backup brought back safe to go on with.
func (t *Tx) closeGap(ctx context.Context) error {
	now := t.store.Now()
	if err := t.exec(ctx, voidLinks, micros(now)); err != nil {
		return err
	}
	if err := t.exec(ctx, doubtNotices, "A backup was restored. It may have been sent meanwhile."); err != nil {
		return err
	}
	return t.exec(ctx, upsertWatermark, decimal(now))
}

// EffectsAfter lists the changes after one, in their order, with their effects. Where it fails at effects that this version does not know, it returns the changes
// before them, too.
func (s *Store) EffectsAfter(ctx context.Context, change int64, limit int) (list []journal.Change, err error) {
	stored, err := collect(ctx, s.control, listEffectsAfter, scanEffects, change, limit)
	if err != nil {
		return nil, s.fault(err)
	}
	for _, e := range stored {
		c, err := e.change()
		if err != nil {
			return list, fault.Wrap(fault.Unavailable, fmt.Errorf("change %d: %w", e.number, err), "Another version of claviger made a change that this one does not understand.")
		}
		list = append(list, c)
	}
	return list, nil
}

// storedEffects is a change as it is stored.
type storedEffects struct {
	number  int64
	event   audit.Event
	effects sql.NullString
}

func scanEffects(row scanner) (e storedEffects, err error) {
	var details detailsJSON
	err = row.Scan(&e.number, &e.event.ID, when{&e.event.At}, &e.event.Action, &e.event.Target.ID, &details, nullable(&e.event.Account), nullable(&e.event.Tenant), &e.effects)
	if err != nil {
		return e, err
	}
	e.event.Details = details
	return e, nil
}

// change returns the change. Of an event that an earlier version wrote, the effects follow from action and details.
func (e storedEffects) change() (c journal.Change, err error) {
	c = journal.Change{Number: e.number, ID: e.event.ID, At: e.event.At}
	if e.effects.Valid {
		c.Effects, err = audit.ParseEffects([]byte(e.effects.String))
	} else {
		c.Effects, err = journal.EarlierEffects(e.event)
	}
	return c, err
}

// LastChange gives the number of the last change.
func (s *Store) LastChange(ctx context.Context) (n int64, err error) {
	err = s.control.row(ctx, selectLastChange).Scan(&n)
	return n, s.fault(err)
}

// committed tells whoever wanted to know of each change before it is answered. What cannot be told ends the node.
func (s *Store) committed(change int64, e audit.Event) error {
	if err := s.Committed(change, e); err != nil {
		s.halt(err)
		return fault.Wrap(fault.Unavailable, err, "The change was kept, but this node is stopping. Look before you repeat it.")
	}
	return nil
}

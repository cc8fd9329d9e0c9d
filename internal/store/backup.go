package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
)

const (
	// A backup cannot know whether a link was used after it was made, so a restore expires all
	// links.
	expireLinks query = `UPDATE links SET expires_at = $1 WHERE used_at IS NULL AND expires_at > $1`
	// In the same way a backup cannot know whether a notice was sent.
	markUnsentInDoubt query = `UPDATE outbox SET state = 'in_doubt', last_error = $1
		WHERE state IN ('waiting', 'claimed', 'sending')`
	listEffectsAfter query = `SELECT change_number, id, at, action, target_id, details, account_id, tenant_id, effects
		FROM audit_events
		WHERE change_number > $1 ORDER BY change_number LIMIT $2`
	insertOwnerCounters query = `INSERT INTO counters (name, value)
		VALUES ('service_account', 0), ('subject', 0), ('key', 0), ('signing_key', 0), ('usage_complete', 0)
		ON CONFLICT (name) DO NOTHING`
	// The rows exist: only their numbers are set.
	numberKeys query = `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, created_at, updated_at, number)
		SELECT id, tenant_id, owner_id, created_by, name, description, all_applications, delivery, created_at,
			updated_at, (SELECT value FROM counters WHERE name = 'key') + ROW_NUMBER() OVER (ORDER BY created_at, id)
		FROM keys WHERE number IS NULL
		ON CONFLICT (id) DO UPDATE SET number = excluded.number`
	raiseKeyCounter query = `UPDATE counters SET value = (SELECT MAX(number) FROM keys)
		WHERE name = 'key' AND value < (SELECT MAX(number) FROM keys)`
	insertMissingServerKey query = `INSERT INTO server_keys (purpose, version, created_at)
		SELECT CAST($1 AS TEXT), version, created_at FROM server_keys WHERE purpose = 'digest' AND version = $2
		AND NOT EXISTS (SELECT 1 FROM server_keys k WHERE k.purpose = $1)`
	selectEventOf    query = `SELECT id, at FROM audit_events WHERE change_number = $1`
	selectLastChange query = `SELECT value FROM counters WHERE name = 'change'`
)

// Moment is the state of the database that a snapshot sees.
type Moment struct {
	At time.Time
	// Schema is the version of the schema.
	Schema int64
	// Trail is the state of the audit trail.
	Trail audit.State
}

// Snapshot calls read with a transaction that sees one moment of the database, however long read
// takes.
func (s *Store) Snapshot(ctx context.Context, read func(tx *sql.Tx, of Moment) error) error {
	pass, err := s.gates.snapshots.Acquire(ctx, "")
	if err != nil {
		return fault.Retry(fault.Unavailable, time.Minute,
			"Two backups are already running. Wait until one has ended.")
	}
	defer pass.Release()
	tx, err := s.backend.Snapshot(ctx)
	if err != nil {
		return s.fault(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	// The first read fixes the moment that the transaction sees.
	of := Moment{}
	reading := &Tx{store: s, tx: tx, statements: s.maintenance}
	of.Trail, err = auditState(ctx, reading)
	if err == nil {
		err = reading.row(ctx, selectVersion).Scan(&of.Schema)
	}
	if err != nil {
		return s.fault(err)
	}
	of.At = s.Now()
	return read(tx, of)
}

// ErrInUse says that the database to restore into already holds accounts.
var ErrInUse = errors.New("this database already has accounts: restore the backup into an empty one")

// Restore restores a backup in one transaction, which has no deadline. fill writes the rows. finish
// then adjusts them and returns the event of the restore. Restore expires all unused links and
// moves the watermark to the present, so that no later start trusts an earlier time. It returns the
// number of the change and its event.
func (s *Store) Restore(
	ctx context.Context, fill func(ctx context.Context, tx *sql.Tx) error,
	finish func(context.Context, *Tx) (audit.Event, error),
) (change int64, event audit.Event, err error) {
	sqlTx, err := s.begin(ctx, s.backend.Restore)
	if err != nil {
		return 0, event, s.fault(err)
	}
	tx := &Tx{store: s, tx: sqlTx, statements: s.restoring}
	defer func() { _ = sqlTx.Rollback() }() // does nothing after a COMMIT
	var accounts int
	if err := tx.row(ctx, countAccounts).Scan(&accounts); err != nil {
		return 0, event, s.fault(err)
	}
	if accounts > 0 {
		return 0, event, ErrInUse
	}
	if err := fill(ctx, sqlTx); err != nil {
		return 0, event, err
	}
	if err := tx.completeRestored(ctx); err != nil {
		return 0, event, s.fault(err)
	}
	event, err = finish(ctx, tx)
	if err != nil {
		return 0, event, s.fault(err)
	}
	if err := tx.expirePending(ctx); err != nil {
		return 0, event, s.fault(err)
	}
	change, event, err = tx.record(ctx, event)
	if err != nil {
		return 0, event, s.fault(err)
	}
	return change, event, s.fault(sqlTx.Commit())
}

// completeRestored adds what a backup of an older schema lacks, as the migrations do.
func (t *Tx) completeRestored(ctx context.Context) error {
	for _, q := range []query{insertOwnerCounters, numberKeys, raiseKeyCounter} {
		if err := t.exec(ctx, q); err != nil {
			return err
		}
	}
	for _, p := range []credential.Purpose{credential.ManagementTagPurpose, credential.ManagementDigestPurpose} {
		if err := t.exec(ctx, insertMissingServerKey, string(p), 1); err != nil {
			return err
		}
	}
	return nil
}

// expirePending makes what a backup brought back safe to go on with.
func (t *Tx) expirePending(ctx context.Context) error {
	now := t.store.Now()
	if err := t.exec(ctx, expireLinks, micros(now)); err != nil {
		return err
	}
	if err := t.exec(ctx, markUnsentInDoubt, "A backup was restored. It may have been sent meanwhile."); err != nil {
		return err
	}
	if err := t.exec(ctx, upsertSetting, tokensSince, decimal(now)); err != nil {
		return err
	}
	// A code that was used after the backup must not work again: no code of now does.
	if err := t.exec(ctx, raiseSteps, secondfactor.StepAt(now)+1); err != nil {
		return err
	}
	return t.exec(ctx, upsertWatermark, decimal(now))
}

// EventOf returns the id and the time of the event of a change, or fault.NotFound.
func (t *Tx) EventOf(ctx context.Context, change int64) (id ident.EventID, at time.Time, err error) {
	err = t.row(ctx, selectEventOf, change).Scan(&id, nullTime{&at})
	return id, at, t.store.fault(err)
}

// EffectsAfter lists the changes after one, in their order, with their effects. Where it fails at
// effects that this version does not know, it returns the changes before them, too.
func (s *Store) EffectsAfter(ctx context.Context, change int64, limit int) (list []journal.Change, err error) {
	stored, err := collect(ctx, s.control, listEffectsAfter, scanEffects, change, limit)
	if err != nil {
		return nil, s.fault(err)
	}
	for _, e := range stored {
		c, err := e.change()
		if err != nil {
			return list,
				fault.Wrap(fault.Unavailable, fmt.Errorf("change %d: %w", e.number, err),
					"Another version of claviger made a change that this one does not understand.")
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
	err = row.Scan(&e.number, &e.event.ID, nullTime{&e.event.At}, &e.event.Action, &e.event.Target.ID, &details,
		nullString(&e.event.Account), nullString(&e.event.Tenant), &e.effects)
	if err != nil {
		return e, err
	}
	e.event.Details = details
	return e, nil
}

// change returns the change. Of an event that an earlier version wrote, the effects follow from
// action and details.
func (e storedEffects) change() (c journal.Change, err error) {
	c = journal.Change{Number: e.number, ID: e.event.ID, At: e.event.At}
	if e.effects.Valid {
		c.Effects, err = audit.ParseEffects([]byte(e.effects.String))
	} else {
		c.Effects, err = journal.LegacyEffects(e.event)
	}
	return c, err
}

// LastChange returns the number of the last change.
func (s *Store) LastChange(ctx context.Context) (n int64, err error) {
	err = s.control.row(ctx, selectLastChange).Scan(&n)
	return n, s.fault(err)
}

// notifyCommitted calls Committed for a change, before its response is sent. If that fails, it
// halts the store.
func (s *Store) notifyCommitted(change int64, e audit.Event) error {
	if err := s.Committed(change, e); err != nil {
		s.halt(err)
		return fault.Wrap(fault.Unavailable, err,
			"The change was kept, but this node is stopping. Look before you repeat it.")
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/serverkey"
)

const (
	selectSetting query = `SELECT value FROM server_settings WHERE name = $1`
	insertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2)`
	upsertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`

	selectLatestEvent query = `SELECT at FROM audit_events ORDER BY change_number DESC LIMIT 1`
	selectLatestUse   query = `SELECT MAX(last_used_at) FROM key_uses`
	selectWatermark   query = `SELECT CAST(value AS BIGINT) FROM server_settings WHERE name = 'watermark'`
)

// rootCheck is the setting by which a database knows its root secret.
const rootCheck = "root_check"

// ErrWrongRoot says that the database was made under another root secret.
var ErrWrongRoot = errors.New("the root secret is not the one this database was made with")

// AdoptRoot ties a new database to the root secret, refuses another one afterwards, and gives the live versions of the server keys.
func (s *Store) AdoptRoot(ctx context.Context, root credential.Root) ([]credential.Version, error) {
	var known string
	err := s.reading.row(ctx, selectSetting, rootCheck).Scan(&known)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if err := s.initialise(ctx, root); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, s.fault(err)
	case known != root.Check():
		return nil, ErrWrongRoot
	}
	keys, err := s.ServerKeys(ctx)
	return serverkey.Versions(keys), err
}

// Adopted reports whether the database was made under a root secret already.
func (s *Store) Adopted(ctx context.Context) (bool, error) {
	var check string
	err := s.reading.row(ctx, selectSetting, rootCheck).Scan(&check)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.fault(err)
}

// initialise marks the database as made under the root secret. It is a change like any other, the first.
func (s *Store) initialise(ctx context.Context, root credential.Root) error {
	ledger := NewLedger(s, func(t *Tx) *Tx { return t })
	return ledger.Write(ctx, func(ctx context.Context, t *Tx) (audit.Event, error) {
		if err := t.exec(ctx, insertSetting, rootCheck, root.Check()); err != nil {
			return audit.Event{}, err
		}
		return audit.By(principal.Operator(), "server.create", audit.Target{Type: "server"}), t.InsertServerKeys(ctx, credential.FirstVersions(), t.store.Now())
	})
}

// watermark is the setting that says how late it has been.
const watermark = "watermark"

// SetWatermark records how late it is, so that no later start can believe it to be earlier. Like a last use it is no audited change.
func (s *Store) SetWatermark(ctx context.Context, now time.Time) error {
	_, err := s.aside(ctx, upsertSetting, watermark, strconv.FormatInt(now.UnixMicro(), 10))
	return err
}

// Latest gives the latest time on record, of an event, a last use or the watermark; zero for none. Time in this database is never before it.
func (s *Store) Latest(ctx context.Context) (latest time.Time, err error) {
	for _, q := range []query{selectLatestEvent, selectLatestUse, selectWatermark} {
		var at time.Time
		err := s.reading.row(ctx, q).Scan(when{&at})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return time.Time{}, s.fault(err)
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest, nil
}

const (
	selectChains query = `SELECT chain, seq, hash FROM audit_heads ORDER BY chain`
	selectChain  query = `SELECT seq, prev_hash, hash, id, at, actor_type, actor_id, actor_email, action, target_type, target_id, target_name,
		ip, request_id, details, account_id, tenant_id FROM audit_events WHERE chain = $1 ORDER BY seq`
)

// Chains gives the heads of all audit chains by name.
func (s *Store) Chains(ctx context.Context) (map[string]audit.Head, error) {
	heads := map[string]audit.Head{}
	err := each(ctx, s.reading, selectChains, func(row *sql.Rows) error {
		var chain string
		var h audit.Head
		var hash []byte
		err := row.Scan(&chain, &h.Seq, &hash)
		copy(h.Hash[:], hash)
		heads[chain] = h
		return err
	})
	return heads, s.fault(err)
}

// Chain calls take for every record of a chain, in order.
func (s *Store) Chain(ctx context.Context, chain string, take func(audit.Record) error) error {
	return s.fault(each(ctx, s.reading, selectChain, func(row *sql.Rows) error {
		r, err := scanRecord(row)
		if err != nil {
			return err
		}
		return take(r)
	}, chain))
}

func scanRecord(row scanner) (r audit.Record, err error) {
	var prev, hash []byte
	var id ident.EventID
	var details detailsJSON
	err = row.Scan(&r.Seq, &prev, &hash, &id, when{&r.At}, &r.Actor.Type, &r.Actor.ID, &r.Actor.Email, &r.Action,
		&r.Target.Type, &r.Target.ID, &r.Target.Name, &r.IP, &r.RequestID, &details, nullable(&r.Account), nullable(&r.Tenant))
	r.ID, r.Details = id, details
	copy(r.PrevHash[:], prev)
	copy(r.Hash[:], hash)
	return r, err
}

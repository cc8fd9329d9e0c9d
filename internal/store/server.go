package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
)

const (
	selectSetting query = `SELECT value FROM server_settings WHERE name = $1`
	insertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2)`
	selectKeys    query = `SELECT purpose, version FROM server_keys WHERE retired_at IS NULL ORDER BY purpose, version`
	insertVersion query = `INSERT INTO server_keys (purpose, version, created_at) VALUES ($1, $2, $3)`
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
	var versions []credential.Version
	err = each(ctx, s.reading, selectKeys, func(row *sql.Rows) error {
		var v credential.Version
		err := row.Scan(&v.Purpose, &v.Number)
		versions = append(versions, v)
		return err
	})
	return versions, s.fault(err)
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
		for _, v := range credential.FirstVersions() {
			if err := t.exec(ctx, insertVersion, string(v.Purpose), v.Number, micros(t.store.Now())); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(principal.Operator(), "server.create", audit.Target{Type: "server"}), nil
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

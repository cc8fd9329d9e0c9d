package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/serverkey"
)

const (
	selectSetting query = `SELECT value FROM server_settings WHERE name = $1`
	insertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	upsertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
)

// rootCheck is the setting by which a database knows its root secret.
const rootCheck = "root_check"

// ErrWrongRoot says that the database was made under another root secret.
var ErrWrongRoot = errors.New("the root secret is not the one this database was made with")

// AdoptRoot ties a new database to the root secret, refuses another one afterwards, and gives the live versions of the server keys.
func (s *Store) AdoptRoot(ctx context.Context, root credential.Root) ([]credential.Version, error) {
	adopted, err := s.Adopted(ctx)
	if err == nil && !adopted {
		err = s.initialise(ctx, root)
	}
	if err != nil {
		return nil, err
	}
	var known string
	if err := s.reading.row(ctx, selectSetting, rootCheck).Scan(&known); err != nil {
		return nil, s.fault(err)
	}
	if known != root.Check() {
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

// initialise marks the database as made under the root secret, unless another node was faster. It is a change like any other, the first.
func (s *Store) initialise(ctx context.Context, root credential.Root) error {
	ledger := NewLedger(s, func(t *Tx) *Tx { return t })
	return ledger.Write(ctx, principal.System(), func(ctx context.Context, t *Tx) (audit.Event, error) {
		n, err := t.count(ctx, insertSetting, rootCheck, root.Check())
		if err != nil {
			return audit.Event{}, err
		}
		if n == 0 {
			return audit.Event{}, audit.ErrNothing
		}
		return audit.By(principal.Operator(), audit.ActionServerCreate, audit.Target{Type: "server"}), t.InsertServerKeys(ctx, credential.FirstVersions(), t.store.Now())
	})
}

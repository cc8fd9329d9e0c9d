package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/serverkey"
)

const (
	selectSetting query = `SELECT value FROM server_settings WHERE name = $1`
	insertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	upsertSetting query = `INSERT INTO server_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
		SET value = excluded.value`
)

// rootCheck is the name of the setting that identifies the root secret of the database.
const rootCheck = "root_check"

// ErrWrongRoot says that the database was created with another root secret.
var ErrWrongRoot = errors.New("the root secret is not the one this database was made with")

// AdoptRoot binds a new database to the root secret and refuses another root secret afterwards. It
// returns the live versions of the server keys.
func (s *Store) AdoptRoot(ctx context.Context, root credential.Root) ([]credential.Version, error) {
	s.SetRoot(root)
	adopted, err := s.Adopted(ctx)
	if err == nil && !adopted {
		err = s.createServer(ctx, root)
	}
	if err != nil {
		return nil, err
	}
	var known string
	if err := s.reading.row(ctx, selectSetting, rootCheck).Scan(&known); err != nil {
		return nil, s.fault(err)
	}
	if known != root.Fingerprint() {
		return nil, ErrWrongRoot
	}
	if err := s.signChains(ctx); err != nil {
		return nil, err
	}
	keys, err := s.ServerKeys(ctx)
	return serverkey.Versions(keys), err
}

// SetRoot derives the key of the audit trail from the root secret. Call it before the first change.
func (s *Store) SetRoot(root credential.Root) { s.auditKey = audit.NewKey(root.AuditKey) }

// selectUnsigned returns the heads that versions before schema 11 left unsigned.
const selectUnsigned query = `SELECT h.chain, h.seq, h.hash, e.change_number FROM audit_heads h
	JOIN audit_events e ON e.chain = h.chain AND e.seq = h.seq WHERE h.mac IS NULL`

// auditSigned is the name of the setting that says that those heads were signed.
const auditSigned = "audit_signed"

// signChains signs the heads of earlier versions, once. Signatures that someone removes later are
// not made again.
func (s *Store) signChains(ctx context.Context) error {
	var signed string
	err := s.reading.row(ctx, selectSetting, auditSigned).Scan(&signed)
	if err == nil {
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return s.fault(err)
	}
	ledger := NewLedger(s, func(t *Tx) *Tx { return t })
	return ledger.Write(ctx, principal.System(), func(ctx context.Context, t *Tx) (audit.Event, error) {
		n, err := t.count(ctx, insertSetting, auditSigned, "yes")
		if err == nil && n == 0 {
			err = audit.ErrNothing // another node did it first
		}
		if err != nil {
			return audit.Event{}, err
		}
		heads := map[string]audit.Head{}
		err = forEachRow(ctx, t, selectUnsigned, func(row *sql.Rows) error {
			var chain string
			var h audit.Head
			var hash []byte
			if err := row.Scan(&chain, &h.Seq, &hash, &h.Change); err != nil {
				return err
			}
			h.Hash = scanHash(hash)
			heads[chain] = h
			return nil
		})
		if err != nil {
			return audit.Event{}, err
		}
		for _, chain := range slices.Sorted(maps.Keys(heads)) {
			if err := t.setHead(ctx, chain, s.auditKey.Sign(chain, heads[chain])); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(principal.System(), audit.ActionAuditSign, audit.Target{Type: "server"}).With("chains",
			strconv.Itoa(len(heads))), nil
	})
}

// Adopted reports whether the database is already bound to a root secret.
func (s *Store) Adopted(ctx context.Context) (bool, error) {
	var check string
	err := s.reading.row(ctx, selectSetting, rootCheck).Scan(&check)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.fault(err)
}

// createServer binds the database to the root secret, unless another node does it first. This is
// the first change of the database.
func (s *Store) createServer(ctx context.Context, root credential.Root) error {
	ledger := NewLedger(s, func(t *Tx) *Tx { return t })
	return ledger.Write(ctx, principal.System(), func(ctx context.Context, t *Tx) (audit.Event, error) {
		n, err := t.count(ctx, insertSetting, rootCheck, root.Fingerprint())
		if err != nil {
			return audit.Event{}, err
		}
		if n == 0 {
			return audit.Event{}, audit.ErrNothing
		}
		if err := t.exec(ctx, insertSetting, auditSigned, "yes"); err != nil {
			return audit.Event{}, err
		}
		return audit.By(principal.Operator(), audit.ActionServerCreate, audit.Target{Type: "server"}),
			t.InsertServerKeys(ctx, credential.FirstVersions(), t.store.Now())
	})
}

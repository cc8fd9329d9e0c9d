package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	selectChains query = `SELECT chain, seq, hash, change_number, unproven, mac, mac_version FROM audit_heads
		ORDER BY chain`
	// selectState returns the number of the last change in each row, so that one statement reads
	// all of one moment.
	selectState query = `SELECT c.value, h.chain, h.seq, h.hash FROM counters c JOIN audit_heads h ON c.name = 'change'`
	selectChain query = `SELECT seq, prev_hash, hash, id, at, actor_type, actor_id, actor_email, action, target_type,
		target_id, target_name,
		ip, request_id, details, account_id, tenant_id, effects, change_number FROM audit_events WHERE chain = $1
		AND seq > $2 ORDER BY seq LIMIT $3`
	selectChainHead query = `SELECT seq, hash, change_number, unproven, mac, mac_version FROM audit_heads
		WHERE chain = $1`
	selectChainNames  query = `SELECT DISTINCT chain FROM audit_events ORDER BY chain`
	selectRecordCount query = `SELECT value, (SELECT COUNT(*)
		FROM audit_events), (SELECT COALESCE(MAX(change_number), 0) FROM audit_events) FROM counters
		WHERE name = 'change'`
	selectMisplaced query = `SELECT e.chain, e.seq FROM audit_events e JOIN audit_events b ON b.chain = e.chain
		AND b.seq = e.seq - 1
		WHERE b.change_number >= e.change_number ORDER BY e.chain, e.seq LIMIT 1`
)

// chainPage is how many records are read at a time. A long chain therefore holds no connection for
// long.
const chainPage = 1000

// Chains returns the heads of all audit chains by name.
func (s *Store) Chains(ctx context.Context) (map[string]audit.Head, error) {
	heads := map[string]audit.Head{}
	err := forEachRow(ctx, s.maintenance, selectChains, func(row *sql.Rows) error {
		var chain string
		var h storedHead
		if err := row.Scan(append([]any{&chain}, h.fields()...)...); err != nil {
			return err
		}
		heads[chain] = h.head()
		return nil
	})
	return heads, s.fault(err)
}

// AuditState returns the state of the whole audit trail now.
func (s *Store) AuditState(ctx context.Context) (audit.State, error) {
	state, err := auditState(ctx, s.maintenance)
	return state, s.fault(err)
}

func auditState(ctx context.Context, from querier) (audit.State, error) {
	heads, change := map[string]audit.Head{}, int64(0)
	err := forEachRow(ctx, from, selectState, func(row *sql.Rows) error {
		var chain string
		var h audit.Head
		var hash []byte
		if err := row.Scan(&change, &chain, &h.Seq, &hash); err != nil {
			return err
		}
		h.Hash = scanHash(hash)
		heads[chain] = h
		return nil
	})
	return audit.StateOf(change, heads), err
}

// AuditKey returns the key that signs the heads of the audit trail; nil before the root secret is
// known.
func (s *Store) AuditKey() *audit.Key { return s.auditKey }

// Chain calls take for each record of a chain, in order, including records that are written
// meanwhile. It returns an error of take unchanged.
func (s *Store) Chain(ctx context.Context, chain string, take func(audit.Record) error) error {
	return s.Segment(ctx, chain, math.MinInt64, math.MaxInt64, take)
}

// Segment implements audit.Source.
func (s *Store) Segment(ctx context.Context, chain string, after, last int64, take func(audit.Record) error) error {
	for {
		page, err := s.chainAfter(ctx, chain, after)
		if err != nil {
			return s.fault(err)
		}
		for _, r := range page {
			if r.Seq > last {
				return nil
			}
			if err := take(r); err != nil {
				return err
			}
			after = r.Seq
		}
		if len(page) < chainPage || after == last {
			return nil
		}
	}
}

func (s *Store) chainAfter(ctx context.Context, chain string, after int64) (page []audit.Record, err error) {
	page, err = collect(ctx, s.maintenance, selectChain, scanRecord, chain, after, chainPage)
	return page, err
}

// ChainHead implements audit.RecentSource.
func (s *Store) ChainHead(ctx context.Context, chain string) (audit.Head, error) {
	var h storedHead
	err := s.reading.row(ctx, selectChainHead, chain).Scan(h.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Head{}, nil
	}
	return h.head(), s.fault(err)
}

// ChainRecords implements audit.RecentSource.
func (s *Store) ChainRecords(ctx context.Context, chain string, after int64, limit int) ([]audit.Record, error) {
	list, err := collect(ctx, s.reading, selectChain, scanRecord, chain, after, min(limit, chainPage))
	return list, s.fault(err)
}

// ChainNames implements audit.Source.
func (s *Store) ChainNames(ctx context.Context) (names []string, err error) {
	err = forEachRow(ctx, s.maintenance, selectChainNames, func(row *sql.Rows) error {
		var name string
		if err := row.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
		return nil
	})
	return names, s.fault(err)
}

// RecordCount implements audit.Source.
func (s *Store) RecordCount(ctx context.Context) (t audit.RecordCount, err error) {
	err = s.maintenance.row(ctx, selectRecordCount).Scan(&t.Changes, &t.Records, &t.Last)
	return t, s.fault(err)
}

// Misplaced implements audit.Source.
func (s *Store) Misplaced(ctx context.Context) (chain string, seq int64, err error) {
	err = s.maintenance.row(ctx, selectMisplaced).Scan(&chain, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, nil
	}
	return chain, seq, s.fault(err)
}

func scanRecord(row scanner) (r audit.Record, err error) {
	var prev, hash []byte
	var id ident.EventID
	var details string
	var effects sql.NullString
	err = row.Scan(&r.Seq, &prev, &hash, &id, nullTime{&r.At}, &r.Actor.Type, &r.Actor.ID, &r.Actor.Email, &r.Action,
		&r.Target.Type, &r.Target.ID, &r.Target.Name, &r.IP, &r.RequestID, &details, nullString(&r.Account),
		nullString(&r.Tenant), &effects, &r.Change)
	if err != nil {
		return r, err
	}
	// Claviger never writes such details. They become a value that no record of ours has, so that
	// the hash does not match.
	if json.Unmarshal([]byte(details), &r.Details) != nil {
		r.Details = map[string]string{details: ""}
	}
	if effects.Valid {
		r.Effects, err = audit.ParseEffects([]byte(effects.String))
		if err != nil && !errors.Is(err, audit.ErrUnknownEffect) {
			r.Effects, err = []audit.Effect{{Kind: audit.EffectKind(effects.String)}}, nil // as for details
		}
	}
	r.ID = id
	r.PrevHash = scanHash(prev)
	r.Hash = scanHash(hash)
	return r, err
}

// scanHash returns a stored hash, or the zero hash if the stored one has another length.
func scanHash(stored []byte) (h audit.Hash) {
	if len(stored) == len(h) {
		copy(h[:], stored)
	}
	return h
}

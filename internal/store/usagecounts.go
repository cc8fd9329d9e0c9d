package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

// Counts by hour, and by day. The same transaction adds to both, so their sums are equal.
const (
	addHourKeyCounts query = `INSERT INTO usage_key_hours (tenant_id, begins_at, owner_id, key_id, accepted, refused)
		VALUES ($1, $2, $3, $4, $5, $6)… ON CONFLICT (tenant_id, begins_at, owner_id, key_id) DO UPDATE
		SET accepted = usage_key_hours.accepted + excluded.accepted,
		refused = usage_key_hours.refused + excluded.refused`
	addHourTenantCounts query = `INSERT INTO usage_tenant_hours (tenant_id, begins_at, code, application_id, transport,
		requests) VALUES ($1, $2, $3, $4, $5, $6)…
		ON CONFLICT (tenant_id, begins_at, code, application_id, transport) DO UPDATE
		SET requests = usage_tenant_hours.requests + excluded.requests`
	listHourTenantCounts query = `SELECT tenant_id, begins_at, code, application_id, transport, requests
		FROM usage_tenant_hours WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3
		ORDER BY begins_at, code, application_id, transport`
	listHourOwnerCounts query = `SELECT tenant_id, owner_id, key_id, begins_at, accepted, refused
		FROM usage_key_hours WHERE tenant_id = $1 AND owner_id = $2 AND begins_at >= $3 AND begins_at < $4`
	listHourKeyCounts query = `SELECT tenant_id, owner_id, key_id, begins_at, accepted, refused
		FROM usage_key_hours WHERE tenant_id = $1 AND owner_id = $2 AND key_id = $5 AND begins_at >= $3
		AND begins_at < $4`
	sumHourKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_hours
		WHERE tenant_id = $1 AND (owner_id, key_id) > ($2, $3) AND begins_at >= $4 AND begins_at < $5
		GROUP BY owner_id, key_id ORDER BY owner_id, key_id LIMIT $6`
	sumHourOwnerKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_hours
		WHERE tenant_id = $1 AND owner_id = $2 AND key_id > $3 AND begins_at >= $4 AND begins_at < $5
		GROUP BY owner_id, key_id ORDER BY owner_id, key_id LIMIT $6`
	busiestHourKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_hours
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 GROUP BY owner_id, key_id
		ORDER BY SUM(accepted) DESC, SUM(refused) DESC, owner_id, key_id LIMIT $4`
	busiestHourOwnerKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_hours
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND owner_id = $5 GROUP BY owner_id, key_id
		ORDER BY SUM(accepted) DESC, SUM(refused) DESC, owner_id, key_id LIMIT $4`
	countHourKeys query = `SELECT COUNT(*) FILTER (WHERE a > 0), COUNT(*) FILTER (WHERE r > 0) FROM
		(SELECT SUM(accepted) AS a, SUM(refused) AS r FROM usage_key_hours
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND key_id <> 'other'
		GROUP BY owner_id, key_id) AS k`
	countHourOwnerKeys query = `SELECT COUNT(*) FILTER (WHERE a > 0), COUNT(*) FILTER (WHERE r > 0) FROM
		(SELECT SUM(accepted) AS a, SUM(refused) AS r FROM usage_key_hours
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND owner_id = $4
		GROUP BY owner_id, key_id) AS k`
	deleteOldHourKeyCounts query = `DELETE FROM usage_key_hours WHERE (tenant_id, begins_at, owner_id, key_id) IN
		(SELECT tenant_id, begins_at, owner_id, key_id FROM usage_key_hours WHERE begins_at < $1
		ORDER BY begins_at LIMIT $2)`
	deleteOldHourTenantCounts query = `DELETE FROM usage_tenant_hours
		WHERE (tenant_id, begins_at, code, application_id, transport) IN
		(SELECT tenant_id, begins_at, code, application_id, transport FROM usage_tenant_hours WHERE begins_at < $1
		ORDER BY begins_at LIMIT $2)`
)

const (
	addDayKeyCounts query = `INSERT INTO usage_key_days (tenant_id, begins_at, owner_id, key_id, accepted, refused)
		VALUES ($1, $2, $3, $4, $5, $6)… ON CONFLICT (tenant_id, begins_at, owner_id, key_id) DO UPDATE
		SET accepted = usage_key_days.accepted + excluded.accepted,
		refused = usage_key_days.refused + excluded.refused`
	addDayTenantCounts query = `INSERT INTO usage_tenant_days (tenant_id, begins_at, code, application_id, transport,
		requests) VALUES ($1, $2, $3, $4, $5, $6)…
		ON CONFLICT (tenant_id, begins_at, code, application_id, transport) DO UPDATE
		SET requests = usage_tenant_days.requests + excluded.requests`
	listDayTenantCounts query = `SELECT tenant_id, begins_at, code, application_id, transport, requests
		FROM usage_tenant_days WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3
		ORDER BY begins_at, code, application_id, transport`
	listDayOwnerCounts query = `SELECT tenant_id, owner_id, key_id, begins_at, accepted, refused
		FROM usage_key_days WHERE tenant_id = $1 AND owner_id = $2 AND begins_at >= $3 AND begins_at < $4`
	listDayKeyCounts query = `SELECT tenant_id, owner_id, key_id, begins_at, accepted, refused
		FROM usage_key_days WHERE tenant_id = $1 AND owner_id = $2 AND key_id = $5 AND begins_at >= $3
		AND begins_at < $4`
	sumDayKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_days
		WHERE tenant_id = $1 AND (owner_id, key_id) > ($2, $3) AND begins_at >= $4 AND begins_at < $5
		GROUP BY owner_id, key_id ORDER BY owner_id, key_id LIMIT $6`
	sumDayOwnerKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_days
		WHERE tenant_id = $1 AND owner_id = $2 AND key_id > $3 AND begins_at >= $4 AND begins_at < $5
		GROUP BY owner_id, key_id ORDER BY owner_id, key_id LIMIT $6`
	busiestDayKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_days
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 GROUP BY owner_id, key_id
		ORDER BY SUM(accepted) DESC, SUM(refused) DESC, owner_id, key_id LIMIT $4`
	busiestDayOwnerKeys query = `SELECT owner_id, key_id, CAST(SUM(accepted) AS BIGINT), CAST(SUM(refused) AS BIGINT)
		FROM usage_key_days
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND owner_id = $5 GROUP BY owner_id, key_id
		ORDER BY SUM(accepted) DESC, SUM(refused) DESC, owner_id, key_id LIMIT $4`
	countDayKeys query = `SELECT COUNT(*) FILTER (WHERE a > 0), COUNT(*) FILTER (WHERE r > 0) FROM
		(SELECT SUM(accepted) AS a, SUM(refused) AS r FROM usage_key_days
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND key_id <> 'other'
		GROUP BY owner_id, key_id) AS k`
	countDayOwnerKeys query = `SELECT COUNT(*) FILTER (WHERE a > 0), COUNT(*) FILTER (WHERE r > 0) FROM
		(SELECT SUM(accepted) AS a, SUM(refused) AS r FROM usage_key_days
		WHERE tenant_id = $1 AND begins_at >= $2 AND begins_at < $3 AND owner_id = $4
		GROUP BY owner_id, key_id) AS k`
	deleteOldDayKeyCounts query = `DELETE FROM usage_key_days WHERE (tenant_id, begins_at, owner_id, key_id) IN
		(SELECT tenant_id, begins_at, owner_id, key_id FROM usage_key_days WHERE begins_at < $1
		ORDER BY begins_at LIMIT $2)`
	deleteOldDayTenantCounts query = `DELETE FROM usage_tenant_days
		WHERE (tenant_id, begins_at, code, application_id, transport) IN
		(SELECT tenant_id, begins_at, code, application_id, transport FROM usage_tenant_days WHERE begins_at < $1
		ORDER BY begins_at LIMIT $2)`
)

const (
	lockComplete  query = `SELECT value FROM counters WHERE name = 'usage_complete'`
	raiseComplete query = `UPDATE counters SET value = $1 WHERE name = 'usage_complete' AND value < $1`
	selectFlush   query = `SELECT batch FROM usage_flushes WHERE run = $1`
	upsertFlush   query = `INSERT INTO usage_flushes (run, node, batch, flushed_until, written_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run) DO UPDATE SET node = excluded.node, batch = excluded.batch,
		flushed_until = excluded.flushed_until, written_at = excluded.written_at`
	upsertFlushPart query = `INSERT INTO usage_flushes (run, node, batch, flushed_until, written_at)
		VALUES ($1, $2, $3, 0, $4) ON CONFLICT (run) DO UPDATE SET node = excluded.node, batch = excluded.batch,
		written_at = excluded.written_at`
	// The scalar subquery reads the end of an index for each live node.
	selectFlushedUntil query = `SELECT (SELECT MAX(flushed_until) FROM usage_flushes WHERE node = SUBSTR(l.name, 6))
		FROM leases l WHERE l.name >= $1 AND l.name < $2 AND l.until > $3`
	deleteOldFlushes query = `DELETE FROM usage_flushes WHERE written_at < $1`

	upsertTransportUses query = `INSERT INTO key_transport_uses (key_id, transport, tenant_id, last_used_on)
		VALUES ($1, $2, $3, $4)… ON CONFLICT (key_id, transport) DO UPDATE
		SET last_used_on = excluded.last_used_on WHERE key_transport_uses.last_used_on < excluded.last_used_on`
	countTransportUses query = `SELECT transport, COUNT(*) FROM key_transport_uses
		WHERE tenant_id = $1 AND last_used_on >= $2 GROUP BY transport ORDER BY transport`
	selectTransportUses query = `SELECT tenant_id, key_id, transport, last_used_on FROM key_transport_uses
		WHERE key_id = $1 ORDER BY transport`
	deleteOldTransportUses query = `DELETE FROM key_transport_uses WHERE (key_id, transport) IN
		(SELECT key_id, transport FROM key_transport_uses WHERE last_used_on < $1 ORDER BY last_used_on LIMIT $2)`

	sumTenants query = `SELECT t.id, t.name, 
		CAST(COALESCE(SUM(u.requests) FILTER (WHERE u.code = ''), 0) AS BIGINT),
		CAST(COALESCE(SUM(u.requests) FILTER (WHERE u.code <> ''), 0) AS BIGINT)
		FROM tenants t LEFT JOIN usage_tenant_days u ON u.tenant_id = t.id AND u.begins_at >= $2 AND u.begins_at < $3
		WHERE t.account_id = $1 GROUP BY t.id, t.name`
	selectNextHour query = `SELECT MIN(begins_at) FROM usage_key_hours WHERE tenant_id = $1 AND begins_at >= $2`
	listHourCounts query = `SELECT tenant_id, owner_id, key_id, begins_at, accepted, refused FROM usage_key_hours
		WHERE tenant_id = $1 AND begins_at = $2 AND (owner_id, key_id) > ($3, $4)
		ORDER BY owner_id, key_id LIMIT $5`
	selectOwnerOfKey query = `SELECT owner_id FROM keys WHERE id = $1 AND tenant_id = $2`
)

// unitQueries are the queries about one unit.
type unitQueries struct {
	addKeys, addTenants, listTenants, listOwner, listKey, sumKeys, sumOwnerKeys         query
	busiestKeys, busiestOwnerKeys, countKeys, countOwnerKeys, deleteKeys, deleteTenants query
}

var usageQueries = map[usage.Unit]unitQueries{
	usage.Hours: {
		addKeys: addHourKeyCounts, addTenants: addHourTenantCounts, listTenants: listHourTenantCounts,
		listOwner: listHourOwnerCounts, listKey: listHourKeyCounts, sumKeys: sumHourKeys,
		sumOwnerKeys: sumHourOwnerKeys,
		busiestKeys:  busiestHourKeys, busiestOwnerKeys: busiestHourOwnerKeys, countKeys: countHourKeys,
		countOwnerKeys: countHourOwnerKeys, deleteKeys: deleteOldHourKeyCounts,
		deleteTenants: deleteOldHourTenantCounts,
	},
	usage.Days: {
		addKeys: addDayKeyCounts, addTenants: addDayTenantCounts, listTenants: listDayTenantCounts,
		listOwner: listDayOwnerCounts, listKey: listDayKeyCounts, sumKeys: sumDayKeys, sumOwnerKeys: sumDayOwnerKeys,
		busiestKeys: busiestDayKeys, busiestOwnerKeys: busiestDayOwnerKeys, countKeys: countDayKeys,
		countOwnerKeys: countDayOwnerKeys, deleteKeys: deleteOldDayKeyCounts, deleteTenants: deleteOldDayTenantCounts,
	},
}

// otherKeys is the key_id of the keys that are counted together.
const otherKeys = "other"

func keyColumn(id ident.KeyID) string { return cmp.Or(string(id), otherKeys) }

// AddCounts implements usage.CountStore. The lock of the row that says until when hours are
// complete orders all batches and what raises that time, so nothing is added to an hour that is
// complete.
func (s *Store) AddCounts(ctx context.Context, b usage.Batch) error {
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var complete, written int64
		err := tx.QueryRowContext(ctx, string(withRowLock(lockComplete, s.backend.RowLock))).Scan(&complete)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, string(selectFlush), b.Run).Scan(&written)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || err == nil && written >= b.Number {
			return err
		}
		now := s.Now()
		f := &foldedCounts{earliest: time.UnixMicro(complete).UTC(), latest: now.UTC().Truncate(time.Hour)}
		if err := f.write(ctx, tx, b); err != nil {
			return err
		}
		if b.Until.IsZero() {
			_, err = tx.ExecContext(ctx, string(upsertFlushPart), b.Run, b.Node, b.Number, micros(now))
			return err
		}
		until := b.Until
		if until.After(now) {
			until = now
		}
		_, err = tx.ExecContext(ctx, string(upsertFlush), b.Run, b.Node, b.Number, micros(until), micros(now))
		return err
	})
}

// foldedCounts brings the counts of a batch into the hours that may still change. Counts that fall
// together are added up, because one statement changes a row once.
type foldedCounts struct{ earliest, latest time.Time }

func (f *foldedCounts) hour(at time.Time) time.Time {
	switch {
	case at.After(f.latest):
		at = f.latest
	case at.Before(f.earliest):
		at = f.earliest
	}
	return at
}

func (f *foldedCounts) write(ctx context.Context, tx *sql.Tx, b usage.Batch) error {
	hours, days := map[usage.KeyCount]usage.Sum{}, map[usage.KeyCount]usage.Sum{}
	for _, c := range b.Keys {
		n := usage.Sum{Accepted: c.Accepted, Refused: c.Refused}
		c.Accepted, c.Refused = 0, 0
		c.Hour = f.hour(c.Hour)
		addSum(hours, c, n)
		c.Hour = c.Hour.Truncate(policy.Day)
		addSum(days, c, n)
	}
	tenantHours, tenantDays := map[usage.TenantCount]int64{}, map[usage.TenantCount]int64{}
	for _, c := range b.Tenants {
		n := c.Requests
		c.Requests = 0
		c.Hour = f.hour(c.Hour)
		tenantHours[c] += n
		c.Hour = c.Hour.Truncate(policy.Day)
		tenantDays[c] += n
	}
	uses := map[usage.TransportUse]bool{}
	for _, u := range b.Transports {
		if today := f.latest.Truncate(policy.Day); u.On.After(today) {
			u.On = today
		}
		uses[u] = true
	}
	for _, w := range []struct {
		q    query
		rows [][]any
	}{
		{addHourKeyCounts, keyCountRows(hours)},
		{addDayKeyCounts, keyCountRows(days)},
		{addHourTenantCounts, tenantCountRows(tenantHours)},
		{addDayTenantCounts, tenantCountRows(tenantDays)},
		{upsertTransportUses, transportRows(uses)},
	} {
		if err := upsert(ctx, tx, w.q, w.rows); err != nil {
			return err
		}
	}
	return nil
}

func addSum(sums map[usage.KeyCount]usage.Sum, of usage.KeyCount, n usage.Sum) {
	sum := sums[of]
	sums[of] = usage.Sum{Accepted: sum.Accepted + n.Accepted, Refused: sum.Refused + n.Refused}
}

func keyCountRows(sums map[usage.KeyCount]usage.Sum) (rows [][]any) {
	for c, n := range sums {
		rows = append(rows, []any{
			string(c.Tenant), micros(c.Hour), string(c.Owner), keyColumn(c.Key), n.Accepted, n.Refused,
		})
	}
	return rows
}

func tenantCountRows(sums map[usage.TenantCount]int64) (rows [][]any) {
	for c, n := range sums {
		rows = append(rows, []any{
			string(c.Tenant), micros(c.Hour), string(c.Code), c.Application, string(c.Transport), n,
		})
	}
	return rows
}

// transportRows returns one row for each transport of a key: the last day.
func transportRows(uses map[usage.TransportUse]bool) (rows [][]any) {
	last := map[usage.TransportUse]time.Time{}
	for u := range uses {
		on := u.On
		u.On = time.Time{}
		if on.After(last[u]) {
			last[u] = on
		}
	}
	for u, on := range last {
		rows = append(rows, []any{string(u.Key), string(u.Transport), string(u.Tenant), micros(on)})
	}
	return rows
}

// CompleteHours implements usage.CountStore. A node that has not written anything since it started
// holds the hour back; one whose lease has ended does not.
func (s *Store) CompleteHours(ctx context.Context, now time.Time) (time.Time, error) {
	complete := now
	err := forEachRow(ctx, s.control, selectFlushedUntil, func(row *sql.Rows) error {
		var until sql.NullInt64
		if err := row.Scan(&until); err != nil {
			return err
		}
		if at := time.UnixMicro(until.Int64); at.Before(complete) {
			complete = at
		}
		return nil
	}, nodeLeases, nodeLeasesEnd, micros(now))
	if err != nil {
		return time.Time{}, s.fault(err)
	}
	complete = complete.UTC().Truncate(time.Hour)
	if _, err := s.execUnaudited(ctx, raiseComplete, complete.UnixMicro()); err != nil {
		return time.Time{}, err
	}
	return complete, nil
}

// CompleteUntil implements usage.Reader.
func (s *Store) CompleteUntil(ctx context.Context) (time.Time, error) {
	var complete int64
	err := s.reading.row(ctx, lockComplete).Scan(&complete)
	return time.UnixMicro(complete).UTC(), s.fault(err)
}

const (
	// oldCountsPerDelete is how many old counts one statement deletes.
	oldCountsPerDelete = 2000
	// oldCountsPerRun is how many statements one run of the job makes at most for a table.
	oldCountsPerRun = 500
	// flushesKept is how long it is known which batches of a run are written. No COMMIT stays in
	// doubt for so long.
	flushesKept = 7 * policy.Day
)

// DeleteOldCounts implements usage.CountStore.
func (s *Store) DeleteOldCounts(ctx context.Context, old usage.Retention) error {
	for _, d := range []struct {
		q      query
		before time.Time
	}{
		{deleteOldHourKeyCounts, old.Hours},
		{deleteOldHourTenantCounts, old.Hours},
		{deleteOldDayKeyCounts, old.KeyDays},
		{deleteOldDayTenantCounts, old.TenantDays},
		{deleteOldTransportUses, old.Transports},
	} {
		for range oldCountsPerRun {
			n, err := s.execUnaudited(ctx, d.q, micros(d.before), oldCountsPerDelete)
			if err != nil {
				return err
			}
			if n < oldCountsPerDelete {
				break
			}
		}
	}
	_, err := s.execUnaudited(ctx, deleteOldFlushes, micros(s.Horizon().Add(-flushesKept)))
	return err
}

// KeyOwner implements usage.Reader.
func (s *Store) KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (owner ident.PartyID, err error) {
	err = s.reading.row(ctx, selectOwnerOfKey, string(id), string(tenant)).Scan(&owner)
	return owner, s.fault(err)
}

// EachTenantCount implements usage.Reader.
func (s *Store) EachTenantCount(ctx context.Context, tenant ident.TenantID, span usage.Span,
	each func(usage.TenantCount),
) error {
	return s.fault(forEachRow(ctx, s.reading, usageQueries[span.Unit].listTenants, func(row *sql.Rows) error {
		var c usage.TenantCount
		err := row.Scan(&c.Tenant, nullTime{&c.Hour}, &c.Code, &c.Application, &c.Transport, &c.Requests)
		if err == nil {
			each(c)
		}
		return err
	}, string(tenant), span.From.UnixMicro(), span.To.UnixMicro()))
}

// EachKeyCount implements usage.Reader.
func (s *Store) EachKeyCount(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, key ident.KeyID,
	span usage.Span, each func(usage.KeyCount),
) error {
	q := usageQueries[span.Unit].listOwner
	args := []any{string(tenant), string(owner), span.From.UnixMicro(), span.To.UnixMicro()}
	if key != "" || owner == "" {
		q, args = usageQueries[span.Unit].listKey, append(args, keyColumn(key))
	}
	return s.fault(forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		c, err := scanKeyCount(row)
		if err == nil {
			each(c)
		}
		return err
	}, args...))
}

func scanKeyCount(row scanner) (c usage.KeyCount, err error) {
	err = row.Scan(&c.Tenant, &c.Owner, &c.Key, nullTime{&c.Hour}, &c.Accepted, &c.Refused)
	if err != nil {
		return c, err
	}
	if c.Key == otherKeys {
		c.Key = ""
	}
	return c, nil
}

func scanKeySum(row scanner) (k usage.KeySum, err error) {
	err = row.Scan(&k.Owner, &k.Key, &k.Accepted, &k.Refused)
	if err != nil {
		return k, err
	}
	if k.Key == otherKeys {
		k.Key = ""
	}
	return k, nil
}

// afterKey returns the position of a page: "" is the beginning.
func afterKey(p usage.KeyPage) (owner, key string) {
	if p.AfterOwner == "" && p.AfterKey == "" {
		return "", ""
	}
	return string(p.AfterOwner), keyColumn(p.AfterKey)
}

// KeySums implements usage.Reader.
func (s *Store) KeySums(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, span usage.Span,
	page usage.KeyPage,
) (list []usage.KeySum, err error) {
	q := usageQueries[span.Unit].sumKeys
	afterOwner, after := afterKey(page)
	if owner != "" {
		q, afterOwner = usageQueries[span.Unit].sumOwnerKeys, string(owner)
	}
	list, err = collect(ctx, s.reading, q, scanKeySum, string(tenant), afterOwner, after, span.From.UnixMicro(),
		span.To.UnixMicro(), pageLimit(page.Limit))
	return list, s.fault(err)
}

// BusiestKeys implements usage.Reader.
func (s *Store) BusiestKeys(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, span usage.Span,
	n int,
) (list []usage.KeySum, used usage.KeysUsed, err error) {
	queries := usageQueries[span.Unit]
	busiest, count := queries.busiestKeys, queries.countKeys
	args := []any{string(tenant), span.From.UnixMicro(), span.To.UnixMicro()}
	busiestArgs := append(slices.Clone(args), n)
	if owner != "" {
		busiest, count = queries.busiestOwnerKeys, queries.countOwnerKeys
		args, busiestArgs = append(args, string(owner)), append(busiestArgs, string(owner))
	}
	list, err = collect(ctx, s.reading, busiest, scanKeySum, busiestArgs...)
	if err == nil {
		err = s.reading.row(ctx, count, args...).Scan(&used.Accepted, &used.Refused)
	}
	return list, used, s.fault(err)
}

// TransportsUsed implements usage.Reader.
func (s *Store) TransportsUsed(ctx context.Context, tenant ident.TenantID,
	since time.Time,
) (list []usage.TransportUsed, err error) {
	list, err = collect(ctx, s.reading, countTransportUses, func(row scanner) (u usage.TransportUsed, err error) {
		return u, row.Scan(&u.Transport, &u.Keys)
	}, string(tenant), micros(since))
	return list, s.fault(err)
}

// KeyTransports implements usage.Reader.
func (s *Store) KeyTransports(ctx context.Context, id ident.KeyID) (list []usage.TransportUse, err error) {
	list, err = collect(ctx, s.reading, selectTransportUses, func(row scanner) (u usage.TransportUse, err error) {
		return u, row.Scan(&u.Tenant, &u.Key, &u.Transport, nullTime{&u.On})
	}, string(id))
	return list, s.fault(err)
}

// TenantSums implements usage.Reader.
func (s *Store) TenantSums(ctx context.Context, account ident.AccountID,
	span usage.Span,
) (list []usage.TenantSum, err error) {
	list, err = collect(ctx, s.reading, sumTenants, func(row scanner) (t usage.TenantSum, err error) {
		return t, row.Scan(&t.Tenant, &t.Name, &t.Accepted, &t.Refused)
	}, string(account), span.From.UnixMicro(), span.To.UnixMicro())
	slices.SortFunc(list, func(a, b usage.TenantSum) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, s.fault(err)
}

// HourCounts implements usage.Reader.
func (s *Store) HourCounts(ctx context.Context, tenant ident.TenantID, hour time.Time,
	page usage.KeyPage,
) (list []usage.KeyCount, err error) {
	owner, after := afterKey(page)
	list, err = collect(ctx, s.reading, listHourCounts, scanKeyCount, string(tenant), hour.UnixMicro(), owner, after,
		page.Limit)
	return list, s.fault(err)
}

// NextHour implements usage.Reader.
func (s *Store) NextHour(ctx context.Context, tenant ident.TenantID, from time.Time) (hour time.Time, err error) {
	err = s.reading.row(ctx, selectNextHour, string(tenant), from.UnixMicro()).Scan(nullTime{&hour})
	if err == nil && hour.IsZero() {
		return hour, fault.NotFound
	}
	return hour, s.fault(err)
}

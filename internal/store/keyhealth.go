package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/scope"
)

// whereUsable finds the keys of tenant $1 that are usable, or would be once enabled. Secrets set up
// to $2 have expired by a rule, and keys whose own expiry is not after $3 have expired.
const whereUsable = ` k.tenant_id = $1 AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $2
		AND COALESCE(k.expires_at, 9223372036854775807) > $3`

// unusedScope finds usable keys that were created up to $4 and have a scope of their own, other
// than $6, that was not used since $5.
const unusedScope = ` AND k.created_at <= $4
	AND EXISTS (SELECT 1 FROM key_grants g WHERE g.key_id = k.id AND g.scope <> $6
		AND NOT EXISTS (SELECT 1 FROM key_scope_uses u WHERE u.key_id = k.id AND u.scope = g.scope
		AND u.last_used_on >= $5))`

const (
	healthCounts = `SELECT COUNT(*), COUNT(*) FILTER (WHERE used.last_used_at IS NULL AND k.secret_set_at <= $7),
		COUNT(*) FILTER (WHERE used.last_used_at <= $4),
		COUNT(*) FILTER (WHERE k.secret_set_at <= $4
		AND k.secret_set_at > $5), COUNT(*) FILTER (WHERE k.secret_set_at <= $5),
		COUNT(*) FILTER (WHERE k.expires_at IS NULL AND k.secret_set_at > $6) FROM keys k` + keyUses + ` WHERE` +
		whereUsable
	overlapCounts = `SELECT COUNT(*) FROM key_secrets s CROSS JOIN keys k WHERE s.position = 'previous' AND s.until > $3
		AND s.set_at > $2 AND k.id = s.key_id AND` + whereUsable
	// A tenant has at most 200 service accounts.
	unstewardedCounts = `SELECT COUNT(*) FROM service_accounts sa CROSS JOIN keys k
		WHERE sa.tenant_id = $1 AND sa.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM service_account_stewards s
		JOIN members m ON m.tenant_id = sa.tenant_id AND m.user_id = s.user_id AND m.disabled_at IS NULL
		JOIN users u ON u.id = s.user_id AND u.disabled_at IS NULL WHERE s.service_account_id = sa.id)
		AND k.owner_id = sa.id AND` + whereUsable
	spareCounts = `SELECT COUNT(*) FROM keys k WHERE` + whereUsable + unusedScope

	countHealth      query = healthCounts
	countHealthOf    query = healthCounts + ` AND k.owner_id = $8`
	countOverlaps    query = overlapCounts
	countOverlapsOf  query = overlapCounts + ` AND k.owner_id = $4`
	countSpare       query = spareCounts
	countUnstewarded query = unstewardedCounts
	countSpareOf     query = spareCounts + ` AND k.owner_id = $7`

	listLiveManagementKeys query = `SELECT ` + managementColumns + managementTables +
		` WHERE k.tenant_id = $1 AND k.revoked_at IS NULL AND k.expires_at > $2`
	listAdminsAmong query = `SELECT u.id FROM users u JOIN tenants t ON t.id = $1
		JOIN accounts a ON a.id = t.account_id AND a.disabled_at IS NULL
		LEFT JOIN members m ON m.tenant_id = t.id AND m.user_id = u.id AND m.disabled_at IS NULL
		LEFT JOIN account_members am ON am.account_id = t.account_id AND am.user_id = u.id
		WHERE u.id IN ($2…) AND u.disabled_at IS NULL AND u.deleted_at IS NULL
		AND (m.role = 'admin' OR am.role IS NOT NULL)`
)

// HealthSummary implements key.Store. The database does the counting, because reading the keys took
// 35 µs each.
func (s *Store) HealthSummary(ctx context.Context, tenant ident.TenantID, owner ident.PartyID,
	b key.HealthBounds,
) (key.Summary, error) {
	sum := key.Summary{Findings: map[key.Finding]int{}}
	keys := countHealth
	overlaps := countOverlaps
	spare := countSpare
	of := []any(nil)
	if owner != "" {
		keys = countHealthOf
		overlaps = countOverlapsOf
		spare = countSpareOf
		of = []any{owner}
	}
	usable := []any{tenant, b.ExpiredSetBy.UnixMicro(), b.Now.UnixMicro()}
	args := func(more ...any) []any { return append(append(usable[:3:3], more...), of...) }
	var neverUsed, unused, due, old, never, open, withSpare int
	err := s.reading.row(ctx, keys,
		args(b.UnusedBy.UnixMicro(), b.TooOldBy.UnixMicro(), b.EndlessAfter.UnixMicro(),
			b.NeverUsedBy.UnixMicro())...).
		Scan(&sum.Keys, &neverUsed, &unused, &due, &old, &never)
	if err != nil {
		return key.Summary{}, s.fault(err)
	}
	if err := s.reading.row(ctx, overlaps, args()...).Scan(&open); err != nil {
		return key.Summary{}, s.fault(err)
	}
	except := ""
	if b.EveryScopeIsDefault {
		except = string(scope.Every)
	}
	err = s.reading.row(ctx, spare,
		args(b.ScopesSince.UnixMicro(), b.ScopesSince.UnixMicro(), except)...).Scan(&withSpare)
	if err != nil {
		return key.Summary{}, s.fault(err)
	}
	var unstewarded int
	if owner == "" {
		if err := s.reading.row(ctx, countUnstewarded, args()...).Scan(&unstewarded); err != nil {
			return key.Summary{}, s.fault(err)
		}
	}
	if b.SomeRuleBinds {
		never = 0
	}
	for f, n := range map[key.Finding]int{
		key.NeverUsed: neverUsed, key.Unused: unused, key.DueForRefresh: due, key.TooOld: old,
		key.NeverExpires: never, key.OverlapOpen: open, key.UnusedScopes: withSpare,
		key.NoSteward: unstewarded,
	} {
		if n > 0 {
			sum.Findings[f] = n
		}
	}
	return sum, nil
}

// LiveManagementKeys implements key.HealthStore. It reads the rows of all management keys of the
// tenant, also of revoked ones, which are as many as people have created.
func (s *Store) LiveManagementKeys(ctx context.Context, tenant ident.TenantID,
	now time.Time,
) ([]machine.ManagementKey, error) {
	found := map[ident.ManagementKeyID]machine.ManagementKey{}
	err := forEachRow(ctx, s.reading, listLiveManagementKeys, func(row *sql.Rows) error {
		var read machine.ManagementKey
		if err := scanManagementKey(row, &read); err != nil {
			return err
		}
		if other, ok := found[read.ID]; ok { // the row with its other secret
			if read.Serial == 0 { // this row has the previous one
				read, other = other, read
			}
			read.Previous = other.Previous
		}
		found[read.ID] = read
		return nil
	}, tenant, micros(now))
	if err != nil {
		return nil, s.fault(err)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b machine.ManagementKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	}), nil
}

// AdminsAmong implements key.HealthStore.
func (s *Store) AdminsAmong(ctx context.Context, tenant ident.TenantID,
	people []ident.UserID,
) ([]ident.UserID, error) {
	q, args := expand(listAdminsAmong, 2, people, tenant)
	admins, err := ids[ident.UserID](ctx, s.reading, q, args...)
	return admins, s.fault(err)
}

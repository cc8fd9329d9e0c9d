package store

import (
	"cmp"
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
)

// Numbers of keys stop at a limit, so that a group of very many costs no more than one of some.

const (
	// usableKeys are active or disabled. A key that waits for its secret has no age.
	usableKeys = ` AND k.revoked_at IS NULL AND k.forgotten_at IS NULL
		AND COALESCE(k.secret_set_at, 9223372036854775807) > $2 AND COALESCE(k.expires_at, 9223372036854775807) > $3`
	keysOnPlan = `SELECT COUNT(*) FROM (SELECT 1 FROM subjects su CROSS JOIN keys k WHERE su.tenant_id = $1
		AND su.plan = $5 AND k.tenant_id = $1 AND k.owner_id = su.id` + usableKeys

	countKeysOnPlan    query = keysOnPlan + ` LIMIT $4) counted`
	countKeysWithScope query = `SELECT COUNT(*) FROM (SELECT 1 FROM key_grants g CROSS JOIN keys k
		WHERE g.tenant_id = $1 AND g.scope = $5 AND k.id = g.key_id` + usableKeys + ` LIMIT $4) counted`
	countKeysWithApp query = `SELECT COUNT(*) FROM (SELECT 1 FROM key_grants g CROSS JOIN keys k
		WHERE g.application_id = $5 AND k.id = g.key_id AND k.tenant_id = $1` + usableKeys + ` LIMIT $4) counted`
	countPlanKeysWithScope query = keysOnPlan + ` AND EXISTS (SELECT 1 FROM key_grants g WHERE g.key_id = k.id
		AND (g.scope = $6 OR g.scope = '*')) LIMIT $4) counted`
	countPlanKeysWithApp query = keysOnPlan + ` AND (k.all_applications OR EXISTS (SELECT 1 FROM key_grants g
		WHERE g.key_id = k.id AND g.application_id = $6)) LIMIT $4) counted`
)

// CountGroup implements key.ListStore.
func (s *Store) CountGroup(ctx context.Context, tenant ident.TenantID, g key.Group, expiredSetBy, now time.Time,
	most int,
) (n int, err error) {
	args := []any{tenant, expiredSetBy.UnixMicro(), now.UnixMicro(), most}
	q := countKeysOnPlan
	switch {
	case g.Plan != "" && g.Scope != "":
		q, args = countPlanKeysWithScope, append(args, g.Plan, g.Scope)
	case g.Plan != "" && g.Application != "":
		q, args = countPlanKeysWithApp, append(args, g.Plan, g.Application)
	case g.Plan != "":
		args = append(args, g.Plan)
	case g.Application != "":
		q, args = countKeysWithApp, append(args, g.Application)
	default:
		ready, err := s.searchReady(ctx)
		if err != nil || !ready {
			return 0, cmp.Or(s.fault(err), key.ErrNotYet)
		}
		q, args = countKeysWithScope, append(args, g.Scope)
	}
	err = s.reading.row(ctx, q, args...).Scan(&n)
	return n, s.fault(err)
}

package store

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// repairDeadline bounds a repair, which reads whole tables.
const repairDeadline = 10 * time.Minute

// In these queries $1 is the present time and $2 the latest recorded time.
const (
	countKeysRevived query = `SELECT COUNT(*) FROM keys WHERE revoked_at IS NULL AND forgotten_at IS NULL
		AND expires_at > $1 AND expires_at <= $2`
	// countKeysRevivedBy counts the keys of one account whose secret has an age that the account's
	// policy expires between the two times.
	countKeysRevivedBy query = `SELECT COUNT(*) FROM tenants t JOIN keys k ON k.tenant_id = t.id WHERE t.account_id = $3
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $4 AND k.secret_set_at <= $5
		AND NOT (COALESCE(k.expires_at, 0) > $1 AND COALESCE(k.expires_at, 0) <= $2)`
	countPreviousRevived query = `SELECT COUNT(*) FROM key_secrets WHERE position = 'previous' AND until > $1
		AND until <= $2`
	countSessionsRevived query = `SELECT COUNT(*) FROM sessions WHERE created_at <= $1 AND expires_at > $1
		AND expires_at <= $2`
	countLinksRevived query = `SELECT COUNT(*) FROM links WHERE used_at IS NULL AND created_at <= $1
		AND expires_at > $1 AND expires_at <= $2`
	countForgottenLater query = `SELECT COUNT(*) FROM keys WHERE forgotten_at > $1`
	countChangesLater   query = `SELECT COUNT(*) FROM audit_events WHERE at > $1`
	selectAllTenants    query = `SELECT id FROM tenants ORDER BY id`

	// What began in the future keeps its length.
	shiftPrevious query = `UPDATE key_secrets
		SET until = until - (SELECT c.set_at FROM key_secrets c WHERE c.key_id = key_secrets.key_id
		AND c.position = 'current') + $1
		WHERE position = 'previous' AND until > $1
		AND EXISTS (SELECT 1 FROM key_secrets c WHERE c.key_id = key_secrets.key_id AND c.position = 'current'
		AND c.set_at > $1)`
	shiftPreviousManagement query = `UPDATE management_key_secrets
		SET until = until - (SELECT c.set_at FROM management_key_secrets c
		WHERE c.key_id = management_key_secrets.key_id AND c.position = 'current') + $1
		WHERE position = 'previous' AND until > $1
		AND EXISTS (SELECT 1 FROM management_key_secrets c WHERE c.key_id = management_key_secrets.key_id
		AND c.position = 'current' AND c.set_at > $1)`
	shiftLinks query = `UPDATE links SET expires_at = expires_at - created_at + $1, created_at = $1
		WHERE created_at > $1`
	endLaterSessions query = `DELETE FROM sessions WHERE created_at > $1 OR signed_in_at > $1`
	clampRules       query = `UPDATE policy_rules SET since = $1 WHERE since > $1`
	clampRuleEnds    query = `UPDATE policy_rules SET until = $1 WHERE until > $1`
	clampVersions    query = `UPDATE server_keys SET used_from = $1 WHERE used_from > $1`
	clampSettings    query = `UPDATE server_settings SET value = $1 WHERE CASE
		WHEN name IN ('watermark', 'horizon', 'notices_planned')
		THEN CAST(value AS BIGINT) > $2 ELSE FALSE END`
	clampScopeUses query = `UPDATE key_scope_uses SET last_used_on = $1 WHERE last_used_on > $1`

	clampServerKeysMade    query = `UPDATE server_keys SET created_at = $1 WHERE created_at > $1`
	clampServerKeysRetired query = `UPDATE server_keys SET retired_at = $1 WHERE retired_at > $1`
	clampServerKeysDrained query = `UPDATE server_keys SET emptied_at = $1 WHERE emptied_at > $1`
	clampAccounts          query = `UPDATE accounts SET created_at = CASE WHEN created_at > $1 THEN $1
		ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at > $1
		THEN $1 ELSE disabled_at END
		WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1`
	clampUsers query = `UPDATE users SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at > $1
		THEN $1 ELSE disabled_at END,
		deleted_at = CASE WHEN deleted_at > $1 THEN $1 ELSE deleted_at END, password_set_at = CASE
		WHEN password_set_at > $1 THEN $1 ELSE password_set_at END,
		email_proven_at = CASE WHEN email_proven_at > $1 THEN $1 ELSE email_proven_at END,
		short_password_at = CASE WHEN short_password_at > $1 THEN $1 ELSE short_password_at END
		WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1 OR deleted_at > $1 OR password_set_at > $1
		OR email_proven_at > $1 OR short_password_at > $1`
	clampFailures       query = `UPDATE sign_in_failures SET last_at = $1 WHERE last_at > $1`
	clampAccountMembers query = `UPDATE account_members SET created_at = $1 WHERE created_at > $1`
	clampTenants        query = `UPDATE tenants SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at > $1
		THEN $1 ELSE disabled_at END,
		idle_since = CASE WHEN idle_since > $1 THEN $1 ELSE idle_since END
		WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1 OR idle_since > $1`
	clampMembers query = `UPDATE members SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at > $1
		THEN $1 ELSE disabled_at END
		WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1`
	clampApplications query = `UPDATE applications SET created_at = CASE WHEN created_at > $1 THEN $1
		ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at > $1
		THEN $1 ELSE disabled_at END
		WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1`
	clampKeys query = `UPDATE keys SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, secret_set_at = CASE WHEN secret_set_at > $1
		THEN $1 ELSE secret_set_at END,
		disabled_at = CASE WHEN disabled_at > $1 THEN $1 ELSE disabled_at END, enabled_at = CASE WHEN enabled_at > $1
		THEN $1 ELSE enabled_at END,
		revoked_at = CASE WHEN revoked_at > $1 THEN $1 ELSE revoked_at END, forgotten_at = CASE WHEN forgotten_at > $1
		THEN $1 ELSE forgotten_at END
		WHERE created_at > $1 OR updated_at > $1 OR secret_set_at > $1 OR disabled_at > $1 OR enabled_at > $1
		OR revoked_at > $1 OR forgotten_at > $1`
	clampSecrets     query = `UPDATE key_secrets SET set_at = $1 WHERE set_at > $1`
	clampSecretUses  query = `UPDATE key_secrets SET last_used_at = $1 WHERE last_used_at > $1`
	clampUses        query = `UPDATE key_uses SET last_used_at = $1 WHERE last_used_at > $1`
	clampSessions    query = `UPDATE sessions SET last_seen_at = $1 WHERE last_seen_at > $1`
	clampUsedLinks   query = `UPDATE links SET used_at = $1 WHERE used_at > $1`
	clampMailedLinks query = `UPDATE links SET mailed_at = $1 WHERE mailed_at > $1`
	clampIdempotency query = `UPDATE idempotency SET created_at = $1 WHERE created_at > $1`
	clampNotices     query = `UPDATE outbox SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		due_at = CASE WHEN due_at > $1 THEN $1 ELSE due_at END, claimed_until = CASE WHEN claimed_until > $1 THEN $1
		ELSE claimed_until END
		WHERE created_at > $1 OR due_at > $1 OR claimed_until > $1`
	clampServiceAccounts query = `UPDATE service_accounts SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE
		created_at END, updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN
		disabled_at > $1 THEN $1 ELSE disabled_at END, deleted_at = CASE WHEN deleted_at > $1 THEN $1 ELSE
		deleted_at END WHERE created_at > $1 OR updated_at > $1 OR disabled_at > $1 OR deleted_at > $1`
	clampEndedOwners query = `UPDATE ended_owners SET ended_at = $1 WHERE ended_at > $1`
	clampPlans       query = `UPDATE plans SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END WHERE created_at > $1 OR updated_at > $1`
	clampEntries query = `UPDATE entries SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END WHERE created_at > $1 OR updated_at > $1`
	clampSubjects query = `UPDATE subjects SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE created_at END,
		updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, disabled_at = CASE WHEN disabled_at >
		$1 THEN $1 ELSE disabled_at END, deleted_at = CASE WHEN deleted_at > $1 THEN $1 ELSE deleted_at END WHERE
		created_at > $1 OR updated_at > $1 OR disabled_at > $1 OR deleted_at > $1`
	clampManagementKeys query = `UPDATE management_keys SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE
		created_at END, updated_at = CASE WHEN updated_at > $1 THEN $1 ELSE updated_at END, secret_set_at = CASE
		WHEN secret_set_at > $1 THEN $1 ELSE secret_set_at END, revoked_at = CASE WHEN revoked_at > $1 THEN $1 ELSE
		revoked_at END, hour_started_at = CASE WHEN hour_started_at > $1 THEN $1 ELSE hour_started_at END WHERE
		created_at > $1 OR updated_at > $1 OR secret_set_at > $1 OR revoked_at > $1 OR hour_started_at > $1`
	clampManagementSecrets query = `UPDATE management_key_secrets SET set_at = $1 WHERE set_at > $1`
	clampManagementUses    query = `UPDATE management_key_uses SET last_used_at = $1 WHERE last_used_at > $1`
	clampSigningKeys       query = `UPDATE signing_keys SET created_at = CASE WHEN created_at > $1 THEN $1 ELSE
		created_at END, used_from = CASE WHEN used_from > $1 THEN $1 ELSE used_from END
		WHERE created_at > $1 OR used_from > $1`
	clampWatches query = `UPDATE key_watches SET shown_at = CASE WHEN shown_at > $1 THEN $1 ELSE shown_at END,
		used_at = CASE WHEN used_at > $1 THEN $1 ELSE used_at END, refused_at = CASE WHEN refused_at > $1 THEN $1
		ELSE refused_at END WHERE shown_at > $1 OR used_at > $1 OR refused_at > $1`
	clampAvatars query = `UPDATE user_avatars SET set_at = $1 WHERE set_at > $1`
	clampSeen    query = `UPDATE user_seen SET last_seen_at = $1 WHERE last_seen_at > $1`
	clampFactors query = `UPDATE second_factors SET set_at = $1 WHERE set_at > $1`
	// Codes of the present time are accepted again; those of steps up to now stay used.
	clampFactorSteps query = `UPDATE second_factors SET last_step = CAST($1 AS BIGINT) / 30000000
		WHERE last_step > CAST($1 AS BIGINT) / 30000000`
	clampFactorProofs query = `UPDATE sessions SET factor_at = $1 WHERE factor_at > $1`
	clampHalfSessions query = `UPDATE half_sessions SET created_at = CASE WHEN created_at > $1 THEN $1
		ELSE created_at END, password_set_at = CASE WHEN password_set_at > $1 THEN $1 ELSE password_set_at END,
		expires_at = CASE WHEN created_at > $1 THEN $1 ELSE expires_at END
		WHERE created_at > $1 OR password_set_at > $1`
	clampTransportUses query = `UPDATE key_transport_uses SET last_used_on = $1 WHERE last_used_on > $1`
	clampFlushes       query = `UPDATE usage_flushes SET
		flushed_until = CASE WHEN flushed_until > $1 THEN $1 ELSE flushed_until END,
		written_at = CASE WHEN written_at > $1 THEN $1 ELSE written_at END
		WHERE flushed_until > $1 OR written_at > $1`
	clampComplete     query = `UPDATE counters SET value = $1 WHERE name = 'usage_complete' AND value > $1`
	clampLeases       query = `UPDATE leases SET until = $1 WHERE until > $1`
	clampKnownClients query = `UPDATE sign_in_places SET seen_at = $1 WHERE seen_at > $1`
)

// Counts of hours and days that lie ahead are added to those of the present.
const (
	moveHourKeyCounts query = `INSERT INTO usage_key_hours (tenant_id, begins_at, owner_id, key_id, accepted, refused)
		SELECT tenant_id, CAST($1 AS BIGINT), owner_id, key_id, CAST(SUM(accepted) AS BIGINT),
			CAST(SUM(refused) AS BIGINT)
		FROM usage_key_hours WHERE begins_at > $1 GROUP BY tenant_id, owner_id, key_id
		ON CONFLICT (tenant_id, begins_at, owner_id, key_id) DO UPDATE
		SET accepted = usage_key_hours.accepted + excluded.accepted,
		refused = usage_key_hours.refused + excluded.refused`
	deleteLaterHourKeyCounts query = `DELETE FROM usage_key_hours WHERE begins_at > $1`
	moveHourTenantCounts     query = `INSERT INTO usage_tenant_hours
		(tenant_id, begins_at, code, application_id, transport, requests)
		SELECT tenant_id, CAST($1 AS BIGINT), code, application_id, transport, CAST(SUM(requests) AS BIGINT)
		FROM usage_tenant_hours WHERE begins_at > $1 GROUP BY tenant_id, code, application_id, transport
		ON CONFLICT (tenant_id, begins_at, code, application_id, transport) DO UPDATE
		SET requests = usage_tenant_hours.requests + excluded.requests`
	deleteLaterHourTenantCounts query = `DELETE FROM usage_tenant_hours WHERE begins_at > $1`
	moveDayKeyCounts            query = `INSERT INTO usage_key_days
		(tenant_id, begins_at, owner_id, key_id, accepted, refused)
		SELECT tenant_id, CAST($1 AS BIGINT), owner_id, key_id, CAST(SUM(accepted) AS BIGINT),
			CAST(SUM(refused) AS BIGINT)
		FROM usage_key_days WHERE begins_at > $1 GROUP BY tenant_id, owner_id, key_id
		ON CONFLICT (tenant_id, begins_at, owner_id, key_id) DO UPDATE
		SET accepted = usage_key_days.accepted + excluded.accepted,
		refused = usage_key_days.refused + excluded.refused`
	deleteLaterDayKeyCounts query = `DELETE FROM usage_key_days WHERE begins_at > $1`
	moveDayTenantCounts     query = `INSERT INTO usage_tenant_days
		(tenant_id, begins_at, code, application_id, transport, requests)
		SELECT tenant_id, CAST($1 AS BIGINT), code, application_id, transport, CAST(SUM(requests) AS BIGINT)
		FROM usage_tenant_days WHERE begins_at > $1 GROUP BY tenant_id, code, application_id, transport
		ON CONFLICT (tenant_id, begins_at, code, application_id, transport) DO UPDATE
		SET requests = usage_tenant_days.requests + excluded.requests`
	deleteLaterDayTenantCounts query = `DELETE FROM usage_tenant_days WHERE begins_at > $1`
)

// usageClamps move the counts that lie ahead to the present hour or day.
var usageClamps = []struct {
	unit    time.Duration
	queries []query
}{
	{time.Hour, []query{
		moveHourKeyCounts, deleteLaterHourKeyCounts, moveHourTenantCounts, deleteLaterHourTenantCounts, clampComplete,
	}},
	{policy.Day, []query{
		moveDayKeyCounts, deleteLaterDayKeyCounts, moveDayTenantCounts, deleteLaterDayTenantCounts, clampTransportUses,
	}},
}

// clamps set every time that lies in the future to the present.
var clamps = []query{
	shiftPrevious, shiftPreviousManagement, shiftLinks, clampRules, clampServerKeysMade, clampServerKeysRetired,
	clampServerKeysDrained, clampAccounts, clampUsers,
	clampFailures, clampAccountMembers, clampTenants, clampMembers, clampApplications, clampKeys, clampSecrets,
	clampSecretUses, clampUses,
	clampSessions, clampUsedLinks, clampMailedLinks, clampIdempotency, clampNotices, clampLeases, clampKnownClients,
	clampServiceAccounts, clampEndedOwners,
	clampPlans, clampEntries, clampSubjects, clampManagementKeys, clampManagementSecrets, clampManagementUses,
	clampSigningKeys, clampWatches, clampFactors, clampFactorSteps, clampFactorProofs, clampHalfSessions, clampFlushes,
	clampAvatars, clampSeen,
}

type repairKey struct{}

// isClockRepair reports whether the context belongs to a repair of the clock. Only a repair may be
// written while the clock is in doubt.
func isClockRepair(ctx context.Context) bool { return ctx.Value(repairKey{}) != nil }

// RepairClock replaces every recorded time later than now, and returns what may become valid again
// because of that. All clocks must agree on now. latest is the latest recorded time.
func (s *Store) RepairClock(ctx context.Context, who principal.Principal,
	now, latest time.Time,
) (r clock.Repair, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), repairDeadline)
	defer cancel()
	err = s.writeWithRetries(context.WithValue(ctx, repairKey{}, true),
		func(ctx context.Context, t *Tx) (audit.Event, error) {
			t.timeRepairedTo = now
			r = clock.Repair{From: latest, To: now}
			tenants, err := ids[ident.TenantID](ctx, t, selectAllTenants)
			if err == nil {
				err = t.countRevived(ctx, &r)
			}
			if err == nil {
				err = t.clampFutureTimes(ctx, &r)
			}
			e := audit.By(who, audit.ActionClockRepair, audit.Target{Type: "server"}).InvalidatesTenants(tenants...).
				WithEffects(audit.Effect{Kind: audit.EffectTimeRepaired})
			e.Invalidates.TimeRepaired = &now
			return addRepairDetails(e, r), err
		})
	return r, s.fault(err)
}

func addRepairDetails(e audit.Event, r clock.Repair) audit.Event {
	e = e.With("from", r.From.UTC().Format(time.RFC3339)).With("to", r.To.UTC().Format(time.RFC3339))
	for name, n := range map[string]int64{
		"may_revive_keys": r.Keys, "may_revive_previous_secrets": r.PreviousSecrets, "may_revive_sessions": r.Sessions,
		"may_revive_links": r.Links, "sessions_ended": r.SessionsEnded, "keys_forgotten": r.Forgotten,
		"changes_ahead": r.Changes,
	} {
		e = e.With(name, strconv.FormatInt(n, 10))
	}
	return e
}

// countRevived counts what had expired by the latest recorded time and has not expired at the
// present time.
func (t *Tx) countRevived(ctx context.Context, r *clock.Repair) error {
	now, latest := micros(r.To), micros(r.From)
	for _, c := range []struct {
		n    *int64
		q    query
		args []any
	}{
		{&r.Keys, countKeysRevived, []any{now, latest}},
		{&r.PreviousSecrets, countPreviousRevived, []any{now, latest}},
		{&r.Sessions, countSessionsRevived, []any{now, latest}},
		{&r.Links, countLinksRevived, []any{now, latest}},
		{&r.Forgotten, countForgottenLater, []any{now}},
		{&r.Changes, countChangesLater, []any{now}},
	} {
		if err := t.row(ctx, c.q, c.args...).Scan(c.n); err != nil {
			return err
		}
	}
	policies, err := policiesOf(ctx, t)
	if err != nil {
		return err
	}
	for account, rules := range policies {
		from, until := policy.LatestExpiredSecret(rules, r.To), policy.LatestExpiredSecret(rules, r.From)
		if !until.After(from) {
			continue
		}
		var n int64
		if err := t.row(ctx, countKeysRevivedBy, now, latest, account, microsOrZero(from),
			micros(until)).Scan(&n); err != nil {
			return err
		}
		r.Keys += n
	}
	return nil
}

func microsOrZero(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// clampFutureTimes sets every recorded time after the present to the present.
func (t *Tx) clampFutureTimes(ctx context.Context, r *clock.Repair) (err error) {
	now := micros(r.To)
	r.SessionsEnded, err = t.count(ctx, endLaterSessions, now)
	if err != nil {
		return err
	}
	for _, q := range clamps {
		if err := t.exec(ctx, q, now); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, clampScopeUses, micros(r.To.Truncate(policy.Day))); err != nil {
		return err
	}
	for _, c := range usageClamps {
		for _, q := range c.queries {
			if err := t.exec(ctx, q, micros(r.To.UTC().Truncate(c.unit))); err != nil {
				return err
			}
		}
	}
	// A policy rule and a version of a server key begin and end shortly after the change that
	// records them.
	soon := micros(r.To.Add(policy.Overrun))
	for _, q := range []query{clampRuleEnds, clampVersions} {
		if err := t.exec(ctx, q, soon); err != nil {
			return err
		}
	}
	return t.exec(ctx, clampSettings, decimal(r.To), now)
}

package store

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Conditions that the queries below share. They find the sessions that a policy of an account ends.
const (
	overInAccount = `(last_seen_at <= $2 OR created_at <= $3)
		AND (user_id IN (SELECT user_id FROM account_members WHERE account_id = $1)
			OR user_id IN (SELECT m.user_id FROM members m JOIN tenants t ON t.id = m.tenant_id
			WHERE t.account_id = $1))`
	overOfUser       = `user_id = $1 AND (last_seen_at <= $2 OR created_at <= $3)`
	inNoOtherAccount = ` AND NOT EXISTS (SELECT 1 FROM account_members am JOIN accounts a ON a.id = am.account_id
			WHERE am.user_id = sessions.user_id AND am.account_id <> $1 AND a.disabled_at IS NULL)
		AND NOT EXISTS (SELECT 1 FROM members m JOIN tenants t ON t.id = m.tenant_id
		JOIN accounts a ON a.id = t.account_id
			WHERE m.user_id = sessions.user_id AND t.account_id <> $1 AND m.disabled_at IS NULL
			AND t.disabled_at IS NULL AND a.disabled_at IS NULL)`
)

const (
	selectPolicyRules query = `SELECT reason, days, since, until FROM policy_rules WHERE account_id = $1
		ORDER BY serial`
	deletePolicyRules query = `DELETE FROM policy_rules WHERE account_id = $1`
	insertPolicyRule  query = `INSERT INTO policy_rules (account_id, serial, reason, days, since, until)
		VALUES ($1, $2, $3, $4, $5, $6)`
	selectBounds query = `SELECT session_idle_minutes, session_absolute_hours, require_second_factor FROM accounts
		WHERE id = $1`
	updateBounds query = `UPDATE accounts SET session_idle_minutes = $2, session_absolute_hours = $3,
		require_second_factor = $4 WHERE id = $1`
	// One row for each membership and each account role of a person. Rows of the same account
	// repeat.
	selectBoundsOf query = `SELECT a.id, a.session_idle_minutes, a.session_absolute_hours, e.session_id,
		a.require_second_factor, 'admin'
		FROM account_members am JOIN accounts a ON a.id = am.account_id
		LEFT JOIN session_ends e ON e.session_id = $2 AND e.account_id = a.id
		WHERE am.user_id = $1 AND a.disabled_at IS NULL
		UNION ALL SELECT a.id, a.session_idle_minutes, a.session_absolute_hours, e.session_id,
		a.require_second_factor, m.role
		FROM members m JOIN tenants t ON t.id = m.tenant_id JOIN accounts a ON a.id = t.account_id
		LEFT JOIN session_ends e ON e.session_id = $2 AND e.account_id = a.id
		WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.disabled_at IS NULL AND a.disabled_at IS NULL`
	insertSessionEnd query = `INSERT INTO session_ends (session_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	// The sessions are locked before their end is written, so that none of them is deleted
	// meanwhile.
	listSessionsIn      query = `SELECT id FROM sessions WHERE ` + overInAccount
	insertEndsInAccount query = `INSERT INTO session_ends (session_id, account_id) SELECT id, CAST($1 AS TEXT)
		FROM sessions WHERE ` + overInAccount + ` ON CONFLICT DO NOTHING`
	listSessionsOf   query = `SELECT id FROM sessions WHERE ` + overOfUser
	insertEndsOfUser query = `INSERT INTO session_ends (session_id, account_id) SELECT id, CAST($4 AS TEXT)
		FROM sessions WHERE ` + overOfUser + ` ON CONFLICT DO NOTHING`
	// A person who belongs to no other account has no other policy that could keep the session
	// alive.
	selectEndedIn query = `SELECT sessions.id FROM session_ends e CROSS JOIN sessions WHERE e.account_id = $1
		AND sessions.id = e.session_id` + inNoOtherAccount
	selectEndedOf query = `SELECT sessions.id FROM sessions CROSS JOIN session_ends e
		WHERE sessions.user_id = $2 AND e.session_id = sessions.id AND e.account_id = $1` + inNoOtherAccount
	listPeopleOfAccount query = `SELECT user_id FROM account_members WHERE account_id = $1
		UNION ALL SELECT m.user_id FROM tenants t CROSS JOIN members m WHERE t.account_id = $1 AND m.tenant_id = t.id`
	listTimesOf query = `SELECT id, created_at, last_seen_at FROM sessions WHERE user_id IN ($1…)`
	// One row for each of these sessions, and each membership and account role of its person, like
	// selectBoundsOf.
	listBoundsOf query = `SELECT s.id, a.id, a.session_idle_minutes, a.session_absolute_hours, e.session_id
		FROM sessions s CROSS JOIN account_members am CROSS JOIN accounts a
		LEFT JOIN session_ends e ON e.session_id = s.id AND e.account_id = a.id
		WHERE s.user_id IN ($1…) AND am.user_id = s.user_id AND a.id = am.account_id AND a.disabled_at IS NULL
		UNION ALL SELECT s.id, a.id, a.session_idle_minutes, a.session_absolute_hours, e.session_id
		FROM sessions s CROSS JOIN members m CROSS JOIN tenants t CROSS JOIN accounts a
		LEFT JOIN session_ends e ON e.session_id = s.id AND e.account_id = a.id
		WHERE s.user_id IN ($1…) AND m.user_id = s.user_id AND t.id = m.tenant_id AND a.id = t.account_id
		AND m.disabled_at IS NULL AND t.disabled_at IS NULL AND a.disabled_at IS NULL`
	lockTheseSessions query = `SELECT 1 FROM sessions WHERE id IN ($1…) ORDER BY id`
	dropSessions      query = `DELETE FROM sessions WHERE id IN ($1…)`
	// countKeysIn counts the keys whose secret was set after $2 and not after $3. Their own expiry
	// is after $4, and after the end of the span: $6, plus the time of the secret if $5 is 1.
	countKeysIn query = `SELECT COUNT(*), MIN(k.secret_set_at) FROM tenants t CROSS JOIN keys k WHERE t.account_id = $1
		AND k.tenant_id = t.id
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $2 AND k.secret_set_at <= $3
		AND COALESCE(k.expires_at, 9223372036854775807) > $4
		AND COALESCE(k.expires_at, 9223372036854775807) - $5 * k.secret_set_at > $6`
	// listKeysIn lists those of them that expire first.
	listKeysIn query = `SELECT k.tenant_id, k.id, k.secret_set_at, k.expires_at FROM tenants t CROSS JOIN keys k
		WHERE t.account_id = $1 AND k.tenant_id = t.id
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $2 AND k.secret_set_at <= $3
		AND COALESCE(k.expires_at, 9223372036854775807) > $4
		AND COALESCE(k.expires_at, 9223372036854775807) - $5 * k.secret_set_at > $6
		ORDER BY k.secret_set_at, k.id LIMIT $7`
	// listOwnersIn lists the owners of the keys that countKeysIn counts.
	listOwnersIn query = `SELECT DISTINCT k.owner_id FROM tenants t CROSS JOIN keys k
		WHERE t.account_id = $1 AND k.tenant_id = t.id
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $2 AND k.secret_set_at <= $3
		AND COALESCE(k.expires_at, 9223372036854775807) > $4
		AND COALESCE(k.expires_at, 9223372036854775807) - $5 * k.secret_set_at > $6 LIMIT $7`
	// countPeopleWithoutFactor counts people of an account, and countAdminsWithoutFactor its owners
	// and admins and the admins of its tenants.
	countPeopleWithoutFactor query = `SELECT COUNT(*) FROM (` + ownersWithoutFactor +
		` UNION ` + membersWithoutFactor + `) p`
	countAdminsWithoutFactor query = `SELECT COUNT(*) FROM (` + ownersWithoutFactor +
		` UNION ` + membersWithoutFactor + ` AND m.role = 'admin') p`
	ownersWithoutFactor = `SELECT am.user_id FROM account_members am CROSS JOIN users u
		WHERE am.account_id = $1 AND u.id = am.user_id AND u.disabled_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = am.user_id)`
	membersWithoutFactor = `SELECT m.user_id FROM tenants t CROSS JOIN members m CROSS JOIN users u
		WHERE t.account_id = $1 AND t.disabled_at IS NULL AND m.tenant_id = t.id AND m.disabled_at IS NULL
		AND u.id = m.user_id AND u.disabled_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = m.user_id)`
	// countEnds counts the keys whose secret was set after $2 and not after $3, by the number of
	// the period, $7 long, after $6 in which they expire. The rules expire them at $5, plus the
	// time of the secret if $4 is 1.
	countEnds query = `SELECT (e.ends_at - $6) / $7, COUNT(*) FROM (
			SELECT CASE WHEN k.expires_at < $4 * k.secret_set_at + $5 THEN k.expires_at
				ELSE $4 * k.secret_set_at + $5 END AS ends_at
			FROM tenants t CROSS JOIN keys k WHERE t.account_id = $1 AND k.tenant_id = t.id
			AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at > $2 AND k.secret_set_at <= $3
		) e WHERE e.ends_at > $6 AND e.ends_at < $6 + $7 * $8 GROUP BY 1`
)

// Policy implements account.Store.
func (s *Store) Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error) {
	p, err := accountPolicy(ctx, s.reading, account)
	return p, s.fault(err)
}

// Policy implements account.Tx.
func (t *Tx) Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error) {
	p, err := accountPolicy(ctx, t, account)
	return p, t.store.fault(err)
}

func accountPolicy(ctx context.Context, from querier, account ident.AccountID) (p policy.Policy, err error) {
	p.Sessions, p.SecondFactor, err = scanBounds(from.row(ctx, selectBounds, account))
	if err != nil {
		return p, err
	}
	p.Rules, err = policyRules(ctx, from, account)
	return p, err
}

func policyRules(ctx context.Context, from querier, account ident.AccountID) (rules []policy.Rule, err error) {
	err = forEachRow(ctx, from, selectPolicyRules, func(row *sql.Rows) error {
		var r policy.Rule
		if err := row.Scan(&r.Reason, &r.Days, nullTime{&r.Since}, nullTime{&r.Until}); err != nil {
			return err
		}
		rules = append(rules, r)
		return nil
	}, account)
	return rules, err
}

// SetPolicy implements account.Tx.
func (t *Tx) SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error {
	idle, absolute := int64(p.Sessions.Idle/time.Minute), int64(p.Sessions.Absolute/time.Hour)
	if err := t.runOne(ctx, updateBounds, account, nullIfZero(idle), nullIfZero(absolute),
		nullIfEmpty(p.SecondFactor)); err != nil {
		return err
	}
	if err := t.exec(ctx, deletePolicyRules, account); err != nil {
		return err
	}
	for i, r := range p.Rules {
		if err := t.exec(ctx, insertPolicyRule, account, i+1, string(r.Reason), r.Days, micros(r.Since),
			micros(r.Until)); err != nil {
			return err
		}
	}
	return nil
}

// SessionBounds implements session.Store.
func (s *Store) SessionBounds(
	ctx context.Context, user ident.UserID, id ident.SessionID,
) ([]policy.AccountSessions, error) {
	accounts, err := boundsOf(ctx, s.reading, user, id)
	return accounts, s.fault(err)
}

// SessionBounds implements session.Tx.
func (t *Tx) SessionBounds(ctx context.Context, user ident.UserID) ([]policy.AccountSessions, error) {
	return boundsOf(ctx, t, user, "")
}

func boundsOf(
	ctx context.Context, from querier, user ident.UserID, id ident.SessionID,
) (accounts []policy.AccountSessions, err error) {
	all, err := collect(ctx, from, selectBoundsOf, scanBoundsOf, user, id)
	for _, a := range all {
		same := slices.IndexFunc(accounts, func(b policy.AccountSessions) bool { return b.Account == a.Account })
		if same < 0 {
			accounts = append(accounts, a)
			continue
		}
		accounts[same].Admin = accounts[same].Admin || a.Admin
	}
	return accounts, err
}

func scanBoundsOf(row scanner) (policy.AccountSessions, error) {
	var rule policy.FactorRule
	var role scope.Role
	a, err := scanLimits(row, nil, nullString(&rule), &role)
	if err != nil {
		return a, err
	}
	a.SecondFactor = rule
	a.Admin = role == scope.Admin
	return a, nil
}

// scanLimits scans the limits of an account that stand between other columns.
func scanLimits(row scanner, before []any, after ...any) (a policy.AccountSessions, err error) {
	var minutes, hours int64
	var ended ident.SessionID
	columns := append(before, &a.Account, nullInt{&minutes}, nullInt{&hours}, nullString(&ended))
	err = row.Scan(append(columns, after...)...)
	if err != nil {
		return a, err
	}
	a.Idle, a.Absolute = time.Duration(minutes)*time.Minute, time.Duration(hours)*time.Hour
	a.Ended = ended != ""
	return a, nil
}

// sessionBounds are the limits that an account sets for one session.
type sessionBounds struct {
	id ident.SessionID
	policy.AccountSessions
}

func scanSessionBounds(row scanner) (s sessionBounds, err error) {
	s.AccountSessions, err = scanLimits(row, []any{&s.id})
	return s, err
}

// EndSessionIn implements session.Store. It bypasses the ledger, like the update of a session's
// last use.
func (s *Store) EndSessionIn(ctx context.Context, id ident.SessionID, account ident.AccountID) error {
	_, err := s.execUnauditedOf(ctx, admission.CallerFrom(ctx), insertSessionEnd, id, account)
	return err
}

func scanBounds(row scanner) (limits policy.Sessions, rule policy.FactorRule, err error) {
	var minutes, hours int64
	err = row.Scan(nullInt{&minutes}, nullInt{&hours}, nullString(&rule))
	if err != nil {
		return limits, rule, err
	}
	limits.Idle, limits.Absolute = time.Duration(minutes)*time.Minute, time.Duration(hours)*time.Hour
	return limits, rule, nil
}

// EndSessionsIn implements account.Tx.
func (t *Tx) EndSessionsIn(ctx context.Context, account ident.AccountID, seenBy, begunBy time.Time) error {
	over := []any{account, micros(seenBy), micros(begunBy)}
	if err := t.lockSessions(ctx, listSessionsIn, over...); err != nil {
		return err
	}
	if err := t.exec(ctx, insertEndsInAccount, over...); err != nil {
		return err
	}
	return t.dropSessions(ctx, selectEndedIn, account)
}

// dropSessions deletes the sessions whose ids a query returns.
func (t *Tx) dropSessions(ctx context.Context, q query, args ...any) error {
	found, err := ids[ident.SessionID](ctx, t, q, args...)
	if err != nil {
		return err
	}
	return t.deleteSessions(ctx, found)
}

// lockSessions locks the sessions whose ids a query returns, in the order of their ids.
func (t *Tx) lockSessions(ctx context.Context, q query, args ...any) error {
	found, err := ids[ident.SessionID](ctx, t, q, args...)
	if err != nil {
		return err
	}
	return t.lockTheseSessions(ctx, found)
}

func (t *Tx) lockTheseSessions(ctx context.Context, list []ident.SessionID) error {
	slices.Sort(list)
	for part := range slices.Chunk(list, 1024) {
		q, args := expand(lockTheseSessions, 1, part)
		if err := t.lockRows(ctx, q, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) deleteSessions(ctx context.Context, list []ident.SessionID) error {
	if err := t.lockTheseSessions(ctx, list); err != nil {
		return err
	}
	for part := range slices.Chunk(list, 1024) {
		q, args := expand(dropSessions, 1, part)
		if err := t.exec(ctx, q, args...); err != nil {
			return err
		}
	}
	return nil
}

// EndSessionsOf implements account.Tx.
func (t *Tx) EndSessionsOf(
	ctx context.Context, account ident.AccountID, user ident.UserID, seenBy, begunBy time.Time,
) error {
	over := []any{user, micros(seenBy), micros(begunBy)}
	if err := t.lockSessions(ctx, listSessionsOf, over...); err != nil {
		return err
	}
	if err := t.exec(ctx, insertEndsOfUser, append(over, account)...); err != nil {
		return err
	}
	return t.dropSessions(ctx, selectEndedOf, account, user)
}

// sessionTimes are the times that decide when a session ends.
type sessionTimes struct {
	id          ident.SessionID
	begun, seen time.Time
}

func scanTimes(row scanner) (s sessionTimes, err error) {
	err = row.Scan(&s.id, nullTime{&s.begun}, nullTime{&s.seen})
	return s, err
}

// hasEnded reports whether the session has ended in all of its person's accounts.
func (s sessionTimes) hasEnded(accounts []policy.AccountSessions, now time.Time) bool {
	if len(accounts) == 0 {
		accounts = []policy.AccountSessions{{}} // the default bounds
	}
	return !slices.ContainsFunc(accounts,
		func(a policy.AccountSessions) bool { return !a.HasEnded(s.begun, s.seen, now) })
}

// EndDeadSessions implements account.Tx.
func (t *Tx) EndDeadSessions(ctx context.Context, user ident.UserID, now time.Time) error {
	return t.endDeadSessions(ctx, []ident.UserID{user}, now)
}

// EndDeadSessionsIn implements account.Tx.
func (t *Tx) EndDeadSessionsIn(ctx context.Context, account ident.AccountID, now time.Time) error {
	people, err := ids[ident.UserID](ctx, t, listPeopleOfAccount, account)
	if err != nil {
		return err
	}
	slices.Sort(people)
	for part := range slices.Chunk(slices.Compact(people), 1024) {
		if err := t.endDeadSessions(ctx, part, now); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) endDeadSessions(ctx context.Context, people []ident.UserID, now time.Time) error {
	q, args := expand(listTimesOf, 1, people)
	sessions, err := collect(ctx, t, q, scanTimes, args...)
	if err != nil {
		return err
	}
	q, args = expand(listBoundsOf, 1, people)
	rows, err := collect(ctx, t, q, scanSessionBounds, args...)
	if err != nil {
		return err
	}
	bounds := map[ident.SessionID][]policy.AccountSessions{}
	for _, r := range rows {
		bounds[r.id] = append(bounds[r.id], r.AccountSessions)
	}
	var dead []ident.SessionID
	for _, s := range sessions {
		if s.hasEnded(bounds[s.id], now) {
			dead = append(dead, s.id)
		}
	}
	return t.deleteSessions(ctx, dead)
}

// CountKeys implements account.Store.
func (s *Store) CountKeys(
	ctx context.Context, account ident.AccountID, span policy.ImpactRange, now time.Time,
) (n int, first time.Time, err error) {
	factor, end := endOf(span)
	err = s.reading.row(ctx, countKeysIn, account, span.After.UnixMicro(), span.Until.UnixMicro(), now.UnixMicro(),
		factor, end).
		Scan(&n, nullTime{&first})
	return n, first, s.fault(err)
}

// endOf returns when the rules expire the keys of a range, in microseconds: at end, plus factor
// times when the secret was set.
func endOf(span policy.ImpactRange) (factor int, end int64) {
	switch {
	case !span.End.IsZero():
		return 0, span.End.UnixMicro()
	case span.Days == 0:
		return 0, math.MaxInt64
	}
	return 1, (time.Duration(span.Days) * policy.Day).Microseconds()
}

// FirstKeys implements account.Store.
func (s *Store) FirstKeys(ctx context.Context, id ident.AccountID, span policy.ImpactRange, now time.Time,
	most int,
) ([]account.DatedKey, error) {
	factor, end := endOf(span)
	list, err := collect(ctx, s.reading, listKeysIn, scanDatedKey, id, span.After.UnixMicro(),
		span.Until.UnixMicro(), now.UnixMicro(), factor, end, most)
	return list, s.fault(err)
}

// OwnersIn implements account.Store.
func (s *Store) OwnersIn(ctx context.Context, id ident.AccountID, span policy.ImpactRange, now time.Time,
	most int,
) ([]ident.PartyID, error) {
	factor, end := endOf(span)
	list, err := collect(ctx, s.reading, listOwnersIn, func(row scanner) (owner ident.PartyID, err error) {
		err = row.Scan(&owner)
		return owner, err
	}, id, span.After.UnixMicro(), span.Until.UnixMicro(), now.UnixMicro(), factor, end, most)
	return list, s.fault(err)
}

// CountWithoutFactor implements account.Store.
func (s *Store) CountWithoutFactor(ctx context.Context, id ident.AccountID, rule policy.FactorRule) (n int, err error) {
	count := countPeopleWithoutFactor
	switch rule {
	case policy.FactorOff:
		return 0, nil
	case policy.FactorAdmins:
		count = countAdminsWithoutFactor
	case policy.FactorAll:
	}
	err = s.reading.row(ctx, count, id).Scan(&n)
	return n, s.fault(err)
}

func scanDatedKey(row scanner) (k account.DatedKey, err error) {
	err = row.Scan(&k.Tenant, &k.Key, nullTime{&k.SecretSetAt}, nullTime{&k.ExpiresAt})
	return k, err
}

// CountEnds implements account.Store.
func (s *Store) CountEnds(ctx context.Context, id ident.AccountID, span policy.ImpactRange, from time.Time,
	period time.Duration, ends []int,
) error {
	factor, end := endOf(span)
	type counted struct{ period, keys int }
	rows, err := collect(ctx, s.reading, countEnds, func(row scanner) (c counted, err error) {
		err = row.Scan(&c.period, &c.keys)
		return c, err
	}, id, span.After.UnixMicro(), span.Until.UnixMicro(), factor, end, from.UnixMicro(), period.Microseconds(),
		len(ends))
	for _, c := range rows {
		ends[c.period] += c.keys
	}
	return s.fault(err)
}

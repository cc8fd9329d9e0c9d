package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

const (
	selectPolicyRules query = `SELECT reason, days, since, until FROM policy_rules WHERE account_id = $1 ORDER BY serial`
	deletePolicyRules query = `DELETE FROM policy_rules WHERE account_id = $1`
	insertPolicyRule  query = `INSERT INTO policy_rules (account_id, serial, reason, days, since, until) VALUES ($1, $2, $3, $4, $5, $6)`
	selectBounds      query = `SELECT session_idle_minutes, session_absolute_hours FROM accounts WHERE id = $1`
	updateBounds      query = `UPDATE accounts SET session_idle_minutes = $2, session_absolute_hours = $3 WHERE id = $1`
	// Of the accounts that somebody belongs to and that count, once for each way to belong.
	selectBoundsOf query = `SELECT a.session_idle_minutes, a.session_absolute_hours FROM account_members am JOIN accounts a ON a.id = am.account_id
		WHERE am.user_id = $1 AND a.disabled_at IS NULL
		UNION ALL SELECT a.session_idle_minutes, a.session_absolute_hours FROM members m JOIN tenants t ON t.id = m.tenant_id JOIN accounts a ON a.id = t.account_id
		WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.disabled_at IS NULL AND a.disabled_at IS NULL`
	endSessionsIn query = `DELETE FROM sessions WHERE (last_seen_at <= $2 OR created_at <= $3)
		AND (user_id IN (SELECT user_id FROM account_members WHERE account_id = $1)
			OR user_id IN (SELECT m.user_id FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE t.account_id = $1))`
	endSessionsOf  query = `DELETE FROM sessions WHERE user_id = $1 AND (last_seen_at <= $2 OR created_at <= $3)`
	listLivingKeys query = `SELECT k.expires_at, k.secret_set_at FROM tenants t JOIN keys k ON k.tenant_id = t.id
		WHERE t.account_id = $1 AND k.revoked_at IS NULL AND k.secret_set_at IS NOT NULL`
)

// Policy implements tenancy.Store.
func (s *Store) Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error) {
	p, err := accountPolicy(ctx, s.reading, account)
	return p, s.fault(err)
}

// Policy implements tenancy.Tx.
func (t *Tx) Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error) {
	p, err := accountPolicy(ctx, t, account)
	return p, t.store.fault(err)
}

func accountPolicy(ctx context.Context, from reader, account ident.AccountID) (p policy.Policy, err error) {
	if p.Sessions, err = scanBounds(from.row(ctx, selectBounds, account)); err != nil {
		return p, err
	}
	p.Rules, err = policyRules(ctx, from, account)
	return p, err
}

func policyRules(ctx context.Context, from reader, account ident.AccountID) (rules []policy.Rule, err error) {
	err = each(ctx, from, selectPolicyRules, func(row *sql.Rows) error {
		var r policy.Rule
		if err := row.Scan(&r.Reason, &r.Days, when{&r.Since}, when{&r.Until}); err != nil {
			return err
		}
		rules = append(rules, r)
		return nil
	}, account)
	return rules, err
}

// SetPolicy implements tenancy.Tx.
func (t *Tx) SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error {
	idle, absolute := int64(p.Sessions.Idle/time.Minute), int64(p.Sessions.Absolute/time.Hour)
	if err := t.one(ctx, updateBounds, account, positive(idle), positive(absolute)); err != nil {
		return err
	}
	if err := t.exec(ctx, deletePolicyRules, account); err != nil {
		return err
	}
	for i, r := range p.Rules {
		if err := t.exec(ctx, insertPolicyRule, account, i+1, string(r.Reason), r.Days, micros(r.Since), micros(r.Until)); err != nil {
			return err
		}
	}
	return nil
}

// SessionBounds implements session.Store.
func (s *Store) SessionBounds(ctx context.Context, user ident.UserID) ([]policy.Sessions, error) {
	accounts, err := boundsOf(ctx, s.reading, user)
	return accounts, s.fault(err)
}

// SessionBounds implements session.Tx.
func (t *Tx) SessionBounds(ctx context.Context, user ident.UserID) ([]policy.Sessions, error) {
	return boundsOf(ctx, t, user)
}

func boundsOf(ctx context.Context, from reader, user ident.UserID) (accounts []policy.Sessions, err error) {
	accounts, err = collect(ctx, from, selectBoundsOf, scanBounds, user)
	return accounts, err
}

func scanBounds(row scanner) (policy.Sessions, error) {
	var minutes, hours int64
	err := row.Scan(number{&minutes}, number{&hours})
	return policy.Sessions{Idle: time.Duration(minutes) * time.Minute, Absolute: time.Duration(hours) * time.Hour}, err
}

// EndSessionsIn implements tenancy.Tx.
func (t *Tx) EndSessionsIn(ctx context.Context, account ident.AccountID, seenBy, begunBy time.Time) error {
	return t.exec(ctx, endSessionsIn, account, micros(seenBy), micros(begunBy))
}

// EndSessionsOf implements tenancy.Tx.
func (t *Tx) EndSessionsOf(ctx context.Context, user ident.UserID, seenBy, begunBy time.Time) error {
	return t.exec(ctx, endSessionsOf, user, micros(seenBy), micros(begunBy))
}

// LivingKeys implements tenancy.Store.
func (s *Store) LivingKeys(ctx context.Context, account ident.AccountID, take func(own, secretSetAt time.Time)) error {
	return s.fault(each(ctx, s.reading, listLivingKeys, func(row *sql.Rows) error {
		var own, setAt time.Time
		if err := row.Scan(when{&own}, when{&setAt}); err != nil {
			return err
		}
		take(own, setAt)
		return nil
	}, account))
}

package store

import (
	"context"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// subjectColumns are scanned by scanCandidate, in this order.
const subjectColumns = `k.id, k.tenant_id, t.account_id, k.owner_id, k.name, s.public_id, s.last4, s.serial, k.secret_set_at, k.expires_at, k.revoked_at,
	k.disabled_at, k.enabled_at, used.last_used_at`

// subjectTables begin with the keys: SQLite keeps the order of a CROSS JOIN, and without statistics it would begin with
// every current secret.
const subjectTables = ` FROM keys k CROSS JOIN tenants t CROSS JOIN key_secrets s` + keyUses + `
		WHERE t.id = k.tenant_id AND s.key_id = k.id AND s.position = 'current'`

const livingSubjects = ` AND k.revoked_at IS NULL AND k.secret_set_at IS NOT NULL`

const (
	keysByExpiry query = `SELECT ` + subjectColumns + `, k.expires_at` + subjectTables + `
		AND (k.expires_at, k.id) > ($1, $2) AND k.expires_at <= $3` + livingSubjects + ` ORDER BY k.expires_at, k.id LIMIT 200`
	keysBySecret query = `SELECT ` + subjectColumns + `, k.secret_set_at` + subjectTables + `
		AND (k.secret_set_at, k.id) > ($1, $2) AND k.secret_set_at <= $3` + livingSubjects + ` ORDER BY k.secret_set_at, k.id LIMIT 200`
	keysInTenant query = `SELECT ` + subjectColumns + `, k.created_at` + subjectTables + `
		AND k.tenant_id = $4 AND (k.created_at, k.id) > ($1, $2) AND k.created_at <= $3` + livingSubjects + ` ORDER BY k.created_at, k.id LIMIT 200`
	keysByIdleness query = `SELECT ` + subjectColumns + `, k.secret_set_at` + subjectTables + `
		AND ` + silentSince + ` AND (k.secret_set_at, k.id) > ($3, $4) ORDER BY k.secret_set_at, k.id LIMIT 200`
	selectSubject query = `SELECT ` + subjectColumns + `, k.created_at` + subjectTables + ` AND k.id = $1`
)

// TenantsIn implements notice.Store.
func (s *Store) TenantsIn(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error) {
	all, err := ids[ident.TenantID](ctx, s.reading, selectTenantsOf, account)
	return all, s.fault(err)
}

// Candidates implements notice.Store. A place before all times is that of the zero time.
func (s *Store) Candidates(ctx context.Context, search notice.Search, after notice.Place) (found []notice.Candidate, err error) {
	q, args := keysByExpiry, []any{after.At.UnixMicro(), string(after.Key), search.Until.UnixMicro()}
	switch search.By {
	case notice.BySecret:
		q = keysBySecret
	case notice.InTenant:
		q, args = keysInTenant, append(args, string(search.Tenant))
	case notice.ByIdleness:
		q, args = keysByIdleness, []any{string(search.Tenant), search.Until.UnixMicro(), after.At.UnixMicro(), string(after.Key)}
	}
	found, err = collect(ctx, s.reading, q, scanCandidate, args...)
	return found, s.fault(err)
}

// SubjectOf implements notice.Store.
func (s *Store) SubjectOf(ctx context.Context, key ident.KeyID) (notice.Subject, policy.Tenant, error) {
	c, err := scanCandidate(s.reading.row(ctx, selectSubject, key))
	if err != nil {
		return c.Subject, policy.Tenant{}, s.fault(err)
	}
	t, err := s.TenantRules(ctx, c.Tenant)
	return c.Subject, t, err
}

func scanCandidate(row scanner) (c notice.Candidate, err error) {
	err = row.Scan(&c.Key, &c.Tenant, &c.Account, &c.Owner, &c.Name, &c.PublicID, &c.Last4, &c.Serial,
		when{&c.SetAt}, when{&c.ExpiresAt}, when{&c.RevokedAt},
		when{&c.DisabledAt}, when{&c.EnabledAt}, when{&c.LastUsedAt}, when{&c.Place.At})
	if err != nil {
		return c, err
	}
	c.Place.Key = c.Key
	return c, nil
}

package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// subjectColumns are scanned by scanCandidate, in this order.
const subjectColumns = `k.id, k.tenant_id, t.account_id, k.owner_id, sa.name, k.name, s.public_id, s.last4, s.serial,
	k.secret_set_at, k.expires_at, COALESCE(k.revoked_at, sa.deleted_at),
	k.disabled_at, k.enabled_at, used.last_used_at`

// subjectTables begins with the keys. SQLite keeps the order of a CROSS JOIN; without statistics it
// would begin with every current secret.
const subjectTables = ` FROM keys k CROSS JOIN tenants t CROSS JOIN key_secrets s` + keyUses + `
		LEFT JOIN service_accounts sa ON sa.id = k.owner_id
		WHERE t.id = k.tenant_id AND s.key_id = k.id AND s.position = 'current'`

const livingSubjects = ` AND k.revoked_at IS NULL AND k.secret_set_at IS NOT NULL`

const (
	keysByExpiry query = `SELECT ` + subjectColumns + `, k.expires_at` + subjectTables + `
		AND (k.expires_at, k.id) > ($1, $2) AND k.expires_at <= $3` + livingSubjects +
		` ORDER BY k.expires_at, k.id LIMIT 200`
	keysBySecret query = `SELECT ` + subjectColumns + `, k.secret_set_at` + subjectTables + `
		AND (k.secret_set_at, k.id) > ($1, $2) AND k.secret_set_at <= $3` + livingSubjects +
		` ORDER BY k.secret_set_at, k.id LIMIT 200`
	keysInTenant query = `SELECT ` + subjectColumns + `, k.created_at` + subjectTables + `
		AND k.tenant_id = $4 AND (k.created_at, k.id) > ($1, $2) AND k.created_at <= $3` + livingSubjects +
		` ORDER BY k.created_at, k.id LIMIT 200`
	keysByIdleness query = `SELECT ` + subjectColumns + `, k.secret_set_at` + subjectTables + `
		AND ` + idleSince
	selectSubject query = `SELECT ` + subjectColumns + `, k.created_at` + subjectTables + ` AND k.id = $1`
)

// Stewards implements notice.Store.
func (s *Store) Stewards(ctx context.Context, account ident.ServiceAccountID) ([]ident.UserID, error) {
	q, args := expand(selectStewards, 1, []ident.ServiceAccountID{account})
	var all []ident.UserID
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var of ident.ServiceAccountID
		var steward ident.UserID
		if err := row.Scan(&of, &steward); err != nil {
			return err
		}
		all = append(all, steward)
		return nil
	}, args...)
	return all, s.fault(err)
}

// AdminsOf implements notice.Store.
func (s *Store) AdminsOf(ctx context.Context, tenant ident.TenantID) ([]ident.UserID, error) {
	all, err := ids[ident.UserID](ctx, s.reading, listAdmins, tenant)
	return all, s.fault(err)
}

// TenantsIn implements notice.Store.
func (s *Store) TenantsIn(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error) {
	all, err := ids[ident.TenantID](ctx, s.reading, selectTenantsOf, account)
	return all, s.fault(err)
}

// Candidates implements notice.Store. The position of the zero time is before all others.
func (s *Store) Candidates(ctx context.Context, search notice.Search,
	after notice.Position,
) (found []notice.Candidate, err error) {
	q, args := keysByExpiry, []any{after.At.UnixMicro(), string(after.Key), search.Until.UnixMicro()}
	switch search.By {
	case notice.BySecret:
		q = keysBySecret
	case notice.InTenant:
		q, args = keysInTenant, append(args, string(search.Tenant))
	}
	found, err = collect(ctx, s.reading, q, s.scanCandidate, args...)
	return found, s.fault(err)
}

// IdleCandidates implements notice.Store.
func (s *Store) IdleCandidates(
	ctx context.Context, tenant ident.TenantID, since time.Time, after notice.Position,
) (found []notice.Candidate, last *notice.Position, err error) {
	begin := key.Position{At: after.At, Key: after.Key}
	end, err := s.lastOfBatch(ctx, tenant, since, begin)
	if err != nil {
		return nil, nil, err
	}
	found, err = collect(ctx, s.reading, keysByIdleness, s.scanCandidate,
		batchArgs(tenant, since, begin, end)...)
	if end != nil {
		last = &notice.Position{At: end.At, Key: end.Key}
	}
	return found, last, s.fault(err)
}

// SubjectOf implements notice.Store.
func (s *Store) SubjectOf(ctx context.Context, key ident.KeyID) (notice.Subject, policy.Tenant, error) {
	c, err := s.scanCandidate(s.reading.row(ctx, selectSubject, key))
	if err != nil {
		return c.Subject, policy.Tenant{}, s.fault(err)
	}
	t, err := s.TenantRules(ctx, c.Tenant)
	return c.Subject, t, err
}

func (s *Store) scanCandidate(row scanner) (c notice.Candidate, err error) {
	err = row.Scan(&c.Key, &c.Tenant, &c.Account, &c.Owner.ID, nullString(&c.Owner.Name),
		&c.Name, &c.PublicID, &c.Last4, &c.Serial,
		nullTime{&c.SetAt}, nullTime{&c.ExpiresAt}, nullTime{&c.RevokedAt},
		nullTime{&c.DisabledAt}, nullTime{&c.EnabledAt}, nullTime{&c.LastUsedAt}, nullTime{&c.Position.At})
	if err != nil {
		return c, err
	}
	s.addUse(&c)
	c.Position.Key = c.Key
	return c, nil
}

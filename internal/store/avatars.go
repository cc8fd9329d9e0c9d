package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
)

const (
	upsertAvatar query = `INSERT INTO user_avatars (user_id, image, version, set_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET image = excluded.image, version = excluded.version,
		set_at = excluded.set_at`
	deleteAvatar            query = `DELETE FROM user_avatars WHERE user_id = $1`
	selectAvatar            query = `SELECT image, version FROM user_avatars WHERE user_id = $1`
	selectAvatarVersion     query = `SELECT version FROM user_avatars WHERE user_id = $1`
	selectAffiliatedTenants query = `SELECT m.tenant_id, t.account_id FROM members m
		JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = $1`
	selectAffiliatedAccounts query = `SELECT account_id FROM account_members WHERE user_id = $1`
)

// SetAvatar implements identity.AvatarTx.
func (t *Tx) SetAvatar(ctx context.Context, user ident.UserID, a identity.Avatar, at time.Time) error {
	return t.exec(ctx, upsertAvatar, user, a.Image, a.Version, micros(at))
}

// RemoveAvatar implements identity.AvatarTx.
func (t *Tx) RemoveAvatar(ctx context.Context, user ident.UserID) error {
	return t.runOne(ctx, deleteAvatar, user)
}

// Avatar implements identity.Store.
func (s *Store) Avatar(ctx context.Context, user ident.UserID) (a identity.Avatar, err error) {
	err = s.reading.row(ctx, selectAvatar, user).Scan(&a.Image, &a.Version)
	return a, s.fault(err)
}

// AvatarVersion implements identity.Store.
func (s *Store) AvatarVersion(ctx context.Context, user ident.UserID) (version string, err error) {
	err = s.reading.row(ctx, selectAvatarVersion, user).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return version, s.fault(err)
}

// Affiliations implements identity.Store.
func (s *Store) Affiliations(ctx context.Context, user ident.UserID) (a identity.Affiliations, err error) {
	a.Tenants = map[ident.TenantID]ident.AccountID{}
	err = forEachRow(ctx, s.reading, selectAffiliatedTenants, func(row *sql.Rows) error {
		var tenant ident.TenantID
		var account ident.AccountID
		if err := row.Scan(&tenant, &account); err != nil {
			return err
		}
		a.Tenants[tenant] = account
		return nil
	}, user)
	if err == nil {
		a.Accounts, err = ids[ident.AccountID](ctx, s.reading, selectAffiliatedAccounts, user)
	}
	return a, s.fault(err)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// invitationColumns are scanned by scanInvitation, in this order.
const invitationColumns = `id, tenant_id, email, role, account_id, name, created_by, mailed_at, created_at, expires_at`

const (
	insertInvitation query = `INSERT INTO links (id, kind, token_hash, tenant_id, email, canonical_email, role,
		account_id, name, created_by, created_at, expires_at, mailed_at)
		VALUES ($1, 'invitation', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	voidInvitations query = `UPDATE links SET expires_at = $3 WHERE kind = 'invitation' AND tenant_id = $1
		AND canonical_email = $2 AND used_at IS NULL AND expires_at > $3`
	selectInvitation query = `SELECT ` + invitationColumns +
		` FROM links WHERE kind = 'invitation' AND token_hash = $1 AND used_at IS NULL AND expires_at > $2`
	selectInvitationOf query = `SELECT ` + invitationColumns +
		` FROM links WHERE kind = 'invitation' AND tenant_id = $1 AND id = $2`
	selectPendingInvitation query = `SELECT ` + invitationColumns + ` FROM links
		WHERE kind = 'invitation' AND tenant_id = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3`
	selectOwnersInvitation query = `SELECT ` + invitationColumns +
		` FROM links WHERE kind = 'invitation' AND tenant_id = $1
		AND canonical_email = $2 AND account_id IS NOT NULL AND used_at IS NULL AND expires_at > $3
		ORDER BY expires_at DESC LIMIT 1`
	listInvitations query = `SELECT l.id, l.email, l.role, l.expires_at, l.created_at, u.id, u.email, u.name
		FROM links l LEFT JOIN users u ON u.id = l.created_by
		WHERE l.kind = 'invitation' AND l.used_at IS NULL AND (l.created_at, l.id) < ($1, $2) AND l.tenant_id = $4
		AND l.expires_at > $5
		ORDER BY l.created_at DESC, l.id DESC LIMIT $3`
	renewInvitation query = `UPDATE links SET token_hash = $3, created_by = $4, mailed_at = $5, expires_at = $6
		WHERE kind = 'invitation' AND tenant_id = $1 AND id = $2`
	voidInvitation query = `UPDATE links SET expires_at = $3 WHERE kind = 'invitation' AND tenant_id = $1 AND id = $2`
	// A mailed link proves the address. So does a link that the operator created.
	selectProvingLink query = `SELECT id FROM links WHERE kind = 'invitation' AND token_hash = $1
		AND canonical_email = $2
		AND used_at IS NULL AND expires_at > $3 AND (mailed_at IS NOT NULL OR created_by IS NULL)`
	countInvitations query = `SELECT COUNT(*) FROM (SELECT 1 FROM links WHERE kind = 'invitation' AND used_at IS NULL
		AND tenant_id = $1 AND expires_at > $2 AND canonical_email <> $3 LIMIT $4) counted`
	// The claim of a key that waits for its secret is deleted with its key.
	selectOldLinks query = `SELECT l.id FROM links l WHERE l.expires_at <= $1
		AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = l.key_id AND k.secret_set_at IS NULL AND k.revoked_at IS NULL)
		ORDER BY l.expires_at LIMIT $2`
	deleteLinks query = `DELETE FROM links WHERE id IN ($1…)`
	insertSetup query = `INSERT INTO links (id, kind, token_hash, created_at, expires_at)
		VALUES ($1, 'setup', $2, $3, $4)`
	// Each account has a number above 0.
	selectSetup query = `SELECT id FROM links WHERE kind = 'setup' AND token_hash = $1 AND used_at IS NULL
		AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM accounts WHERE number > 0)`
	// This row exists from the first start on.
	lockSetup       query = `SELECT 1 FROM server_settings WHERE name = 'root_check'`
	selectLiveSetup query = `SELECT id, token_hash, created_at, expires_at FROM links WHERE kind = 'setup'
		AND used_at IS NULL AND expires_at > $1`
	voidSetups query = `UPDATE links SET expires_at = $1 WHERE kind = 'setup' AND used_at IS NULL
		AND expires_at > $1`
	// A conditional UPDATE marks a link as used, so that it works once even if several requests use
	// it at the same time.
	useLink query = `UPDATE links SET used_at = $3 WHERE kind = $1 AND token_hash = $2 AND used_at IS NULL
		AND expires_at > $3`
)

// CountPendingInvitations implements tenancy.InvitationTx.
func (t *Tx) CountPendingInvitations(ctx context.Context, i tenancy.Invitation, most int) (int, error) {
	return t.countUpTo(ctx, countInvitations, i.Tenant, micros(i.CreatedAt), identity.CanonicalEmail(i.Email), most)
}

// DeleteOldLinks implements tenancy.OpenTx.
func (t *Tx) DeleteOldLinks(ctx context.Context, expiredBy time.Time, most int) (int64, error) {
	old, err := ids[ident.LinkID](ctx, t, selectOldLinks, micros(expiredBy), most)
	if err != nil {
		return 0, err
	}
	q, args := expand(deleteLinks, 1, old)
	return t.count(ctx, q, args...)
}

// InsertInvitation implements tenancy.InsertInvitationTx.
func (t *Tx) InsertInvitation(ctx context.Context, i tenancy.Invitation, token credential.TokenHash) error {
	canonical := identity.CanonicalEmail(i.Email)
	if err := t.exec(ctx, voidInvitations, i.Tenant, canonical, micros(i.CreatedAt)); err != nil {
		return err
	}
	return t.exec(ctx, insertInvitation, i.ID, token[:], i.Tenant, i.Email, canonical, string(i.Role),
		nullIfEmpty(i.Owns), nullIfEmpty(i.Name), nullIfEmpty(i.By), micros(i.CreatedAt), micros(i.ExpiresAt),
		micros(i.MailedAt))
}

// UseInvitation implements tenancy.AcceptTx.
func (t *Tx) UseInvitation(ctx context.Context, token credential.TokenHash,
	now time.Time,
) (tenancy.Invitation, error) {
	i, err := scanInvitation(t.row(ctx, selectInvitation, token[:], micros(now)))
	if err != nil {
		return i, t.store.fault(err)
	}
	return i, t.runOne(ctx, useLink, string(credential.InvitationToken), token[:], micros(now))
}

// Invitation implements tenancy.Store.
func (s *Store) Invitation(ctx context.Context, token credential.TokenHash,
	now time.Time,
) (tenancy.Invitation, error) {
	i, err := scanInvitation(s.reading.row(ctx, selectInvitation, token[:], micros(now)))
	return i, s.fault(err)
}

// InvitationOf implements tenancy.Store.
func (s *Store) InvitationOf(ctx context.Context, tenant ident.TenantID, id ident.LinkID) (tenancy.Invitation, error) {
	i, err := scanInvitation(s.reading.row(ctx, selectInvitationOf, tenant, id))
	return i, s.fault(err)
}

// Invitations implements tenancy.Store.
func (s *Store) Invitations(ctx context.Context, tenant ident.TenantID, now time.Time,
	page paging.Page,
) ([]tenancy.Invitation, error) {
	list, err := collect(ctx, s.reading, listInvitations, func(row scanner) (i tenancy.Invitation, err error) {
		err = row.Scan(&i.ID, &i.Email, &i.Role, nullTime{&i.ExpiresAt}, nullTime{&i.CreatedAt},
			nullString(&i.Inviter.ID), nullString(&i.Inviter.Email), nullString(&i.Inviter.Name))
		return i, err
	}, append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), tenant, micros(now))...)
	return list, s.fault(err)
}

// PendingInvitation implements tenancy.InvitationTx.
func (t *Tx) PendingInvitation(ctx context.Context, tenant ident.TenantID, id ident.LinkID,
	now time.Time,
) (tenancy.Invitation, error) {
	i, err := scanInvitation(t.row(ctx, selectPendingInvitation, tenant, id, micros(now)))
	return i, t.store.fault(err)
}

// OwnersInvitation implements tenancy.InvitationTx.
func (t *Tx) OwnersInvitation(ctx context.Context, tenant ident.TenantID, email string,
	now time.Time,
) (tenancy.Invitation, error) {
	i, err := scanInvitation(t.row(ctx, selectOwnersInvitation, tenant, identity.CanonicalEmail(email), micros(now)))
	return i, t.store.fault(err)
}

// RenewInvitation implements tenancy.InvitationTx.
func (t *Tx) RenewInvitation(ctx context.Context, i tenancy.Invitation, token credential.TokenHash) error {
	return t.runOne(ctx, renewInvitation, i.Tenant, i.ID, token[:], nullIfEmpty(i.By), micros(i.MailedAt),
		micros(i.ExpiresAt))
}

// VoidInvitation implements tenancy.InvitationTx.
func (t *Tx) VoidInvitation(ctx context.Context, tenant ident.TenantID, id ident.LinkID, now time.Time) error {
	return t.runOne(ctx, voidInvitation, tenant, id, micros(now))
}

// ProvingLink implements identity.DeleteTx.
func (t *Tx) ProvingLink(ctx context.Context, token credential.TokenHash, canonical string,
	now time.Time,
) (id ident.LinkID, err error) {
	err = t.row(ctx, selectProvingLink, token[:], canonical, micros(now)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.LinkInvalid
	}
	return id, err
}

func scanInvitation(row scanner) (i tenancy.Invitation, err error) {
	err = row.Scan(&i.ID, &i.Tenant, &i.Email, &i.Role, nullString(&i.Owns), nullString(&i.Name), nullString(&i.By),
		nullTime{&i.MailedAt}, nullTime{&i.CreatedAt}, nullTime{&i.ExpiresAt})
	return i, err
}

// LockSetup implements tenancy.OpenTx.
func (t *Tx) LockSetup(ctx context.Context,
	now time.Time,
) (l tenancy.SetupLink, token credential.TokenHash, err error) {
	if err := t.lockRows(ctx, lockSetup); err != nil {
		return l, token, err
	}
	var hash []byte
	err = t.row(ctx, selectLiveSetup, micros(now)).Scan(&l.ID, &hash, nullTime{&l.CreatedAt}, nullTime{&l.ExpiresAt})
	if err != nil {
		return l, token, t.store.fault(err)
	}
	copy(token[:], hash)
	return l, token, nil
}

// VoidSetups implements account.FoundTx.
func (t *Tx) VoidSetups(ctx context.Context, at time.Time) error {
	if err := t.lockRows(ctx, lockSetup); err != nil {
		return err
	}
	return t.exec(ctx, voidSetups, micros(at))
}

// InsertSetup implements tenancy.OpenTx.
func (t *Tx) InsertSetup(ctx context.Context, l tenancy.SetupLink, token credential.TokenHash) error {
	if err := t.exec(ctx, voidSetups, micros(l.CreatedAt)); err != nil {
		return err
	}
	return t.exec(ctx, insertSetup, l.ID, token[:], micros(l.CreatedAt), micros(l.ExpiresAt))
}

// Setup implements tenancy.Store.
func (s *Store) Setup(ctx context.Context, token credential.TokenHash, now time.Time) error {
	var id ident.LinkID
	return s.fault(s.reading.row(ctx, selectSetup, token[:], micros(now)).Scan(&id))
}

// UseSetup implements tenancy.OpenTx.
func (t *Tx) UseSetup(ctx context.Context, token credential.TokenHash, now time.Time) error {
	return t.runOne(ctx, useLink, string(credential.SetupToken), token[:], micros(now))
}

package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// invitationColumns are scanned by scanInvitation, in this order.
const invitationColumns = `id, tenant_id, email, role, account_id, name, created_by, created_at, expires_at`

const (
	insertInvitation query = `INSERT INTO links (id, kind, token_hash, tenant_id, email, canonical_email, role, account_id, name, created_by, created_at, expires_at)
		VALUES ($1, 'invitation', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	voidInvitations    query = `UPDATE links SET expires_at = $3 WHERE kind = 'invitation' AND tenant_id = $1 AND canonical_email = $2 AND used_at IS NULL AND expires_at > $3`
	selectInvitation   query = `SELECT ` + invitationColumns + ` FROM links WHERE kind = 'invitation' AND token_hash = $1 AND used_at IS NULL AND expires_at > $2`
	selectInvitationOf query = `SELECT ` + invitationColumns + ` FROM links WHERE kind = 'invitation' AND tenant_id = $1 AND id = $2`
	insertSetup        query = `INSERT INTO links (id, kind, token_hash, created_at, expires_at) VALUES ($1, 'setup', $2, $3, $4)`
	selectSetup        query = `SELECT id FROM links WHERE kind = 'setup' AND token_hash = $1 AND used_at IS NULL AND expires_at > $2`
	voidSetups         query = `UPDATE links SET expires_at = $1 WHERE kind = 'setup' AND used_at IS NULL AND expires_at > $1`
	// A link is used by one conditional UPDATE, so that it works once however many try.
	useLink query = `UPDATE links SET used_at = $3 WHERE kind = $1 AND token_hash = $2 AND used_at IS NULL AND expires_at > $3`
)

// InsertInvitation implements tenancy.Tx.
func (t *Tx) InsertInvitation(ctx context.Context, i tenancy.Invitation, token credential.TicketHash) error {
	canonical := identity.CanonicalEmail(i.Email)
	if err := t.exec(ctx, voidInvitations, i.Tenant, canonical, micros(i.CreatedAt)); err != nil {
		return err
	}
	return t.exec(ctx, insertInvitation, i.ID, token[:], i.Tenant, i.Email, canonical, string(i.Role),
		optional(i.Owns), optional(i.Name), optional(i.By), micros(i.CreatedAt), micros(i.ExpiresAt))
}

// UseInvitation implements tenancy.Tx.
func (t *Tx) UseInvitation(ctx context.Context, token credential.TicketHash, now time.Time) (tenancy.Invitation, error) {
	i, err := scanInvitation(t.row(ctx, selectInvitation, token[:], micros(now)))
	if err != nil {
		return i, t.store.fault(err)
	}
	return i, t.one(ctx, useLink, string(credential.InvitationTicket), token[:], micros(now))
}

// Invitation implements tenancy.Store.
func (s *Store) Invitation(ctx context.Context, token credential.TicketHash, now time.Time) (tenancy.Invitation, error) {
	i, err := scanInvitation(s.reading.row(ctx, selectInvitation, token[:], micros(now)))
	return i, s.fault(err)
}

// InvitationOf implements tenancy.Store.
func (s *Store) InvitationOf(ctx context.Context, tenant ident.TenantID, id ident.LinkID) (tenancy.Invitation, error) {
	i, err := scanInvitation(s.reading.row(ctx, selectInvitationOf, tenant, id))
	return i, s.fault(err)
}

func scanInvitation(row scanner) (i tenancy.Invitation, err error) {
	err = row.Scan(&i.ID, &i.Tenant, &i.Email, &i.Role, nullable(&i.Owns), nullable(&i.Name), nullable(&i.By), when{&i.CreatedAt}, when{&i.ExpiresAt})
	return i, err
}

// InsertSetup implements tenancy.Tx.
func (t *Tx) InsertSetup(ctx context.Context, l tenancy.SetupLink, token credential.TicketHash) error {
	if err := t.exec(ctx, voidSetups, micros(l.CreatedAt)); err != nil {
		return err
	}
	return t.exec(ctx, insertSetup, l.ID, token[:], micros(l.CreatedAt), micros(l.ExpiresAt))
}

// Setup implements tenancy.Store.
func (s *Store) Setup(ctx context.Context, token credential.TicketHash, now time.Time) error {
	var id ident.LinkID
	return s.fault(s.reading.row(ctx, selectSetup, token[:], micros(now)).Scan(&id))
}

// UseSetup implements tenancy.Tx.
func (t *Tx) UseSetup(ctx context.Context, token credential.TicketHash, now time.Time) error {
	return t.one(ctx, useLink, string(credential.SetupTicket), token[:], micros(now))
}

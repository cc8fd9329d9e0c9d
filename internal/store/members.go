package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// memberColumns are scanned by scanMember, in this order.
const memberColumns = `m.tenant_id, u.id, u.email, u.name, m.role, m.disabled_at, m.created_at FROM members m JOIN users u ON u.id = m.user_id`

const (
	insertMember        query = `INSERT INTO members (tenant_id, user_id, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`
	holdLivePerson      query = `UPDATE users SET updated_at = updated_at WHERE id = $1 AND deleted_at IS NULL`
	updateMember        query = `UPDATE members SET role = $3, disabled_at = $4, updated_at = $5 WHERE tenant_id = $1 AND user_id = $2`
	holdMember          query = `UPDATE members SET updated_at = updated_at WHERE tenant_id = $1 AND user_id = $2`
	deleteMember        query = `DELETE FROM members WHERE tenant_id = $1 AND user_id = $2`
	selectMember        query = `SELECT ` + memberColumns + ` WHERE m.tenant_id = $1 AND m.user_id = $2`
	selectMemberByEmail query = `SELECT ` + memberColumns + ` WHERE m.tenant_id = $1 AND u.canonical_email = $2`
	listMembers         query = `SELECT ` + memberColumns + ` WHERE (m.created_at, m.user_id) < ($1, $2) AND m.tenant_id = $4 ORDER BY m.created_at DESC, m.user_id DESC LIMIT $3`
	countAdmins         query = `SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id
		WHERE m.tenant_id = $1 AND m.user_id <> $2 AND m.role = 'admin' AND m.disabled_at IS NULL AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
)

// InsertMember implements tenancy.Tx. The person is held, so that nobody joins while being deleted.
func (t *Tx) InsertMember(ctx context.Context, m tenancy.Member) error {
	if err := t.one(ctx, holdLivePerson, m.User.ID); err != nil {
		return err
	}
	err := t.exec(ctx, insertMember, m.Tenant, m.User.ID, string(m.Role), micros(m.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict, "This person is a member already.")
	}
	return err
}

// UpdateMember implements tenancy.Tx.
func (t *Tx) UpdateMember(ctx context.Context, m tenancy.Member, at time.Time) error {
	return t.one(ctx, updateMember, m.Tenant, m.User.ID, string(m.Role), since(m.Disabled, at), micros(at))
}

// Member implements tenancy.Tx. It holds the membership, as whoever changes a key of it does.
func (t *Tx) Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (tenancy.Member, error) {
	if err := t.one(ctx, holdMember, tenant, user); err != nil {
		return tenancy.Member{}, err
	}
	return scanMember(t.row(ctx, selectMember, tenant, user))
}

// MemberByEmail implements tenancy.Tx.
func (t *Tx) MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (tenancy.Member, error) {
	m, err := scanMember(t.row(ctx, selectMemberByEmail, tenant, canonical))
	return m, t.store.fault(err)
}

// DeleteMember implements tenancy.Tx.
func (t *Tx) DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error {
	return t.one(ctx, deleteMember, tenant, user)
}

// OtherAdmins implements identity.Tx and tenancy.Tx.
func (t *Tx) OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (n int, err error) {
	err = t.row(ctx, countAdmins, tenant, user).Scan(&n)
	return n, err
}

// Members implements tenancy.Store.
func (s *Store) Members(ctx context.Context, tenant ident.TenantID, page tenancy.Page) (list []tenancy.Member, err error) {
	list, err = collect(ctx, s.reading, listMembers, scanMember,
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), tenant)...)
	return list, s.fault(err)
}

func scanMember(row scanner) (m tenancy.Member, err error) {
	err = row.Scan(&m.Tenant, &m.User.ID, nullable(&m.User.Email), nullable(&m.User.Name), &m.Role, set{&m.Disabled}, when{&m.CreatedAt})
	return m, err
}

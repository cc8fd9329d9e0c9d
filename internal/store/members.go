package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// memberColumns are scanned by scanMember, in this order.
const memberColumns = `m.tenant_id, u.id, u.email, u.name, u.email_proven_at, m.role, m.disabled_at, m.created_at
	FROM members m JOIN users u ON u.id = m.user_id`

const (
	countMembers query = `SELECT COUNT(*) FROM (SELECT 1 FROM members WHERE tenant_id = $1 LIMIT $2) counted`
	insertMember query = `INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $4)`
	lockUndeletedPerson query = `SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL`
	updateMember        query = `UPDATE members SET role = $3, disabled_at = $4, updated_at = $5 WHERE tenant_id = $1
		AND user_id = $2`
	lockMembership      query = `SELECT 1 FROM members WHERE tenant_id = $1 AND user_id = $2`
	deleteMember        query = `DELETE FROM members WHERE tenant_id = $1 AND user_id = $2`
	selectMember        query = `SELECT ` + memberColumns + ` WHERE m.tenant_id = $1 AND m.user_id = $2`
	selectMemberByEmail query = `SELECT ` + memberColumns + ` WHERE m.tenant_id = $1 AND u.canonical_email = $2`
	listMembers         query = `SELECT ` + memberColumns +
		` WHERE (m.created_at, m.user_id) < ($1, $2) AND m.tenant_id = $4 ORDER BY m.created_at DESC, m.user_id DESC
			LIMIT $3`
	listMembersOfRole query = `SELECT ` + memberColumns +
		` WHERE (m.created_at, m.user_id) < ($1, $2) AND m.tenant_id = $4 AND m.role = $5
			ORDER BY m.created_at DESC, m.user_id DESC LIMIT $3`
	listMembersWithoutFactor query = `SELECT ` + memberColumns +
		` WHERE (m.created_at, m.user_id) < ($1, $2) AND m.tenant_id = $4
			AND NOT EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = m.user_id)
			ORDER BY m.created_at DESC, m.user_id DESC LIMIT $3`
	listAdmins query = `SELECT m.user_id FROM members m JOIN users u ON u.id = m.user_id
		WHERE m.tenant_id = $1 AND m.role = 'admin' AND m.disabled_at IS NULL AND u.disabled_at IS NULL
		AND u.deleted_at IS NULL ORDER BY m.user_id LIMIT 100`
	countAdmins query = `SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id
		WHERE m.tenant_id = $1 AND m.user_id <> $2 AND m.role = 'admin' AND m.disabled_at IS NULL
		AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
)

// CountMembers implements tenancy.JoinTx.
func (t *Tx) CountMembers(ctx context.Context, tenant ident.TenantID, most int) (int, error) {
	return t.countUpTo(ctx, countMembers, tenant, most)
}

// CountMembers implements tenancy.Store.
func (s *Store) CountMembers(ctx context.Context, tenant ident.TenantID, most int) (n int, err error) {
	err = s.reading.row(ctx, countMembers, tenant, most).Scan(&n)
	return n, s.fault(err)
}

// InsertMember implements tenancy.InsertMemberTx. It locks the person, so that nobody joins while
// being deleted. It fails with fault.Conflict while keys from an earlier membership are being
// revoked.
func (t *Tx) InsertMember(ctx context.Context, m tenancy.Member) error {
	if err := t.lockRow(ctx, lockUndeletedPerson, m.User.ID); err != nil {
		return err
	}
	if err := t.checkNotEnding(ctx, m.Tenant, ident.PartyID(m.User.ID)); err != nil {
		return err
	}
	err := t.exec(ctx, insertMember, m.Tenant, m.User.ID, string(m.Role), micros(m.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict, "This person is already a member of the tenant.")
	}
	if err != nil {
		return err
	}
	return t.indexMember(ctx, m.Tenant, m.User.ID)
}

// UpdateMember implements tenancy.MemberTx.
func (t *Tx) UpdateMember(ctx context.Context, m tenancy.Member, at time.Time) error {
	return t.runOne(ctx, updateMember, m.Tenant, m.User.ID, string(m.Role), timeIf(m.Disabled, at), micros(at))
}

// Member implements tenancy.MemberTx. It locks the membership. Changes of the member's keys lock it
// too.
func (t *Tx) Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (tenancy.Member, error) {
	if err := t.lockRow(ctx, lockMembership, tenant, user); err != nil {
		return tenancy.Member{}, err
	}
	return scanMember(t.row(ctx, selectMember, tenant, user))
}

// MemberByEmail implements tenancy.InvitationTx.
func (t *Tx) MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (tenancy.Member, error) {
	m, err := scanMember(t.row(ctx, selectMemberByEmail, tenant, canonical))
	return m, t.store.fault(err)
}

// DeleteMember implements tenancy.MemberTx. The person is no steward in the tenant any more.
func (t *Tx) DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error {
	if err := t.exec(ctx, deleteStewardships, tenant, user); err != nil {
		return err
	}
	return t.runOne(ctx, deleteMember, tenant, user)
}

// OtherAdmins implements identity.DeleteTx and tenancy.MemberTx.
func (t *Tx) OtherAdmins(ctx context.Context, tenant ident.TenantID, user ident.UserID) (n int, err error) {
	err = t.row(ctx, countAdmins, tenant, user).Scan(&n)
	return n, err
}

// Members implements tenancy.Store.
func (s *Store) Members(ctx context.Context, tenant ident.TenantID,
	page paging.Page,
) (list []tenancy.Member, err error) {
	list, err = collect(ctx, s.reading, listMembers, scanMember,
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), tenant)...)
	return list, s.fault(err)
}

// MembersOfRole implements tenancy.Store.
func (s *Store) MembersOfRole(ctx context.Context, tenant ident.TenantID, role scope.Role,
	page paging.Page,
) (list []tenancy.Member, err error) {
	list, err = collect(ctx, s.reading, listMembersOfRole, scanMember,
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), tenant, role)...)
	return list, s.fault(err)
}

// MembersWithoutFactor implements tenancy.Store.
func (s *Store) MembersWithoutFactor(ctx context.Context, tenant ident.TenantID,
	page paging.Page,
) (list []tenancy.Member, err error) {
	list, err = collect(ctx, s.reading, listMembersWithoutFactor, scanMember,
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), tenant)...)
	return list, s.fault(err)
}

// Member implements tenancy.Store.
func (s *Store) Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (tenancy.Member, error) {
	m, err := scanMember(s.reading.row(ctx, selectMember, tenant, user))
	return m, s.fault(err)
}

// MemberByEmail implements tenancy.Store.
func (s *Store) MemberByEmail(ctx context.Context, tenant ident.TenantID, canonical string) (tenancy.Member, error) {
	m, err := scanMember(s.reading.row(ctx, selectMemberByEmail, tenant, canonical))
	return m, s.fault(err)
}

func scanMember(row scanner) (m tenancy.Member, err error) {
	err = row.Scan(&m.Tenant, &m.User.ID, nullString(&m.User.Email), nullString(&m.User.Name), isSet{&m.EmailProven},
		&m.Role,
		isSet{&m.Disabled}, nullTime{&m.CreatedAt})
	return m, err
}

package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/ident"
)

// The limits of what people add. Each is counted in the transaction that adds one more, with the
// tenant or the account locked. They bind operators too, since they protect the database.
const (
	maxTenants            = 1_000  // of an account
	maxMembers            = 10_000 // of a tenant
	maxPendingInvitations = 1_000  // to a tenant, neither used nor expired
)

// checkTenantLimit refuses a tenant more than an account may have. The account is locked.
func checkTenantLimit(ctx context.Context, tx TenantTx, id ident.AccountID) error {
	n, err := tx.CountTenants(ctx, id, maxTenants)
	return account.CheckLimit(n, err, maxTenants, "This account has %d of %d tenants.",
		"Rename one that is no longer used.")
}

// checkInvitationLimit refuses an invitation more than may be pending in a tenant. Those to the
// same address do not count, since the new one replaces them. The tenant is locked.
func checkInvitationLimit(ctx context.Context, tx InvitationTx, i Invitation) error {
	n, err := tx.CountPendingInvitations(ctx, i, maxPendingInvitations)
	return account.CheckLimit(n, err, maxPendingInvitations, "This tenant has %d of %d pending invitations.",
		"Cancel one, or wait until one is accepted or expires, which takes 7 days at most.")
}

// checkMemberLimit refuses a member more than a tenant may have. The tenant is locked.
func checkMemberLimit(ctx context.Context, tx JoinTx, tenant ident.TenantID) error {
	n, err := tx.CountMembers(ctx, tenant, maxMembers)
	return account.CheckLimit(n, err, maxMembers, "This tenant has %d of %d members.",
		"An admin of it must remove one first.")
}

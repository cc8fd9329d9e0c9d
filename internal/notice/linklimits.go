package notice

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// How many links tenants may mail within 24 hours: invitations, each time that they are sent, and
// links to claim a key.
const (
	MaxLinksOfTenant    = 200 // of a tenant
	MaxLinksTo          = 5   // of a tenant to one address
	MaxLinksToOfAccount = 20  // of all tenants of an account to one address
)

// LinkWriter plans the mailing of a tenant's link in a transaction.
type LinkWriter interface {
	Writer
	// LockLinks makes other calls of it wait until this transaction ends, so that one transaction
	// at a time counts. It must be the last lock of the transaction.
	LockLinks(ctx context.Context) error
	// NthMailOf returns when the nth newest message with a link of the tenant was planned; zero
	// where there are fewer. NthMailTo counts only those to the address, in whatever spelling.
	// NthMailToOfAccount counts those to the address of all tenants of the tenant's account.
	NthMailOf(ctx context.Context, tenant ident.TenantID, n int) (time.Time, error)
	NthMailTo(ctx context.Context, email string, tenant ident.TenantID, n int) (time.Time, error)
	NthMailToOfAccount(ctx context.Context, email string, tenant ident.TenantID, n int) (time.Time, error)
}

// PlanLink plans a notice that brings a link of a tenant. It fails with fault.RateLimited where too
// many were mailed within 24 hours. It is the last step of a transaction. What other accounts mail
// to a person does not count, so that nobody can keep the person from being invited elsewhere.
func PlanLink(ctx context.Context, tx LinkWriter, n Notice) error {
	if err := tx.LockLinks(ctx); err != nil {
		return err
	}
	tenant := n.Facts.Tenant
	for _, bound := range []struct {
		most int
		nth  func(int) (time.Time, error)
		text string
	}{
		{
			MaxLinksTo, func(nth int) (time.Time, error) { return tx.NthMailTo(ctx, n.To, tenant, nth) },
			"A tenant may mail %d links to one address",
		},
		{
			MaxLinksOfTenant, func(nth int) (time.Time, error) { return tx.NthMailOf(ctx, tenant, nth) },
			"A tenant may mail %d links",
		},
		{
			MaxLinksToOfAccount,
			func(nth int) (time.Time, error) { return tx.NthMailToOfAccount(ctx, n.To, tenant, nth) },
			"The tenants of an account may mail %d links to one address",
		},
	} {
		at, err := bound.nth(bound.most)
		if err != nil {
			return err
		}
		if wait := at.Add(policy.Day).Sub(n.At); !at.IsZero() && wait > 0 {
			return fault.Retry(fault.RateLimited, wait,
				fmt.Sprintf(bound.text, bound.most)+" within 24 hours. Wait as long as Retry-After says.")
		}
	}
	return tx.PlanNotice(ctx, n)
}

package account

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// VerifyAccountTrail verifies the newest part of the audit trail of an account, without those of
// its tenants, for the owners and admins of the account.
func (s *Service) VerifyAccountTrail(ctx context.Context, who principal.Principal,
	account ident.AccountID,
) (audit.Recent, error) {
	if err := RequireAdmin(who, account); err != nil {
		return audit.Recent{}, err
	}
	return audit.VerifyRecent(ctx, s.Store, string(account))
}

// AccountTrail lists the audit events of an account and its tenants, newest first, for the owners
// and admins of the account.
func (s *Service) AccountTrail(ctx context.Context, who principal.Principal, account ident.AccountID,
	f audit.TrailFilter, page audit.TrailPage,
) (audit.TrailPart, error) {
	if err := RequireAdmin(who, account); err != nil {
		return audit.TrailPart{}, err
	}
	return audit.ReadTrail(ctx, s.Store, audit.Trail{Account: account}, f, page)
}

package key

import (
	"cmp"
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// matches reports whether a request names the subject as it is. It may leave out name and plan.
func matches(sent *machine.NewSubject, found machine.Subject) bool {
	return (sent.Name == "" || sent.Name == found.Name) && (sent.Plan == "" || sent.Plan == found.Plan)
}

var errOtherSubject = fault.New(fault.Conflict, "The subject has another `name` or `plan`. "+
	"Leave both out to create a key for it as it is, or change the subject first.")

// lockOwner reads and locks what the caller and the owner of a new key may do. It creates a subject
// that the request names by an unknown external id.
func lockOwner(ctx context.Context, tx CreateTx, tenant ident.TenantID, caller ident.UserID, spec Spec, fresh draft,
) (by principal.Authority, owner Owner, isNew bool, err error) {
	if spec.Subject == nil {
		by, owner, err = lockAuthorities(ctx, tx, tenant, caller, cmp.Or(spec.Owner, ident.PartyID(caller)))
		return by, owner, false, err
	}
	by, err = tx.Authority(ctx, tenant, caller)
	if err == nil {
		err = checkActsForMachines(by.EffectiveRole())
	}
	if err == nil {
		err = tx.RequireUpgrade(ctx)
	}
	if err != nil {
		return by, owner, false, err
	}
	s, err := tx.SubjectByExternalID(ctx, tenant, spec.Subject.ExternalID)
	switch {
	case errors.Is(err, fault.NotFound):
		s = spec.Subject.Subject(fresh.subject, tenant, fresh.key.CreatedAt)
		isNew, err = true, machine.InsertSubject(ctx, tx, &s, "owner.plan")
	case err == nil && !matches(spec.Subject, s):
		err = errOtherSubject
	}
	if err != nil {
		return by, owner, false, err
	}
	owner, err = tx.Owner(ctx, tenant, ident.PartyID(s.ID))
	return by, owner, isNew, err
}

// checkActsForMachines refuses everybody but admins of the tenant: they act for service accounts
// and subjects.
func checkActsForMachines(role scope.Role) error {
	switch role {
	case "":
		return fault.NotFound
	case scope.Admin:
		return nil
	}
	return errActsForMachines
}

var errActsForMachines = fault.New(fault.Forbidden,
	"Only an admin of the tenant may create keys for service accounts and subjects. Ask one of them.")

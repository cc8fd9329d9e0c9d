package key

import (
	"cmp"
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// matches reports whether a request names the subject as it is. It may leave out name and plan.
func matches(sent *machine.NewSubject, found machine.Subject) bool {
	return (sent.Name == "" || sent.Name == found.Name) && (sent.Plan == "" || sent.Plan == found.Plan)
}

var errOtherSubject = fault.New(fault.Conflict, "The subject has another `name` or `plan`. "+
	"Leave both out to create a key for it as it is, or change the subject first.")

// lockOwner reads and locks what the actor and the owner of a new key may do. It creates a subject
// that the request names by an unknown external id.
func lockOwner(ctx context.Context, tx CreateTx, tenant ident.TenantID, caller actor, spec Spec, fresh draft,
) (by actorRights, owner Owner, isNew bool, err error) {
	if spec.Subject == nil {
		self := ident.PartyID(caller.person.ID)
		by, owner, err = lockActor(ctx, tx, tenant, caller, cmp.Or(spec.Owner, self))
		return by, owner, false, err
	}
	// The locks are taken in the order of store/locks.go: the person or the service account, the
	// subject, the plan, the management key.
	if caller.management == nil {
		by.Authority, err = tx.Authority(ctx, tenant, caller.person.ID)
		if err == nil {
			err = checkActsForMachines(by.EffectiveRole())
		}
	} else {
		_, err = tx.Owner(ctx, tenant, caller.management.ServiceAccount.ID)
	}
	if err != nil {
		return by, owner, false, err
	}
	s, found := tx.SubjectByExternalID(ctx, tenant, spec.Subject.ExternalID)
	isNew = errors.Is(found, fault.NotFound)
	var plan error
	if isNew {
		plan = machine.RequirePlan(ctx, tx, tenant, spec.Subject.Plan, "owner.plan")
	}
	if caller.management != nil {
		by, err = lockManagementKey(ctx, tx, caller)
		if err == nil {
			err = by.authorizeSubject(isNew, spec.Subject.Plan)
		}
		if err != nil {
			return by, owner, false, err
		}
	}
	if err := tx.RequireUpgrade(ctx); err != nil {
		return by, owner, false, err
	}
	switch {
	case plan != nil:
		err = plan
	case isNew:
		s = spec.Subject.Subject(fresh.subject, tenant, fresh.key.CreatedAt)
		err = by.countCreate(ctx, tx, fresh.key.CreatedAt)
		if err == nil {
			err = machine.InsertSubject(ctx, tx, &s)
		}
	case found == nil && !matches(spec.Subject, s):
		err = errOtherSubject
	default:
		err = found
	}
	if err != nil {
		return by, owner, false, err
	}
	owner, err = tx.Owner(ctx, tenant, ident.PartyID(s.ID))
	return by, owner, isNew, err
}

// authorizeSubject checks whether a management key may create a key for a subject that the request
// names by its external id, and the subject if it is new.
func (a actorRights) authorizeSubject(isNew bool, plan string) error {
	rights := a.management.Rights
	if !rights.ActsFor(ident.SubjectParty, policy.MayCreateKeys) {
		return errNoPermission(policy.MayCreateKeys, ident.SubjectParty)
	}
	switch {
	case !isNew:
		return nil
	case !rights.Has(policy.MayWriteSubjects):
		return fault.New(fault.Forbidden,
			"The subject does not exist, and this management key has no permission `subjects:write` to create it.")
	}
	return machine.AuthorizeSubject(*a.management, plan)
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

package storetest

import (
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// serviceAccountsOwnKeys creates, changes and deletes service accounts with keys.
func (sc *scenario) serviceAccountsOwnKeys(who principal.Principal, t tenancy.Tenant, ada principal.Person) {
	n := machine.NewServiceAccount{Name: "Robot", Role: scope.Member, Stewards: []ident.UserID{ada.ID}}
	robot, err := sc.serviceAccounts.Create(sc.Context(), who, t.ID, n)
	record(sc, "create a service account", robot, err)
	n.Stewards = []ident.UserID{"usr_nobody"}
	refused, err := sc.serviceAccounts.Create(sc.Context(), who, t.ID, n)
	record(sc, "create with nobody as a steward", refused, err)
	spec := anyKey()
	spec.Owner = robot.Party().ID
	k := sc.create(who, t, spec)
	name, auditor := "Robot 2", scope.Auditor
	for _, c := range []machine.ServiceAccountChange{
		{Name: &name}, {Name: &name}, {Role: &auditor, Stewards: &[]ident.UserID{}},
	} {
		edited, err := sc.serviceAccounts.Edit(sc.Context(), who, t.ID, robot.ID, c)
		record(sc, "edit a service account", edited, err)
	}
	for _, off := range []bool{true, true, false} {
		switched, err := sc.serviceAccounts.SetDisabled(sc.Context(), who, t.ID, robot.ID, off)
		record(sc, "switch a service account", switched, err)
	}
	for range 2 {
		record(sc, "delete a service account", "", sc.serviceAccounts.Delete(sc.Context(), who, t.ID, robot.ID))
	}
	sc.exec(`UPDATE keys SET revoked_at = NULL WHERE id = '` + string(k.ID) + `'`) // as if it had more than 500 keys
	sc.exec(`INSERT INTO ended_owners (tenant_id, owner_id, ended_at, reason) VALUES ('` + string(t.ID) + `', '` +
		string(robot.ID) + `', 1, 'Gone.')`)
	for range 2 {
		record(sc, "revoke the keys of owners that ended", "", sc.endedOwners.RevokeKeys(sc.Context()))
	}
	found, err := sc.keys.Get(sc.Context(), who, t.ID, k.ID)
	record(sc, "show a key of a deleted service account", found, err)
}

package storetest

import (
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// subjectsHavePlans creates, changes and deletes plans and subjects with keys.
func (sc *scenario) subjectsHavePlans(who principal.Principal, t tenancy.Tenant) {
	plan, err := sc.plans.Create(sc.Context(), who, t.ID,
		machine.NewPlan{Name: "basic", Scopes: []scope.Scope{scope.Every}, AllApplications: true})
	record(sc, "create a plan", plan, err)
	subject, err := sc.subjects.Create(sc.Context(), who, t.ID,
		machine.NewSubject{ExternalID: "customer", Name: "Customer", Plan: "basic"})
	record(sc, "create a subject", subject, err)
	spec := anyKey()
	spec.Scopes = []scope.Scope{scope.Every}
	spec.Subject = &machine.NewSubject{ExternalID: "customer"}
	sc.create(who, t, spec)
	spec.Subject = &machine.NewSubject{ExternalID: "another", Plan: "basic"}
	sc.create(who, t, spec)
	a, err := sc.applications.CreateApplication(sc.Context(), who, t.ID, "An application", "")
	record(sc, "create an application for a plan", a, err)
	for range 2 {
		edited, err := sc.plans.Edit(sc.Context(), who, t.ID, "basic",
			machine.PlanChange{ApplicationIDs: []string{string(a.ID)}})
		record(sc, "edit a plan", edited, err)
	}
	// As if a million subjects were numbered: only then they are counted.
	sc.exec(`UPDATE counters SET value = 2000000 WHERE name = 'subject'`)
	counted, err := sc.subjects.Create(sc.Context(), who, t.ID, machine.NewSubject{ExternalID: "counted"})
	record(sc, "create a subject with a high number", counted, err)
	record(sc, "delete a plan in use", "", sc.plans.Delete(sc.Context(), who, t.ID, "basic"))
	name, none := "Customer 2", ""
	for range 2 {
		moved, err := sc.subjects.Edit(sc.Context(), who, t.ID, subject.ID,
			machine.SubjectChange{Name: &name, Plan: &none})
		record(sc, "edit a subject", moved, err)
	}
	off, err := sc.subjects.Disable(sc.Context(), who, t.ID, subject.ID)
	record(sc, "disable a subject", off, err)
	on, err := sc.subjects.Enable(sc.Context(), who, t.ID, subject.ID)
	record(sc, "enable a subject", on, err)
	for range 2 {
		record(sc, "delete a subject", "", sc.subjects.Delete(sc.Context(), who, t.ID, subject.ID))
	}
	spare, err := sc.plans.Create(sc.Context(), who, t.ID,
		machine.NewPlan{Name: "spare", Scopes: []scope.Scope{scope.Every}, AllApplications: true})
	record(sc, "create another plan", spare, err)
	record(sc, "delete a plan", "", sc.plans.Delete(sc.Context(), who, t.ID, "spare"))
}

// programsManageKeys creates, changes and ends management keys, and creates a key with one.
func (sc *scenario) programsManageKeys(who principal.Principal, t tenancy.Tenant) {
	robot, err := sc.serviceAccounts.Create(sc.Context(), who, t.ID,
		machine.NewServiceAccount{Name: "Program", Role: scope.Member})
	record(sc, "create a service account for a program", robot, err)
	rights := policy.ManagementRights{
		Permissions: []policy.Permission{policy.MayCreateKeys, policy.MayReadKeys, policy.MayWriteSubjects},
		Owners:      []ident.PartyType{ident.ServiceAccountParty, ident.SubjectParty},
		Ceilings: policy.Ceilings{
			Scopes: scope.NewSet(scope.Every), Applications: scope.Applications{All: true}, MaxLifetimeDays: 30,
			Plans: []string{""},
		},
	}
	tomorrow := sc.after(24 * time.Hour)
	issued, err := sc.managementKeys.Create(sc.Context(), sc.operator, t.ID, robot.ID,
		machine.ManagementKeySpec{Name: "Program", Rights: rights, ExpiresAt: &tomorrow})
	record(sc, "create a management key", issued.ManagementKeyView, err)
	if err != nil {
		sc.Fatalf("no management key: %v", err)
	}
	forgotten, err := sc.managementKeys.Create(sc.Context(), sc.operator, t.ID, robot.ID,
		machine.ManagementKeySpec{Name: "Forgotten", Rights: rights, ExpiresAt: &tomorrow})
	record(sc, "create a management key that expires", forgotten.ManagementKeyView, err)
	k := issued.ManagementKey
	spec := anyKey()
	spec.Owner = robot.Party().ID
	program := principal.OfManagementKey(&principal.ManagementKey{
		ID: k.ID, Name: k.Name, Tenant: t.ID, Account: t.Account, ServiceAccount: robot.Party(), Rights: k.Rights,
		Serial: 1,
	})
	sc.create(program, t, spec)
	sc.aProgramChangesASubject(program, t)
	refreshed, err := sc.managementKeys.Refresh(sc.Context(), sc.operator, t.ID, robot.ID, k.ID,
		machine.ManagementRefresh{Overlap: 600})
	record(sc, "refresh a management key", refreshed.ManagementKeyView, err)
	record(sc, "end its previous secret", "",
		sc.managementKeys.EndPrevious(sc.Context(), who, t.ID, robot.ID, k.ID))
	narrow := machine.ManagementKeyEdit{Rights: func(r *policy.ManagementRights) {
		r.Permissions = []policy.Permission{policy.MayReadKeys}
	}}
	for range 2 {
		edited, err := sc.managementKeys.Edit(sc.Context(), who, t.ID, robot.ID, k.ID, narrow)
		record(sc, "narrow a management key", edited, err)
	}
	for range 2 {
		revoked, err := sc.managementKeys.Revoke(sc.Context(), who, t.ID, robot.ID, k.ID, "no longer needed")
		record(sc, "revoke a management key", revoked, err)
	}
	record(sc, "delete a management key", "", sc.managementKeys.Delete(sc.Context(), who, t.ID, robot.ID, k.ID))
	sc.clock.move(sc.managementKeys.ExpiredRetention + 2*policy.Day)
	record(sc, "forget management keys that expired", "", sc.managementKeys.ForgetExpired(sc.Context()))
}

// aProgramChangesASubject creates, changes and deletes a subject with a management key.
func (sc *scenario) aProgramChangesASubject(program principal.Principal, t tenancy.Tenant) {
	s, err := sc.subjects.Create(sc.Context(), program, t.ID, machine.NewSubject{ExternalID: "program-1"})
	record(sc, "create a subject by a program", s, err)
	edited, err := sc.subjects.Edit(sc.Context(), program, t.ID, s.ID, machine.SubjectChange{Name: new("A customer")})
	record(sc, "rename it", edited, err)
	disabled, err := sc.subjects.Disable(sc.Context(), program, t.ID, s.ID)
	record(sc, "disable it", disabled, err)
	enabled, err := sc.subjects.Enable(sc.Context(), program, t.ID, s.ID)
	record(sc, "enable it", enabled, err)
	record(sc, "delete it", "", sc.subjects.Delete(sc.Context(), program, t.ID, s.ID))
}

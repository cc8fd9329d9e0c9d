package sample

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// presets lists the presets of the sample's tenants in their order, with the names of the tenants.
// The verifier's key is in the first tenant.
var presets = []struct {
	preset policy.Preset
	name   string
}{
	{policy.Standard, "Standard"},
	{policy.BlazeMeter, "BlazeMeter"},
	{policy.LoadRunner, "LoadRunner Cloud"},
	{policy.Blazeauth, "Blazeauth"},
	{policy.Blancco, "Blancco"},
}

// createAccount creates the account, with its owner and the verifier as an admin.
func (s *Seeder) createAccount(ctx context.Context, sample *Sample, p people) error {
	account, err := s.Accounts.CreateAccount(ctx, principal.Operator(), "Sample account", p.owner, true)
	if err != nil {
		return err
	}
	sample.AccountID = string(account.ID)
	_, err = s.Accounts.SetAccountMember(ctx, principal.Operator(), account.ID, p.verifier.ID, scope.AccountAdmin, "")
	return err
}

// createTenant creates the tenant of a preset with its members and applications. The verifier is a
// member of the first tenant only.
func (s *Seeder) createTenant(ctx context.Context, account ident.AccountID, i int, p people) (Tenant, error) {
	t, err := s.Tenancy.CreateTenant(ctx, principal.Operator(), account, presets[i].name, presets[i].preset, raiseCap)
	if err != nil {
		return Tenant{}, err
	}
	members := []tenancy.Member{
		{User: p.owner, Role: scope.Admin},
		{User: p.others[scope.Member], Role: scope.Member},
		{User: p.others[scope.Auditor], Role: scope.Auditor},
	}
	if i == 0 {
		members = append(members, tenancy.Member{User: p.verifier, Role: scope.Admin})
	}
	for _, m := range members {
		if err := s.Tenancy.AddMember(ctx, principal.Operator(), t, m.User, m.Role); err != nil {
			return Tenant{}, err
		}
	}
	shown := Tenant{ID: string(t.ID), Number: t.Number, Name: t.Name, Preset: string(t.Preset)}
	for _, name := range []string{"Orders API", "Reports API"} {
		app, err := s.Applications.CreateApplication(ctx, principal.Operator(), t.ID, name, "A sample application.")
		if err != nil {
			return Tenant{}, err
		}
		shown.ApplicationIDs = append(shown.ApplicationIDs, string(app.ID))
	}
	if i == 0 {
		return shown, s.createEntry(ctx, t.ID)
	}
	return shown, nil
}

// createEntry creates the entry for requests that name none. Every valid credential of the tenant
// is enough where no rule matches, so that an example of a reverse proxy works at once. An entry
// that exists already stays as it is.
func (s *Seeder) createEntry(ctx context.Context, tenant ident.TenantID) error {
	_, err := s.Applications.CreateEntry(ctx, principal.Operator(), route.DefaultEntry, tenant, route.AnyKey)
	if errors.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// keysPerUser is the cap of a sample tenant whose preset has a cap. The sample key holds one slot,
// and the examples of the README create several more keys.
const keysPerUser = 20

// raiseCap raises the cap of a preset that has one.
func raiseCap(s *policy.Settings) {
	if s.KeysPerUser > 0 {
		s.KeysPerUser = keysPerUser
	}
}

package sample

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

var (
	sampleScopes   = []scope.Scope{scope.ApplicationsRead, scope.MembersRead, scope.ScopesRead, scope.TenantsRead}
	verifierScopes = []scope.Scope{scope.KeysVerify}
)

// ensureKey returns the key if it works, and a new key if not. If the owner holds as many keys as
// the tenant allows, it returns the old key all the same: it must not revoke other keys of theirs.
func (s *Seeder) ensureKey(ctx context.Context, k Key, owner principal.Person, tenant ident.TenantID, name string,
	scopes []scope.Scope,
) (Key, error) {
	if works, err := s.keyWorks(ctx, k.Value); works || err != nil {
		return k, err
	}
	fresh, err := s.createKey(ctx, owner, tenant, name, scopes)
	if errors.Is(err, fault.KeyLimitReached) {
		s.Log.Warn("a sample key no longer works and cannot be replaced: "+
			"its owner holds as many keys as the tenant allows", "tenant", string(tenant))
		return k, nil
	}
	return fresh, err
}

// createKey creates a key as its owner would do after signing in.
func (s *Seeder) createKey(ctx context.Context, owner principal.Person, tenant ident.TenantID, name string,
	scopes []scope.Scope,
) (Key, error) {
	t, err := s.Tenancy.Store.Tenant(ctx, tenant)
	if err != nil {
		return Key{}, err
	}
	issued, err := s.Keys.Create(ctx, session(owner, tenant), tenant,
		key.Spec{Name: name, Scopes: scopes, AllApplications: true})
	if err != nil {
		return Key{}, err
	}
	c := issued.Credential
	return Key{
		ID: string(issued.Key.ID), PublicID: issued.Key.PublicID, Value: c.Value.Reveal(),
		Header: headerLine(t.Settings, issued.Key.PublicID, c),
	}, nil
}

// headerLine returns the header line that sends a key to the tenant; nil if the tenant accepts keys
// in no header.
func headerLine(s policy.Settings, publicID string, c credential.Issued) *string {
	var line string
	switch {
	case slices.Contains(s.Transports, policy.Bearer):
		line = "Authorization: Bearer " + c.Value.Reveal()
	case slices.Contains(s.Transports, policy.Basic):
		line = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(publicID+":"+c.Secret.Reveal()))
	case slices.Contains(s.Transports, policy.Header):
		line = s.KeyHeader + ": " + c.Value.Reveal()
	default:
		return nil
	}
	return &line
}

// session returns a session of the person as an admin of the tenant.
func session(p principal.Person, tenant ident.TenantID) principal.Principal {
	return principal.OfSession(&principal.Session{
		User:        p,
		Memberships: []principal.Membership{{Tenant: tenant, Role: scope.Admin}},
	})
}

// keyWorks reports whether a request with the key would be allowed. It does not count as a use.
func (s *Seeder) keyWorks(ctx context.Context, value string) (bool, error) {
	p, ok := credential.Parse(value)
	if !ok {
		return false, nil
	}
	d, err := s.Engine.Evaluate(ctx, verify.PresentKey(p, policy.Location{}))
	return d.Code == "", err
}

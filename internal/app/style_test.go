package app_test

import (
	"encoding/base64"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Rows B1 and C1: one key of each style gets one decision by every transport that its tenant allows, and transport_forbidden by every other.
func TestAKeyIsDecidedAlikeByEveryTransportItsTenantAllows(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		for _, preset := range []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth, policy.Blancco} {
			t.Run(string(preset), func(t *testing.T) {
				tenant, err := h.Tenancy.CreateTenant(t.Context(), principal.Operator(), h.Account.ID, "Preset "+string(preset), preset, nil)
				if err != nil {
					t.Fatal(err)
				}
				owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
				k := h.Key(owner, tenant, "applications:read")
				value := *k.Credential.Value
				pair := base64.StdEncoding.EncodeToString([]byte(k.Key.PublicID + ":" + *k.Credential.Secret))
				sent := map[policy.Transport]*client.Client{
					policy.Bearer: h.Anyone().WithKey(value),
					policy.Basic:  h.Anyone().WithHeader("Authorization", "Basic "+pair),
					policy.Header: h.Anyone().WithHeader(headerOf(tenant.Settings), value),
				}
				states := []struct {
					name string
					make func()
					want api.Code
				}{
					{"active", func() {}, ""},
					{"revoked", func() {
						if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil {
							t.Fatal(err)
						}
					}, revokedCode(tenant.Settings)},
				}
				for _, state := range states {
					state.make()
					for via, c := range sent {
						want := state.want
						if want == "" && !tenant.Settings.Carries(policy.Way{Transport: via}) {
							want = api.TransportForbidden
						}
						_, err := c.Whoami(t.Context())
						if got := testkit.Code(t, err); got != want {
							t.Errorf("%s by %s: %q, want %q", state.name, via, got, want)
						}
					}
				}
			})
		}
	})
}

// headerOf gives the tenant's key header, or another tenant's where it has none.
func headerOf(s policy.Settings) string {
	if s.KeyHeader == "" {
		return "X-API-Key"
	}
	return s.KeyHeader
}

// revokedCode is what a revoked key answers: where no tombstone is kept, there is nothing to tell.
func revokedCode(s policy.Settings) api.Code {
	if s.RevokeMode == policy.Delete {
		return api.APIKeyInvalid
	}
	return api.APIKeyRevoked
}

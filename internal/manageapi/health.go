package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) health() {
	add(a, huma.Operation{
		OperationID: "list-key-health", Method: http.MethodGet, Path: tenantPath + "/key-health",
		Tags: []string{"Keys"}, Summary: "Show the health of keys",
		Description: "Lists keys that are active or disabled, newest first. Admins and auditors see all keys of the " +
			"tenant, members see their own. The first page has the management keys of the tenant, for admins and " +
			"auditors. " + shortPages,
	}, requirement{session: true, management: policy.MayReadKeys}, a.listKeyHealth)
}

type listKeyHealthInput struct {
	PageInput
	Tenant string `path:"tenant"`
}

func (a *API) listKeyHealth(ctx context.Context, in *listKeyHealthInput) (*output[api.KeyHealthList], error) {
	caller, tenant := callerOf(ctx), ident.TenantID(in.Tenant)
	l, err := keyPage(a, in.PageInput, binding(caller, "key health", in.Tenant), healthOf,
		func(page key.Page) ([]key.Health, *key.Page, error) {
			found, err := a.Keys.Health(ctx, caller.Principal, tenant, page)
			return found.Keys, found.Next, err
		})
	if err != nil {
		return nil, err
	}
	wire := api.KeyHealthList{Items: l.Body.Items, NextCursor: l.Body.NextCursor}
	if in.Cursor != "" {
		return &output[api.KeyHealthList]{wire}, nil
	}
	if _, program := caller.ManagementKey(); !program {
		sum, err := a.Keys.HealthSummary(ctx, caller.Principal, tenant)
		if err != nil {
			return nil, err
		}
		wire.Summary = summaryOf(sum)
	}
	management, err := a.Keys.ManagementHealth(ctx, caller.Principal, tenant)
	if err != nil {
		return nil, err
	}
	wire.ManagementKeys = managementHealthOf(management)
	return &output[api.KeyHealthList]{wire}, nil
}

// healthOf returns the wire form of the health of a key.
func healthOf(h key.Health) api.KeyHealth {
	wire := api.KeyHealth{
		Key: keyOf(h.View).KeySummary, AgeDays: int(h.Age / policy.Day), LastUsedAt: web.Time(h.Key.LastUsedAt),
		IdleAt:   web.Time(h.IdleAt),
		Findings: web.TextsAs[api.Finding](h.Findings), UnusedScopes: stringList(h.UnusedScopes),
	}
	if !h.Life.Expiry.At.IsZero() {
		wire.DaysToExpiry = new(int(h.TimeLeft / policy.Day))
	}
	return wire
}

// summaryOf returns the wire form of the health of all keys.
func summaryOf(s key.Summary) *api.KeyHealthSummary {
	wire := &api.KeyHealthSummary{Keys: s.Keys}
	for _, f := range key.Findings() {
		wire.Findings = append(wire.Findings,
			api.FindingCount{Finding: api.Finding(f), Keys: s.Findings[f], Guidance: f.Advice()})
	}
	return wire
}

// managementHealthOf returns the wire form of the health of all management keys; nil for nil.
func managementHealthOf(l *key.ManagementHealthListing) *api.ManagementKeyHealthList {
	if l == nil {
		return nil
	}
	wire := &api.ManagementKeyHealthList{Items: []api.ManagementKeyHealth{}}
	for _, h := range l.Keys {
		wire.Items = append(wire.Items, api.ManagementKeyHealth{
			ManagementKey: api.ManagementKeySummary{
				ID: string(h.ID), PublicID: h.PublicID, Name: h.Name, ServiceAccount: web.Party(h.ServiceAccount.Party),
				CreatedAt: h.CreatedAt.UTC(),
			},
			AgeDays: int(h.Age / policy.Day), DaysToExpiry: int(h.TimeLeft / policy.Day),
			LastUsedAt: web.Time(h.LastUsedAt), Findings: web.TextsAs[api.Finding](h.Findings),
		})
	}
	for _, f := range key.ManagementFindings() {
		wire.Findings = append(wire.Findings,
			api.FindingCount{Finding: api.Finding(f), Keys: l.Findings[f], Guidance: f.ManagementAdvice()})
	}
	return wire
}

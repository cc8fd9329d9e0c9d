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

func (a *API) health(h huma.API) {
	add(h, a.Door, huma.Operation{
		OperationID: "list-key-health", Method: http.MethodGet, Path: tenantPath + "/key-health", Tags: []string{"Keys"}, Summary: "Tell how healthy the keys are",
		Description: "Of keys that are active or disabled, newest first: all of the tenant's for its admins and auditors, for a member their own. " +
			"A page may be shorter than asked, also where it is not the last.",
	}, need{session: true}, a.listKeyHealth)
}

type listKeyHealthInput struct {
	PageInput
	Tenant string `path:"tenant"`
}

func (a *API) listKeyHealth(ctx context.Context, in *listKeyHealthInput) (*answer[api.KeyHealthList], error) {
	caller, tenant := who(ctx), ident.TenantID(in.Tenant)
	l, err := keyPage(a, in.PageInput, binding(caller, "key health", in.Tenant), healthOf, func(page key.Page) ([]key.Health, *key.Page, error) {
		found, err := a.Keys.Health(ctx, caller.Principal, tenant, page)
		return found.Keys, found.Next, err
	})
	if err != nil {
		return nil, err
	}
	wire := api.KeyHealthList{Items: l.Body.Items, NextCursor: l.Body.NextCursor}
	if in.Cursor == "" {
		sum, err := a.Keys.HealthSummary(ctx, caller.Principal, tenant)
		if err != nil {
			return nil, err
		}
		wire.Summary = summaryOf(sum)
	}
	return &answer[api.KeyHealthList]{wire}, nil
}

func healthOf(h key.Health) api.KeyHealth {
	wire := api.KeyHealth{
		Key: keyOf(h.View).KeySummary, AgeDays: int(h.Age / policy.Day), LastUsedAt: web.Time(h.Key.LastUsedAt), IdleAt: web.Time(h.IdleAt),
		Findings: texts(h.Findings), UnusedScopes: texts(h.SpareScopes),
	}
	if !h.Life.Expiry.At.IsZero() {
		wire.DaysToExpiry = new(int(h.Left / policy.Day))
	}
	return wire
}

func summaryOf(s key.Summary) *api.KeyHealthSummary {
	wire := &api.KeyHealthSummary{Keys: s.Keys}
	for _, f := range key.Findings() {
		wire.Findings = append(wire.Findings, api.FindingCount{Finding: string(f), Keys: s.Findings[f], Guidance: f.Advice()})
	}
	return wire
}

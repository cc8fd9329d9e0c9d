package manageapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) policies() {
	tags := []string{"Accounts"}
	add(a, huma.Operation{
		OperationID: "show-policy", Method: http.MethodGet, Path: accountPath + "/policy", Tags: tags,
		Summary:     "Show the security policy of an account",
		Description: "Everybody who belongs to the account or to one of its tenants may do this.",
	}, requirement{session: true}, a.showPolicy)
	add(a, huma.Operation{
		OperationID: "edit-policy", Method: http.MethodPatch, Path: accountPath + "/policy", Tags: tags,
		Summary: "Change the security policy of an account",
		Description: "Only owners and admins of the account may do this. The policy applies to every tenant of the " +
			"account, whatever the tenant's settings. The age of a secret that is older than the policy counts from " +
			"the day when the policy took effect. A stricter policy postpones no expiry, and a looser one makes no " +
			"expired key valid. The policy applies to keys and sessions before the response is sent. With `dry_run` " +
			"nothing changes.",
	}, requirement{session: true, versioned: true}, a.editPolicy)
}

func (a *API) showPolicy(ctx context.Context, in *AccountInput) (*output[api.Policy], error) {
	p, err := a.Accounts.Policy(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account))
	if err != nil {
		return nil, err
	}
	return &output[api.Policy]{policyOf(p)}, nil
}

type editPolicyInput struct {
	JSON body[api.UpdatePolicyRequest]
	AccountInput
}

func (a *API) editPolicy(ctx context.Context, in *editPolicyInput) (*output[api.UpdatePolicyResponse], error) {
	var p patch
	change := p.policy(in.JSON.value)
	if err := p.err(); err != nil {
		return nil, err
	}
	caller, account := callerOf(ctx).Principal, ident.AccountID(in.Account)
	if in.JSON.value.DryRun {
		effect, err := a.Accounts.PreviewPolicy(ctx, caller, account, change, expectedOf(ctx))
		if errors.Is(err, etag.ErrChanged) {
			present, readErr := a.Accounts.Policy(ctx, caller, account)
			return edited(present, cmp.Or(readErr, err), changedPolicyOf)
		}
		if err != nil {
			return nil, err
		}
		return &output[api.UpdatePolicyResponse]{api.UpdatePolicyResponse{PolicyEffect: &api.PolicyEffect{
			Affected: effect.Affected, FirstExpiresAt: web.Time(effect.First), ExpiredNow: effect.ExpiredNow,
			ExpireLater: effect.Delayed, WithoutSecondFactor: effect.WithoutFactor,
		}}}, nil
	}
	changed, err := a.Accounts.ChangePolicy(ctx, caller, account, change, expectedOf(ctx))
	return edited(changed, err, changedPolicyOf)
}

// changedPolicyOf returns the wire form of a policy as the response to its edit.
func changedPolicyOf(p policy.Policy) api.UpdatePolicyResponse {
	wire := policyOf(p)
	return api.UpdatePolicyResponse{Policy: &wire}
}

// policyOf returns the wire form of a policy.
func policyOf(p policy.Policy) api.Policy {
	auto, sessions := policy.InForce(p.Rules, policy.ByAutoExpiry), p.EffectiveSessions()
	return api.Policy{
		AutoExpiry: api.AutoExpiry{
			Enabled: auto.Days > 0, Days: limitOrNil(auto.Days),
			InForceSince: web.Time(auto.Since),
		},
		MaxLifetimeDays:    limitOrNil(policy.InForce(p.Rules, policy.ByMaxLifetime).Days),
		SessionIdleMinutes: int(sessions.Idle / time.Minute), SessionAbsoluteHours: int(sessions.Absolute / time.Hour),
		RequireSecondFactor: api.FactorRule(p.FactorRule()),
		Version:             string(p.Version()),
	}
}

// policy returns the change of an account's policy.
func (p *patch) policy(sent api.UpdatePolicyRequest) policy.Change {
	var auto api.AutoExpiryPatch
	if sent.AutoExpiry != nil {
		auto = *sent.AutoExpiry
	}
	if auto.Enabled.Null {
		p.notNullable("auto_expiry.enabled")
	}
	if auto.Days.Null {
		p.notNullable("auto_expiry.days")
	}
	if sent.RequireSecondFactor.Null {
		p.notNullable("require_second_factor")
	}
	return policy.Change{
		SecondFactor: (*policy.FactorRule)(valueOrNil(sent.RequireSecondFactor)),
		AutoExpiry:   valueOrNil(auto.Enabled), AutoExpiryDays: valueOrNil(auto.Days),
		AcknowledgeRisk: sent.AcknowledgeRisk,
		MaxLifetimeDays: limitPatch(sent.MaxLifetimeDays), SessionIdleMinutes: limitPatch(sent.SessionIdleMinutes),
		SessionAbsoluteHours: limitPatch(sent.SessionAbsoluteHours),
	}
}

// limitPatch returns a number for which null means no limit, see [limit]; nil if it is absent.

func limitPatch(o api.Optional[int]) *int {
	if !o.Set {
		return nil
	}
	n := 0
	set(&n, o, limit)
	return &n
}

package manageapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) policies(h huma.API) {
	tags := []string{"Accounts"}
	add(h, a.Door, huma.Operation{
		OperationID: "show-policy", Method: http.MethodGet, Path: accountPath + "/policy", Tags: tags, Summary: "Show the security policy of an account",
		Description: "For everyone who belongs to the account or to a tenant of it.",
	}, need{session: true}, a.showPolicy)
	add(h, a.Door, huma.Operation{
		OperationID: "edit-policy", Method: http.MethodPatch, Path: accountPath + "/policy", Tags: tags, Summary: "Change the security policy of an account",
		Description: "For its owners and admins. Every tenant of the account inherits it, whatever its settings. Secrets older than a policy count from the day it took effect; " +
			"tightening postpones no expiry and loosening revives no key. Keys and sessions obey before the answer. With `dry_run` nothing changes.",
	}, need{session: true}, a.editPolicy)
}

func (a *API) showPolicy(ctx context.Context, in *AccountInput) (*answer[api.Policy], error) {
	p, err := a.Tenancy.Policy(ctx, who(ctx).Principal, ident.AccountID(in.Account))
	if err != nil {
		return nil, err
	}
	return &answer[api.Policy]{policyOf(p)}, nil
}

type editPolicyInput struct {
	JSON body[api.PolicyPatch]
	AccountInput
}

func (a *API) editPolicy(ctx context.Context, in *editPolicyInput) (*answer[api.PolicyAnswer], error) {
	var p patch
	change := p.policy(in.JSON.value)
	if err := p.refuse(); err != nil {
		return nil, err
	}
	caller, account := who(ctx).Principal, ident.AccountID(in.Account)
	if in.JSON.value.DryRun {
		effect, err := a.Tenancy.TryPolicy(ctx, caller, account, change)
		if err != nil {
			return nil, err
		}
		return &answer[api.PolicyAnswer]{api.PolicyAnswer{PolicyEffect: &api.PolicyEffect{
			Affected: effect.Affected, FirstExpiresAt: web.Time(effect.First), ExpiredNow: effect.ExpiredNow,
		}}}, nil
	}
	changed, err := a.Tenancy.ChangePolicy(ctx, caller, account, change)
	if err != nil {
		return nil, err
	}
	wire := policyOf(changed)
	return &answer[api.PolicyAnswer]{api.PolicyAnswer{Policy: &wire}}, nil
}

func policyOf(p policy.Policy) api.Policy {
	auto, sessions := policy.InForce(p.Rules, policy.ByAutoExpiry), p.EffectiveSessions()
	return api.Policy{
		AutoExpiry:         api.AutoExpiry{Enabled: auto.Days > 0, Days: limitOf(auto.Days), InForceSince: web.Time(auto.Since)},
		MaxLifetimeDays:    limitOf(policy.InForce(p.Rules, policy.ByMaxLifetime).Days),
		SessionIdleMinutes: int(sessions.Idle / time.Minute), SessionAbsoluteHours: int(sessions.Absolute / time.Hour),
	}
}

// policy gives what a patch asks of an account's policy.
func (p *patch) policy(asked api.PolicyPatch) policy.Change {
	var auto api.AutoExpiryPatch
	if asked.AutoExpiry != nil {
		auto = *asked.AutoExpiry
	}
	if auto.Enabled.Null {
		p.cannotClear("auto_expiry.enabled")
	}
	if auto.Days.Null {
		p.cannotClear("auto_expiry.days")
	}
	return policy.Change{
		AutoExpiry: given(auto.Enabled), AutoExpiryDays: given(auto.Days), AcknowledgeRisk: asked.AcknowledgeRisk,
		MaxLifetimeDays: limited(asked.MaxLifetimeDays), SessionIdleMinutes: limited(asked.SessionIdleMinutes), SessionAbsoluteHours: limited(asked.SessionAbsoluteHours),
	}
}

// limited is given for a number where null stands for none, see [limit].
func limited(o api.Optional[int]) *int {
	if !o.Set {
		return nil
	}
	n := 0
	put(&n, o, limit)
	return &n
}

package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
)

// keySecrets adds the operations that replace, end and show the secret of a key.
func (a *API) keySecrets(tags []string) {
	add(a, huma.Operation{
		OperationID: "refresh-key", Method: http.MethodPost, Path: keysPath + "/{key}/refresh", Tags: tags,
		Summary: "Refresh a key",
		Description: "Gives the key a new secret, which is shown only in this response. With an overlap the old " +
			"secret stays valid for a while; otherwise it is rejected at once. If an earlier overlap has not ended, " +
			"the refresh ends the oldest secret at once, and `ended_previous` names it. Nobody else can refresh a " +
			"key of an owner or admin of the account.",
	}, requirement{session: true, management: policy.MayRefreshKeys, idempotent: true},
		idempotent(a, a.refreshKey, a.replayRefreshKey),
		fault.Conflict, fault.KeyLimitReached)
	add(a, huma.Operation{
		OperationID: "end-previous", Method: http.MethodDelete, Path: keysPath + "/{key}/previous", Tags: tags,
		Summary:     "End the previous secret",
		Description: "Ends the overlap of the last refresh: the old secret is rejected at once.",
	}, requirement{session: true, management: policy.MayRevokeKeys}, a.endPrevious, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "reveal-key", Method: http.MethodPost, Path: keysPath + "/{key}/reveal", Tags: tags,
		Summary: "Reveal a key",
		Description: "Shows the current secret to the owner of the key again. Requires a sign-in within the last " +
			"five minutes, and a tenant whose disclosure is `recoverable`. A secret that was issued before the " +
			"tenant became so is `not_recoverable`. Each reveal is in the audit trail.",
	}, requirement{session: true}, a.revealKey, fault.SignInAgain, fault.Conflict, fault.NotRecoverable)
	add(a, huma.Operation{
		OperationID: "renew-claim-link", Method: http.MethodPost, Path: keysPath + "/{key}/claim-link", Tags: tags,
		DefaultStatus: http.StatusOK,
		Summary:       "Make a new claim link",
		Description: "For a key that was created with delivery `link` and that its owner has not claimed. The " +
			"response has another link, which works for 7 days and is mailed or shown like the first one. The old " +
			"link no longer works. Only admins who may create keys for others may do this, and not for their own keys.",
	}, requirement{session: true}, a.renewClaimLink, fault.Conflict, fault.RateLimited)
	add(a, huma.Operation{
		OperationID: "claim-key", Method: http.MethodPost, Path: "/api/v1/claims/{token}", Tags: tags,
		Summary: "Claim a key",
		Description: "Issues the secret of a key that was created with delivery `link`. Only the owner of the key " +
			"can do this, once. The secret is shown only in this response.",
	}, requirement{session: true}, a.claimKey, fault.LinkInvalid)
}

type refreshKeyInput struct {
	JSON optionalBody[api.RefreshKeyRequest]
	KeyInput
}

type refreshKeyOutput struct {
	Replay
	Body api.IssuedKey
}

func (a *API) refreshKey(ctx context.Context, in *refreshKeyInput) (*refreshKeyOutput, error) {
	sent := in.JSON.value
	r := key.RefreshParams{
		KeepID: sent.KeepID == nil || *sent.KeepID, ExpiresAt: expiryPatchOf(sent.ExpiresAt),
		Overlap: sent.OverlapSeconds,
	}
	issued, err := a.Keys.Refresh(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key), r)
	if err != nil {
		return nil, err
	}
	return &refreshKeyOutput{Body: a.issuedOf(issued)}, nil
}

// replayRefreshKey returns the key that refreshKey refreshed, without its secret.
func (a *API) replayRefreshKey(ctx context.Context, in *refreshKeyInput, _ string) (*refreshKeyOutput, error) {
	v, err := a.Keys.Get(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &refreshKeyOutput{Body: api.IssuedKey{Key: keyOf(v), Credential: credentialWithoutSecret(v.Key)}}, nil
}

func (a *API) endPrevious(ctx context.Context, in *KeyInput) (*struct{}, error) {
	return nil, a.Keys.EndPrevious(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
}

type claimKeyInput struct {
	Token string `path:"token"`
}

func (a *API) claimKey(ctx context.Context, in *claimKeyInput) (*output[api.IssuedKey], error) {
	issued, err := a.Keys.Claim(ctx, callerOf(ctx).Principal, in.Token)
	if err != nil {
		return nil, err
	}
	return &output[api.IssuedKey]{a.issuedOf(issued)}, nil
}

func (a *API) renewClaimLink(ctx context.Context, in *KeyInput) (*output[api.IssuedKey], error) {
	renewed, err := a.Keys.RenewClaim(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &output[api.IssuedKey]{a.issuedOf(renewed)}, nil
}

func (a *API) revealKey(ctx context.Context, in *KeyInput) (*output[api.RevealedKey], error) {
	shown, err := a.Keys.Reveal(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &output[api.RevealedKey]{api.RevealedKey{Credential: *a.credentialOf(shown)}}, nil
}

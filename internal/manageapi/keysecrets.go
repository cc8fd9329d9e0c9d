package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
)

// keySecrets are the operations that give a key another secret, end one, or show one.
func (a *API) keySecrets(h huma.API, tags []string) {
	add(h, a.Door, huma.Operation{
		OperationID: "refresh-key", Method: http.MethodPost, Path: keysPath + "/{key}/refresh", Tags: tags, Summary: "Refresh a key",
		Description: "Gives the key a new secret, which is shown this once. With an overlap the old one counts beside it for a while; else it is refused at once.",
	}, need{session: true, repeatable: true}, once(a, a.refreshKey, a.refreshedKey), fault.Conflict, fault.KeyLimitReached)
	add(h, a.Door, huma.Operation{
		OperationID: "end-previous", Method: http.MethodDelete, Path: keysPath + "/{key}/previous", Tags: tags, Summary: "End the previous secret",
		Description: "Ends the secret of before the last refresh before its time.",
	}, need{session: true}, a.endPrevious, fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "reveal-key", Method: http.MethodPost, Path: keysPath + "/{key}/reveal", Tags: tags, Summary: "Reveal a key",
		Description: "Shows the current secret to its owner again, after a sign-in younger than five minutes, in tenants whose disclosure is recoverable. " +
			"What was minted before the tenant became that is `not_recoverable`. Each reveal is on the audit trail.",
	}, need{session: true}, a.revealKey, fault.SignInAgain, fault.Conflict, fault.NotRecoverable)
	add(h, a.Door, huma.Operation{
		OperationID: "claim-key", Method: http.MethodPost, Path: "/api/v1/claims/{token}", Tags: tags, Summary: "Claim a key",
		Description: "Mints the secret of a key that was handed over by link, for its owner alone, once, and shows it this once.",
	}, need{session: true}, a.claimKey, fault.LinkInvalid)
}

type refreshKeyInput struct {
	JSON optionalBody[api.Refresh]
	KeyInput
}

type refreshKeyOutput struct {
	Replay
	Body api.IssuedKey
}

func (a *API) refreshKey(ctx context.Context, in *refreshKeyInput) (*refreshKeyOutput, error) {
	asked := in.JSON.value
	r := key.Renewal{KeepID: asked.KeepID == nil || *asked.KeepID, ExpiresAt: expiringOf(asked.ExpiresAt), Overlap: asked.OverlapSeconds}
	issued, err := a.Keys.Refresh(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key), r)
	if err != nil {
		return nil, err
	}
	return &refreshKeyOutput{Body: a.issuedOf(issued)}, nil
}

// refreshedKey shows what refreshKey refreshed, without its secret.
func (a *API) refreshedKey(ctx context.Context, in *refreshKeyInput, _ string) (*refreshKeyOutput, error) {
	v, err := a.Keys.Get(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &refreshKeyOutput{Body: api.IssuedKey{Key: keyOf(v), Credential: shownCredential(v.Key)}}, nil
}

func (a *API) endPrevious(ctx context.Context, in *KeyInput) (*struct{}, error) {
	return nil, a.Keys.EndPrevious(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
}

type claimKeyInput struct {
	Token string `path:"token"`
}

func (a *API) claimKey(ctx context.Context, in *claimKeyInput) (*answer[api.IssuedKey], error) {
	issued, err := a.Keys.Claim(ctx, who(ctx).Principal, in.Token)
	if err != nil {
		return nil, err
	}
	return &answer[api.IssuedKey]{a.issuedOf(issued)}, nil
}

func (a *API) revealKey(ctx context.Context, in *KeyInput) (*answer[api.RevealedKey], error) {
	shown, err := a.Keys.Reveal(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &answer[api.RevealedKey]{api.RevealedKey{Credential: *a.credentialOf(shown)}}, nil
}

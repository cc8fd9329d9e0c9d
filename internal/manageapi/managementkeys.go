package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/machine/wire"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	managementKeysPath = serviceAccountPath + "/management-keys"
	managementKeyPath  = managementKeysPath + "/{management_key}"
)

func (a *API) managementKeys() {
	tags := []string{"Management keys"}
	add(a, huma.Operation{
		OperationID: "list-management-keys", Method: http.MethodGet, Path: managementKeysPath, Tags: tags,
		Summary: "List management keys", Description: "For admins and auditors. Newest first.",
	}, requirement{session: true}, a.listManagementKeys)
	add(a, huma.Operation{
		OperationID: "create-management-key", Method: http.MethodPost, Path: managementKeysPath, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Create a management key",
		Description: "Only admins may do this, after a sign-in within the last five minutes. The value is shown only " +
			"in this response. A service account has at most 5 management keys that are neither revoked nor expired.",
	}, requirement{session: true, idempotent: true},
		idempotent(a, a.createManagementKey, a.replayCreateManagementKey),
		fault.Conflict, fault.SignInAgain, fault.KeyLimitReached)
	add(a, huma.Operation{
		OperationID: "show-management-key", Method: http.MethodGet, Path: managementKeyPath, Tags: tags,
		Summary: "Show a management key", Description: "For admins and auditors.",
	}, requirement{session: true}, a.showManagementKey)
	add(a, huma.Operation{
		OperationID: "edit-management-key", Method: http.MethodPatch, Path: managementKeyPath, Tags: tags,
		Summary: "Narrow a management key",
		Description: "Only admins may do this. It can be renamed and narrowed, and never widened. Keys that it " +
			"created before are unchanged.",
	}, requirement{session: true, versioned: true}, a.editManagementKey)
	add(a, huma.Operation{
		OperationID: "delete-management-key", Method: http.MethodDelete, Path: managementKeyPath, Tags: tags,
		Summary:     "Delete a management key",
		Description: "Only admins may do this. It is refused at once. Its audit trail is kept.",
	}, requirement{session: true}, a.deleteManagementKey)
	add(a, huma.Operation{
		OperationID: "refresh-management-key", Method: http.MethodPost, Path: managementKeyPath + "/refresh",
		Tags: tags, Summary: "Refresh a management key",
		Description: "Only admins may do this, after a sign-in within the last five minutes. Issues a new value, " +
			"which is shown only in this response.",
	}, requirement{session: true, idempotent: true},
		idempotent(a, a.refreshManagementKey, a.replayRefreshManagementKey),
		fault.Conflict, fault.SignInAgain, fault.KeyLimitReached)
	add(a, huma.Operation{
		OperationID: "revoke-management-key", Method: http.MethodPost, Path: managementKeyPath + "/revoke", Tags: tags,
		Summary:     "Revoke a management key",
		Description: "Only admins may do this. It is refused before the response is sent, and for good.",
	}, requirement{session: true, reduces: true}, a.revokeManagementKey, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "end-previous-management-secret", Method: http.MethodDelete, Path: managementKeyPath + "/previous",
		Tags: tags, Summary: "End the previous value of a management key",
		Description: "Only admins may do this. Ends the overlap of the last refresh.",
	}, requirement{session: true}, a.endPreviousManagementSecret, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "show-management-self", Method: http.MethodGet, Path: "/api/v1/management/self", Tags: tags,
		Summary:     "Show the calling management key",
		Description: "What this management key is and may do.",
	}, requirement{session: true, anyManagementKey: true}, a.showManagementSelf, fault.RateLimited)
}

type listManagementKeysInput struct {
	ServiceAccountInput
	PageInput
}

func (a *API) listManagementKeys(ctx context.Context,
	in *listManagementKeysInput,
) (*output[api.List[api.ManagementKey]], error) {
	bound := binding(callerOf(ctx), "management-keys", in.Tenant, in.ServiceAccount)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, next, err := a.ManagementKeys.List(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount), machine.ManagementKeyPage{
			BeforeTime: at.Time, BeforeID: ident.ManagementKeyID(at.ID), Limit: in.Limit,
		})
	if err != nil {
		return nil, err
	}
	if next == nil {
		return pageOf(a, found, wire.ManagementKey, nil, bound)
	}
	return pageOf(a, found, wire.ManagementKey, &position{next.BeforeTime, string(next.BeforeID)}, bound)
}

type createManagementKeyInput struct {
	JSON body[api.CreateManagementKeyRequest]
	ServiceAccountInput
}

func (a *API) createManagementKey(ctx context.Context,
	in *createManagementKeyInput,
) (*created[api.IssuedManagementKey], error) {
	spec, err := wire.ManagementKeySpec(in.JSON.value)
	if err != nil {
		return nil, err
	}
	issued, err := a.ManagementKeys.Create(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount), spec)
	if err != nil {
		return nil, err
	}
	out := managementKeyCreated(in.Tenant, issued.ManagementKeyView)
	out.Body = wire.IssuedManagementKey(issued)
	return out, nil
}

// replayCreateManagementKey returns the management key that createManagementKey created, without
// its value.
func (a *API) replayCreateManagementKey(ctx context.Context, in *createManagementKeyInput,
	id string,
) (*created[api.IssuedManagementKey], error) {
	v, err := a.ManagementKeys.Get(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ServiceAccountID(in.ServiceAccount), ident.ManagementKeyID(id))
	if err != nil {
		return nil, err
	}
	return managementKeyCreated(in.Tenant, v), nil
}

func managementKeyCreated(tenant string, v machine.ManagementKeyView) *created[api.IssuedManagementKey] {
	return &created[api.IssuedManagementKey]{
		Location: "/api/v1/tenants/" + tenant + "/service-accounts/" + string(v.ServiceAccount.ID) +
			"/management-keys/" + string(v.ID),
		Body: api.IssuedManagementKey{ManagementKey: wire.ManagementKey(v)},
	}
}

// ManagementKeyInput is the path of a management key. It is exported because huma sees no other
// embedded types.
type ManagementKeyInput struct {
	ServiceAccountInput
	ManagementKey string `path:"management_key"`
}

// ids returns the typed ids of the path.
func (in *ManagementKeyInput) ids() (ident.TenantID, ident.ServiceAccountID, ident.ManagementKeyID) {
	return ident.TenantID(in.Tenant), ident.ServiceAccountID(in.ServiceAccount), ident.ManagementKeyID(in.ManagementKey)
}

func (a *API) showManagementKey(ctx context.Context, in *ManagementKeyInput) (*output[api.ManagementKey], error) {
	tenant, account, id := in.ids()
	v, err := a.ManagementKeys.Get(ctx, callerOf(ctx).Principal, tenant, account, id)
	if err != nil {
		return nil, err
	}
	return &output[api.ManagementKey]{wire.ManagementKey(v)}, nil
}

func (a *API) showManagementSelf(ctx context.Context, _ *struct{}) (*output[api.ManagementKey], error) {
	v, err := a.ManagementKeys.Self(ctx, callerOf(ctx).Principal)
	if err != nil {
		return nil, err
	}
	shown := wire.ManagementKey(v)
	shown.CreatedBy = withoutPerson(shown.CreatedBy) // who created it is none of its business
	return &output[api.ManagementKey]{shown}, nil
}

type editManagementKeyInput struct {
	JSON body[api.UpdateManagementKeyRequest]
	ManagementKeyInput
}

func (a *API) editManagementKey(ctx context.Context,
	in *editManagementKeyInput,
) (*output[api.ManagementKey], error) {
	var p patch
	sent := in.JSON.value
	e := machine.ManagementKeyEdit{Expected: expectedOf(ctx), Name: p.text("name", sent.Name)}
	if sent.ExpiresAt.Null {
		p.notNullable("expires_at")
	} else if sent.ExpiresAt.Set {
		e.ExpiresAt = &sent.ExpiresAt.Value
	}
	addresses, faults := policy.ParseAddresses("allowed_cidrs", cidrsOf(sent.AllowedCIDRs))
	p.faults = append(p.faults, faults...)
	var ceilings policy.Ceilings
	if sent.Ceilings != nil {
		ceilings, faults = wire.Ceilings(*sent.Ceilings)
		p.faults = append(p.faults, faults...)
	}
	if sent.Permissions.Null {
		p.notNullable("permissions")
	}
	if sent.Owners.Null {
		p.notNullable("owners")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	e.Rights = func(r *policy.ManagementRights) {
		if sent.Permissions.Set {
			r.Permissions = web.TextsAs[policy.Permission](sent.Permissions.Value)
		}
		if sent.Owners.Set {
			r.Owners = web.TextsAs[ident.PartyType](sent.Owners.Value)
		}
		if sent.Ceilings != nil {
			r.Ceilings = ceilings
		}
		if sent.AllowedCIDRs.Set {
			r.Addresses = addresses
		}
	}
	tenant, account, id := in.ids()
	v, err := a.ManagementKeys.Edit(ctx, callerOf(ctx).Principal, tenant, account, id, e)
	return edited(v, err, wire.ManagementKey)
}

// cidrsOf returns a list of networks; nil for null and for an absent member.
func cidrsOf(o api.Optional[[]string]) []string {
	if !o.Set || o.Null {
		return nil
	}
	return append([]string{}, o.Value...)
}

func (a *API) deleteManagementKey(ctx context.Context, in *ManagementKeyInput) (*struct{}, error) {
	tenant, account, id := in.ids()
	return nil, a.ManagementKeys.Delete(ctx, callerOf(ctx).Principal, tenant, account, id)
}

type refreshManagementKeyInput struct {
	JSON optionalBody[api.RefreshManagementKeyRequest]
	ManagementKeyInput
}

type refreshManagementKeyOutput struct {
	Replay
	Body api.IssuedManagementKey
}

func (a *API) refreshManagementKey(ctx context.Context,
	in *refreshManagementKeyInput,
) (*refreshManagementKeyOutput, error) {
	tenant, account, id := in.ids()
	sent := machine.ManagementRefresh{ExpiresAt: in.JSON.value.ExpiresAt, Overlap: in.JSON.value.OverlapSeconds}
	issued, err := a.ManagementKeys.Refresh(ctx, callerOf(ctx).Principal, tenant, account, id, sent)
	if err != nil {
		return nil, err
	}
	return &refreshManagementKeyOutput{Body: wire.IssuedManagementKey(issued)}, nil
}

// replayRefreshManagementKey returns the management key that refreshManagementKey refreshed,
// without its value.
func (a *API) replayRefreshManagementKey(ctx context.Context, in *refreshManagementKeyInput,
	_ string,
) (*refreshManagementKeyOutput, error) {
	tenant, account, id := in.ids()
	v, err := a.ManagementKeys.Get(ctx, callerOf(ctx).Principal, tenant, account, id)
	if err != nil {
		return nil, err
	}
	return &refreshManagementKeyOutput{Body: api.IssuedManagementKey{ManagementKey: wire.ManagementKey(v)}}, nil
}

type revokeManagementKeyInput struct {
	JSON optionalBody[api.RevokeManagementKeyRequest]
	ManagementKeyInput
}

func (a *API) revokeManagementKey(ctx context.Context,
	in *revokeManagementKeyInput,
) (*output[api.ManagementKey], error) {
	tenant, account, id := in.ids()
	v, err := a.ManagementKeys.Revoke(ctx, callerOf(ctx).Principal, tenant, account, id, in.JSON.value.Reason)
	if err != nil {
		return nil, err
	}
	return &output[api.ManagementKey]{wire.ManagementKey(v)}, nil
}

func (a *API) endPreviousManagementSecret(ctx context.Context, in *ManagementKeyInput) (*struct{}, error) {
	tenant, account, id := in.ids()
	return nil, a.ManagementKeys.EndPrevious(ctx, callerOf(ctx).Principal, tenant, account, id)
}

// withoutPerson returns the party as a management key sees it: of a person only the id.
func withoutPerson(p api.Party) api.Party {
	if p.Type == api.PartyUser {
		p.Name, p.Email = nil, nil
	}
	return p
}

package manageapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

const keysPath = "/api/v1/tenants/{tenant}/keys"

func (a *API) keys() {
	tags := []string{"Keys"}
	add(a, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: keysPath, Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Create a key",
		Description: "The key works at once. Its secret is shown only in this response, unless the tenant's " +
			"disclosure is `recoverable`. With delivery `link` the response has a link, by which the owner gets the " +
			"secret.",
	}, requirement{session: true, management: policy.MayCreateKeys, idempotent: true},
		idempotent(a, a.createKey, a.replayCreateKey),
		fault.RateLimited, fault.Conflict, fault.KeyLimitReached)
	add(a, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: keysPath, Tags: tags, Summary: "List keys",
		Description: "Newest first. A member sees only the public part of other people's keys. " + shortPages,
	}, requirement{session: true, management: policy.MayReadKeys}, a.listKeys)
	add(a, huma.Operation{
		OperationID: "list-own-keys", Method: http.MethodGet, Path: "/api/v1/me/keys", Tags: tags,
		Summary:     "List your own keys",
		Description: "Lists your keys in all tenants of which you are a member, newest first. " + shortPages,
	}, requirement{session: true}, a.listOwnKeys)
	add(a, huma.Operation{
		OperationID: "show-key", Method: http.MethodGet, Path: keysPath + "/{key}", Tags: tags, Summary: "Show a key",
	}, requirement{session: true, management: policy.MayReadKeys}, a.showKey)
	add(a, huma.Operation{
		OperationID: "edit-key", Method: http.MethodPatch, Path: keysPath + "/{key}", Tags: tags, Summary: "Edit a key",
		Description: "Absent members are unchanged, a list replaces the old one, and `metadata` is merged (RFC " +
			"7396). Takes effect before the response is sent.",
	}, requirement{session: true, management: policy.MayUpdateKeys, versioned: true}, a.editKey)
	add(a, huma.Operation{
		OperationID: "delete-key", Method: http.MethodDelete, Path: keysPath + "/{key}", Tags: tags,
		Summary:     "Delete a key",
		Description: "Deletes the key. Its audit trail is kept.",
	}, requirement{session: true, management: policy.MayRevokeKeys}, a.deleteKey)
	a.keySecrets(tags)
	a.keyStates(tags)
	a.bulkKeys(tags)
}

// keyStates adds the operations that revoke, disable and enable a key.
func (a *API) keyStates(tags []string) {
	add(a, huma.Operation{
		OperationID: "revoke-key", Method: http.MethodPost, Path: keysPath + "/{key}/revoke", Tags: tags,
		Summary: "Revoke a key",
		Description: "Takes effect before the response is sent. If the tenant keeps no revoked keys, the key is " +
			"deleted and the response is 204.",
		Responses: map[string]*huma.Response{"204": {Description: http.StatusText(http.StatusNoContent)}},
	}, requirement{session: true, management: policy.MayRevokeKeys, reduces: true}, a.revokeKey)
	add(a, huma.Operation{
		OperationID: "disable-key", Method: http.MethodPost, Path: keysPath + "/{key}/disable", Tags: tags,
		Summary:     "Disable a key",
		Description: "Takes effect before the response is sent. Only an admin can enable a key that an admin disabled.",
	}, requirement{session: true, management: policy.MayDisableKeys, reduces: true}, a.keyAction(a.Keys.Disable),
		fault.Conflict)
	add(a, huma.Operation{
		OperationID: "enable-key", Method: http.MethodPost, Path: keysPath + "/{key}/enable", Tags: tags,
		Summary: "Enable a key",
	}, requirement{session: true, management: policy.MayDisableKeys}, a.keyAction(a.Keys.Enable), fault.Conflict)
}

type createKeyInput struct {
	JSON   body[api.CreateKeyRequest]
	Tenant string `path:"tenant"`
}

func (a *API) createKey(ctx context.Context, in *createKeyInput) (*created[api.IssuedKey], error) {
	owner, faults := keyOwnerOf(in.JSON.value)
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	issued, err := a.Keys.Create(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), specOf(in.JSON.value, owner))
	if err != nil {
		return nil, err
	}
	return keyCreated(issued.Key, a.issuedOf(issued)), nil
}

// replayCreateKey returns the key that createKey created, without its secret.
func (a *API) replayCreateKey(ctx context.Context, in *createKeyInput, id string) (*created[api.IssuedKey], error) {
	v, err := a.Keys.Get(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(id))
	if err != nil {
		return nil, err
	}
	return keyCreated(v.Key, replayedKeyOf(v)), nil
}

// keyCreated returns the response to the creation of a key.
func keyCreated(k key.Key, issued api.IssuedKey) *created[api.IssuedKey] {
	return &created[api.IssuedKey]{
		Location: "/api/v1/tenants/" + string(k.Tenant) + "/keys/" + string(k.ID),
		Body:     issued,
	}
}

// specOf returns what the domain needs to create a key for an owner.
func specOf(n api.CreateKeyRequest, owner keyOwner) key.Spec {
	return key.Spec{
		Name: n.Name, Description: n.Description, Owner: owner.id, Subject: owner.subject,
		Scopes:          typedList[scope.Scope](n.Scopes),
		AllApplications: n.AllApplications, ApplicationIDs: n.ApplicationIDs, ExpiresAt: n.ExpiresAt,
		Addresses: n.AllowedCIDRs, Metadata: n.Metadata, Delivery: key.Delivery(n.Delivery),
	}
}

// KeyFilterInput filters a list of keys. It is exported because huma sees no other embedded types.
type KeyFilterInput struct {
	Status string `query:"status" doc:"active, disabled, expired or revoked."`
	// BlockedBy is what keeps otherwise active keys from working.
	BlockedBy string `query:"blocked_by" doc:"owner, tenant or account: active keys that it keeps from working."`
	Query     string `query:"q"`
}

type listKeysInput struct {
	PageInput
	KeyFilterInput
	Tenant string `path:"tenant"`
	Owner  string `query:"owner" doc:"me, the id of a user, type:id of any owner, or external_id:… of a subject."`
	// ShownTo is a person who has seen secrets of other people's keys.
	ShownTo string `query:"shown_to"`
	// CreatedBy is who created the keys.
	CreatedBy     string `query:"created_by"`
	CreatedAfter  moment `query:"created_after" doc:"Only keys created after this time: RFC 3339."`
	ExpiresBefore moment `query:"expires_before"`
}

// Resolve refuses texts that are no times. It implements huma.Resolver.
func (in *listKeysInput) Resolve(ctx huma.Context) []error {
	return append(in.PageInput.Resolve(ctx),
		checkMoments(map[string]moment{"created_after": in.CreatedAfter, "expires_before": in.ExpiresBefore})...)
}

func (a *API) listKeys(ctx context.Context, in *listKeysInput) (*output[api.List[api.Key]], error) {
	caller := callerOf(ctx)
	filter := key.Filter{
		Status: policy.Status(in.Status), BlockedBy: policy.Blocker(in.BlockedBy), Query: in.Query,
		CreatedAfter: in.CreatedAfter.time(), ExpiresBefore: in.ExpiresBefore.time(),
	}
	faults := ownerFilter(caller, in.Owner, &filter)
	var more []fault.Field
	filter.ShownTo, more = personOf(caller, "shown_to", in.ShownTo)
	faults = append(faults, more...)
	filter.CreatedBy, more = creatorFilter(caller, in.CreatedBy)
	if err := fault.Refuse(append(faults, more...)...); err != nil {
		return nil, err
	}
	bound := binding(caller, "keys", in.Tenant, in.Owner, in.Status, in.BlockedBy, in.Query, in.ShownTo, in.CreatedBy,
		in.CreatedAfter.time().UTC().String(), in.ExpiresBefore.time().UTC().String())
	return keyPage(a, in.PageInput, bound, keyOf, func(page key.Page) ([]key.View, *key.Page, error) {
		l, err := a.Keys.List(ctx, caller.Principal, ident.TenantID(in.Tenant), filter, page)
		return l.Views, l.Next, err
	})
}

// personOf returns the person whom a parameter names: me, an id, or "" for nobody.
func personOf(caller verify.Caller, field, text string) (ident.UserID, []fault.Field) {
	if s, ok := caller.Session(); ok && text == me {
		return s.User.ID, nil
	}
	if _, err := ident.Parse[ident.UserID](text); err != nil && text != "" {
		return "", []fault.Field{{Name: field, Code: "form", Message: "Use me, or the id of a user."}}
	}
	return ident.UserID(text), nil
}

type listOwnKeysInput struct {
	PageInput
	KeyFilterInput
}

func (a *API) listOwnKeys(ctx context.Context, in *listOwnKeysInput) (*output[api.List[api.OwnKey]], error) {
	caller := callerOf(ctx)
	filter := key.Filter{
		Status: policy.Status(in.Status), BlockedBy: policy.Blocker(in.BlockedBy), Query: in.Query,
	}
	bound := binding(caller, "own keys", in.Status, in.BlockedBy, in.Query)
	return keyPage(a, in.PageInput, bound, ownKeyOf, func(page key.Page) ([]key.View, *key.Page, error) {
		l, err := a.Keys.ListOwn(ctx, caller.Principal, filter, page)
		return l.Views, l.Next, err
	})
}

// KeyInput is the path of a key. It is exported because huma sees no other embedded types.
type KeyInput struct {
	Tenant string `path:"tenant"`
	Key    string `path:"key"`
}

func (a *API) showKey(ctx context.Context, in *KeyInput) (*output[api.Key], error) {
	found, err := a.Keys.Get(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &output[api.Key]{keyOf(found)}, nil
}

type editKeyInput struct {
	JSON body[api.UpdateKeyRequest]
	KeyInput
}

func (a *API) editKey(ctx context.Context, in *editKeyInput) (*output[api.Key], error) {
	e := editOf(in.JSON.value)
	e.Expected = expectedOf(ctx)
	v, err := a.Keys.Edit(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key), e)
	return edited(v, err, keyOf)
}

// editOf returns the edit of a key. null becomes the empty value; the domain decides whether that
// is allowed.
func editOf(e api.UpdateKeyRequest) key.Edit {
	return key.Edit{
		Name: valueOrNil(e.Name), Description: valueOrNil(e.Description),
		Scopes:          typedList[scope.Scope](listOrNil(e.Scopes)),
		AllApplications: valueOrNil(e.AllApplications), ApplicationIDs: listOrNil(e.ApplicationIDs),
		ExpiresAt: expiryPatchOf(e.ExpiresAt),
		Addresses: key.AddressPatch{Given: e.AllowedCIDRs.Set, Networks: e.AllowedCIDRs.Value},
		Metadata:  metadataPatchOf(e.Metadata),
	}
}

// metadataPatchOf returns the change of metadata; nil for none.
func metadataPatchOf(o api.Optional[json.RawMessage]) json.RawMessage {
	if o.Null {
		return json.RawMessage("null")
	}
	return o.Value
}

// listOrNil returns nil only for an absent list. null becomes the empty list.
func listOrNil(o api.Optional[[]string]) []string {
	if o.Set && o.Value == nil {
		return []string{}
	}
	return o.Value
}

// expiryPatchOf returns the change of a key's expiry.
func expiryPatchOf(o api.Optional[time.Time]) key.ExpiryPatch {
	if o.Null {
		return key.ExpiryPatch{Given: true}
	}
	return key.ExpiryPatch{Given: o.Set, At: valueOrNil(o)}
}

func (a *API) deleteKey(ctx context.Context, in *KeyInput) (*struct{}, error) {
	return nil, a.Keys.Delete(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
}

type revokeKeyInput struct {
	JSON optionalBody[api.RevokeKeyRequest]
	KeyInput
}

type revokeKeyOutput struct {
	Status int
	Body   *api.Key
}

func (a *API) revokeKey(ctx context.Context, in *revokeKeyInput) (*revokeKeyOutput, error) {
	revoked, gone, err := a.Keys.Revoke(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key),
		in.JSON.value.Reason)
	if err != nil {
		return nil, err
	}
	if gone {
		return &revokeKeyOutput{Status: http.StatusNoContent}, nil
	}
	wire := keyOf(revoked)
	return &revokeKeyOutput{Status: http.StatusOK, Body: &wire}, nil
}

// keyAction returns the handler of an action that has no input and returns the key.
func (a *API) keyAction(
	act func(context.Context, principal.Principal, ident.TenantID, ident.KeyID) (key.View, error),
) func(context.Context, *KeyInput) (*output[api.Key], error) {
	return func(ctx context.Context, in *KeyInput) (*output[api.Key], error) {
		changed, err := act(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
		if err != nil {
			return nil, err
		}
		return &output[api.Key]{keyOf(changed)}, nil
	}
}

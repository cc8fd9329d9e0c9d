package manageapi

import (
	"context"
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
	"github.com/claviger-dev/claviger/internal/web"
)

const keysPath = "/api/v1/tenants/{tenant}/keys"

func (a *API) keys(h huma.API) {
	tags := []string{"Keys"}
	add(h, a.Door, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: keysPath, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Create a key", Description: "The credential is shown this once; only tenants whose disclosure is recoverable can reveal it again. It is usable immediately. With delivery link its owner mints it.",
	}, need{session: true, repeatable: true}, once(a, a.createKey, a.createdKey), fault.Conflict, fault.KeyLimitReached)
	add(h, a.Door, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: keysPath, Tags: tags, Summary: "List keys",
		Description: "Newest first. A member sees of another's key only what is public in the tenant. A page may be shorter than asked, also where it is not the last.",
	}, need{session: true}, a.listKeys)
	add(h, a.Door, huma.Operation{
		OperationID: "list-own-keys", Method: http.MethodGet, Path: "/api/v1/me/keys", Tags: tags, Summary: "List your own keys",
		Description: "In every tenant that you are a member of, newest first. A page may be shorter than asked, also where it is not the last.",
	}, need{session: true}, a.listOwnKeys)
	add(h, a.Door, huma.Operation{
		OperationID: "show-key", Method: http.MethodGet, Path: keysPath + "/{key}", Tags: tags, Summary: "Show a key",
	}, need{session: true}, a.showKey)
	add(h, a.Door, huma.Operation{
		OperationID: "edit-key", Method: http.MethodPatch, Path: keysPath + "/{key}", Tags: tags, Summary: "Edit a key",
		Description: "What is absent stays; lists replace. Effective before the answer.",
	}, need{session: true}, a.editKey, fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "delete-key", Method: http.MethodDelete, Path: keysPath + "/{key}", Tags: tags, Summary: "Delete a key",
		Description: "Removes the key; its audit trail stays.",
	}, need{session: true}, a.deleteKey)
	a.keySecrets(h, tags)
	a.keyStates(h, tags)
}

// keyStates are the operations that end a key, or switch it.
func (a *API) keyStates(h huma.API, tags []string) {
	add(h, a.Door, huma.Operation{
		OperationID: "revoke-key", Method: http.MethodPost, Path: keysPath + "/{key}/revoke", Tags: tags, Summary: "Revoke a key",
		Description: "Effective before the answer. Where the tenant keeps no tombstones, the key is gone and the answer 204.",
		Responses:   map[string]*huma.Response{"204": {Description: http.StatusText(http.StatusNoContent)}},
	}, need{session: true, reduces: true}, a.revokeKey)
	add(h, a.Door, huma.Operation{
		OperationID: "disable-key", Method: http.MethodPost, Path: keysPath + "/{key}/disable", Tags: tags, Summary: "Disable a key",
		Description: "Effective before the answer. What an admin disabled, only an admin enables.",
	}, need{session: true, reduces: true}, a.switchKey(a.Keys.Disable), fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "enable-key", Method: http.MethodPost, Path: keysPath + "/{key}/enable", Tags: tags, Summary: "Enable a key",
	}, need{session: true}, a.switchKey(a.Keys.Enable), fault.Conflict)
}

type createKeyInput struct {
	JSON   body[api.NewKey]
	Tenant string `path:"tenant"`
}

func (a *API) createKey(ctx context.Context, in *createKeyInput) (*created[api.IssuedKey], error) {
	issued, err := a.Keys.Create(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), specOf(in.JSON.value))
	if err != nil {
		return nil, err
	}
	return madeKey(issued.Key, a.issuedOf(issued)), nil
}

// createdKey shows what createKey made, without its secret.
func (a *API) createdKey(ctx context.Context, in *createKeyInput, id string) (*created[api.IssuedKey], error) {
	v, err := a.Keys.Get(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(id))
	if err != nil {
		return nil, err
	}
	return madeKey(v.Key, shownOf(v)), nil
}

func madeKey(k key.Key, issued api.IssuedKey) *created[api.IssuedKey] {
	return &created[api.IssuedKey]{Location: "/api/v1/tenants/" + string(k.Tenant) + "/keys/" + string(k.ID), Body: issued}
}

func specOf(n api.NewKey) key.Spec {
	return key.Spec{
		Name: n.Name, Description: n.Description, Owner: ident.UserID(n.OwnerID), Scopes: words[scope.Scope](n.Scopes),
		AllApplications: n.AllApplications, ApplicationIDs: n.ApplicationIDs, ExpiresAt: n.ExpiresAt, Delivery: key.Delivery(n.Delivery),
	}
}

// KeyFilterInput narrows a list of keys. It is exported because huma sees no others when embedded.
type KeyFilterInput struct {
	Status string `query:"status" doc:"active, disabled, expired or revoked."`
	Query  string `query:"q" doc:"Looked for in name, public id and the owner's e-mail address; 1 to 200 characters."`
}

type listKeysInput struct {
	PageInput
	KeyFilterInput
	Tenant string `path:"tenant"`
	Owner  string `query:"owner" doc:"me, or a user's id."`
}

func (a *API) listKeys(ctx context.Context, in *listKeysInput) (*answer[api.List[api.Key]], error) {
	caller := who(ctx)
	filter := key.Filter{Owner: ident.UserID(in.Owner), Status: policy.Status(in.Status), Query: in.Query}
	if in.Owner == "me" {
		s, _ := caller.Session()
		filter.Owner = s.User.ID
	} else if _, err := ident.Parse[ident.UserID](in.Owner); err != nil && in.Owner != "" {
		return nil, fault.Refuse(fault.Field{Name: "owner", Code: "form", Message: "Use me or a user's id."})
	}
	bound := binding(caller, "keys", in.Tenant, in.Owner, in.Status, in.Query)
	return keyPage(a, in.PageInput, bound, keyOf, func(page key.Page) ([]key.View, *key.Page, error) {
		l, err := a.Keys.List(ctx, caller.Principal, ident.TenantID(in.Tenant), filter, page)
		return l.Views, l.Next, err
	})
}

type listOwnKeysInput struct {
	PageInput
	KeyFilterInput
}

func (a *API) listOwnKeys(ctx context.Context, in *listOwnKeysInput) (*answer[api.List[api.OwnKey]], error) {
	caller := who(ctx)
	filter := key.Filter{Status: policy.Status(in.Status), Query: in.Query}
	bound := binding(caller, "own keys", in.Status, in.Query)
	return keyPage(a, in.PageInput, bound, ownKeyOf, func(page key.Page) ([]key.View, *key.Page, error) {
		l, err := a.Keys.Own(ctx, caller.Principal, filter, page)
		return l.Views, l.Next, err
	})
}

// keyPage answers a page of a list of keys.
func keyPage[From, To any](a *API, in PageInput, bound []string, wire func(From) To, fetch func(key.Page) ([]From, *key.Page, error)) (*answer[api.List[To]], error) {
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, next, err := fetch(key.Page{BeforeTime: at.Time, BeforeID: ident.KeyID(at.ID), Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	if next == nil {
		return part(a, found, wire, nil, bound)
	}
	return part(a, found, wire, &place{next.BeforeTime, string(next.BeforeID)}, bound)
}

// part answers what was found of a list; next is where the rest begins, nil where there is none.
func part[From, To any](a *API, found []From, wire func(From) To, next *place, bound []string) (*answer[api.List[To]], error) {
	page := web.List(found, wire)
	if next != nil {
		cursor, err := sealCursor(a.Keyring, *next, bound)
		if err != nil {
			return nil, err
		}
		page.NextCursor = &cursor
	}
	return &answer[api.List[To]]{page}, nil
}

// KeyInput names a key. It is exported because huma sees no others when embedded.
type KeyInput struct {
	Tenant string `path:"tenant"`
	Key    string `path:"key"`
}

func (a *API) showKey(ctx context.Context, in *KeyInput) (*answer[api.Key], error) {
	found, err := a.Keys.Get(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	return &answer[api.Key]{keyOf(found)}, nil
}

type editKeyInput struct {
	JSON body[api.KeyEdit]
	KeyInput
}

func (a *API) editKey(ctx context.Context, in *editKeyInput) (*answer[api.Key], error) {
	edited, err := a.Keys.Edit(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key), editOf(in.JSON.value))
	if err != nil {
		return nil, err
	}
	return &answer[api.Key]{keyOf(edited)}, nil
}

// editOf gives null as the empty value: whether that is allowed is a rule.
func editOf(e api.KeyEdit) key.Edit {
	return key.Edit{
		Name: given(e.Name), Description: given(e.Description), Scopes: words[scope.Scope](wholeList(e.Scopes)),
		AllApplications: given(e.AllApplications), ApplicationIDs: wholeList(e.ApplicationIDs), ExpiresAt: expiringOf(e.ExpiresAt),
	}
}

// wholeList is nil for a list that is absent, and only then.
func wholeList(o api.Optional[[]string]) []string {
	if o.Set && o.Value == nil {
		return []string{}
	}
	return o.Value
}

func expiringOf(o api.Optional[time.Time]) key.Expiring {
	if o.Null {
		return key.Expiring{Given: true}
	}
	return key.Expiring{Given: o.Set, At: given(o)}
}

func (a *API) deleteKey(ctx context.Context, in *KeyInput) (*struct{}, error) {
	return nil, a.Keys.Delete(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
}

type revokeKeyInput struct {
	JSON optionalBody[api.Revocation]
	KeyInput
}

type revokeKeyOutput struct {
	Status int
	Body   *api.Key
}

func (a *API) revokeKey(ctx context.Context, in *revokeKeyInput) (*revokeKeyOutput, error) {
	revoked, gone, err := a.Keys.Revoke(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key), in.JSON.value.Reason)
	if err != nil {
		return nil, err
	}
	if gone {
		return &revokeKeyOutput{Status: http.StatusNoContent}, nil
	}
	wire := keyOf(revoked)
	return &revokeKeyOutput{Status: http.StatusOK, Body: &wire}, nil
}

// switchKey serves an action that takes nothing and answers the key.
func (a *API) switchKey(act func(context.Context, principal.Principal, ident.TenantID, ident.KeyID) (key.View, error)) func(context.Context, *KeyInput) (*answer[api.Key], error) {
	return func(ctx context.Context, in *KeyInput) (*answer[api.Key], error) {
		changed, err := act(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), ident.KeyID(in.Key))
		if err != nil {
			return nil, err
		}
		return &answer[api.Key]{keyOf(changed)}, nil
	}
}

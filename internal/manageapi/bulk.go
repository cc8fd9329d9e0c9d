package manageapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
)

// bulkKeys adds the operations that end many keys at once.
func (a *API) bulkKeys(tags []string) {
	add(a, huma.Operation{
		OperationID: "revoke-keys", Method: http.MethodPost, Path: keysPath + "/revoke", Tags: tags,
		Summary: "Revoke several keys",
		Description: "Revokes 1 to 200 keys, each in a change of its own: some may fail. Use it with a list " +
			"filtered by `created_by` after a management key has leaked.",
	}, requirement{session: true, management: policy.MayRevokeKeys, reduces: true}, a.revokeKeys)
	add(a, huma.Operation{
		OperationID: "disable-keys", Method: http.MethodPost, Path: keysPath + "/disable", Tags: tags,
		Summary:     "Disable several keys",
		Description: "Disables 1 to 200 keys, each in a change of its own: some may fail.",
	}, requirement{session: true, management: policy.MayDisableKeys, reduces: true}, a.disableKeys)
}

type bulkKeysInput struct {
	JSON body[api.BulkKeysRequest]
	TenantInput
}

func (a *API) revokeKeys(ctx context.Context, in *bulkKeysInput) (*output[api.BulkKeysResponse], error) {
	return changeKeys(in.JSON.value.IDs, func(id ident.KeyID) error {
		_, _, err := a.Keys.Revoke(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), id, in.JSON.value.Reason)
		return err
	})
}

func (a *API) disableKeys(ctx context.Context, in *bulkKeysInput) (*output[api.BulkKeysResponse], error) {
	if in.JSON.value.Reason != "" {
		return nil, fault.Refuse(fault.Field{
			Name: "reason", Code: "unknown", Message: "Only a revocation has a reason. Leave it out.",
		})
	}
	return changeKeys(in.JSON.value.IDs, func(id ident.KeyID) error {
		_, err := a.Keys.Disable(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), id)
		return err
	})
}

// changeKeys changes each of the keys. A key that cannot be changed does not prevent the others.
func changeKeys(ids []string, change func(ident.KeyID) error) (*output[api.BulkKeysResponse], error) {
	if len(ids) == 0 || len(ids) > key.MaxBulk {
		return nil, fault.Refuse(fault.Field{
			Name: "ids", Code: "length", Message: fmt.Sprintf("List 1 to %d keys.", key.MaxBulk),
		})
	}
	for i, id := range ids {
		if slices.Index(ids, id) != i {
			return nil, fault.Refuse(fault.Field{
				Name: fmt.Sprintf("ids.%d", i), Code: "duplicate", Message: "Remove the duplicate.",
			})
		}
	}
	var results []api.BulkKeyResult
	for _, id := range ids {
		err := error(fault.NotFound)
		if isID[ident.KeyID](id) == nil {
			err = change(ident.KeyID(id))
		}
		code := api.OK
		if err != nil {
			code = api.Code(fault.KindOf(err))
		}
		results = append(results, api.BulkKeyResult{ID: id, Code: code})
	}
	return &output[api.BulkKeysResponse]{api.BulkKeysResponse{Results: results}}, nil
}

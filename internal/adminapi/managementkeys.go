package adminapi

import (
	"context"
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/machine/wire"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	managementKeysPath = "/operator/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys"
	managementKeyPath  = managementKeysPath + "/{management_key}"
)

// listedManagementKeys is how many management keys of a service account are listed: the newest.
const listedManagementKeys = 200

// managementOwner is the service account of a path, which names it and its tenant by id or name.
type managementOwner struct {
	who     principal.Principal
	tenant  ident.TenantID
	account ident.ServiceAccountID
}

func (a *API) managementOwner(w http.ResponseWriter, r *http.Request) (o managementOwner, err error) {
	o.who = web.Operator(w)
	o.tenant, err = a.Tenancy.FindTenant(r.Context(), o.who, r.PathValue("tenant"))
	if err != nil {
		return o, err
	}
	o.account, err = a.ServiceAccounts.Find(r.Context(), o.who, o.tenant, r.PathValue("service_account"))
	return o, err
}

func (a *API) listManagementKeys(w http.ResponseWriter, r *http.Request) error {
	o, err := a.managementOwner(w, r)
	if err != nil {
		return err
	}
	found, _, err := a.ManagementKeys.List(r.Context(), o.who, o.tenant, o.account,
		machine.ManagementKeyPage{Limit: listedManagementKeys})
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, web.List(found, wire.ManagementKey))
}

func (a *API) createManagementKey(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateManagementKeyRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	spec, err := wire.ManagementKeySpec(in)
	if err != nil {
		return err
	}
	return a.issueManagementKey(w, r, http.StatusCreated,
		func(ctx context.Context, o managementOwner) (machine.IssuedManagementKey, error) {
			return a.ManagementKeys.Create(ctx, o.who, o.tenant, o.account, spec)
		})
}

func (a *API) refreshManagementKey(w http.ResponseWriter, r *http.Request) error {
	var in api.RefreshManagementKeyRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	return a.issueManagementKey(w, r, http.StatusOK,
		func(ctx context.Context, o managementOwner) (machine.IssuedManagementKey, error) {
			return a.ManagementKeys.Refresh(ctx, o.who, o.tenant, o.account, managementKeyID(r),
				machine.ManagementRefresh{ExpiresAt: in.ExpiresAt, Overlap: in.OverlapSeconds})
		})
}

// issueManagementKey answers with a management key and its value.
func (a *API) issueManagementKey(w http.ResponseWriter, r *http.Request, status int,
	issue func(context.Context, managementOwner) (machine.IssuedManagementKey, error),
) error {
	o, err := a.managementOwner(w, r)
	if err != nil {
		return err
	}
	issued, err := issue(r.Context(), o)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, status, wire.IssuedManagementKey(issued))
}

func (a *API) revokeManagementKey(w http.ResponseWriter, r *http.Request) error {
	var in api.RevokeManagementKeyRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	o, err := a.managementOwner(w, r)
	if err != nil {
		return err
	}
	k, err := a.ManagementKeys.Revoke(r.Context(), o.who, o.tenant, o.account, managementKeyID(r), in.Reason)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, wire.ManagementKey(k))
}

// managementKeyID returns the management key that the path names.
func managementKeyID(r *http.Request) ident.ManagementKeyID {
	return ident.ManagementKeyID(r.PathValue("management_key"))
}

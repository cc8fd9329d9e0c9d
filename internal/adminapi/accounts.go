package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) listAccounts(w http.ResponseWriter, r *http.Request) error {
	accounts, err := a.Accounts.AllAccounts(r.Context(), web.Operator(w))
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, web.List(accounts, accountOf))
}

// createAccount creates an account with a tenant, and an invitation for its owner.
func (a *API) createAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateAccountRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	opened, err := a.Tenancy.OpenAccount(r.Context(), web.Operator(w), tenancy.AccountSpec{
		Name: in.Name, OwnerEmail: in.OwnerEmail, OwnerName: in.OwnerName, Tenant: in.Tenant,
		Preset: policy.Preset(in.Preset),
	})
	if err != nil {
		return err
	}
	i, url := opened.Invitation, a.BaseURL+"/invitations/"+opened.Token.Reveal()
	return web.WriteJSON(w, http.StatusCreated, api.CreateAccountResponse{
		Account: accountOf(opened.Account), TenantID: string(opened.Tenant.ID),
		Invitation: api.Invitation{
			ID: string(i.ID), Email: i.Email, Role: api.Role(i.Role), URL: &url,
			ExpiresAt: i.ExpiresAt.UTC(),
		},
	})
}

// accountOf returns the wire form of an account.
func accountOf(a account.Account) api.Account {
	return api.Account{
		ID: string(a.ID), Number: a.Number, Name: a.Name, Status: web.Status(a.Disabled), CreatedAt: a.CreatedAt.UTC(),
		UpdatedAt: a.UpdatedAt.UTC(), Version: string(a.Version()),
	}
}

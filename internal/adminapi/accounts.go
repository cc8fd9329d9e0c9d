package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) listAccounts(w http.ResponseWriter, r *http.Request) error {
	accounts, err := a.Tenancy.AllAccounts(r.Context(), a.Door.Operator(w))
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, web.List(accounts, accountOf))
}

func (a *API) openAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.Opening
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	opened, err := a.Tenancy.OpenAccount(r.Context(), a.Door.Operator(w), tenancy.Opening{
		Name: in.Name, OwnerEmail: in.OwnerEmail, OwnerName: in.OwnerName, Tenant: in.Tenant, Preset: policy.Preset(in.Preset),
	})
	if err != nil {
		return err
	}
	i, url := opened.Invitation, a.BaseURL+"/invitations/"+opened.Ticket.Reveal()
	return web.Answer(w, http.StatusCreated, api.OpenedAccount{
		Account: accountOf(opened.Account), TenantID: string(opened.Tenant.ID),
		Invitation: api.Invitation{ID: string(i.ID), Email: i.Email, Role: string(i.Role), URL: &url, ExpiresAt: i.ExpiresAt.UTC()},
	})
}

func accountOf(a tenancy.Account) api.Account {
	return api.Account{
		ID: string(a.ID), Number: a.Number, Name: a.Name, Status: web.Status(a.Disabled), CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(),
	}
}

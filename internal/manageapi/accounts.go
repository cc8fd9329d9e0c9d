package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const accountPath = "/api/v1/accounts/{account}"

func (a *API) accounts(h huma.API) {
	tags := []string{"Accounts"}
	add(h, a.Door, huma.Operation{
		OperationID: "list-accounts", Method: http.MethodGet, Path: "/api/v1/accounts", Tags: tags, Summary: "List accounts",
		Description: "Those the caller has a role in, or a membership in a tenant of.",
	}, need{session: true}, a.listAccounts)
	add(h, a.Door, huma.Operation{
		OperationID: "show-account", Method: http.MethodGet, Path: accountPath, Tags: tags, Summary: "Show an account",
	}, need{session: true}, a.showAccount)
	add(h, a.Door, huma.Operation{
		OperationID: "edit-account", Method: http.MethodPatch, Path: accountPath, Tags: tags, Summary: "Rename an account",
		Description: "For its owners and admins.",
	}, need{session: true}, a.editAccount)
	add(h, a.Door, huma.Operation{
		OperationID: "list-account-members", Method: http.MethodGet, Path: accountPath + "/members", Tags: tags, Summary: "List owners and admins of an account",
		Description: "For its owners and admins.",
	}, need{session: true}, a.listOfficers)
	add(h, a.Door, huma.Operation{
		OperationID: "set-account-member", Method: http.MethodPut, Path: accountPath + "/members/{user}", Tags: tags, Summary: "Make a person owner or admin",
		Description: "The person must belong to the account or to a tenant of it. Only an owner makes or unmakes owners; the last owner stays.",
	}, need{session: true}, a.setStanding, fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "remove-account-member", Method: http.MethodDelete, Path: accountPath + "/members/{user}", Tags: tags, Summary: "Take a role in the account away",
		Description: "Memberships of its tenants stay. Only an owner unmakes owners; the last owner stays.",
	}, need{session: true}, a.removeStanding, fault.Conflict)
	add(h, a.Door, huma.Operation{
		OperationID: "list-account-events", Method: http.MethodGet, Path: accountPath + "/audit", Tags: tags, Summary: "Read the audit trail of an account",
		Description: "With that of its tenants, newest first; for its owners and admins.",
	}, need{session: true}, a.listAccountEvents)
}

func (a *API) listAccounts(ctx context.Context, in *PageInput) (*answer[api.List[api.Account]], error) {
	return listed(ctx, a, *in, "accounts", nil, func(page tenancy.Page) ([]tenancy.Account, error) {
		return a.Tenancy.Accounts(ctx, who(ctx).Principal, page)
	}, accountOf(who(ctx).Principal), func(acc tenancy.Account) place { return place{acc.CreatedAt, string(acc.ID)} })
}

// AccountInput names an account. It is exported because huma sees no others when embedded.
type AccountInput struct {
	Account string `path:"account"`
}

func (a *API) showAccount(ctx context.Context, in *AccountInput) (*answer[api.Account], error) {
	found, err := a.Tenancy.Account(ctx, who(ctx).Principal, ident.AccountID(in.Account))
	if err != nil {
		return nil, err
	}
	return &answer[api.Account]{accountOf(who(ctx).Principal)(found)}, nil
}

type editAccountInput struct {
	JSON body[api.AccountPatch]
	AccountInput
}

func (a *API) editAccount(ctx context.Context, in *editAccountInput) (*answer[api.Account], error) {
	var p patch
	name := p.text("name", in.JSON.value.Name)
	if err := p.refuse(); err != nil {
		return nil, err
	}
	if name == nil {
		return a.showAccount(ctx, &in.AccountInput)
	}
	changed, err := a.Tenancy.RenameAccount(ctx, who(ctx).Principal, ident.AccountID(in.Account), *name)
	if err != nil {
		return nil, err
	}
	return &answer[api.Account]{accountOf(who(ctx).Principal)(changed)}, nil
}

func accountOf(caller principal.Principal) func(tenancy.Account) api.Account {
	return func(acc tenancy.Account) api.Account {
		return api.Account{
			ID: string(acc.ID), Number: acc.Number, Name: acc.Name, Status: web.Status(acc.Disabled), Role: web.Optional(caller.RoleOver(acc.ID)),
			CreatedAt: acc.CreatedAt.UTC(), UpdatedAt: acc.UpdatedAt.UTC(),
		}
	}
}

type listOfficersInput struct {
	AccountInput
	PageInput
}

func (a *API) listOfficers(ctx context.Context, in *listOfficersInput) (*answer[api.List[api.Member]], error) {
	return listed(ctx, a, in.PageInput, "officers", []string{in.Account}, func(page tenancy.Page) ([]tenancy.Officer, error) {
		return a.Tenancy.Officers(ctx, who(ctx).Principal, ident.AccountID(in.Account), page)
	}, officerOf, func(o tenancy.Officer) place { return place{o.CreatedAt, string(o.User.ID)} })
}

func officerOf(o tenancy.Officer) api.Member {
	return api.Member{User: web.Person(o.User), Role: string(o.Role), Status: web.Status(o.Disabled), CreatedAt: o.CreatedAt.UTC()}
}

// StandingInput names a person in an account. It is exported because huma sees no others when embedded.
type StandingInput struct {
	AccountInput
	User string `path:"user"`
}

type setStandingInput struct {
	JSON body[api.NewStanding]
	StandingInput
}

func (a *API) setStanding(ctx context.Context, in *setStandingInput) (*answer[api.Member], error) {
	o, err := a.Tenancy.SetStanding(ctx, who(ctx).Principal, ident.AccountID(in.Account), ident.UserID(in.User), scope.AccountRole(in.JSON.value.Role))
	if err != nil {
		return nil, err
	}
	return &answer[api.Member]{officerOf(o)}, nil
}

func (a *API) removeStanding(ctx context.Context, in *StandingInput) (*struct{}, error) {
	return nil, a.Tenancy.RemoveStanding(ctx, who(ctx).Principal, ident.AccountID(in.Account), ident.UserID(in.User))
}

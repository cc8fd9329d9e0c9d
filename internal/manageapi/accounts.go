package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const accountPath = "/api/v1/accounts/{account}"

func (a *API) accounts() {
	tags := []string{"Accounts"}
	add(a, huma.Operation{
		OperationID: "list-accounts", Method: http.MethodGet, Path: "/api/v1/accounts", Tags: tags,
		Summary:     "List accounts",
		Description: "Lists the accounts in which the caller has a role, or is a member of a tenant.",
	}, requirement{session: true}, a.listAccounts)
	add(a, huma.Operation{
		OperationID: "show-account", Method: http.MethodGet, Path: accountPath, Tags: tags, Summary: "Show an account",
	}, requirement{session: true}, a.showAccount)
	add(a, huma.Operation{
		OperationID: "edit-account", Method: http.MethodPatch, Path: accountPath, Tags: tags,
		Summary:     "Rename an account",
		Description: "Only owners and admins of the account may do this.",
	}, requirement{session: true, versioned: true}, a.editAccount)
	add(a, huma.Operation{
		OperationID: "list-account-members", Method: http.MethodGet, Path: accountPath + "/members", Tags: tags,
		Summary:     "List owners and admins of an account",
		Description: "Only owners and admins of the account may do this.",
	}, requirement{session: true}, a.listAccountMembers)
	add(a, huma.Operation{
		OperationID: "set-account-member", Method: http.MethodPut, Path: accountPath + "/members/{user}", Tags: tags,
		Summary: "Make a person owner or admin",
		Description: "The person must belong to the account or to one of its tenants. Only an owner can add or " +
			"remove owners. The last owner cannot be removed.",
	}, requirement{session: true, versioned: true}, a.setAccountMember)
	add(a, huma.Operation{
		OperationID: "remove-account-member", Method: http.MethodDelete, Path: accountPath + "/members/{user}",
		Tags: tags, Summary: "Remove an owner or admin",
		Description: "The person stays a member of the account's tenants. Only an owner can remove owners. The last " +
			"owner cannot be removed. Keys of other people whose secrets the person has seen stay valid, in every " +
			"tenant: list them with `shown_to`, and refresh or revoke them.",
	}, requirement{session: true}, a.removeAccountMember, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "list-account-events", Method: http.MethodGet, Path: accountPath + "/audit", Tags: tags,
		Summary: "Read the audit trail of an account",
		Description: "Includes the trails of its tenants, newest first. Only owners and admins of the account may " +
			"do this.",
	}, requirement{session: true}, a.listAccountEvents)
}

func (a *API) listAccounts(ctx context.Context, in *PageInput) (*output[api.List[api.Account]], error) {
	return listPage(ctx, a, *in, "accounts", nil, func(page paging.Page) ([]account.Account, error) {
		return a.Accounts.Accounts(ctx, callerOf(ctx).Principal, page)
	}, accountOf(callerOf(ctx).Principal),
		func(acc account.Account) position { return position{acc.CreatedAt, string(acc.ID)} })
}

// AccountInput is the path of an account. It is exported because huma sees no other embedded types.
type AccountInput struct {
	Account string `path:"account"`
}

func (a *API) showAccount(ctx context.Context, in *AccountInput) (*output[api.Account], error) {
	found, err := a.Accounts.Account(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account))
	if err != nil {
		return nil, err
	}
	return &output[api.Account]{accountOf(callerOf(ctx).Principal)(found)}, nil
}

type editAccountInput struct {
	JSON body[api.UpdateAccountRequest]
	AccountInput
}

func (a *API) editAccount(ctx context.Context, in *editAccountInput) (*output[api.Account], error) {
	var p patch
	name := p.text("name", in.JSON.value.Name)
	if err := p.err(); err != nil {
		return nil, err
	}
	caller, id := callerOf(ctx).Principal, ident.AccountID(in.Account)
	if name == nil {
		found, err := a.Accounts.Account(ctx, caller, id)
		if err == nil {
			err = expectedOf(ctx).Check(found.Version())
		}
		return edited(found, err, accountOf(caller))
	}
	changed, err := a.Accounts.RenameAccount(ctx, caller, id, *name, expectedOf(ctx))
	return edited(changed, err, accountOf(caller))
}

// accountOf returns the wire form of accounts for a caller.
func accountOf(caller principal.Principal) func(account.Account) api.Account {
	return func(acc account.Account) api.Account {
		return api.Account{
			ID: string(acc.ID), Number: acc.Number, Name: acc.Name, Status: web.Status(acc.Disabled),
			Role:      web.OptionalAs[api.Role](caller.AccountRole(acc.ID)),
			CreatedAt: acc.CreatedAt.UTC(), UpdatedAt: acc.UpdatedAt.UTC(), Version: string(acc.Version()),
		}
	}
}

type listAccountMembersInput struct {
	AccountInput
	PageInput
}

func (a *API) listAccountMembers(ctx context.Context,
	in *listAccountMembersInput,
) (*output[api.List[api.Member]], error) {
	return listPage(ctx, a, in.PageInput, "account members", []string{in.Account},
		func(page paging.Page) ([]account.Member, error) {
			return a.Accounts.AccountMembers(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account), page)
		}, accountMemberOf, func(m account.Member) position { return position{m.CreatedAt, string(m.User.ID)} })
}

// accountMemberOf returns the wire form of an owner or admin.
func accountMemberOf(m account.Member) api.Member {
	return api.Member{
		User: web.ProvenPerson(m.User, m.EmailProven), Role: api.Role(m.Role),
		Status: web.Status(m.Disabled), CreatedAt: m.CreatedAt.UTC(), Version: string(m.Version()),
	}
}

// AccountMemberInput is the path of an owner or admin of an account. It is exported because huma
// sees no other embedded types.
type AccountMemberInput struct {
	AccountInput
	User string `path:"user"`
}

type setAccountMemberInput struct {
	JSON body[api.SetAccountMemberRequest]
	AccountMemberInput
}

func (a *API) setAccountMember(ctx context.Context, in *setAccountMemberInput) (*output[api.Member], error) {
	m, err := a.Accounts.SetAccountMember(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account),
		ident.UserID(in.User), scope.AccountRole(in.JSON.value.Role), expectedOf(ctx))
	if err != nil && m.Role == "" { // the person has no role to show
		return nil, err
	}
	return edited(m, err, accountMemberOf)
}

func (a *API) removeAccountMember(ctx context.Context, in *AccountMemberInput) (*struct{}, error) {
	return nil, a.Accounts.RemoveAccountMember(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account),
		ident.UserID(in.User))
}

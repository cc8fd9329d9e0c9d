package blazemeter

import (
	"context"
	"net/http"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
)

// accountWire is an account. Times are in Unix seconds.
type accountWire struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	// AIConsent is always set. BlazeMeter's MCP server refuses to work in accounts without it.
	AIConsent bool      `json:"aiConsent"`
	Owner     ownerWire `json:"owner"`
	Created   int64     `json:"created"`
	Updated   int64     `json:"updated"`
}

// ownerWire is the owner of an account and of its workspaces: the organisation. The people who own
// an account are not shown, because not every key may see them.
type ownerWire struct {
	ID          int64  `json:"id"`
	DisplayName string `json:"displayName"`
}

// workspaceWire is a workspace. Times are in Unix seconds.
type workspaceWire struct {
	ID           int64     `json:"id"`
	Name         string    `json:"name"`
	Enabled      bool      `json:"enabled"`
	AccountID    int64     `json:"accountId"`
	MembersCount int       `json:"membersCount"`
	Owner        ownerWire `json:"owner"`
	Created      int64     `json:"created"`
	Updated      int64     `json:"updated"`
	// Quota and Locations are empty: Claviger knows neither what the organisation may use nor where
	// tests run.
	Quota     struct{}   `json:"allowance"`
	Locations []struct{} `json:"locations"`
}

// account returns the account of the tenant.
func (a *API) account(ctx context.Context, c *dialect.Call) (accountWire, error) {
	in, err := a.Accounts.Account(ctx, c.Who, c.Account)
	return accountWire{
		ID: in.Number, Name: in.Name, Enabled: !in.Disabled, AIConsent: true, Owner: ownerOf(in),
		Created: in.CreatedAt.Unix(), Updated: in.UpdatedAt.Unix(),
	}, err
}

func ownerOf(a account.Account) ownerWire { return ownerWire{ID: a.Number, DisplayName: a.Name} }

func (a *API) listAccounts(w http.ResponseWriter, c *dialect.Call) error {
	only, err := a.account(c.Context(), c)
	if err != nil {
		return err
	}
	return writePage(w, c.URL.Query(), []accountWire{only})
}

func (a *API) showAccount(ctx context.Context, c *dialect.Call) (accountWire, error) {
	only, err := a.account(ctx, c)
	if err == nil && !isNumber(c.PathValue("id"), only.ID) {
		err = fault.NotFound
	}
	return only, err
}

// workspace returns the tenant.
func (a *API) workspace(ctx context.Context, c *dialect.Call) (workspaceWire, error) {
	t, err := a.Tenancy.Tenant(ctx, c.Who, c.Tenant)
	if err != nil {
		return workspaceWire{}, err
	}
	in, err := a.Accounts.Account(ctx, c.Who, c.Account)
	if err != nil {
		return workspaceWire{}, err
	}
	members, err := a.Tenancy.CountMembers(ctx, c.Who, c.Tenant)
	return workspaceWire{
		ID: t.Number, Name: t.Name, Enabled: !t.Disabled, AccountID: in.Number, MembersCount: members,
		Owner: ownerOf(in), Created: t.CreatedAt.Unix(), Updated: t.UpdatedAt.Unix(), Locations: []struct{}{},
	}, err
}

// listWorkspaces lists the tenant. `enabled=false` asks for disabled workspaces alone.
func (a *API) listWorkspaces(w http.ResponseWriter, c *dialect.Call) error {
	only, err := a.workspace(c.Context(), c)
	if err != nil {
		return err
	}
	query := c.URL.Query()
	if err := checkParent(query.Get("accountId"), only.AccountID); err != nil {
		return err
	}
	shown := []workspaceWire{only}
	if query.Get("enabled") == "false" && only.Enabled {
		shown = nil
	}
	return writePage(w, query, shown)
}

func (a *API) showWorkspace(ctx context.Context, c *dialect.Call) (workspaceWire, error) {
	only, err := a.workspace(ctx, c)
	if err == nil && !isNumber(c.PathValue("id"), only.ID) {
		err = fault.NotFound
	}
	return only, err
}

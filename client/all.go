package client

import (
	"context"
	"errors"
	"iter"

	"github.com/claviger-dev/claviger/api"
)

// longestPage is how many items a page can hold.
const longestPage = 200

// errSameCursor ends a list that would never end.
var errSameCursor = errors.New("the server answered a page of a list with the cursor of that same page")

// All returns an iterator over the items of a list, whatever its length. It reads the next page
// when the items of the last one are used up, so that a loop that breaks off asks for no more than
// it needed. Where a page cannot be read, the error comes with the zero value, as the last pair.
//
// Each method of a list has a method that returns its iterator, such as AllKeys for Keys.
func All[T any](read func(Page) (api.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		page := Page{Limit: longestPage}
		for {
			l, err := read(page)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range l.Items {
				if !yield(item, nil) {
					return
				}
			}
			if l.NextCursor == nil {
				return
			}
			if *l.NextCursor == page.Cursor {
				yield(none, errSameCursor)
				return
			}
			page.Cursor = *l.NextCursor
		}
	}
}

// AllKeys is Keys over all pages.
func (c *Client) AllKeys(ctx context.Context, tenant string, f KeyFilter) iter.Seq2[api.Key, error] {
	return All(func(p Page) (api.List[api.Key], error) { return c.Keys(ctx, tenant, f, p) })
}

// AllOwnKeys is OwnKeys over all pages.
func (c *Client) AllOwnKeys(ctx context.Context, f KeyFilter) iter.Seq2[api.OwnKey, error] {
	return All(func(p Page) (api.List[api.OwnKey], error) { return c.OwnKeys(ctx, f, p) })
}

// AllKeyHealth is KeyHealth over all pages, without what the first page says of all keys together.
func (c *Client) AllKeyHealth(ctx context.Context, tenant string) iter.Seq2[api.KeyHealth, error] {
	return All(func(p Page) (api.List[api.KeyHealth], error) {
		l, err := c.KeyHealth(ctx, tenant, p)
		return api.List[api.KeyHealth]{Items: l.Items, NextCursor: l.NextCursor}, err
	})
}

// AllAccounts is Accounts over all pages.
func (c *Client) AllAccounts(ctx context.Context) iter.Seq2[api.Account, error] {
	return All(func(p Page) (api.List[api.Account], error) { return c.Accounts(ctx, p) })
}

// AllAccountMembers is AccountMembers over all pages.
func (c *Client) AllAccountMembers(ctx context.Context, account string) iter.Seq2[api.Member, error] {
	return All(func(p Page) (api.List[api.Member], error) { return c.AccountMembers(ctx, account, p) })
}

// AllAccountEvents is AccountEvents over all pages.
func (c *Client) AllAccountEvents(ctx context.Context, account string, f EventFilter) iter.Seq2[api.Event, error] {
	return All(func(p Page) (api.List[api.Event], error) { return c.AccountEvents(ctx, account, f, p) })
}

// AllTenants is Tenants over all pages.
func (c *Client) AllTenants(ctx context.Context) iter.Seq2[api.Tenant, error] {
	return All(func(p Page) (api.List[api.Tenant], error) { return c.Tenants(ctx, p) })
}

// AllTenantEvents is TenantEvents over all pages.
func (c *Client) AllTenantEvents(ctx context.Context, tenant string, f EventFilter) iter.Seq2[api.Event, error] {
	return All(func(p Page) (api.List[api.Event], error) { return c.TenantEvents(ctx, tenant, f, p) })
}

// AllMembers is Members over all pages.
func (c *Client) AllMembers(ctx context.Context, tenant string) iter.Seq2[api.Member, error] {
	return All(func(p Page) (api.List[api.Member], error) { return c.Members(ctx, tenant, p) })
}

// AllScopes is Scopes, which come in one page.
func (c *Client) AllScopes(ctx context.Context, tenant string) iter.Seq2[api.Scope, error] {
	return All(func(Page) (api.List[api.Scope], error) { return c.Scopes(ctx, tenant) })
}

// AllApplications is Applications over all pages.
func (c *Client) AllApplications(ctx context.Context, tenant string) iter.Seq2[api.Application, error] {
	return All(func(p Page) (api.List[api.Application], error) { return c.Applications(ctx, tenant, p) })
}

// AllServiceAccounts is ServiceAccounts over all pages.
func (c *Client) AllServiceAccounts(ctx context.Context, tenant string) iter.Seq2[api.ServiceAccount, error] {
	return All(func(p Page) (api.List[api.ServiceAccount], error) { return c.ServiceAccounts(ctx, tenant, p) })
}

// AllSessions is Sessions over all pages.
func (c *Client) AllSessions(ctx context.Context) iter.Seq2[api.SessionInfo, error] {
	return All(func(p Page) (api.List[api.SessionInfo], error) { return c.Sessions(ctx, p) })
}

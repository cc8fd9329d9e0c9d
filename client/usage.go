package client

import (
	"context"
	"io"
	"iter"
	"net/url"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// UsageFilter says what is counted, and how it is added up; the zero value counts the last 30 days
// by day.
type UsageFilter struct {
	By api.UsageBy
	// Since and Until bound the time.
	Since, Until time.Time
	// Application counts only requests for an application, and Key only those of a key.
	Application, Key string
}

func (f UsageFilter) query(p Page) string {
	q := p.query()
	for name, value := range map[string]string{
		"by": string(f.By), "since": instant(f.Since), "until": instant(f.Until), "application_id": f.Application,
		"key_id": f.Key,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// Usage tells how much the keys of a tenant are used.
func (c *Client) Usage(ctx context.Context, tenant string, f UsageFilter, p Page) (api.Usage, error) {
	return get[api.Usage](ctx, c, tenantPath(tenant)+"/usage?"+f.query(p))
}

// AllUsage is Usage over all pages, without the total.
func (c *Client) AllUsage(ctx context.Context, tenant string, f UsageFilter) iter.Seq2[api.UsageItem, error] {
	return All(func(p Page) (api.List[api.UsageItem], error) {
		u, err := c.Usage(ctx, tenant, f, p)
		return api.List[api.UsageItem]{Items: u.Items, NextCursor: u.NextCursor}, err
	})
}

// Statement shows how much the tenants of an account were used in a month, such as 2026-11; "" is
// this month.
func (c *Client) Statement(ctx context.Context, account, month string) (api.Statement, error) {
	path := accountPath(account) + "/usage"
	if month != "" {
		path += "?month=" + url.QueryEscape(month)
	}
	return get[api.Statement](ctx, c, path)
}

// UsageEvents returns a part of the usage of keys as CloudEvents, one on each line, and the cursor
// from which to go on, also later. An empty cursor begins with the oldest hour that is kept. The
// caller must close the lines.
func (c *Client) UsageEvents(ctx context.Context, tenant, cursor string) (lines io.ReadCloser, next string, err error) {
	path := tenantPath(tenant) + "/usage/events"
	if cursor != "" {
		path += "?cursor=" + url.QueryEscape(cursor)
	}
	lines, header, err := c.stream(ctx, path)
	return lines, header.Get(nextCursorHeader), err
}

// nextCursorHeader has the cursor of a response whose body has none.
const nextCursorHeader = "Claviger-Next-Cursor"

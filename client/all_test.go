package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// pages answers a list of three pages, of two items each, and notes the cursors that are asked for.
type pages struct {
	mu      sync.Mutex
	cursors []string
	// broken is the cursor whose page is refused; "" for none.
	broken string
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cursor := r.URL.Query().Get("cursor")
	p.mu.Lock()
	p.cursors = append(p.cursors, cursor)
	p.mu.Unlock()
	if cursor != "" && cursor == p.broken {
		refuse(http.StatusForbidden, api.Forbidden)(w, r)
		return
	}
	var page int
	_, _ = fmt.Sscanf(cursor, "page-%d", &page)
	items := []map[string]any{{"id": fmt.Sprint(2 * page)}, {"id": fmt.Sprint(2*page + 1)}}
	l := map[string]any{"items": items, "next_cursor": nil}
	if page < 2 {
		l["next_cursor"] = fmt.Sprintf("page-%d", page+1)
	}
	_ = json.NewEncoder(w).Encode(l)
}

func (p *pages) client(t *testing.T) *client.Client {
	f := newFlaky(t)
	f.then = p.ServeHTTP
	return newClient(t, f.URL).WithRetry(client.Retry{})
}

func count[T any](all iter.Seq2[T, error]) (n int, err error) {
	for _, failed := range all {
		if failed != nil {
			return n, failed
		}
		n++
	}
	return n, nil
}

func TestEachListHasAnIteratorOverAllItsPages(t *testing.T) {
	t.Parallel()
	for name, all := range map[string]func(context.Context, *client.Client) (int, error){
		"keys": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllKeys(ctx, "t", client.KeyFilter{Owner: "me"}))
		},
		"own keys": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllOwnKeys(ctx, client.KeyFilter{}))
		},
		"health": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllKeyHealth(ctx, "t"))
		},
		"accounts": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllAccounts(ctx))
		},
		"account members": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllAccountMembers(ctx, "a"))
		},
		"account events": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllAccountEvents(ctx, "a", client.EventFilter{}))
		},
		"tenants": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllTenants(ctx))
		},
		"tenant events": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllTenantEvents(ctx, "t", client.EventFilter{}))
		},
		"members": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllMembers(ctx, "t"))
		},
		"applications": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllApplications(ctx, "t"))
		},
		"sessions": func(ctx context.Context, c *client.Client) (int, error) {
			return count(c.AllSessions(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &pages{}
			if n, err := all(t.Context(), p.client(t)); n != 6 || err != nil || len(p.cursors) != 3 {
				t.Errorf("%d items of the pages %q, %v", n, p.cursors, err)
			}
			p = &pages{broken: "page-1"}
			if n, err := all(t.Context(), p.client(t)); n != 2 || !errors.Is(err, api.Forbidden) {
				t.Errorf("where the second page is refused: %d items, %v", n, err)
			}
		})
	}
}

func TestAnIteratorReadsNoPageThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	p := &pages{}
	for tenant, err := range p.client(t).AllTenants(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if tenant.ID == "1" {
			break
		}
	}
	if len(p.cursors) != 1 {
		t.Errorf("it asked for %d pages", len(p.cursors))
	}
}

func TestAnIteratorEndsWhereTheServerRepeatsItsCursor(t *testing.T) {
	t.Parallel()
	f := newFlaky(t)
	f.then = answer(http.StatusOK, `{"items":[],"next_cursor":"the-same"}`)
	if n, err := count(newClient(t, f.URL).AllTenants(t.Context())); n != 0 || err == nil || len(f.keys()) != 2 {
		t.Errorf("%d items, %d requests, %v", n, len(f.keys()), err)
	}
}

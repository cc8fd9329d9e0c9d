package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// load is a handful of writers at work on the keys of one tenant, by the public API.
type load struct {
	tenant string
	person *client.Client
	book   *book
	killed atomic.Bool
	done   sync.WaitGroup
}

// begin sets the writers to work until their requests are no longer answered. That must not happen before killed is set, and
// a refusal never: nothing they ask for is refusable.
func (l *load) begin(t testing.TB, writers int) {
	for w := range writers {
		l.done.Go(func() {
			for n := 0; ; n++ {
				err := l.write(t.Context(), fmt.Sprintf("Cycle %d writer %d key %d", l.book.cycle, w, n))
				if err == nil {
					continue
				}
				if p, refused := errors.AsType[*api.Problem](err); refused || !l.killed.Load() {
					t.Errorf("a write failed while the process ran: %v %+v", err, p)
				}
				return
			}
		})
	}
}

// changes are the writes to a key that is there.
var changes = []*change{
	{
		action: "key.edit", from: []string{"active", "disabled"},
		make: func(f face) face { f.name += "+"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			shown, err := c.EditKey(ctx, tenant, k.id, api.KeyEdit{Name: api.To(k.face.name + "+")})
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.refresh", from: []string{"active", "disabled"}, renews: true,
		make: func(f face) face { return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			return c.RefreshKey(ctx, tenant, k.id, api.Refresh{})
		},
	},
	{
		action: "key.disable", from: []string{"active"},
		make: func(f face) face { f.status = "disabled"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			shown, err := c.DisableKey(ctx, tenant, k.id)
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.enable", from: []string{"disabled"},
		make: func(f face) face { f.status = "active"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			shown, err := c.EnableKey(ctx, tenant, k.id)
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.revoke", from: []string{"active", "disabled"},
		make: func(f face) face { f.status = "revoked"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			shown, err := c.RevokeKey(ctx, tenant, k.id, "")
			if err != nil {
				return api.IssuedKey{}, err
			}
			return api.IssuedKey{Key: *shown}, nil
		},
	},
	{
		action: "key.delete", from: []string{"active", "disabled", "revoked"},
		make: func(face) face { return deleted },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error) {
			return api.IssuedKey{}, c.DeleteKey(ctx, tenant, k.id)
		},
	},
}

// write makes a new key of that name, or does to another one what can be done to it.
func (l *load) write(ctx context.Context, name string) error {
	k := l.book.borrow()
	if k == nil || rand.IntN(3) == 0 {
		l.book.giveBack(k)
		return l.create(ctx, name)
	}
	possible := slices.DeleteFunc(slices.Clone(changes), func(c *change) bool { return !slices.Contains(c.from, k.face.status) })
	c := possible[rand.IntN(len(possible))]
	shown, err := c.ask(ctx, l.person, l.tenant, k)
	l.book.change(k, c, shown, err == nil)
	return err
}

func (l *load) create(ctx context.Context, name string) error {
	issued, err := l.person.CreateKey(ctx, l.tenant, api.NewKey{Name: name, Scopes: []string{"applications:read"}, AllApplications: true})
	if err != nil {
		l.book.lose(name)
		return err
	}
	l.book.enter(&entry{id: issued.Key.ID, value: *issued.Credential.Value, face: faceOf(issued.Key)})
	return nil
}

// killAfter kills the process once the channel is closed and a moment more has passed, so that it dies anywhere in the writes under way.
func (l *load) killAfter(t testing.TB, enough <-chan struct{}, p *process) {
	t.Helper()
	select {
	case <-enough:
		<-time.After(rand.N(5 * time.Millisecond))
	case <-p.ended:
		t.Errorf("the process ended by itself; on stderr:\n%s", p.stderr.String())
	case <-time.After(patience):
		t.Errorf("the load came to a standstill; on stderr:\n%s", p.stderr.String())
	}
	l.killed.Store(true)
	p.kill()
	l.done.Wait()
}

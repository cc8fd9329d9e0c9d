package cli_test

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

// load is a few writers that change the keys of one tenant through the public API.
type load struct {
	tenant  string
	person  *client.Client
	records *keyRecords
	killed  atomic.Bool
	done    sync.WaitGroup
}

// begin runs the writers until the server does not answer any more. This must not happen before
// killed is set. The server must never reject a request, because all requests are valid.
func (l *load) begin(t testing.TB, writers int) {
	for w := range writers {
		l.done.Go(func() {
			for n := 0; ; n++ {
				err := l.write(t.Context(), fmt.Sprintf("Cycle %d writer %d key %d", l.records.cycle, w, n))
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

// changes are the kinds of writes to an existing key.
var changes = []*change{
	{
		action: "key.edit", from: []string{"active", "disabled"},
		make: func(f state) state { f.name += "+"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			shown, err := c.EditKey(ctx, tenant, k.id, api.UpdateKeyRequest{Name: api.To(k.state.name + "+")})
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.refresh", from: []string{"active", "disabled"}, renews: true,
		make: func(f state) state { return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			return c.RefreshKey(ctx, tenant, k.id, api.RefreshKeyRequest{})
		},
	},
	{
		action: "key.disable", from: []string{"active"},
		make: func(f state) state { f.status = "disabled"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			shown, err := c.DisableKey(ctx, tenant, k.id)
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.enable", from: []string{"disabled"},
		make: func(f state) state { f.status = "active"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			shown, err := c.EnableKey(ctx, tenant, k.id)
			return api.IssuedKey{Key: shown}, err
		},
	},
	{
		action: "key.revoke", from: []string{"active", "disabled"},
		make: func(f state) state { f.status = "revoked"; return f },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			shown, err := c.RevokeKey(ctx, tenant, k.id, "")
			if err != nil {
				return api.IssuedKey{}, err
			}
			return api.IssuedKey{Key: *shown}, nil
		},
	},
	{
		action: "key.delete", from: []string{"active", "disabled", "revoked"},
		make: func(state) state { return deleted },
		ask: func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error) {
			return api.IssuedKey{}, c.DeleteKey(ctx, tenant, k.id)
		},
	},
}

// write creates a key with the name, or makes a possible change to another key.
func (l *load) write(ctx context.Context, name string) error {
	k := l.records.acquire()
	if k == nil || rand.IntN(3) == 0 {
		l.records.putBack(k)
		return l.create(ctx, name)
	}
	possible := slices.DeleteFunc(slices.Clone(changes),
		func(c *change) bool { return !slices.Contains(c.from, k.state.status) })
	c := possible[rand.IntN(len(possible))]
	shown, err := c.ask(ctx, l.person, l.tenant, k)
	l.records.change(k, c, shown, err == nil)
	return err
}

func (l *load) create(ctx context.Context, name string) error {
	issued, err := l.person.CreateKey(ctx, l.tenant,
		api.CreateKeyRequest{Name: name, Scopes: []string{"applications:read"}, AllApplications: true})
	if err != nil {
		l.records.addUnanswered(name)
		return err
	}
	l.records.add(&keyRecord{id: issued.Key.ID, value: issued.Credential.Value, state: stateOf(issued.Key)})
	return nil
}

// killAfter kills the process a short time after the channel is closed, so that it ends at any
// point of the current writes.
func (l *load) killAfter(t testing.TB, enough <-chan struct{}, p *process) {
	t.Helper()
	select {
	case <-enough:
		<-time.After(rand.N(5 * time.Millisecond))
	case <-p.ended:
		t.Errorf("the process ended by itself; on stderr:\n%s", p.stderr.String())
	case <-time.After(waitTimeout):
		t.Errorf("the load came to a standstill; on stderr:\n%s", p.stderr.String())
	}
	l.killed.Store(true)
	p.kill()
	l.done.Wait()
}

package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// write makes a new key of that name, or revokes or deletes another.
func (l *load) write(ctx context.Context, name string) error {
	dice := rand.IntN(4)
	if dice < 2 {
		return l.create(ctx, name)
	}
	k := l.book.borrow()
	switch {
	case k == nil:
		return l.create(ctx, name)
	case dice == 2 && k.state == api.OK:
		_, err := l.person.RevokeKey(ctx, l.tenant, k.id, "")
		l.book.change(k, api.APIKeyRevoked, err == nil)
		return err
	}
	err := l.person.DeleteKey(ctx, l.tenant, k.id)
	l.book.change(k, api.APIKeyInvalid, err == nil)
	return err
}

func (l *load) create(ctx context.Context, name string) error {
	issued, err := l.person.CreateKey(ctx, l.tenant, api.NewKey{Name: name, Scopes: []string{"applications:read"}, AllApplications: true})
	if err != nil {
		l.book.lose(name)
		return err
	}
	l.book.enter(&entry{id: issued.Key.ID, name: name, value: *issued.Credential.Value})
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

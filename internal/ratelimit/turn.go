package ratelimit

import (
	"context"
	"sync"
)

// Turns lets one caller at a time do what takes long, for each key. The zero value is ready for use,
// and nil lets everybody do so.
type Turns[K comparable] struct {
	mu   sync.Mutex
	held map[K]*turn
}

// turn is held by whoever has put something into it, and kept while anybody holds it or waits for it.
type turn struct {
	held  chan struct{}
	users int
}

// Take waits for the key's turn; release ends it. It fails where the context ends first.
func (t *Turns[K]) Take(ctx context.Context, key K) (release func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	t.mu.Lock()
	if t.held == nil {
		t.held = map[K]*turn{}
	}
	mine := t.held[key]
	if mine == nil {
		mine = &turn{held: make(chan struct{}, 1)}
		t.held[key] = mine
	}
	mine.users++
	t.mu.Unlock()
	select {
	case mine.held <- struct{}{}:
		return func() {
			<-mine.held
			t.leave(key, mine)
		}, nil
	case <-ctx.Done():
		t.leave(key, mine)
		return nil, ctx.Err()
	}
}

func (t *Turns[K]) leave(key K, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.held, key)
	}
}

package main_test

import (
	"math/rand/v2"
	"sync"

	"github.com/claviger-dev/claviger/api"
)

// book is what the writers of a load were told, key by key.
type book struct {
	mu   sync.Mutex
	keys map[string]*entry // by id
	// free are the keys that no writer is changing.
	free []*entry
	// unanswered are the names of keys whose creation was under way when the process was killed.
	unanswered map[string]bool

	// kept and undone count the unanswered writes by what became of them.
	kept, undone int

	cycle int
	acks  int
	// enough is closed with the ack that makes acks wanted.
	wanted int
	enough chan struct{}
}

// entry is one key. Its state is what a verification of it answers.
type entry struct {
	id, name string
	value    string // "" where the answer that showed it was lost
	state    api.Code
	// doubt is another state that it may be in: the change was under way when the process was killed.
	doubt api.Code
	// trail are the actions that its audit trail must hold, in order.
	trail []string
	// cycle in which it was last written.
	cycle int
}

// actions leading to a state.
var actions = map[api.Code]string{api.OK: "key.create", api.APIKeyRevoked: "key.revoke", api.APIKeyInvalid: "key.delete"}

func newBook() *book { return &book{keys: map[string]*entry{}, unanswered: map[string]bool{}} }

// open begins a cycle: the channel is closed when so many writes are acknowledged.
func (b *book) open(cycle, wanted int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cycle, b.acks, b.wanted, b.enough = cycle, 0, wanted, make(chan struct{})
	return b.enough
}

func (b *book) ack() {
	b.acks++
	if b.acks == b.wanted {
		close(b.enough)
	}
}

// enter adds a key that exists.
func (b *book) enter(k *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.state, k.trail, k.cycle = api.OK, []string{actions[api.OK]}, b.cycle
	b.keys[k.id] = k
	b.free = append(b.free, k)
	b.ack()
}

// lose notes a creation that was not answered.
func (b *book) lose(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unanswered[name] = true
}

// borrow gives any key that nobody else is changing; nil for none.
func (b *book) borrow() *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free) == 0 {
		return nil
	}
	i := rand.IntN(len(b.free))
	k := b.free[i]
	b.free[i] = b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return k
}

// change notes what became of a borrowed key.
func (b *book) change(k *entry, into api.Code, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.cycle = b.cycle
	if !acknowledged {
		k.doubt = into
		return
	}
	b.settle(k, into)
	b.ack()
}

// resolve says what became of a change that was not answered.
func (b *book) resolve(k *entry, state api.Code) {
	b.count(state == k.doubt)
	k.doubt = ""
	b.settle(k, state)
}

// count an unanswered write.
func (b *book) count(kept bool) {
	if kept {
		b.kept++
	} else {
		b.undone++
	}
}

// settle says what state a key is in.
func (b *book) settle(k *entry, state api.Code) {
	if state != k.state {
		k.state = state
		k.trail = append(k.trail, actions[state])
	}
	if state != api.APIKeyInvalid {
		b.free = append(b.free, k)
	}
}

// due gives the keys written in the last cycle and a sample of the others, or all keys.
func (b *book) due(all bool, sample int) []*entry {
	var due, older []*entry
	for _, k := range b.keys {
		if all || k.cycle == b.cycle {
			due = append(due, k)
		} else {
			older = append(older, k)
		}
	}
	rand.Shuffle(len(older), func(i, j int) { older[i], older[j] = older[j], older[i] })
	return append(due, older[:min(sample, len(older))]...)
}

// trails gives the audit trail that each key must have.
func (b *book) trails() map[string][]string {
	trails := map[string][]string{}
	for id, k := range b.keys {
		trails[id] = k.trail
	}
	return trails
}

package main_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
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

// entry is one key.
type entry struct {
	id    string
	value string // "" where the answer that showed it was lost
	face  face
	// doubt is the change that was under way when the process was killed.
	doubt *change
	// trail are the actions that its audit trail must hold, in order.
	trail []string
	// cycle in which it was last written.
	cycle int
}

// face is what a key looks like to its owner.
type face struct {
	name, status string
	setAt        time.Time // of its secret
}

// deleted is the face of a key that is no more.
var deleted = face{status: "deleted"}

func faceOf(k api.Key) face { return face{k.Name, k.Status, *k.SecretSetAt} }

// codes say what a verification of a key answers.
var codes = map[string]api.Code{"active": api.OK, "disabled": api.APIKeyDisabled, "revoked": api.APIKeyRevoked, deleted.status: api.APIKeyInvalid}

// change is one write to a key. Each kind makes another face of it.
type change struct {
	action string
	// from are the statuses in which it is done.
	from []string
	make func(face) face
	// renews says that the secret is another one afterwards.
	renews bool
	// ask sends it. The answer, where it has a key, has the secret too if that is new.
	ask func(ctx context.Context, c *client.Client, tenant string, k *entry) (api.IssuedKey, error)
}

// became reports whether a key has the face that the change makes.
func (c *change) became(before, now face) bool {
	want := c.make(before)
	if c.renews && !now.setAt.Equal(before.setAt) {
		want.setAt = now.setAt
	}
	return now == want && now != before
}

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
	k.trail, k.cycle = []string{"key.create"}, b.cycle
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

// giveBack a key that was left as it is.
func (b *book) giveBack(k *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k != nil {
		b.free = append(b.free, k)
	}
}

// change notes what became of a borrowed key. A key that was answered has the face that was shown.
func (b *book) change(k *entry, c *change, shown api.IssuedKey, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.cycle = b.cycle
	if !acknowledged {
		k.doubt = c
		return
	}
	now := deleted
	if shown.Key.ID != "" {
		now = faceOf(shown.Key)
	}
	if c.renews {
		k.value = *shown.Credential.Value
	}
	b.settle(k, c, now)
	b.ack()
}

// resolve says what became of a change that was not answered.
func (b *book) resolve(k *entry, now face) {
	c := k.doubt
	k.doubt = nil
	b.count(now != k.face)
	if now == k.face {
		b.release(k)
		return
	}
	if c.renews {
		k.value = "" // the answer that showed the new one was lost
	}
	b.settle(k, c, now)
}

// count an unanswered write.
func (b *book) count(kept bool) {
	if kept {
		b.kept++
	} else {
		b.undone++
	}
}

// settle says that a change was made.
func (b *book) settle(k *entry, c *change, now face) {
	k.face = now
	k.trail = append(k.trail, c.action)
	b.release(k)
}

func (b *book) release(k *entry) {
	if k.face != deleted {
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

package cli_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// keyRecords holds the answers that the writers of a load got, for each key.
type keyRecords struct {
	mu   sync.Mutex
	keys map[string]*keyRecord // by id
	// free are the keys that no writer is changing.
	free []*keyRecord
	// unanswered are the names of keys that were being created when the process was killed.
	unanswered map[string]bool

	// kept and undone count the unanswered writes that were made and that were not.
	kept, undone int

	cycle int
	acks  int
	// reached is closed when acks reaches wanted.
	wanted  int
	reached chan struct{}
}

// keyRecord is the expected state of one key.
type keyRecord struct {
	id    string
	value string // "" if the answer that contained it was lost
	state state
	// pending is the change that was being made when the process was killed.
	pending *change
	// actions are the actions that the audit trail must contain, in order.
	actions []string
	// cycle is the cycle of the last write.
	cycle int
}

// state is what the owner of a key sees.
type state struct {
	name, status string
	setAt        time.Time // when the secret was set
}

// deleted is the state of a deleted key.
var deleted = state{status: "deleted"}

func stateOf(k api.Key) state { return state{k.Name, string(k.Status), *k.SecretSetAt} }

// codes are the codes of a verification, by the status of the key.
var codes = map[string]api.Code{
	"active": api.OK, "disabled": api.APIKeyDisabled, "revoked": api.APIKeyRevoked,
	deleted.status: api.APIKeyInvalid,
}

// change is one kind of write to a key. Each kind leads to another state.
type change struct {
	action string
	// from are the statuses in which the change is possible.
	from []string
	make func(state) state
	// renews is set if the key gets a new secret.
	renews bool
	// ask sends the request. If the answer contains a key with a new secret, it contains the secret
	// too.
	ask func(ctx context.Context, c *client.Client, tenant string, k *keyRecord) (api.IssuedKey, error)
}

// became reports whether the change leads from one state to the other.
func (c *change) became(before, now state) bool {
	want := c.make(before)
	if c.renews && !now.setAt.Equal(before.setAt) {
		want.setAt = now.setAt
	}
	return now == want && now != before
}

func newKeyRecords() *keyRecords {
	return &keyRecords{keys: map[string]*keyRecord{}, unanswered: map[string]bool{}}
}

// open starts a cycle. The channel is closed when the wanted number of writes is acknowledged.
func (b *keyRecords) open(cycle, wanted int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cycle = cycle
	b.acks = 0
	b.wanted = wanted
	b.reached = make(chan struct{})
	return b.reached
}

func (b *keyRecords) ack() {
	b.acks++
	if b.acks == b.wanted {
		close(b.reached)
	}
}

// add adds an existing key.
func (b *keyRecords) add(k *keyRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.actions, k.cycle = []string{"key.create"}, b.cycle
	b.keys[k.id] = k
	b.free = append(b.free, k)
	b.ack()
}

// addUnanswered records a creation without an answer.
func (b *keyRecords) addUnanswered(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unanswered[name] = true
}

// acquire returns a key that no other writer is changing; nil for none.
func (b *keyRecords) acquire() *keyRecord {
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

// putBack returns an unchanged key to the free keys.
func (b *keyRecords) putBack(k *keyRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k != nil {
		b.free = append(b.free, k)
	}
}

// change records the result of a change of an acquired key.
func (b *keyRecords) change(k *keyRecord, c *change, shown api.IssuedKey, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.cycle = b.cycle
	if !acknowledged {
		k.pending = c
		return
	}
	now := deleted
	if shown.Key.ID != "" {
		now = stateOf(shown.Key)
	}
	if c.renews {
		k.value = shown.Credential.Value
	}
	b.apply(k, c, now)
	b.ack()
}

// resolve records the state of a key after a change without an answer.
func (b *keyRecords) resolve(k *keyRecord, now state) {
	c := k.pending
	k.pending = nil
	b.count(now != k.state)
	if now == k.state {
		b.release(k)
		return
	}
	if c.renews {
		k.value = "" // the answer that contained the new one was lost
	}
	b.apply(k, c, now)
}

// count counts an unanswered write.
func (b *keyRecords) count(kept bool) {
	if kept {
		b.kept++
	} else {
		b.undone++
	}
}

// apply records that a change was made.
func (b *keyRecords) apply(k *keyRecord, c *change, now state) {
	k.state = now
	k.actions = append(k.actions, c.action)
	b.release(k)
}

func (b *keyRecords) release(k *keyRecord) {
	if k.state != deleted {
		b.free = append(b.free, k)
	}
}

// due returns the keys written in the last cycle and a sample of the others, or all keys.
func (b *keyRecords) due(all bool, sample int) []*keyRecord {
	var due, older []*keyRecord
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

// actionsByKey returns the actions that the audit trail of each key must contain.
func (b *keyRecords) actionsByKey() map[string][]string {
	trails := map[string][]string{}
	for id, k := range b.keys {
		trails[id] = k.actions
	}
	return trails
}

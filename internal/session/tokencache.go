package session

import (
	"sync"

	"github.com/claviger-dev/claviger/internal/credential"
)

// tokenCache remembers a value for each of the tokens that were sent recently. The zero value is
// empty.
type tokenCache[V any] struct {
	mu sync.Mutex
	// older holds what was added before newer. It is dropped once newer is full.
	newer, older map[credential.TokenHash]V
}

// maxTokens bounds newer and older each.
const maxTokens = 4096

// get returns the value of a token. It keeps a token that is still being sent.
func (t *tokenCache[V]) get(token credential.TokenHash) (v V, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok = t.newer[token]
	if ok {
		return v, true
	}
	v, ok = t.older[token]
	if ok {
		t.put(token, v)
	}
	return v, ok
}

// add remembers the value of a token.
func (t *tokenCache[V]) add(token credential.TokenHash, v V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(token, v)
}

func (t *tokenCache[V]) put(token credential.TokenHash, v V) {
	if t.newer == nil || len(t.newer) >= maxTokens {
		t.older, t.newer = t.newer, map[credential.TokenHash]V{}
	}
	t.newer[token] = v
}

package verify

import (
	"strings"
	"sync"
)

// sharedReads are the reads of facts that run now, by lookup. After a restart, many requests need
// the same facts at once.
type sharedReads struct {
	mu      sync.Mutex
	running map[string]*sharedRead
}

// sharedRead is one read. entry and err are set when done is closed.
type sharedRead struct {
	done  chan struct{}
	entry *Entry
	err   error
}

// join returns the read of a lookup that runs now. With first it is a new one, which the caller has
// to run.
func (s *sharedReads) join(lookup string) (read *sharedRead, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	read = s.running[lookup]
	if read != nil {
		return read, false
	}
	if s.running == nil {
		s.running = map[string]*sharedRead{}
	}
	read = &sharedRead{done: make(chan struct{}), err: errReadFailed}
	s.running[strings.Clone(lookup)] = read // it may be part of the request's buffer
	return read, true
}

// errReadFailed is the error of a read that ended in a panic.
var errReadFailed = unavailable(nil)

// run runs a read and gives its outcome to those who wait for it.
func (s *sharedReads) run(read *sharedRead, lookup string, load func() (*Entry, error)) (*Entry, error) {
	defer func() {
		s.mu.Lock()
		delete(s.running, lookup)
		s.mu.Unlock()
		close(read.done)
	}()
	read.entry, read.err = load()
	return read.entry, read.err
}

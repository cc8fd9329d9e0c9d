package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/store"
)

// JournalFile is the file in the data directory that remembers what was revoked, for the restore of
// a backup that is older.
const JournalFile = "revocations.journal"

const (
	// nodeLease is how long a node that was killed counts as alive. For so long a restore asks for
	// its journal.
	nodeLease = 5 * time.Minute
	// nodeRenewal is how often a node renews its lease.
	nodeRenewal = time.Minute
)

// nodeJournal is the journal of revocations of this node, with the lease that tells the other nodes
// that this one is alive.
type nodeJournal struct {
	*journal.File
	store *store.Store
	clock *nodeClock
	log   *slog.Logger

	mu sync.Mutex
	// aliveUntil is when the lease ends; zero where this process never had one.
	aliveUntil time.Time
}

func openJournal(d dataDir, s *store.Store, clock *nodeClock, log *slog.Logger) (*nodeJournal, error) {
	file, err := journal.Open(d.file(JournalFile), clock.Now)
	if err != nil {
		return nil, err
	}
	return &nodeJournal{File: file, store: s, clock: clock, log: log}, nil
}

// note writes into the journal what a change revokes, before the change is answered.
func (j *nodeJournal) note(change int64, e audit.Event) error {
	return j.Note(journal.Change{Number: change, ID: e.ID, At: e.At, Effects: e.Effects})
}

// catchUp reads into the journal what other nodes revoked, and what this node could not note. It
// reads the list of nodes first: a node that is no longer alive then made its last change before,
// and catchUp finds it. It is a job.
func (j *nodeJournal) catchUp(ctx context.Context) error {
	if err := j.renewLease(ctx); err != nil {
		return err
	}
	nodes, err := j.store.Nodes(ctx, j.clock.Now())
	if err != nil {
		return err
	}
	if err := j.CatchUp(ctx, j.store); err != nil {
		return err
	}
	return j.SetAliveNodes(nodes)
}

// renewLease renews the node's lease where that is due. While the clock is in doubt the node makes
// no changes, and needs no lease.
func (j *nodeJournal) renewLease(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.clock.Now()
	if j.clock.Check() != nil || now.Before(j.aliveUntil.Add(nodeRenewal-nodeLease)) {
		return nil
	}
	node, err := j.node()
	if err != nil {
		return err
	}
	until := now.Add(nodeLease)
	held, err := j.store.RenewNode(ctx, node, now, until)
	if err == nil && !held { // this directory is a copy of that of another machine
		node, err = j.newNode()
		if err == nil {
			_, err = j.store.RenewNode(ctx, node, now, until)
		}
	}
	switch {
	case err == nil:
		j.aliveUntil = until
	case now.Before(j.aliveUntil): // the lease has not ended; the next call renews it
		return nil
	}
	return err
}

// leave ends the lease: the node makes no more changes.
func (j *nodeJournal) leave(ctx context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.aliveUntil.IsZero() {
		return
	}
	if err := j.store.RemoveNode(ctx, j.Node()); err != nil {
		j.log.Warn("this node could not sign off: others count it as alive for some minutes", "error", err)
	}
}

// node returns the node whose journal this is. It gets its name at its first start.
func (j *nodeJournal) node() (journal.Node, error) {
	if n := j.Node(); n.ID != "" && n.Name == machineName() {
		return n, nil
	}
	return j.newNode()
}

// newNode sets the node of the journal: a new id, and this machine's name.
func (j *nodeJournal) newNode() (journal.Node, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	n := journal.Node{ID: hex.EncodeToString(id), Name: machineName()}
	return n, j.SetNode(n)
}

// machineName returns the host name.
func machineName() string {
	name, _ := os.Hostname()
	return cmp.Or(name, "unknown")
}

package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/journal"
)

// Each live node holds a lease of its own. The journals of the other nodes learn from it that the
// node exists.
const (
	nodeLeases    = "node/"
	nodeLeasesEnd = "node0" // sorts after all of them

	selectNodes query = `SELECT name, holder FROM leases WHERE name >= $1 AND name < $2 AND until > $3 ORDER BY name`
	deleteNode  query = `DELETE FROM leases WHERE name = $1 AND holder = $2`
	deleteNodes query = `DELETE FROM leases WHERE name >= $1 AND name < $2 AND until <= $3`
)

// RenewNode records that a node is alive until a time, and deletes the leases of nodes that are
// not. held is false if another machine has the same id. Node leases are not audited.
func (s *Store) RenewNode(ctx context.Context, node journal.Node, now, until time.Time) (held bool, err error) {
	held, err = s.AcquireLease(ctx, nodeLeases+node.ID, node.Name, now, until)
	if err != nil {
		return held, err
	}
	_, err = s.execUnaudited(ctx, deleteNodes, nodeLeases, nodeLeasesEnd, micros(now))
	return held, err
}

// RemoveNode records that a node makes no more changes.
func (s *Store) RemoveNode(ctx context.Context, node journal.Node) error {
	_, err := s.execUnaudited(ctx, deleteNode, nodeLeases+node.ID, node.Name)
	return err
}

// Nodes lists the live nodes.
func (s *Store) Nodes(ctx context.Context, now time.Time) (nodes []journal.Node, err error) {
	nodes, err = collect(ctx, s.control, selectNodes, scanNode, nodeLeases, nodeLeasesEnd, micros(now))
	return nodes, s.fault(err)
}

func scanNode(row scanner) (n journal.Node, err error) {
	err = row.Scan(&n.ID, &n.Name)
	if err != nil {
		return n, err
	}
	n.ID = n.ID[len(nodeLeases):]
	return n, nil
}

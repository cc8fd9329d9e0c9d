package store

import (
	"context"
	"database/sql"
	"strconv"
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

// A second lease of each node says which schema the node knows. Both are renewed together. Versions
// before schema 17 renew only the first.
const (
	schemaLeases    = "schema/"
	schemaLeasesEnd = "schema0" // sorts after all of them

	upsertNodeSchema query = `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name)
		DO UPDATE SET holder = excluded.holder, until = excluded.until`
	selectNodeSchemas query = `SELECT n.name, n.holder, s.holder FROM leases n
		LEFT JOIN leases s ON s.name = 'schema/' || SUBSTR(n.name, 6) AND s.until >= n.until
		WHERE n.name >= $1 AND n.name < $2 AND n.until > $3 ORDER BY n.name`
	deleteNodeSchema query = `DELETE FROM leases WHERE name = $1`
)

// RenewNode records that a node is alive until a time, and deletes the leases of nodes that are
// not. held is false if another machine has the same id. Node leases are not audited.
func (s *Store) RenewNode(ctx context.Context, node journal.Node, now, until time.Time) (held bool, err error) {
	err = s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		held, err = acquireLease(ctx, tx, nodeLeases+node.ID, node.Name, now, until)
		if err == nil && held {
			_, err = tx.ExecContext(ctx, string(upsertNodeSchema), schemaLeases+node.ID,
				strconv.FormatInt(s.Known(), 10), micros(until))
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if _, err := s.execUnaudited(ctx, deleteNodes, nodeLeases, nodeLeasesEnd, micros(now)); err != nil {
		return held, err
	}
	_, err = s.execUnaudited(ctx, deleteNodes, schemaLeases, schemaLeasesEnd, micros(now))
	return held, err
}

func acquireLease(ctx context.Context, tx *sql.Tx, name, holder string, now, until time.Time) (held bool, err error) {
	result, err := tx.ExecContext(ctx, string(upsertLease), name, holder, micros(until), micros(now))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// RemoveNode records that a node makes no more changes.
func (s *Store) RemoveNode(ctx context.Context, node journal.Node) error {
	n, err := s.execUnaudited(ctx, deleteNode, nodeLeases+node.ID, node.Name)
	if err == nil && n > 0 {
		_, err = s.execUnaudited(ctx, deleteNodeSchema, schemaLeases+node.ID)
	}
	return err
}

// Nodes lists the live nodes.
func (s *Store) Nodes(ctx context.Context, now time.Time) (nodes []journal.Node, err error) {
	nodes, err = collect(ctx, s.control, selectNodes, scanNode, nodeLeases, nodeLeasesEnd, micros(now))
	return nodes, s.fault(err)
}

// OlderNodes lists the live nodes whose version does not know the newest schema that this program
// knows.
func (s *Store) OlderNodes(ctx context.Context, now time.Time) (nodes []journal.Node, err error) {
	err = forEachRow(ctx, s.control, selectNodeSchemas, func(row *sql.Rows) error {
		var n journal.Node
		var schema sql.NullString
		if err := row.Scan(&n.ID, &n.Name, &schema); err != nil {
			return err
		}
		known, _ := strconv.ParseInt(schema.String, 10, 64) // 0 without a second lease
		if known < s.Known() {
			nodes = append(nodes, journal.Node{ID: n.ID[len(nodeLeases):], Name: n.Name})
		}
		return nil
	}, nodeLeases, nodeLeasesEnd, micros(now))
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

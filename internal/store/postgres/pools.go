package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/claviger-dev/claviger/internal/store"
)

// DefaultConnections and MinConnections are the default and the smallest number of connections of a
// node to PostgreSQL.
const (
	DefaultConnections = 24
	MinConnections     = 16
)

const (
	controlConnections     = 3
	maintenanceConnections = 3
	listenConnections      = 1
	fixedConnections       = controlConnections + maintenanceConnections + listenConnections
)

// shares are the sizes of the pools that grow with the number of connections.
type shares struct{ verify, read, write int }

// split divides the connections of a node. After the fixed ones, verification gets a quarter,
// writes two fifths and reads the rest.
func split(connections int) shares {
	rest := max(connections, MinConnections) - fixedConnections
	s := shares{verify: rest / 4, write: rest * 2 / 5}
	s.read = rest - s.verify - s.write
	return s
}

// pools are the open pools of a backend.
type pools struct {
	names []string
	pgx   []*pgxpool.Pool
	sql   []*sql.DB
	err   error
}

// open adds a pool. Connections are opened when they are needed.
func (p *pools) open(ctx context.Context, from *pgxpool.Config, name string, connections int, b bounds,
	relied time.Duration,
) *sql.DB {
	if p.err != nil {
		return nil
	}
	config := from.Copy()
	config.MaxConns = int32(connections)
	config.MinConns = 0
	config.MinIdleConns = 0
	config.AfterConnect = b.onConnect
	config.PrepareConn = b.onAcquire(relied)
	// PrepareConn detects dead connections
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		p.err = err
		return nil
	}
	db := stdlib.OpenDBFromPool(pool)
	p.names = append(p.names, name)
	p.pgx = append(p.pgx, pool)
	p.sql = append(p.sql, db)
	return db
}

// stats returns the usage of pgx's pools. The database/sql pools above them hold no connections.
func (p *pools) stats() []store.Pool {
	all := make([]store.Pool, len(p.pgx))
	for i, pool := range p.pgx {
		s := pool.Stat()
		all[i] = store.Pool{
			Name: p.names[i], Max: int(s.MaxConns()), Open: int(s.TotalConns()), Busy: int(s.AcquiredConns()),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
		}
	}
	return all
}

// closeIdle closes the idle connections.
func (p *pools) closeIdle() {
	for _, pool := range p.pgx {
		pool.Reset()
	}
}

func (p *pools) close() error {
	var errs []error
	for i, db := range p.sql {
		errs = append(errs, db.Close())
		p.pgx[i].Close()
	}
	return errors.Join(errs...)
}

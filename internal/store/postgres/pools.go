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

// Connections that a node may have to PostgreSQL, and the fewest that it can do with.
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

// split divides the connections of a node: those that are not fixed go to verification (a quarter), writes (two fifths) and reads.
func split(connections int) shares {
	rest := max(connections, MinConnections) - fixedConnections
	s := shares{verify: rest / 4, write: rest * 2 / 5}
	s.read = rest - s.verify - s.write
	return s
}

// pools are what a backend has open.
type pools struct {
	names []string
	pgx   []*pgxpool.Pool
	sql   []*sql.DB
	err   error
}

// open adds a pool. No connection is made before one is needed.
func (p *pools) open(ctx context.Context, from *pgxpool.Config, name string, connections int, b bounds, relied time.Duration) *sql.DB {
	if p.err != nil {
		return nil
	}
	config := from.Copy()
	config.MaxConns, config.MinConns, config.MinIdleConns = int32(connections), 0, 0
	config.AfterConnect = b.connected
	config.PrepareConn = b.acquired(relied)
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false } // PrepareConn finds what is dead
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		p.err = err
		return nil
	}
	db := stdlib.OpenDBFromPool(pool)
	p.names, p.pgx, p.sql = append(p.names, name), append(p.pgx, pool), append(p.sql, db)
	return db
}

// stats reads pgx's pools: database/sql above them keeps no connections of its own.
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

// renew closes the idle connections.
func (p *pools) renew() {
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

package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// nodeLock is the connection that holds the advisory lock. When the connection dies, so does the lock.
type nodeLock struct {
	mu   sync.Mutex // a connection serves one at a time
	conn *pgxpool.Conn
}

func take(ctx context.Context, pool *pgxpool.Pool) (*nodeLock, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, unreachable(err)
	}
	var version int
	var free bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&version, &free)
	switch {
	case err != nil:
		err = unreachable(err)
	case version < oldest:
		err = fmt.Errorf("PostgreSQL 13 or later is needed; this server says %d", version)
	case !free:
		err = errors.New("another claviger runs on this database: one node at a time")
	default:
		return &nodeLock{conn: conn}, nil
	}
	conn.Release()
	return nil, err
}

// held reports whether the lock is still ours.
func (l *nodeLock) held(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := l.conn.Ping(ctx); err != nil {
		return errors.New("the connection that held the database for this node is lost")
	}
	return nil
}

// release gives the lock back, since the server ends a closed connection only some time later, and closes the connection rather than giving it back.
func (l *nodeLock) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = l.conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(lockKey)) // fails where the connection is lost, and the lock with it
	return l.conn.Hijack().Close(ctx)
}

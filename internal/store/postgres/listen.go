package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// announcementTimeout bounds how long the node's own announcement may take to arrive.
const announcementTimeout = 2 * time.Second

// listener has its own connection, because announcements reach only connections that listen, and
// connections of the pool serve others too.
type listener struct {
	config *pgx.ConnConfig
	bounds bounds
}

// listen calls woken for every announced change (the trigger of migration 7 announces it). It also
// calls woken once at the start, because earlier announcements did not reach this node.
func (l listener) listen(ctx context.Context, woken func()) error {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return explain(err, l.config)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := l.bounds.onConnect(ctx, conn); err != nil {
		return explain(err, l.config)
	}
	if err := l.checkDelivery(ctx, conn); err != nil {
		return err
	}
	for {
		woken()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("the connection that listens for changes: %w", explain(err, l.config))
		}
	}
}

// checkDelivery begins to listen and waits for an announcement of its own. A pooler in transaction
// mode would lose it.
func (l listener) checkDelivery(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, announcementTimeout)
	defer cancel()
	for _, text := range []string{`LISTEN claviger_changes`, `NOTIFY claviger_changes`} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return explain(err, l.config)
		}
	}
	_, err := conn.WaitForNotification(ctx)
	if errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return errors.New("a test announcement did not arrive, as with a pooler in transaction mode: connect " +
			"to PostgreSQL itself, or through a pooler in session mode")
	}
	if err != nil {
		return explain(err, l.config)
	}
	return nil
}

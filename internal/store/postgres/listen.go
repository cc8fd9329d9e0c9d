package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// announceWithin is how long our own announcement may take to come back.
const announceWithin = 2 * time.Second

// listener has a connection of its own: announcements come to whoever listens, and a connection of the pool serves others too.
type listener struct{ config *pgx.ConnConfig }

// listen calls woken for every change that is announced (migration 7 makes the trigger), and once when it begins: what was changed before was announced to nobody here.
func (l listener) listen(ctx context.Context, woken func()) error {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := readBounds.connected(ctx, conn); err != nil {
		return unreachable(err)
	}
	if err := l.prove(ctx, conn); err != nil {
		return err
	}
	for {
		woken()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("the connection that listens for changes: %w", unreachable(err))
		}
	}
}

// prove begins to listen and waits for an announcement of its own. A pooler that gives each transaction another connection of the server loses it.
func (l listener) prove(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, announceWithin)
	defer cancel()
	for _, text := range []string{`LISTEN claviger_changes`, `NOTIFY claviger_changes`} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return unreachable(err)
		}
	}
	_, err := conn.WaitForNotification(ctx)
	if errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return errors.New("an announcement did not come back: is there a pooler in transaction mode before PostgreSQL? Connect to the server itself, or through a session-mode pooler")
	}
	if err != nil {
		return unreachable(err)
	}
	return nil
}

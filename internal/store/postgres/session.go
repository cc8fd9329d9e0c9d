package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// bounds limit what one session may hold, and for how long. They are in the form in which PostgreSQL shows them.
type bounds struct {
	// statement limits one statement, lock the wait for one lock.
	statement, lock string
	// idle limits how long a transaction may wait for its client: a node that vanished holds its locks no longer than that.
	idle string
	// transaction limits a whole transaction, where the server can (PostgreSQL 17).
	transaction string
	// unacknowledged is for how many milliseconds the server waits for a client to take what was sent.
	unacknowledged string
}

// Bounds of the pools. A change must be over before the ledger gives it up (10 s), also where it first had to wait until
// the server ended the transaction of a node that vanished: idle < lock < 10 s.
var (
	readBounds   = bounds{statement: "15s", lock: "8s", idle: "4s", transaction: "20s", unacknowledged: "10000"}
	verifyBounds = bounds{statement: "5s", lock: "4s", idle: "4s", transaction: "8s", unacknowledged: "10000"}
	writeBounds  = bounds{statement: "9s", lock: "8s", idle: "4s", transaction: "12s", unacknowledged: "10000"}
	// Maintenance reads the whole database, for whoever takes it over a slow connection; it holds no lock that a change needs.
	maintenanceBounds = bounds{statement: "12h", lock: "8s", idle: "5min", transaction: "12h", unacknowledged: "300000"}
	// A migration that cannot have its lock gives up, since every statement after it waits behind it.
	migrationBounds = bounds{statement: "1h", lock: "8s", idle: "1min", transaction: "2h", unacknowledged: "60000"}
)

// setting is a variable of the session and the value it must have.
type setting struct {
	name, value string
	// optional variables read as 0 where the server's system, or a Unix socket, does not have them.
	optional bool
}

// settings returns what every session relies on, whatever the defaults of server, database and role are.
func (b bounds) settings(major int) []setting {
	all := []setting{
		{name: "synchronous_commit", value: "on"}, // an acknowledged change is on disk
		{name: "default_transaction_isolation", value: "read committed"},
		{name: "default_transaction_read_only", value: "off"},
		{name: "standard_conforming_strings", value: "on"},
		{name: "statement_timeout", value: b.statement},
		{name: "lock_timeout", value: b.lock},
		{name: "idle_in_transaction_session_timeout", value: b.idle},
		{name: "tcp_user_timeout", value: b.unacknowledged, optional: true},
		{name: "tcp_keepalives_idle", value: "5", optional: true},
		{name: "tcp_keepalives_interval", value: "2", optional: true},
		{name: "tcp_keepalives_count", value: "3", optional: true},
	}
	if major >= 14 {
		all = append(all, setting{name: "idle_session_timeout", value: "0"})
	}
	if major >= 17 {
		all = append(all, setting{name: "transaction_timeout", value: b.transaction})
	}
	return all
}

// errSetting says that the server, or what stands before it, does not keep a setting.
type errSetting struct{ name, want, got string }

func (e *errSetting) Error() string {
	return fmt.Sprintf("PostgreSQL runs with %s = %s instead of %s, although it was set: connect to the server itself, or through a pooler in session mode",
		e.name, e.got, e.want)
}

// hold sets what the session relies on and checks that it holds. Settings go by statements and not with the start of the connection,
// where a pooler refuses or forgets them.
func (b bounds) hold(ctx context.Context, conn *pgx.Conn) error {
	all := b.settings(major(conn))
	calls, args := make([]string, len(all)), make([]any, 0, 2*len(all))
	got := make([]string, len(all))
	into := make([]any, len(all))
	for i, s := range all {
		calls[i] = fmt.Sprintf("set_config($%d, $%d, false)", 2*i+1, 2*i+2)
		args = append(args, s.name, s.value)
		into[i] = &got[i]
	}
	if err := conn.QueryRow(ctx, "SELECT "+strings.Join(calls, ", "), args...).Scan(into...); err != nil {
		return err
	}
	for i, s := range all {
		if got[i] != s.value && !(s.optional && got[i] == "0") {
			return &errSetting{name: s.name, want: s.value, got: got[i]}
		}
	}
	return nil
}

// connected prepares a new connection.
func (b bounds) connected(ctx context.Context, conn *pgx.Conn) error {
	if err := b.hold(ctx, conn); err != nil {
		return err
	}
	// Not every server's system can: then a statement whose client vanished ends by its other bounds.
	_, err := conn.Exec(ctx, "SET client_connection_check_interval = '2s'")
	if conn.IsClosed() {
		return err
	}
	held(conn)
	return nil
}

// heldAt is where a connection remembers when its settings were last seen to hold.
const heldAt = "claviger_settings_held_at"

func held(conn *pgx.Conn) { conn.PgConn().CustomData()[heldAt] = time.Now() }

// recheck is how long the settings of a connection that only reads are relied on without another look.
const recheck = time.Second

// acquired prepares a connection for its next use: its settings may have been reset since, by a pooler or by hand. It also finds connections that
// are dead. Where relied is positive, settings that were seen to hold so short a time ago are not looked at again.
func (b bounds) acquired(relied time.Duration) func(context.Context, *pgx.Conn) (bool, error) {
	return func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		at, ok := conn.PgConn().CustomData()[heldAt].(time.Time)
		if ok && time.Since(at) < relied {
			return true, nil
		}
		err := b.hold(ctx, conn)
		if err == nil {
			held(conn)
			return true, nil
		}
		if _, wrong := errors.AsType[*errSetting](err); wrong {
			return false, err
		}
		return false, ctx.Err() // or the next connection is tried
	}
}

// major returns the major version of the server.
func major(conn *pgx.Conn) int {
	version := conn.PgConn().ParameterStatus("server_version")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		version = version[:digits]
	}
	n, _ := strconv.Atoi(version)
	return n
}

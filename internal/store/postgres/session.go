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

// bounds are the limits of a session, in the form in which PostgreSQL shows them.
type bounds struct {
	// statement limits one statement; lock limits the wait for one lock.
	statement, lock string
	// idle limits how long a transaction may wait for its client. A node that vanished holds its
	// locks no longer than that.
	idle string
	// transaction limits a whole transaction, on servers that support it (PostgreSQL 17).
	transaction string
	// unacknowledged is how long the server waits for a client to acknowledge data, in
	// milliseconds.
	unacknowledged string
	// path is the search path; "" until it is known.
	path string
}

// withSchema returns the bounds of sessions whose tables are in the schema.
func (b bounds) withSchema(schema string) bounds {
	b.path = inSchema(schema)
	return b
}

// The bounds of the pools. A change must end before the ledger gives up (10 s), even if it first
// had to wait until the server ended the transaction of a node that vanished: idle < lock < 10 s.
var (
	readBounds   = bounds{statement: "15s", lock: "8s", idle: "4s", transaction: "20s", unacknowledged: "10000"}
	verifyBounds = bounds{statement: "5s", lock: "4s", idle: "4s", transaction: "8s", unacknowledged: "10000"}
	writeBounds  = bounds{statement: "9s", lock: "8s", idle: "4s", transaction: "12s", unacknowledged: "10000"}
	// Maintenance reads the whole database, perhaps over a slow connection. It holds no lock that a
	// change needs.
	maintenanceBounds = bounds{statement: "12h", lock: "8s", idle: "5min", transaction: "12h", unacknowledged: "300000"}
	// A migration gives up a lock that it does not get, because every later statement waits behind
	// it.
	migrationBounds = bounds{statement: "1h", lock: "8s", idle: "1min", transaction: "2h", unacknowledged: "60000"}
)

// setting is a variable of the session and its required value.
type setting struct {
	name, value string
	// optional variables read as 0 if the server's operating system, or a Unix socket, does not
	// support them.
	optional bool
}

// settings returns the settings that every session relies on. They hold whatever the defaults of
// server, database and role are.
func (b bounds) settings(major int) []setting {
	all := []setting{
		{name: "synchronous_commit", value: "on"}, // an acknowledged change is on disk
		{name: "default_transaction_isolation", value: "read committed"},
		{name: "default_transaction_read_only", value: "off"},
		{name: "default_transaction_deferrable", value: "off"},
		{name: "standard_conforming_strings", value: "on"},
		{name: "client_encoding", value: "UTF8"},
		{name: "TimeZone", value: "UTC"},
		{name: "DateStyle", value: "ISO, MDY"},
		{name: "bytea_output", value: "hex"},
		{name: "transform_null_equals", value: "off"},
		// a query that row security would filter fails instead of finding fewer rows
		{name: "row_security", value: "off"},
		{name: "statement_timeout", value: b.statement},
		{name: "lock_timeout", value: b.lock},
		{name: "idle_in_transaction_session_timeout", value: b.idle},
		{name: "tcp_user_timeout", value: b.unacknowledged, optional: true},
		{name: "tcp_keepalives_idle", value: "5", optional: true},
		{name: "tcp_keepalives_interval", value: "2", optional: true},
		{name: "tcp_keepalives_count", value: "3", optional: true},
	}
	if b.path != "" {
		all = append(all, setting{name: "search_path", value: b.path})
	}
	if major >= 14 {
		all = append(all, setting{name: "idle_session_timeout", value: "0"})
	}
	if major >= 17 {
		all = append(all, setting{name: "transaction_timeout", value: b.transaction})
	}
	return all
}

// errSetting says that the server, or a pooler in front of it, does not keep a setting.
type errSetting struct{ name, want, got string }

func (e *errSetting) Error() string {
	return fmt.Sprintf("PostgreSQL runs with %s = %s instead of %s, although Claviger set it: connect to "+
		"PostgreSQL itself, or through a pooler in session mode",
		e.name, e.got, e.want)
}

// apply sets the settings of the session and checks them. It uses statements, because a pooler may
// refuse or forget parameters at the start of a connection.
func (b bounds) apply(ctx context.Context, conn *pgx.Conn) error {
	all := b.settings(majorVersion(conn))
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

// onConnect prepares a new connection.
func (b bounds) onConnect(ctx context.Context, conn *pgx.Conn) error {
	if err := b.apply(ctx, conn); err != nil {
		return err
	}
	// Not every operating system supports this. Without it, the other bounds end a statement whose
	// client vanished.
	_, err := conn.Exec(ctx, "SET client_connection_check_interval = '2s'")
	if conn.IsClosed() {
		return err
	}
	markApplied(conn)
	return nil
}

// appliedAt is the key under which a connection stores when its settings were last checked.
const appliedAt = "claviger_settings_held_at"

func markApplied(conn *pgx.Conn) { conn.PgConn().CustomData()[appliedAt] = time.Now() }

// recheckAfter is how long a connection that only reads may be used without a new check of its
// settings.
const recheckAfter = time.Second

// onAcquire prepares a connection for its next use, because a pooler or a person may have reset its
// settings. It also detects dead connections. If relied is positive, settings that were checked
// within that time are not checked again.
func (b bounds) onAcquire(relied time.Duration) func(context.Context, *pgx.Conn) (bool, error) {
	return func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		at, ok := conn.PgConn().CustomData()[appliedAt].(time.Time)
		if ok && time.Since(at) < relied {
			return true, nil
		}
		err := b.apply(ctx, conn)
		if err == nil {
			markApplied(conn)
			return true, nil
		}
		if _, wrong := errors.AsType[*errSetting](err); wrong {
			return false, err
		}
		return false, ctx.Err() // the pool tries the next connection
	}
}

// majorVersion returns the major version of the server.
func majorVersion(conn *pgx.Conn) int {
	version := conn.PgConn().ParameterStatus("server_version")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		version = version[:digits]
	}
	n, _ := strconv.Atoi(version)
	return n
}

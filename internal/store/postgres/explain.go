package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// explain returns an error that says why PostgreSQL cannot be used and what to do. It repeats
// nothing that may contain the password; pgx's own errors quote the URL.
func explain(err error, c *pgx.ConnConfig) error {
	if known, ok := errors.AsType[*errSetting](err); ok {
		return known
	}
	if known, ok := errors.AsType[*errUnusable](err); ok {
		return known
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainRefusal(e, c)
	}
	at := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	why, advice := explainConnection(err, c.Host)
	return fmt.Errorf("PostgreSQL cannot be reached at %s: %s: %s", at, why, advice)
}

// errUnusable says why a reachable database cannot be used.
type errUnusable struct{ message string }

func (e *errUnusable) Error() string { return e.message }

func newUnusable(format string, args ...any) error { return &errUnusable{fmt.Sprintf(format, args...)} }

// refusedTLS is pgx's message for a server without TLS. pgx has no error type for it.
const refusedTLS = "server refused TLS connection"

// explainConnection returns why a host cannot be reached and what to do.
func explainConnection(err error, host string) (why, advice string) {
	const running = "check database.url and that the server runs"
	switch {
	case strings.Contains(err.Error(), refusedTLS):
		return "the server does not support TLS, which database.url requires",
			"set ssl = on and a certificate at the server, " +
				"or sslmode=disable in database.url if you trust the network in between"
	case isError[*tls.CertificateVerificationError](err), isError[x509.UnknownAuthorityError](err),
		isError[x509.HostnameError](err),
		isError[x509.CertificateInvalidError](err):
		return explainCertificate(err, host)
	case isError[tls.RecordHeaderError](err):
		return "what answers at this address does not speak TLS", running
	case isError[tls.AlertError](err):
		return "the server ended the TLS handshake",
			"check sslcert and sslkey in database.url, and the log of the server"
	case errors.Is(err, pgconn.ErrStandbyConnection), errors.Is(err, pgconn.ErrReadOnlyConnection):
		return "the server is a standby, which only reads",
			"name the primary server in database.url, or all servers (host1,host2): Claviger then finds the primary"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at this port", running
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket", running
	case errors.Is(err, syscall.EACCES):
		return "this user may not open the socket", "check the rights of its directory"
	case isError[*net.DNSError](err):
		return "the host name cannot be resolved", "check the host in database.url" + encodingAdvice
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err), errors.Is(err, syscall.ETIMEDOUT):
		return "it did not answer in time", running + ", and that no firewall is in between"
	}
	return "the connection failed", running
}

// explainMigration is explain for an error of a migration. The migration's own error is returned
// unless a right is missing.
func explainMigration(err error, c *pgx.ConnConfig) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (e.Code == "42501" || e.Code == "3F000" || e.Code == "25006") {
		return explainRefusal(e, c)
	}
	if isError[*pgconn.ConnectError](err) {
		return explain(err, c)
	}
	return err
}

// isError reports whether an error is, or wraps, an error of type E.
func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func explainCertificate(err error, host string) (why, advice string) {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "the certificate of the server has expired, or is not valid yet",
			"renew it, and check the clocks of both machines"
	}
	if isError[x509.HostnameError](err) {
		return "the certificate of the server is not for this name",
			"use the server name of the certificate in database.url, or a certificate for " + host
	}
	return "the certificate of the server is not trusted",
		"set sslrootcert=FILE in database.url to the certificate of its authority"
}

// encodingAdvice follows a message that may be caused by a password that is not percent-encoded.
const encodingAdvice = ". In database.url the user and the password are percent-encoded: " +
	"% is %25, @ is %40, : is %3A, / is %2F, ? is %3F, # is %23"

// explainRefusal returns why the server refused, by SQLSTATE.
func explainRefusal(e *pgconn.PgError, c *pgx.ConnConfig) error {
	said := fmt.Sprintf("PostgreSQL refused the connection: %s (%s)", e.Message, e.Code)
	role, database := pgx.Identifier{c.User}.Sanitize(), pgx.Identifier{c.Database}.Sanitize()
	switch e.Code {
	case "28P01": // invalid_password
		return fmt.Errorf("%s: check user and password%s", said, encodingAdvice)
	case "28000": // invalid_authorization_specification
		return fmt.Errorf("%s: check that the role exists and may log in (CREATE ROLE %s LOGIN PASSWORD '…'), "+
			"and that pg_hba.conf lets it in from here, with TLS or without as database.url says", said, role)
	case "3D000": // invalid_catalog_name
		return fmt.Errorf("%s: check the name in database.url, or %s", said, createDatabase(database, role))
	case "53300": // too_many_connections
		return fmt.Errorf("%s: see max_connections of the server and the limits of role and database; "+
			"a node needs as many connections as database.max_connections says (%d by default, at least %d)",
			said, DefaultConnections, MinConnections)
	case "55000": // object_not_in_prerequisite_state
		return fmt.Errorf("%s: ALTER DATABASE %s ALLOW_CONNECTIONS true, or name another database in database.url",
			said, database)
	case "57P03": // cannot_connect_now
		return fmt.Errorf("%s: the server starts, stops or recovers; try again when it is up", said)
	case "25006": // read_only_sql_transaction
		return fmt.Errorf("PostgreSQL only reads: %s (%s): name the primary server in database.url", e.Message, e.Code)
	}
	return explainMissingRight(e, c, said)
}

// explainMissingRight says which right is missing, and the statement that grants it.
func explainMissingRight(e *pgconn.PgError, c *pgx.ConnConfig, said string) error {
	role, database := pgx.Identifier{c.User}.Sanitize(), pgx.Identifier{c.Database}.Sanitize()
	const lacks = "PostgreSQL refuses what Claviger needs: %s (%s): as the owner or a superuser run "
	switch {
	case e.Code == "42501" && strings.Contains(e.Message, "database "): // insufficient_privilege
		return fmt.Errorf(lacks+"GRANT CONNECT ON DATABASE %s TO %s", e.Message, e.Code, database, role)
	case e.Code == "42501" && strings.Contains(e.Message, "schema "):
		schema := pgx.Identifier{strings.TrimSpace(e.Message[strings.LastIndex(e.Message, " ")+1:])}.Sanitize()
		return fmt.Errorf(lacks+"%s", e.Message, e.Code, grantSchema(schema, role))
	case e.Code == "42501":
		return fmt.Errorf(lacks+"ALTER TABLE … OWNER TO %s for each table, or use the role that made them",
			e.Message, e.Code, role)
	case e.Code == "3F000": // invalid_schema_name
		return fmt.Errorf("PostgreSQL has no schema to put the tables into: %s (%s): CREATE SCHEMA %s "+
			"AUTHORIZATION %s, "+
			"or set another search_path for the role", e.Message, e.Code, role, role)
	}
	return errors.New(said)
}

// grantSchema is the statement that lets a role keep tables in a schema. From PostgreSQL 15 on,
// only its owner may in the schema public.
func grantSchema(schema, role string) string {
	return fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA %s TO %s", schema, role)
}

// createDatabase is the statement that makes a database as Claviger needs it, whatever the server's
// default encoding and locale are.
func createDatabase(name, owner string) string {
	return fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'", name, owner)
}

package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// facts are the properties of a database that are checked before it is used.
type facts struct {
	version                        int
	encoding, database, role       string
	standby                        bool
	replicationRole                string
	schema                         sql.NullString
	schemaRights                   sql.NullBool
	connections, superuserReserved int
	roleLimit, databaseLimit       int
	reserved                       sql.NullString
	superuser                      bool
}

// selectFacts looks for the schema that contains the tables, then for the schema in which the
// search path of role and database would create tables, then for public.
const selectFacts = `WITH place AS (
	SELECT COALESCE(
		(SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.oid = pg_catalog.to_regclass('goose_db_version')),
		(SELECT pg_catalog.current_schema() WHERE pg_catalog.current_schema() NOT LIKE 'pg\_%'),
		(SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public')) AS schema)
SELECT CAST(pg_catalog.current_setting('server_version_num') AS integer), pg_catalog.current_setting('server_encoding'),
	pg_catalog.current_database(), current_user, pg_catalog.pg_is_in_recovery(),
	pg_catalog.current_setting('session_replication_role'), place.schema,
	pg_catalog.has_schema_privilege(place.schema, 'USAGE'),
	CAST(pg_catalog.current_setting('max_connections') AS integer),
	CAST(pg_catalog.current_setting('superuser_reserved_connections') AS integer),
	pg_catalog.current_setting('reserved_connections', true), r.rolconnlimit, d.datconnlimit, r.rolsuper
FROM place, pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()`

// readFacts reads the facts of a database and checks them.
func readFacts(ctx context.Context, db *sql.DB, connections int) (f facts, err error) {
	err = db.QueryRowContext(ctx, selectFacts).Scan(&f.version, &f.encoding, &f.database, &f.role, &f.standby,
		&f.replicationRole, &f.schema, &f.schemaRights, &f.connections, &f.superuserReserved, &f.reserved, &f.roleLimit,
		&f.databaseLimit,
		&f.superuser)
	if err != nil {
		return f, err
	}
	return f, f.check(connections)
}

// check returns an error for a database that cannot be used.
func (f facts) check(connections int) error {
	role, database := pgx.Identifier{f.role}.Sanitize(), pgx.Identifier{f.database}.Sanitize()
	switch {
	case f.version < oldestVersion:
		return newUnusable("PostgreSQL 13 or later is needed; this server says %d", f.version)
	case f.encoding != "UTF8":
		return newUnusable("the database %s has the encoding %s, and UTF8 is needed: make another one with %s",
			database, f.encoding, createDatabase(pgx.Identifier{f.database + "_utf8"}.Sanitize(), role))
	case f.standby:
		return newUnusable("the server is a standby, which only reads: name the primary server in database.url")
	case f.replicationRole != "origin":
		return newUnusable("the role %s has session_replication_role = %s, with which triggers and foreign "+
			"keys do nothing: "+
			"ALTER ROLE %s RESET session_replication_role", role, f.replicationRole, role)
	case !f.schema.Valid:
		return newUnusable("the database %s has no schema to put the tables into: CREATE SCHEMA public "+
			"AUTHORIZATION %s",
			database, role)
	case !f.schemaRights.Bool:
		schema := pgx.Identifier{f.schema.String}.Sanitize()
		return newUnusable("the role %s may not use the schema %s: as its owner or a superuser run %s",
			role, schema, grantSchema(schema, role))
	}
	return f.checkConnections(connections)
}

// checkConnections returns an error for a server that never has as many connections as this node
// may use.
func (f facts) checkConnections(needed int) error {
	if needed == 0 {
		return nil
	}
	var reserved int
	_, _ = fmt.Sscan(f.reserved.String, &reserved) // PostgreSQL 16 and later
	if f.superuser {
		reserved = 0
	} else {
		reserved += f.superuserReserved
	}
	role, database := pgx.Identifier{f.role}.Sanitize(), pgx.Identifier{f.database}.Sanitize()
	const lower = ", or lower database.max_connections, to at least %d"
	for _, limit := range []struct {
		allowed       int
		what, setting string
	}{
		{
			f.connections - reserved,
			fmt.Sprintf("the server has %d connections for it (max_connections = %d, %d of them reserved)",
				f.connections-reserved, f.connections, reserved),
			fmt.Sprintf("set max_connections = %d or more in postgresql.conf and restart the server", needed+reserved),
		},
		{
			f.roleLimit, fmt.Sprintf("the role %s may have %d", role, f.roleLimit),
			fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", role, needed),
		},
		{
			f.databaseLimit, fmt.Sprintf("the database %s may have %d", database, f.databaseLimit),
			fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", database, needed),
		},
	} {
		if limit.allowed >= 0 && limit.allowed < needed {
			return newUnusable("this node needs up to %d connections to PostgreSQL (database.max_connections), "+
				"and %s: %s"+
				lower,
				needed, limit.what, limit.setting, MinConnections)
		}
	}
	return nil
}

// inSchema returns the search path that finds the tables of the schema and no object of the same
// name elsewhere. PostgreSQL searches pg_catalog first.
func inSchema(schema string) string {
	return strings.Join([]string{pgx.Identifier{schema}.Sanitize(), "pg_temp"}, ", ")
}

package postgres_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// hostile lists defaults of a database under which the queries would mean something else.
var hostile = []string{
	"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "client_encoding = 'LATIN1'", "bytea_output = 'escape'",
	"standard_conforming_strings = off", "transform_null_equals = on", "row_security = on",
	"default_transaction_deferrable = on",
	"search_path = 'pg_temp', 'shadow', 'pg_catalog', 'public'",
}

// reliedOn lists settings of every session, in all pools.
var reliedOn = map[string]string{
	"TimeZone": "UTC", "DateStyle": "ISO, MDY", "client_encoding": "UTF8", "bytea_output": "hex",
	"standard_conforming_strings": "on",
	"transform_null_equals":       "off", "row_security": "off", "transaction_deferrable": "off",
}

// setDefault sets a default of the database of a connection.
func setDefault(t *testing.T, owner *pgx.Conn, setting string) {
	t.Helper()
	quoted := strings.ReplaceAll(setting, "'", "''")
	exec(t, owner, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+quoted+`', current_database()); END $$`)
}

func TestNoDefaultOfDatabaseOrRoleChangesWhatAQueryMeans(t *testing.T) {
	t.Parallel()
	address := testkit.NewDatabase(t)
	owner := raw(t, address)
	// objects that the search path finds before Claviger's own
	exec(t, owner, `CREATE SCHEMA shadow`)
	exec(t, owner, `CREATE TABLE shadow.users (id TEXT)`)
	exec(t, owner, `CREATE FUNCTION shadow.to_regclass(TEXT) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass'`)
	closeBackend(t, open(t, address)) // create the objects before the defaults are hostile
	for _, setting := range hostile {
		setDefault(t, owner, setting)
	}
	b := open(t, address)
	defer closeBackend(t, b)
	const name = "Zoë \\ 漢字 ' 🔑"
	const insert = `INSERT INTO public.users (id, number, name, created_at, updated_at) VALUES ($1, 1, $2, 0, 0)`
	_, err := b.Write.ExecContext(t.Context(), insert, "usr_1", name)
	if err != nil {
		t.Fatal(err)
	}
	for pool, db := range map[string]*sql.DB{
		"verify": b.Verify, "control": b.Control, "read": b.Read, "write": b.Write, "maintenance": b.Maintenance,
	} {
		for setting, want := range reliedOn {
			var got string
			if err := db.QueryRowContext(t.Context(), `SHOW `+setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %s, want %s (%v)", pool, setting, got, want, err)
			}
		}
		var got string
		if err := db.QueryRowContext(t.Context(), `SELECT name FROM users WHERE id = $1`,
			"usr_1").Scan(&got); err != nil || got != name {
			t.Errorf("%s: %q is read as %q (%v)", pool, name, got, err)
		}
	}
	at, err := b.Clock(t.Context())
	if err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("the database's clock says %s (%v)", at, err)
	}
}

func TestTheTablesAreInTheSchemaThatTheSearchPathNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"keys": "keys", `"Keys of clients", public`: "Keys of clients", "nowhere": "public", "nowhere, keys": "keys",
		"pg_catalog": "public", "''": "public", "keys, pg_catalog": "keys",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			address := testkit.NewDatabase(t)
			owner := raw(t, address)
			exec(t, owner, `CREATE SCHEMA keys`)
			exec(t, owner, `CREATE SCHEMA "Keys of clients"`)
			setDefault(t, owner, "search_path = "+path)
			for range 2 { // created first, then found
				b := open(t, address)
				var schema string
				err := b.Read.QueryRowContext(t.Context(),
					`SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
					WHERE c.oid = to_regclass('users')`).Scan(&schema)
				if err != nil || schema != want {
					t.Errorf("the tables are in %q, want %q (%v)", schema, want, err)
				}
				closeBackend(t, b)
			}
		})
	}
}

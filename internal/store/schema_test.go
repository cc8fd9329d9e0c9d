package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// versionTables are goose's.
const versionTables = `('goose_db_version', 'schema_expansions')`

// Each query lists the columns of an engine, one per line: "table.column type NULL", in the order
// of the table. Types have PostgreSQL's names. SQLite has no BOOLEAN, so its flags are integers
// (see flags).
const (
	sqliteColumns = `SELECT t.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'BIGINT' WHEN 'BLOB'
		THEN 'BYTEA' ELSE c.type END
			|| CASE WHEN c."notnull" THEN '' ELSE ' NULL' END
		FROM pragma_table_list t JOIN pragma_table_info(t.name) c WHERE t.schema = 'main' AND t.type = 'table'
		AND t.name NOT LIKE 'sqlite_%' AND t.name NOT IN ` + versionTables + `
		ORDER BY t.name, c.cid`
	postgresColumns = `SELECT table_name || '.' || column_name || ' ' || upper(data_type) || CASE is_nullable WHEN 'YES'
		THEN ' NULL' ELSE '' END
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT IN ` + versionTables + `
		ORDER BY table_name COLLATE "C", ordinal_position`

	// Indexes are compared by their columns and uniqueness, not by their names.
	sqliteIndexes = `SELECT t.name || CASE WHEN l."unique" THEN ' unique ' ELSE ' ' END || CASE WHEN l.partial
		THEN 'partial ' ELSE '' END ||
			(SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno))
		FROM pragma_table_list t JOIN pragma_index_list(t.name) l WHERE t.schema = 'main' AND t.type = 'table'
		AND t.name NOT IN ` + versionTables
	postgresIndexes = `SELECT i.indrelid::regclass::text || CASE WHEN i.indisunique THEN ' unique ' ELSE ' ' END || CASE
		WHEN i.indpred IS NULL THEN '' ELSE 'partial ' END ||
			(SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
				JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT IN ` + versionTables
)

// flags replaces the type BOOLEAN, which SQLite does not have.
func flags(columns []string) []string {
	for i, c := range columns {
		columns[i] = strings.Replace(c, " BOOLEAN", " BIGINT", 1)
	}
	return columns
}

func both(t *testing.T) (sqlite, postgres store.Backend) {
	t.Helper()
	return open(t, testkit.SQLite), open(t, testkit.Postgres)
}

func TestBothEnginesHaveTheSameColumns(t *testing.T) {
	sqlite, postgres := both(t)
	if diff := cmp.Diff(flags(lines(t, postgres, postgresColumns)), lines(t, sqlite, sqliteColumns)); diff != "" {
		t.Errorf("columns on PostgreSQL (-) and SQLite (+):\n%s", diff)
	}
}

func TestBothEnginesHaveTheSameIndexesAndNoUniqueOneIsPartial(t *testing.T) {
	sqlite, postgres := both(t)
	want, got := lines(t, postgres, postgresIndexes), lines(t, sqlite, sqliteIndexes)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("indexes on PostgreSQL (-) and SQLite (+):\n%s", diff)
	}
	for _, index := range got {
		if strings.Contains(index, " unique partial ") {
			t.Errorf("%s: an upsert cannot name a partial index", index)
		}
	}
}

func TestEveryTypeIsOneOfFour(t *testing.T) {
	postgres := open(t, testkit.Postgres)
	for _, line := range lines(t, postgres, postgresColumns) {
		var column, kind string
		if _, err := fmt.Sscan(line, &column, &kind); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch kind {
		case "TEXT", "BIGINT", "BYTEA", "BOOLEAN":
		default:
			t.Errorf("%s is of type %s, which has no counterpart in SQLite", column, kind)
		}
	}
}

func TestEveryTableOfSQLiteIsStrict(t *testing.T) {
	sqlite := open(t, testkit.SQLite)
	for _, table := range lines(t, sqlite,
		`SELECT name || CASE WHEN strict THEN '' ELSE ' is not STRICT' END FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN `+versionTables) {
		if strings.Contains(table, " ") {
			t.Error(table)
		}
	}
}

func TestEveryTextOfPostgreSQLComparesByByte(t *testing.T) {
	postgres := open(t, testkit.Postgres)
	for _, column := range lines(t, postgres,
		`SELECT table_name || '.' || column_name || ' ' || COALESCE(collation_name, 'default')
			FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND table_name NOT IN `+versionTables) {
		if !strings.HasSuffix(column, " C") {
			t.Errorf("%s: a text compares as in SQLite with COLLATE \"C\" alone", column)
		}
	}
}

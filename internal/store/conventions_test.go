package store_test

import (
	"slices"
	"testing"
)

// This tests the checks themselves: each text breaks one rule.
func TestADepartureFromTheConventionsIsReported(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`SELECT a FROM t WHERE b = $1::text`, "a cast is CAST(… AS …)"},
		{"SELECT a FROM t WHERE ($1 IS NULL\n\tor b = $1)", "an optional filter is another text"},
		{`UPDATE t SET a = GREATEST(a, $1)`, "GREATEST and LEAST are not in SQLite"},
		{`UPDATE t SET a = least (a, $1)`, "GREATEST and LEAST are not in SQLite"},
		{`UPDATE t SET a = MAX(a, $1)`, "MAX and MIN of several values mean other things"},
		{`SELECT COALESCE(MAX(COALESCE(a, 0), 1), 0) FROM t`, "MAX and MIN of several values mean other things"},
		{`UPDATE t SET a = a WHERE id = $1`, "a row is locked by Tx.lock"},
		{`SELECT a FROM t WHERE b = "text"`, "a double-quoted literal"},
		{`INSERT INTO t (a) VALUES ($1) RETURNING id, a + 1`, "RETURNING gives bare columns"},
		{`INSERT INTO t (a) VALUES ($1) RETURNING t.a`, "RETURNING gives bare columns"},
		{`INSERT INTO t (a) VALUES ($1) RETURNING *`, "RETURNING gives bare columns"},
		{`DELETE FROM t USING u WHERE t.id = u.id`, "DELETE USING is not in SQLite"},
		{`UPDATE t SET a = u.a FROM u WHERE u.id = t.id`, "no FROM in UPDATE"},
		{`WITH gone AS (DELETE FROM t WHERE a < $1 RETURNING id) SELECT id FROM gone`, "no DML in or after a CTE"},
		{`SELECT a FROM t WHERE flag = TRUE`, "a flag is written bare"},
		{`SELECT a FROM t WHERE flag=1 AND b = $1`, "a flag is written bare"},
		{`SELECT a FROM user WHERE id = $1`, "user is a word of PostgreSQL"},
		{`SELECT a FROM t WHERE b = ?`, "parameters are $1, $2 …"},
		{`UPDATE t SET a = CURRENT_TIMESTAMP`, "time and randomness are parameters"},
		{`SELECT a FROM t WHERE b LIKE $1`, `LIKE is LIKE $1 ESCAPE '\'`},
		{`INSERT INTO t (a) SELECT a FROM u ON CONFLICT (a) DO NOTHING`, "an upsert from SELECT has WHERE TRUE"},
		{`SELECT a FROM t WHERE b = $1 AND c = $3`, "$2 is not used"},
		{`SELECT a FROM t WHERE b = $2`, "$1 is not used"},
	} {
		if got := departures(c.text); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s\n\tis reported as %q, want %q", c.text, got, c.want)
		}
	}
}

func TestWhatKeepsTheConventionsIsNotReported(t *testing.T) {
	for _, text := range []string{
		`SELECT a FROM t WHERE b = CAST($1 AS TEXT) AND c IS NULL AND (d, e) < ($2, $3) AND flag ORDER BY a LIMIT $4`,
		`UPDATE t SET a = b WHERE id = $1`,
		`UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value`,
		`INSERT INTO t (a) VALUES ('a :: "b" = 1 LIKE ? GREATEST(1, 2)') RETURNING id, a`,
		`INSERT INTO t (a) SELECT COALESCE(MAX(a), 0) + 1 FROM u WHERE TRUE ON CONFLICT (a) DO UPDATE
			SET a = excluded.a`,
		`SELECT COUNT(*) FILTER (WHERE a > 10), MIN(b) FROM t WHERE c LIKE $1 ESCAPE '\'`,
		`DELETE FROM t WHERE id IN ($1…) AND n >= 1`,
	} {
		if got := departures(text); got != nil {
			t.Errorf("%s\n\tis reported as %q", text, got)
		}
	}
}

func TestAStrayStatementIsReported(t *testing.T) {
	const head = "package store\nimport \"database/sql\"\ntype query string\nconst known query = `SELECT ` + " +
		"columns\nconst columns = `a, b`\n" +
		"func take(q query) {}\nfunc expand(q query) query { return q + q }\n"
	for _, c := range []struct{ stray, want string }{
		{"func f(db *sql.DB) { db.ExecContext(nil, `DELETE FROM t`) }", "made.go:8: a statement that is no query"},
		{"func f(db *sql.DB) { db.QueryRow(`SELECT a`) }", "made.go:8: a statement that is no query"},
		{"func f(db *sql.DB, more string) { db.Prepare(more) }", "made.go:8: a statement that is no query"},
		{
			"func f(db *sql.DB, more string) { db.Prepare(string(known) + more) }",
			"made.go:8: a statement that is no query",
		},
		{"func f(db *sql.DB, more string) { db.Prepare(string(more)) }", "made.go:8: a statement that is no query"},
		{"func f(db *sql.DB) { db.Prepare(columns) }", "made.go:8: a statement that is no query"},
		{"func f() { take(`SELECT a`) }", "made.go:8: the text of a query that is no constant"},
		{"func f() query { return known + ` LIMIT 1` }", "made.go:8: the text of a query that is no constant"},
		{"var late query = `SELECT a`", "made.go:8: the text of a query that is no constant"},
		{"func f(more string) { take(query(more)) }", "made.go:8: a query made while the program runs"},
		{"func f(db *sql.DB) { db.Prepare(string(known)); take(known); take(expand(known)) }", ""},
		{"func f(s *sql.Stmt, lookup string) { s.QueryContext(nil, lookup) }", ""},
	} {
		got := check(t, map[string]string{"made.go": head + c.stray}).strays()
		if want := slices.DeleteFunc([]string{c.want}, func(s string) bool { return s == "" }); !slices.Equal(got,
			want) {
			t.Errorf("%s\n\tis reported as %q, want %q", c.stray, got, want)
		}
	}
}

package storetest

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// exec runs a statement outside of the ledger, for what no service does.
func (fx *fixture) exec(text string, args ...any) {
	fx.Helper()
	if _, err := fx.backend.Write.ExecContext(fx.Context(), text, args...); err != nil {
		fx.Fatalf("%s: %v", text, err)
	}
}

// queryValue returns the single value of a query.
func queryValue[T any](fx *fixture, text string, args ...any) (value T) {
	fx.Helper()
	if err := fx.backend.Read.QueryRowContext(fx.Context(), text, args...).Scan(&value); err != nil {
		fx.Fatalf("%s: %v", text, err)
	}
	return value
}

// queryRows returns the rows of a query as text, with bars between the cells; NULL is a minus sign.
func (fx *fixture) queryRows(text string, args ...any) []string {
	fx.Helper()
	rows, err := fx.backend.Read.QueryContext(fx.Context(), text, args...)
	fx.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	fx.must(err)
	var all []string
	for rows.Next() {
		all = append(all, fx.scanRow(rows, len(columns)))
	}
	fx.must(rows.Err())
	return all
}

func (fx *fixture) scanRow(rows *sql.Rows, columns int) string {
	fx.Helper()
	cells, into := make([]any, columns), make([]any, columns)
	for i := range cells {
		into[i] = &cells[i]
	}
	fx.must(rows.Scan(into...))
	texts := make([]string, columns)
	for i, c := range cells {
		texts[i] = cell(c)
	}
	return strings.Join(texts, "|")
}

func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case []byte:
		return hex.EncodeToString(v)
	case string:
		if strings.HasPrefix(v, "$argon2id$") {
			return "a password" // its salt is random
		}
		return v
	}
	return fmt.Sprint(value)
}

// dump is the content of the whole database.
type dump map[string][]string

func (fx *fixture) dump() dump {
	fx.Helper()
	all := dump{}
	for _, table := range fx.queryRows(fx.engine.tables) {
		rows := fx.queryRows(`SELECT * FROM ` + table)
		slices.Sort(rows)
		all[table] = rows
	}
	if len(all) == 0 {
		fx.Fatal("the database has no tables")
	}
	return all
}

// isUnchanged fails the test if the database has changed.
func (fx *fixture) isUnchanged(before dump) {
	fx.Helper()
	if diff := cmp.Diff(before, fx.dump()); diff != "" {
		fx.Errorf("the database changed:\n%s", diff)
	}
}

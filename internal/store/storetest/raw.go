package storetest

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// sql runs a statement past the ledger, for what no service does yet.
func (h *house) sql(text string, args ...any) {
	h.Helper()
	if _, err := h.backend.Write.ExecContext(h.Context(), text, args...); err != nil {
		h.Fatalf("%s: %v", text, err)
	}
}

// ask gives the one value of a query.
func ask[T any](h *house, text string, args ...any) (value T) {
	h.Helper()
	if err := h.backend.Read.QueryRowContext(h.Context(), text, args...).Scan(&value); err != nil {
		h.Fatalf("%s: %v", text, err)
	}
	return value
}

// rows gives the rows of a query as text, a cell between each two bars; NULL is a minus sign.
func (h *house) rows(text string, args ...any) []string {
	h.Helper()
	rows, err := h.backend.Read.QueryContext(h.Context(), text, args...)
	h.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	h.must(err)
	var all []string
	for rows.Next() {
		all = append(all, h.row(rows, len(columns)))
	}
	h.must(rows.Err())
	return all
}

func (h *house) row(rows *sql.Rows, columns int) string {
	h.Helper()
	cells, into := make([]any, columns), make([]any, columns)
	for i := range cells {
		into[i] = &cells[i]
	}
	h.must(rows.Scan(into...))
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
			return "a password" // salted by its own randomness
		}
		return v
	}
	return fmt.Sprint(value)
}

// dump is the whole database.
type dump map[string][]string

func (h *house) dump() dump {
	h.Helper()
	all := dump{}
	for _, table := range h.rows(h.engine.tables) {
		rows := h.rows(`SELECT * FROM ` + table)
		slices.Sort(rows)
		all[table] = rows
	}
	if len(all) == 0 {
		h.Fatal("the database has no tables")
	}
	return all
}

// unchanged fails the test where the database is not as it was.
func (h *house) unchanged(before dump) {
	h.Helper()
	if diff := cmp.Diff(before, h.dump()); diff != "" {
		h.Errorf("the database changed:\n%s", diff)
	}
}

package backup

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the kind of a column's values, the same for both engines.
type kind string

const (
	textKind  kind = "text"
	intKind   kind = "int" // also flags, as 0 and 1
	bytesKind kind = "bytes"
)

// column is a column of a table in the present database.
type column struct {
	name string
	kind kind
	// flag is set if the engine has its own type for flags.
	flag bool
}

// kinds maps the engines' names of column types.
var kinds = map[string]kind{
	"TEXT": textKind, "INTEGER": intKind, "INT8": intKind, "BOOL": intKind, "BLOB": bytesKind,
	"BYTEA": bytesKind,
}

func columnsOf(rows *sql.Rows) ([]column, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	all := make([]column, len(types))
	for i, t := range types {
		k, ok := kinds[t.DatabaseTypeName()]
		if !ok {
			return nil, fmt.Errorf("a backup knows no columns of type %s, as %s is", t.DatabaseTypeName(), t.Name())
		}
		all[i] = column{t.Name(), k, t.DatabaseTypeName() == "BOOL"}
	}
	return all, nil
}

// Write writes what the transaction sees. The transaction must see one moment.
func Write(ctx context.Context, to io.Writer, tx *sql.Tx, h Header) error {
	w := newLineWriter(to)
	h.Format = format
	if err := w.Write(h); err != nil {
		return err
	}
	for _, table := range tables {
		if err := w.table(ctx, tx, table); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return w.end()
}

func (w *lineWriter) table(ctx context.Context, tx *sql.Tx, table string) error {
	rows, err := tx.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := columnsOf(rows)
	if err != nil {
		return err
	}
	if err := w.Write(describeTable(table, columns)); err != nil {
		return err
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := w.cells(columns, cells); err != nil {
			return err
		}
	}
	return rows.Err()
}

func describeTable(table string, columns []column) tableLine {
	l := tableLine{Table: table, Columns: make([]string, len(columns)), Kinds: make([]kind, len(columns))}
	for i, c := range columns {
		l.Columns[i], l.Kinds[i] = c.name, c.kind
	}
	return l
}

// cells writes a row; the drivers give text as string, bytes as []byte, numbers as int64 and flags
// as bool.
func (w *lineWriter) cells(columns []column, cells []any) error {
	for i, c := range columns {
		switch v := cells[i].(type) {
		case bool:
			cells[i] = 0
			if v {
				cells[i] = 1
			}
		case string:
			if !utf8.ValidString(v) { // JSON would alter it
				return fmt.Errorf("column %s: a text that is not UTF-8", c.name)
			}
		}
	}
	return w.row(cells)
}

// appendRow appends a row as encoding/json would write it.
func appendRow(line []byte, cells []any) ([]byte, error) {
	line = append(line, '[')
	for i, cell := range cells {
		if i > 0 {
			line = append(line, ',')
		}
		var err error
		line, err = appendCell(line, cell)
		if err != nil {
			return nil, err
		}
	}
	return append(line, ']'), nil
}

func appendCell(line []byte, cell any) ([]byte, error) {
	switch v := cell.(type) {
	case nil:
		return append(line, "null"...), nil
	case int64:
		return strconv.AppendInt(line, v, 10), nil
	case string:
		if isPlain(v) {
			line = append(line, '"')
			line = append(line, v...)
			return append(line, '"'), nil
		}
	case []byte:
		if v != nil {
			line = append(line, '"')
			line = base64.StdEncoding.AppendEncode(line, v)
			return append(line, '"'), nil
		}
	}
	text, err := json.Marshal(cell)
	return append(line, text...), err
}

// isPlain reports whether a text needs no escapes in JSON, not even those for HTML.
func isPlain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// Reader reads a backup.
type Reader struct {
	Header Header
	lines  *lineReader
}

// NewReader reads the header. What follows may still be incomplete.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{lines: newLineReader(from)}
	var err error
	r.Header, err = r.lines.header()
	if err == nil && r.Header.Format != format {
		err = fmt.Errorf("the backup has format %d, and this program reads only format %d: use a newer claviger",
			r.Header.Format, format)
	}
	return r, err
}

// Fill replaces everything that the transaction sees by the rows of the backup. Columns that a
// backup of an older schema lacks get their defaults. If it fails, roll back.
func (r *Reader) Fill(ctx context.Context, tx *sql.Tx) (rows int64, err error) {
	for _, table := range slices.Backward(slices.Concat(tables, emptiedTables)) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			return 0, err
		}
	}
	f := &restorer{tx: tx, schema: r.Header.Schema}
	err = r.lines.body(
		func(t tableLine) error { return f.begin(ctx, t) },
		func(line []byte) error { return f.add(ctx, line) },
	)
	if err == nil {
		err = f.flush(ctx)
	}
	if err == nil {
		err = f.skipTo("")
	}
	return r.lines.rows, err
}

// restorer inserts rows, many per statement.
type restorer struct {
	tx *sql.Tx
	// schema is that of the backup, which may lack tables and columns that were added later.
	schema int64
	table  string
	// columns are those of the backup, in its order.
	columns []column
	// tables is the number of tables that were begun or skipped.
	tables int
	values []any
	// size is the size of the lines that the values come from, in bytes.
	size int
}

const (
	// maxValues is the number of values in a statement. The engines accept more.
	maxValues = 4000
	// maxSize bounds the memory for the rows of a statement. An avatar alone has up to 400 KB.
	maxSize = 4 << 20
)

func (f *restorer) begin(ctx context.Context, t tableLine) error {
	if err := f.flush(ctx); err != nil {
		return err
	}
	if err := f.skipTo(t.Table); err != nil {
		return err
	}
	f.tables++
	rows, err := f.tx.QueryContext(ctx, "SELECT * FROM "+t.Table+" LIMIT 0")
	if err != nil {
		return err
	}
	here, err := columnsOf(rows)
	err = errors.Join(err, rows.Close())
	if err != nil {
		return err
	}
	f.table = t.Table
	f.columns, err = f.match(t, here)
	return err
}

// skipTo passes over the tables that the backup may lack, up to the given one; "" for the end.
func (f *restorer) skipTo(table string) error {
	for f.tables < len(tables) && tables[f.tables] != table {
		if f.schema >= addedTables[tables[f.tables]] {
			return ErrIncomplete
		}
		f.tables++
	}
	if f.tables == len(tables) && table != "" {
		return ErrIncomplete
	}
	return nil
}

// match returns the columns of the backup as the present database has them. Except for those that
// an older backup may lack, they are the same in the same order.
func (f *restorer) match(t tableLine, here []column) (columns []column, err error) {
	for _, c := range here {
		if f.schema >= addedColumns[t.Table+"."+c.name] || slices.Contains(t.Columns, c.name) {
			columns = append(columns, c)
		}
	}
	if same := describeTable(t.Table, columns); !slices.Equal(same.Columns, t.Columns) ||
		!slices.Equal(same.Kinds, t.Kinds) {
		return nil, fmt.Errorf("table %s has other columns in the backup than in this database: restore it with the "+
			"version that made it", t.Table)
	}
	return columns, nil
}

func (f *restorer) add(ctx context.Context, line []byte) error {
	var cells []json.RawMessage
	if json.Unmarshal(line, &cells) != nil || len(cells) != len(f.columns) || f.table == "" {
		return ErrIncomplete
	}
	for i, c := range f.columns {
		v, err := c.read(cells[i])
		if err != nil {
			return ErrIncomplete
		}
		f.values = append(f.values, v)
	}
	f.size += len(line)
	if len(f.values)+len(f.columns) > maxValues || f.size > maxSize {
		return f.flush(ctx)
	}
	return nil
}

// read returns a cell as the present engine takes it.
func (c column) read(cell json.RawMessage) (any, error) {
	if string(cell) == "null" {
		return nil, nil
	}
	if c.kind == intKind {
		var n int64
		err := json.Unmarshal(cell, &n)
		if c.flag {
			return n != 0, err
		}
		return n, err
	}
	var text string
	if err := json.Unmarshal(cell, &text); err != nil || c.kind == textKind {
		return text, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// flush inserts the collected rows.
func (f *restorer) flush(ctx context.Context) error {
	if len(f.values) == 0 {
		return nil
	}
	var statement strings.Builder
	names := describeTable(f.table, f.columns).Columns
	statement.WriteString("INSERT INTO " + f.table + " (" + strings.Join(names, ", ") + ") VALUES ")
	for i := range f.values {
		switch {
		case i == 0:
			statement.WriteString("(")
		case i%len(f.columns) == 0:
			statement.WriteString("), (")
		default:
			statement.WriteString(", ")
		}
		fmt.Fprintf(&statement, "$%d", i+1)
	}
	statement.WriteString(")")
	_, err := f.tx.ExecContext(ctx, statement.String(), f.values...)
	f.values, f.size = f.values[:0], 0
	return err
}

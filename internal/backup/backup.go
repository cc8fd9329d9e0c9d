// Package backup writes a database into one file and reads it back, into the same engine or the
// other.
//
// The file consists of lines, each one JSON value:
//
//	{"claviger_backup":1,"version":"1.4.0","schema":6,…}      the [Header]
//	{"table":"users","columns":["id",…],"kinds":["text",…]}   a table, by foreign keys
//	["usr_…",7,null,…]                                        a row: bytes in base64, flags 0 or 1
//	…
//	{"end":{"rows":1234,"sha256":"…"}}                        the trailer
//
// A file without its trailer is incomplete. On disk a backup is encrypted by age
// (age-encryption.org/v1), see [Encrypt] and [Decrypt].
//
// The statements are made from the catalogue of the database, so that no column is forgotten.
// tables.go lists the tables.
package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/hashline"
)

// format is the format that this program writes and reads.
const format = 1

// Header describes a backup.
type Header struct {
	Format int `json:"claviger_backup"`
	// Version of the program that made the backup. Schema is the version of the schema.
	Version string `json:"version"`
	Schema  int64  `json:"schema"`
	Engine  string `json:"engine"`
	// CreatedAt is the time of the moment that the backup contains.
	CreatedAt time.Time `json:"created_at"`
	// Change is the last change in the backup.
	Change int64 `json:"change"`
	// RootCheck identifies the root secret that the database needs, without revealing it.
	RootCheck string `json:"root_check"`
	// AuditHead is the state of the audit trail ([audit.State]); "" in backups from before schema
	// 11.
	AuditHead string `json:"audit_head,omitempty"`
}

// tableLine announces the rows of a table.
type tableLine struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Kinds   []kind   `json:"kinds"`
}

type trailer struct {
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// endLine is the last line.
type endLine struct {
	End *trailer `json:"end"`
}

// ErrNoBackup says that a file is not a backup, ErrIncomplete that a backup is incomplete or
// altered.
var (
	ErrNoBackup   = errors.New("this file is not a backup of Claviger")
	ErrIncomplete = errors.New("the backup is incomplete or was altered: use another one")
)

// maxLine bounds a line, in bytes.
const maxLine = 16 << 20

// lineWriter writes the lines of a backup and counts the rows.
type lineWriter struct {
	*hashline.Writer
	rows int64
	// line is the last row. Its memory is used for the next one.
	line []byte
}

func newLineWriter(to io.Writer) *lineWriter { return &lineWriter{Writer: hashline.NewWriter(to)} }

func (w *lineWriter) row(cells []any) (err error) {
	w.rows++
	w.line, err = appendRow(w.line[:0], cells)
	if err != nil {
		return err
	}
	w.line = append(w.line, '\n')
	return w.WriteLine(w.line)
}

// end writes the trailer.
func (w *lineWriter) end() error {
	if err := w.Write(endLine{&trailer{w.rows, hex.EncodeToString(w.Sum())}}); err != nil {
		return err
	}
	return w.Flush()
}

// lineReader reads the lines of a backup and checks that none is missing.
type lineReader struct {
	*hashline.Reader
	rows int64
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{Reader: hashline.NewReader(from, maxLine, ErrIncomplete)}
}

// header reads the first line.
func (r *lineReader) header() (h Header, err error) {
	line, err := r.Next()
	if errors.Is(err, ErrIncomplete) {
		return h, ErrNoBackup
	}
	if err != nil {
		return h, err
	}
	if json.Unmarshal(line, &h) != nil || h.Format == 0 {
		return h, ErrNoBackup
	}
	r.Hash(line)
	return h, nil
}

// body calls table and row for each line up to the trailer, which must match and be the last line.
func (r *lineReader) body(table func(tableLine) error, row func([]byte) error) error {
	for {
		line, err := r.Next()
		if err != nil {
			return err
		}
		end, err := r.take(line, table, row)
		if err != nil || end == nil {
			if err != nil {
				return err
			}
			continue
		}
		return r.checkTrailer(*end)
	}
}

// take passes a line to table or row, or returns the trailer.
func (r *lineReader) take(line []byte, table func(tableLine) error, row func([]byte) error) (*trailer, error) {
	if bytes.HasPrefix(line, []byte("[")) {
		r.Hash(line)
		r.rows++
		return nil, row(line)
	}
	var v struct {
		tableLine
		endLine
	}
	if json.Unmarshal(line, &v) != nil || (v.End == nil) == (v.Table == "") {
		return nil, ErrIncomplete
	}
	if v.End != nil {
		return v.End, nil
	}
	r.Hash(line)
	return nil, table(v.tableLine)
}

// checkTrailer returns an error unless the trailer matches what was read and nothing follows it.
func (r *lineReader) checkTrailer(end trailer) error {
	if end.Rows != r.rows || end.SHA256 != hex.EncodeToString(r.Sum()) {
		return ErrIncomplete
	}
	atEnd, err := r.AtEnd()
	if err == nil && !atEnd {
		err = ErrIncomplete
	}
	return err
}

// Check copies a backup and returns an error unless it is complete. It returns the header and the
// number of rows.
func Check(to io.Writer, from io.Reader) (h Header, rows int64, err error) {
	r := newLineReader(io.TeeReader(from, to))
	h, err = r.header()
	if err != nil {
		return h, 0, err
	}
	err = r.body(func(tableLine) error { return nil }, func([]byte) error { return nil })
	return h, r.rows, err
}

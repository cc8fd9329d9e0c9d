// Package backup writes a database into one file and reads it back, into the same engine or the other.
//
// The file is of lines, each one JSON value:
//
//	{"claviger_backup":1,"version":"1.4.0","schema":6,…}        the [Header]
//	{"table":"users","columns":["id",…],"kinds":["text",…]}     a table, in an order that foreign keys permit
//	["usr_…",7,null,…]                                          a row of it; bytes are base64, flags 0 and 1
//	…
//	{"end":{"rows":1234,"sha256":"…"}}                          the trailer: the rows before it and the hash of all lines before it
//
// Only a file with its trailer is whole. [Encrypt] and [Decrypt] wrap it in age (age-encryption.org/v1), which is how it lies on a disk.
//
// The statements are made from the catalogue of the database, so that no column can be forgotten; which tables there are is said once, in tables.go.
package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"time"
)

// format is the one that this program writes and reads.
const format = 1

// Header says what a backup is of.
type Header struct {
	Format int `json:"claviger_backup"`
	// Version of the program that made it, and of the schema.
	Version string `json:"version"`
	Schema  int64  `json:"schema"`
	Engine  string `json:"engine"`
	// CreatedAt is when the moment was that the backup shows.
	CreatedAt time.Time `json:"created_at"`
	// Change is the last one that it holds.
	Change int64 `json:"change"`
	// RootCheck tells the root secret that the database needs from others; it does not tell the secret.
	RootCheck string `json:"root_check"`
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

// endLine is the last.
type endLine struct {
	End *trailer `json:"end"`
}

// Errors of a file that is no backup, or not a whole one.
var (
	ErrNoBackup = errors.New("this is no backup of Claviger")
	ErrNotWhole = errors.New("the backup is not whole: it was cut short or altered")
)

// maxLine bounds a line, in bytes.
const maxLine = 16 << 20

// lineWriter writes lines and remembers what it wrote.
type lineWriter struct {
	to   *bufio.Writer
	sum  hash.Hash
	rows int64
}

func newLineWriter(to io.Writer) *lineWriter {
	return &lineWriter{to: bufio.NewWriterSize(to, 64<<10), sum: sha256.New()}
}

func (w *lineWriter) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	w.sum.Write(text)
	_, err = w.to.Write(text)
	return err
}

func (w *lineWriter) row(cells []any) error {
	w.rows++
	return w.line(cells)
}

// end writes the trailer.
func (w *lineWriter) end() error {
	if err := w.line(endLine{&trailer{w.rows, hex.EncodeToString(w.sum.Sum(nil))}}); err != nil {
		return err
	}
	return w.to.Flush()
}

// lineReader reads lines and checks in the end that they are all there.
type lineReader struct {
	from *bufio.Reader
	sum  hash.Hash
	rows int64
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, 64<<10), sum: sha256.New()}
}

// next gives the next line; ErrNotWhole where there is none.
func (r *lineReader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF), len(line) > maxLine:
			return nil, ErrNotWhole
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// header reads the first line.
func (r *lineReader) header() (h Header, err error) {
	line, err := r.next()
	if errors.Is(err, ErrNotWhole) {
		return h, ErrNoBackup
	}
	if err != nil {
		return h, err
	}
	if json.Unmarshal(line, &h) != nil || h.Format == 0 {
		return h, ErrNoBackup
	}
	r.sum.Write(line)
	return h, nil
}

// body calls table and row for each line up to the trailer, which must be right and the last.
func (r *lineReader) body(table func(tableLine) error, row func([]byte) error) error {
	for {
		line, err := r.next()
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
		return r.whole(*end)
	}
}

// take gives a line to whom it is for, or the trailer.
func (r *lineReader) take(line []byte, table func(tableLine) error, row func([]byte) error) (*trailer, error) {
	if bytes.HasPrefix(line, []byte("[")) {
		r.sum.Write(line)
		r.rows++
		return nil, row(line)
	}
	var v struct {
		tableLine
		endLine
	}
	if json.Unmarshal(line, &v) != nil || (v.End == nil) == (v.Table == "") {
		return nil, ErrNotWhole
	}
	if v.End != nil {
		return v.End, nil
	}
	r.sum.Write(line)
	return nil, table(v.tableLine)
}

// whole reports whether the trailer is that of what was read, and nothing follows it.
func (r *lineReader) whole(end trailer) error {
	if end.Rows != r.rows || end.SHA256 != hex.EncodeToString(r.sum.Sum(nil)) {
		return ErrNotWhole
	}
	switch _, err := r.from.ReadByte(); {
	case err == nil:
		return ErrNotWhole
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// Check copies a backup and fails unless it is whole. It gives its header and how many rows it has.
func Check(to io.Writer, from io.Reader) (h Header, rows int64, err error) {
	r := newLineReader(io.TeeReader(from, to))
	if h, err = r.header(); err != nil {
		return h, 0, err
	}
	err = r.body(func(tableLine) error { return nil }, func([]byte) error { return nil })
	return h, r.rows, err
}

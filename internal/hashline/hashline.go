// Package hashline writes and reads files of JSON lines whose last line holds the SHA-256 of all
// lines before it.
//
// A [Writer] hashes every line that it writes. A [Reader] returns a line first, and hashes it only
// when the caller says so: the caller decides which line is the last one, which holds the hash and
// is not hashed. What a line means is up to the caller.
package hashline

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
)

// bufferSize is how much is read or written at once, in bytes.
const bufferSize = 64 << 10

// Writer writes lines and hashes them.
type Writer struct {
	to  *bufio.Writer
	sum hash.Hash
}

// NewWriter returns a writer to a file. Call Flush after the last line.
func NewWriter(to io.Writer) *Writer {
	return &Writer{to: bufio.NewWriterSize(to, bufferSize), sum: sha256.New()}
}

// Write writes a value as a line of JSON.
func (w *Writer) Write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.WriteLine(append(text, '\n'))
}

// WriteLine writes a line that is JSON already, with its end.
func (w *Writer) WriteLine(line []byte) error {
	w.sum.Write(line)
	_, err := w.to.Write(line)
	return err
}

// Sum returns the SHA-256 of the lines so far, with their ends.
func (w *Writer) Sum() []byte { return w.sum.Sum(nil) }

// Flush writes what is still in memory.
func (w *Writer) Flush() error { return w.to.Flush() }

// Reader reads lines and hashes them.
type Reader struct {
	from *bufio.Reader
	sum  hash.Hash
	max  int
	cut  error
}

// NewReader returns a reader of a file whose lines have at most maxLine bytes, with their ends. cut
// is the error for a line that is longer, or that the file ends in.
func NewReader(from io.Reader, maxLine int, cut error) *Reader {
	return &Reader{from: bufio.NewReaderSize(from, bufferSize), sum: sha256.New(), max: maxLine, cut: cut}
}

// Next returns the next line with its end. It returns the reader's error for an incomplete line if
// there is no whole line, also at the end of the file.
func (r *Reader) Next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > r.max:
			return nil, r.cut
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF):
			return nil, r.cut
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// Hash adds a line that Next returned to the hash.
func (r *Reader) Hash(line []byte) { r.sum.Write(line) }

// Sum returns the SHA-256 of the lines that were hashed.
func (r *Reader) Sum() []byte { return r.sum.Sum(nil) }

// AtEnd reports whether the file ends here. It reads one byte.
func (r *Reader) AtEnd() (bool, error) {
	_, err := r.from.ReadByte()
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

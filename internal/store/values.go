package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/notice"
)

// micros is how a time is stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// since stores a state that holds as the time of its change, and one that does not as NULL.
func since(holds bool, at time.Time) any {
	if !holds {
		return nil
	}
	return micros(at)
}

// positive stores 0 as NULL.
func positive(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// optional stores "" as NULL.
func optional[T ~string](text T) any {
	if text == "" {
		return nil
	}
	return string(text)
}

// when scans a stored time; NULL is the zero time.
type when struct{ at *time.Time }

func (w when) Scan(v any) error {
	var n sql.NullInt64
	if err := n.Scan(v); err != nil {
		return err
	}
	*w.at = time.Time{}
	if n.Valid {
		*w.at = time.UnixMicro(n.Int64).UTC()
	}
	return nil
}

// word scans a text; NULL is "".
type word[T ~string] struct{ text *T }

func (w word[T]) Scan(v any) error {
	var s sql.NullString
	if err := s.Scan(v); err != nil {
		return err
	}
	*w.text = T(s.String)
	return nil
}

func nullable[T ~string](into *T) word[T] { return word[T]{into} }

// number scans an integer; NULL is 0.
type number struct{ n *int64 }

func (w number) Scan(v any) error {
	var n sql.NullInt64
	if err := n.Scan(v); err != nil {
		return err
	}
	*w.n = n.Int64
	return nil
}

// set scans whether a stored time is set: disabled_at as disabled.
type set struct{ is *bool }

func (s set) Scan(v any) error {
	*s.is = v != nil
	return nil
}

// expand replaces the list parameter "$n…" by as many as there are values, padded to a power of two with the last value, so that
// there are few statements. first is n; the list stands last. An empty list is one NULL, which equals nothing.
func expand[T ~string](q query, first int, values []T, before ...any) (query, []any) {
	list := fmt.Sprintf("$%d…", first)
	if len(values) == 0 {
		return query(strings.Replace(string(q), list, "NULL", 1)), before
	}
	size := 1
	for size < len(values) {
		size *= 2
	}
	names := make([]string, size)
	args := before
	for i := range size {
		names[i] = fmt.Sprintf("$%d", first+i)
		args = append(args, string(values[min(i, len(values)-1)]))
	}
	return query(strings.Replace(string(q), list, strings.Join(names, ", "), 1)), args
}

// expandRows repeats the row "($1, …, $width)…" so many times.
func expandRows(q query, width, rows int) query {
	head, tail, _ := strings.Cut(string(q), ")…")
	head = head[:strings.LastIndexByte(head, '(')]
	var b strings.Builder
	b.WriteString(head)
	for i := range rows * width {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	b.WriteString(")" + tail)
	return query(b.String())
}

// spaced stores words with spaces between.
func spaced[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, " ")
}

// mutedKinds scans kinds of notices with spaces between.
type mutedKinds []notice.Kind

func (m *mutedKinds) Scan(v any) error {
	var stored sql.NullString
	if err := stored.Scan(v); err != nil {
		return err
	}
	*m = nil
	for kind := range strings.FieldsSeq(stored.String) {
		*m = append(*m, notice.Kind(kind))
	}
	return nil
}

// detailsJSON scans the details of an event.
type detailsJSON map[string]string

func (d *detailsJSON) Scan(v any) error {
	var stored sql.NullString
	if err := stored.Scan(v); err != nil {
		return err
	}
	return json.Unmarshal([]byte(stored.String), (*map[string]string)(d))
}

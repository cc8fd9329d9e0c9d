package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// micros returns a time as it is stored; NULL for the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// timeIf returns a time as it is stored if the state is set, and NULL if not.
func timeIf(holds bool, at time.Time) any {
	if !holds {
		return nil
	}
	return micros(at)
}

// nullIfZero returns n, or NULL for 0.
func nullIfZero(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// nullIfEmpty returns text, or NULL for "".
func nullIfEmpty[T ~string](text T) any {
	if text == "" {
		return nil
	}
	return string(text)
}

// nullTime scans a stored time; NULL becomes the zero time.
type nullTime struct{ at *time.Time }

func (w nullTime) Scan(v any) error {
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

// nullText scans a text; NULL becomes "".
type nullText[T ~string] struct{ text *T }

func (w nullText[T]) Scan(v any) error {
	var s sql.NullString
	if err := s.Scan(v); err != nil {
		return err
	}
	*w.text = T(s.String)
	return nil
}

func nullString[T ~string](into *T) nullText[T] { return nullText[T]{into} }

// nullInt scans an integer; NULL becomes 0.
type nullInt struct{ n *int64 }

func (w nullInt) Scan(v any) error {
	var n sql.NullInt64
	if err := n.Scan(v); err != nil {
		return err
	}
	*w.n = n.Int64
	return nil
}

// storedAddresses scans a list of allowed addresses; NULL allows every address.
type storedAddresses struct{ into *policy.Addresses }

func (w storedAddresses) Scan(v any) error {
	var s sql.NullString
	if err := s.Scan(v); err != nil {
		return err
	}
	*w.into = policy.Addresses{}
	if !s.Valid {
		return nil
	}
	err := json.Unmarshal([]byte(s.String), w.into)
	if err == nil && !w.into.Restricted() {
		err = errors.New("stored addresses are null instead of NULL")
	}
	return err
}

// addressesText returns a list of allowed addresses as it is stored.
func addressesText(a policy.Addresses) any {
	if !a.Restricted() {
		return nil
	}
	text, err := json.Marshal(a)
	if err != nil {
		panic("store: a list of networks did not marshal: " + err.Error())
	}
	return string(text)
}

// storedMetadata scans metadata; NULL is an object without members.
type storedMetadata struct{ into *metadata.Metadata }

func (w storedMetadata) Scan(v any) (err error) {
	var s sql.NullString
	if err := s.Scan(v); err != nil {
		return err
	}
	*w.into, err = metadata.Stored(s.String)
	return err
}

// isSet scans whether a stored time is set, for example disabled_at as disabled.
type isSet struct{ is *bool }

func (s isSet) Scan(v any) error {
	*s.is = v != nil
	return nil
}

// expand replaces the list parameter "$n…" by one parameter for each value, wherever it stands. It
// repeats the last value up to a power of two, so that there are few different statements. first is
// n; the list comes last. An empty list becomes NULL, which equals nothing.
func expand[T ~string](q query, first int, values []T, before ...any) (query, []any) {
	list := fmt.Sprintf("$%d…", first)
	if len(values) == 0 {
		return query(strings.ReplaceAll(string(q), list, "NULL")), before
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
	return query(strings.ReplaceAll(string(q), list, strings.Join(names, ", "))), args
}

// nonEmptyList returns a list for NOT IN, which finds no row for an empty list (one NULL). It adds
// "", which is no id.
func nonEmptyList[T ~string](ids []T) []T {
	if len(ids) == 0 {
		return []T{""}
	}
	return ids
}

// expandRows repeats the row "($1, …, $width)…" once for each row.
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

// joinWords joins words with spaces.
func joinWords[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, " ")
}

// mutedKinds scans kinds of notices that are separated by spaces.
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

package backup

import (
	"encoding/json"
	"testing"
)

// The format of a backup does not depend on how rows are written.
func TestARowIsWrittenAsTheJSONPackageWritesIt(t *testing.T) {
	for _, cells := range [][]any{
		{},
		{nil},
		{nil, int64(0), int64(-1), int64(1 << 62), 0, 1},
		{"", "plain text ~", `"quoted"`, `back\slash`},
		{"<html> & more", "line\nbreak", "\x00\x1f\x7f", "\u2028\u2029", "äöü 🔑", "\ufeff"},
		{[]byte(nil), []byte{}, []byte{0, 255, 62, 63}, []byte("text")},
	} {
		want, err := json.Marshal(cells)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendRow(nil, cells)
		if err != nil || string(got) != string(want) {
			t.Errorf("%q: written as %s %v, not %s", cells, got, err, want)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommentsAreWrittenByTypeAndFieldWithTheNamesOfJSON(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.go", `package a

// Key is what a caller
// sends.
type Key struct {
	// PublicID and LastUsedAt belong together.
	PublicID   string `+"`json:\"public_id,omitempty\"`"+`
	LastUsedAt string `+"`json:\"last_used_at\"`"+` // no doc comment
	hidden     int
}

type (
	// One of two.
	One struct{}
	Two struct {
		// A has a comment.
		A, B int
	}
)

// Number is no struct.
type Number int
`)
	write("a_test.go", "package a\n\n// Test is no part of it.\ntype Test struct{}\n")
	out := filepath.Join(dir, "comments.json")
	if err := run(out, []string{dir}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
	"Key": "Key is what a caller sends.",
	"Key.PublicID": "` + "`public_id` and `last_used_at`" + ` belong together.",
	"One": "One of two.",
	"Two.A": "A has a comment.",
	"Two.B": "A has a comment."
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for name, sources := range map[string][]string{
		"a missing file":         {filepath.Join(dir, "none.go")},
		"an empty folder":        {t.TempDir()},
		"a missing second file":  {filepath.Join(dir, "a_test.go"), filepath.Join(dir, "none.go")},
		"a folder without types": {t.TempDir(), t.TempDir()},
	} {
		if err := run(out, sources); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

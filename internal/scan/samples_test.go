package scan_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/scan"
)

const root = "../.."

// unread are the folders of the tree that hold what is not ours to read or what a build made.
var unread = []string{".git", "bin", "dist", "claviger-data"}

// A sample that verifies teaches scanners to be ignored, and readers to paste secrets. What
// documents show looks like a key and is none: its checksum is wrong, or its form is not quite that
// of its style. Comments and help texts are in the sources, of which the API's document is made.
func TestNoSampleInDocumentsOrSourcesIsAKey(t *testing.T) {
	t.Parallel()
	files := 0
	must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(unread, entry.Name()):
			return filepath.SkipDir
		case !entry.Type().IsRegular(), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		demandNoKey(t, path)
		return nil
	}))
	if files < 300 {
		t.Errorf("only %d files were read", files)
	}
}

// words are all that could be a key, with white space, quotes and brackets around.
var words = regexp.MustCompile("[^\\s\"'`<>(){}\\[\\],;]{36,}")

func demandNoKey(t *testing.T, path string) {
	t.Helper()
	must(t, scan.Files(path, func(file string, f scan.Finding) error {
		t.Errorf("%s:%d:%d: %s is a key", file, f.Line, f.Column, f.Masked)
		return nil
	}, func(err error) { t.Error(err) }))
	text, err := os.ReadFile(path)
	must(t, err)
	for _, word := range words.FindAllString(string(text), -1) {
		if p, ok := credential.Parse(word); ok {
			t.Errorf("%s: a word has the form of a key of style %s", path, p.Style)
		}
	}
}

func TestTheSearchForSamplesSeesKeys(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	for _, shape := range everyShape {
		value := k.Issue(shape).Value.Reveal()
		found := words.FindString("curl -H 'X-API-Key: " + value + "' …")
		if _, ok := credential.Parse(found); !ok {
			t.Errorf("style %s: it is not seen", shape.Style)
		}
	}
}

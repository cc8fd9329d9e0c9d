package archtest

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// documents returns the Markdown files of a folder of the module, by name.
func documents(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := fs.Glob(os.DirFS(root), path.Join(dir, "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no documents: %v", dir, err)
	}
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(path.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

func TestTheIndexOfDocumentsListsEach(t *testing.T) {
	all := documents(t, "docs")
	for name := range all {
		if base := path.Base(name); base != "README.md" && !strings.Contains(all["docs/README.md"], "("+base+")") {
			t.Errorf("docs/README.md does not list %s", base)
		}
	}
}

func TestTheIndexOfDecisionsListsEachByItsTitle(t *testing.T) {
	all := documents(t, "docs/adr")
	for name, text := range all {
		if path.Base(name) == "README.md" {
			continue
		}
		title, _, _ := strings.Cut(text, "\n")
		if line := "- [" + strings.TrimPrefix(title,
			"# ") + "](" + path.Base(name) + ")"; !strings.Contains(all["docs/adr/README.md"], line) {
			t.Errorf("docs/adr/README.md does not have the line %q", line)
		}
	}
}

// link is a link to a file beside a document, without what it points at within the file.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)\s]*)?\)`)

func TestEveryLinkOfADocumentLeadsToAFile(t *testing.T) {
	seen := 0
	for _, dir := range []string{".", "docs", "docs/adr"} {
		for name, text := range documents(t, dir) {
			for _, found := range link.FindAllStringSubmatch(text, -1) {
				if target := found[1]; !strings.HasPrefix(target, "/") {
					seen++
					if _, err := os.Stat(path.Join(root, path.Dir(name), target)); err != nil {
						t.Errorf("%s links %s: %v", name, target, err)
					}
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("read %d links: the reading missed some", seen)
	}
}

func TestDocumentsUseNoRetiredWords(t *testing.T) {
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		names, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d documents, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(path.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, report := range retiredInDocuments(name, string(text)) {
				t.Error(report)
			}
		}
	}
}

package guide_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/docs"
	"github.com/claviger-dev/claviger/internal/guide"
)

// unlisted are documents that are no articles.
var unlisted = map[string]string{"README.md": "the list of documents, in place of which the guide has categories"}

func TestEveryDocumentIsAnArticleOrIsLeftOutForAReason(t *testing.T) {
	g := guide.Load()
	sources := map[string]bool{}
	for _, a := range g.Articles() {
		sources[a.Source] = true
		if a.Title == "" || a.Summary == "" || len(a.Sections) == 0 {
			t.Errorf("%s: title %q, summary %q, %d sections", a.ID, a.Title, a.Summary, len(a.Sections))
		}
	}
	err := fs.WalkDir(docs.Files, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") || unlisted[path] != "" {
			return err
		}
		text, err := docs.Files.ReadFile(path)
		if !sources[string(text)] {
			t.Errorf("%s is no article: list it in contents", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnArticleIsShownWithoutItsTitleAndWithoutHTMLOfItsOwn(t *testing.T) {
	tags := regexp.MustCompile(`</?([a-z0-9]+)`)
	allowed := map[string]bool{}
	const known = "p h2 h3 h4 ul ol li a em strong code pre div button table thead tbody tr th td br"
	for tag := range strings.FieldsSeq(known) {
		allowed[tag] = true
	}
	for _, a := range guide.Load().Articles() {
		for _, m := range tags.FindAllStringSubmatch(string(a.HTML), -1) {
			if !allowed[m[1]] {
				t.Errorf("%s has %s", a.ID, m[0])
			}
		}
	}
}

func TestASearchFindsWordsByTheirBeginningAndHeadingsFirst(t *testing.T) {
	g := guide.Load()
	for query, want := range map[string]string{
		"backup restore": "/docs/operations#backup-and-restore",
		"BACKUP":         "/docs/operations#backup-and-restore",
		"nginx":          "/docs/nginx",
		"when a key lea": "/docs/best-practices#when-a-key-leaks",
	} {
		hits := g.Search(strings.Fields(query), 5)
		if len(hits) == 0 || !strings.HasPrefix(hits[0].Path(), want) {
			t.Errorf("%q: %v, not %s", query, paths(hits), want)
		}
	}
	for query, partial := range map[string]bool{
		"how do I back up the server?": false, "keys that leaked": false, "keys and zebras of unicorns": true,
	} {
		hits := g.Search(strings.Fields(query), 5)
		if partial != (len(hits) == 0 || hits[0].Partial) {
			t.Errorf("%q finds %v", query, paths(hits))
		}
	}
	for _, query := range []string{"", "   ", "xyzzyplugh", "\u200b"} {
		if hits := g.Search(strings.Fields(query), 5); len(hits) > 0 {
			t.Errorf("%q finds %v", query, paths(hits))
		}
	}
	if hits := g.Search([]string{"key"}, 5); len(hits) != 5 {
		t.Errorf("%d hits, not the 5 that were asked for", len(hits))
	}
}

func paths(hits []guide.Hit) (list []string) {
	for _, h := range hits {
		list = append(list, h.Path())
	}
	return list
}

func FuzzASearchNeverFails(f *testing.F) {
	f.Add("nginx")
	f.Add("ﬀ İ \xff ẞ")
	f.Fuzz(func(t *testing.T, query string) {
		for _, h := range guide.Load().Search(strings.Fields(query), 3) {
			if !strings.HasPrefix(h.Path(), "/docs/") {
				t.Errorf("%q finds %q", query, h.Path())
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	g := guide.Load()
	for b.Loop() {
		g.Search([]string{"regenerate", "secret", "nowhere"}, 30)
	}
}

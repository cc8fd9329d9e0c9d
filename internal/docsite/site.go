package docsite

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/guide"
	"github.com/claviger-dev/claviger/internal/text"
)

// site has all pages by path.
type site struct {
	guide *guide.Guide
	// reference describes the operations and objects.
	reference reference
	codes     []explanation
	named     []named
	pages     map[string]page
	version   string
}

// newSite makes all pages.
func newSite(document []byte, baseURL string) *site {
	d := parse(document)
	s := &site{
		guide: guide.Load(), reference: referenceOf(d), codes: explanations(), version: d.Info.Version,
	}
	s.named = namedOf(s.reference, s.codes)
	s.pages = map[string]page{
		"/openapi.json":     {contentType: "application/json", text: document},
		"/llms.txt":         {contentType: plainText, text: []byte(s.forAssistants())},
		"/docs":             {title: "Guide", main: draw("home.html", s.guide)},
		"/docs/api":         {title: "API reference", main: draw("api.html", s.reference)},
		"/docs/errors":      {title: "Errors", main: draw("errors.html", s.codes)},
		"/docs/api/objects": {title: "Objects", main: draw("objects.html", s.reference)},
	}
	for _, a := range s.guide.Articles() {
		shown, url := *a, template.HTMLEscapeString(baseURL)
		shown.HTML = template.HTML(strings.ReplaceAll(string(a.HTML), guide.DocumentedURL, url))
		s.pages["/docs/"+a.ID] = page{title: a.Title, main: draw("article.html", shown)}
		source := strings.ReplaceAll(a.Source, guide.DocumentedURL, baseURL)
		s.pages["/docs/"+a.ID+".md"] = page{contentType: "text/markdown; charset=utf-8", text: []byte(source)}
	}
	for name, content := range s.guide.Files {
		s.pages["/docs/files/"+name] = page{contentType: plainText, text: content}
	}
	for _, g := range s.reference.Groups {
		s.pages["/docs/api/"+g.ID] = page{title: g.Name, main: draw("group.html", g)}
	}
	for _, e := range s.codes {
		path := strings.Replace(errorPath, "{code}", string(e.Code), 1)
		s.pages[path] = page{title: string(e.Code), main: draw("error.html", e)}
	}
	return s
}

const plainText = "text/plain; charset=utf-8"

// sidebar returns the pages of the documentation, of which one is shown.
func (s *site) sidebar(current string) []view.NavGroup {
	item := func(label, path string) view.NavItem {
		return view.NavItem{Label: label, Path: path, Current: path == current}
	}
	var groups []view.NavGroup
	for _, c := range s.guide.Categories {
		g := view.NavGroup{Heading: c.Title}
		for _, a := range c.Articles {
			g.Items = append(g.Items, item(a.Title, "/docs/"+a.ID))
		}
		groups = append(groups, g)
	}
	g := view.NavGroup{Heading: "API"}
	g.Items = append(g.Items, item("All operations", "/docs/api"))
	for _, of := range s.reference.Groups {
		g.Items = append(g.Items, item(of.Name, "/docs/api/"+of.ID))
	}
	g.Items = append(g.Items, item("Objects", "/docs/api/objects"), item("Errors", "/docs/errors"))
	return append(groups, g)
}

// hit is a result of a search.
type hit struct{ Title, Where, Path, Excerpt string }

// named is an operation or an error code, with its names prepared for searches.
type named struct {
	hit
	names     []text.Prepared
	operation bool
}

// namedOf prepares the operations and codes.
func namedOf(r reference, codes []explanation) (list []named) {
	add := func(h hit, operation bool, names ...string) {
		n := named{hit: h, operation: operation}
		for _, name := range names {
			n.names = append(n.names, text.Prepare(name))
		}
		list = append(list, n)
	}
	for _, g := range r.Groups {
		for _, e := range g.Entries {
			path := "/docs/api/" + g.ID + "#" + e.ID
			add(hit{e.Summary, "API", path, e.Method + " " + e.Path}, true, e.Summary, e.Path, e.ID)
		}
	}
	for _, e := range codes {
		add(hit{e.Title, "Error", e.Type, string(e.Code) + ", status " + fmt.Sprint(e.Status)}, false,
			string(e.Code), e.Title)
	}
	return list
}

// has reports whether the names have every word, or a word that begins with it.
func (n named) has(words []text.Query) bool {
	for _, q := range words {
		if q.Empty() || !slices.ContainsFunc(n.names, q.FoundIn) {
			return false
		}
	}
	return len(words) > 0
}

// results are what a search found. Partial is set if no section of the guide has all words.
type results struct {
	Query   string
	Hits    []hit
	Partial bool
}

// find returns up to most results: operations and codes whose names have the words, then sections
// of the guide. A single word may be in the names of many operations: they come last.
func (s *site) find(words []string, most int) (r results) {
	var queries []text.Query
	for _, word := range words {
		queries = append(queries, text.NewQuery(word))
	}
	var operations []hit
	for _, n := range s.named {
		switch {
		case !n.has(queries):
		case n.operation && len(words) == 1:
			operations = append(operations, n.hit)
		default:
			r.Hits = append(r.Hits, n.hit)
		}
	}
	r.Hits = r.Hits[:min(len(r.Hits), most/3)]
	operations = operations[:min(len(operations), most/3)]
	for _, h := range s.guide.Search(words, most-len(r.Hits)-len(operations)) {
		r.Hits = append(r.Hits, hit{h.Section.Title, h.Article.Title, h.Path(), h.Excerpt})
		r.Partial = r.Partial || h.Partial
	}
	r.Hits = append(r.Hits, operations...)
	return r
}

// forAssistants returns the list of articles as llms.txt has it: Markdown, with the address of each
// article's Markdown.
func (s *site) forAssistants() string {
	var list strings.Builder
	list.WriteString("# Claviger\n\n> An API-key authority: people and programs create, regenerate and revoke API " +
		"keys, and APIs ask it whether a key is allowed.\n")
	for _, c := range s.guide.Categories {
		fmt.Fprintf(&list, "\n## %s\n\n", c.Title)
		for _, a := range c.Articles {
			fmt.Fprintf(&list, "- [%s](/docs/%s.md): %s\n", a.Title, a.ID, a.Summary)
		}
	}
	list.WriteString("\n## API\n\n- [OpenAPI document](/openapi.json): every operation, with examples\n")
	return list.String()
}

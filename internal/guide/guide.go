// Package guide is the documentation as a book: the documents of docs/ as articles in categories.
//
// An article is a Markdown file. The guide shows it as HTML, in which a link to another file leads
// to its article, and finds it by the words of its sections. The same file is what people read in
// the repository.
package guide

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"

	"github.com/claviger-dev/claviger/docs"
	"github.com/claviger-dev/claviger/internal/text"
)

// Guide has all articles, in the order in which a newcomer reads them.
type Guide struct {
	Categories []Category
	// Files are the configurations that articles refer to, by name.
	Files map[string][]byte
}

// Category is a part of the guide.
type Category struct {
	ID, Title, Summary string
	Articles           []*Article
}

// Article is a document.
type Article struct {
	// ID is its name in paths, such as getting-started.
	ID, Title string
	// Summary is its first paragraph, as plain text.
	Summary string
	// Source is the Markdown.
	Source string
	// HTML is the document without its title.
	HTML template.HTML
	// Sections are its parts, the first without a heading.
	Sections []Section
}

// Section is a part of an article: a heading of the second or third level, and what is below it.
type Section struct {
	// ID is that of the heading; "" for the beginning of the article.
	ID, Title string
	Level     int
	// Start is where it begins in the article's Source, in bytes.
	Start int
	// Text is the section as plain text.
	Text string

	// title, text and article are prepared for searches.
	title, text, article text.Prepared
}

// DocumentedURL is the address of a server in the documents.
const DocumentedURL = "https://keys.example.com"

// contents are the files of the articles by category.
var contents = []struct {
	id, title, summary string
	files              []string
}{
	{
		"start", "Start here", "Make a key and use it.",
		[]string{"getting-started.md", "authentication.md", "api-keys.md", "console.md", "best-practices.md"},
	},
	{
		"keys", "Keys and their owners", "For people, services and customers.",
		[]string{
			"policies.md", "service-accounts.md", "customer-keys.md", "environments.md", "usage.md",
			"oauth.md", "scanners.md",
		},
	},
	{
		"protect", "Protect an API", "Verify keys in your API, or in front of it.",
		[]string{
			"integration.md", "integrations/README.md", "integrations/nginx.md", "integrations/apache.md",
			"integrations/caddy.md", "integrations/haproxy.md", "integrations/traefik.md", "integrations/envoy.md",
			"integrations/ingress-nginx.md", "integrations/istio.md", "integrations/apisix.md", "gateway.md",
			"routes.md",
		},
	},
	{
		"clients", "Clients and assistants", "Use the tools that you have.",
		[]string{
			"mcp.md",
			"integrations/blazemeter.md", "integrations/loadrunner.md", "integrations/blazeauth.md",
			"integrations/blancco.md",
		},
	},
	{
		"run", "Run the server", "Install, configure, watch and repair.",
		[]string{"install.md", "build.md", "configuration.md", "operations.md", "performance.md", "cli.md"},
	},
}

// Load returns the guide. It reads the documents once.
var Load = sync.OnceValue(load)

func load() *Guide {
	g := &Guide{Files: map[string][]byte{}}
	entries, err := docs.Files.ReadDir("integrations")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".md") {
			g.Files[e.Name()] = read("integrations/" + e.Name())
		}
	}
	for _, c := range contents {
		category := Category{ID: c.id, Title: c.title, Summary: c.summary}
		for _, file := range c.files {
			category.Articles = append(category.Articles, newArticle(file, string(read(file))))
		}
		g.Categories = append(g.Categories, category)
	}
	return g
}

func read(file string) []byte {
	source, err := docs.Files.ReadFile(file)
	if err != nil {
		panic(err) // they are part of the program
	}
	return source
}

// idOf returns the id of the article of a file.
func idOf(file string) string {
	if file == "integrations/README.md" {
		return "integrations"
	}
	return strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".md")
}

// listed reports whether a file is an article.
func listed(file string) bool {
	for _, c := range contents {
		if slices.Contains(c.files, file) {
			return true
		}
	}
	return false
}

// Articles returns all articles.
func (g *Guide) Articles() (list []*Article) {
	for _, c := range g.Categories {
		list = append(list, c.Articles...)
	}
	return list
}

// Article returns the article with the id.
func (g *Guide) Article(id string) (a *Article, ok bool) {
	all := g.Articles()
	i := slices.IndexFunc(all, func(a *Article) bool { return a.ID == id })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// Hit is a section that a search found.
type Hit struct {
	Article *Article
	Section Section
	// Excerpt is the text around the first word that was found.
	Excerpt string
}

// Path returns where the section is.
func (h Hit) Path() string {
	path := "/docs/" + h.Article.ID
	if h.Section.ID != "" {
		path += "#" + h.Section.ID
	}
	return path
}

// excerptLength is how many characters an excerpt has about.
const excerptLength = 180

// Search returns up to most sections that have every word, or a word that begins with it. Sections
// whose headings have them come first.
func (g *Guide) Search(words []string, most int) []Hit {
	if len(words) == 0 {
		return nil
	}
	var queries []text.Query
	for _, word := range words {
		queries = append(queries, text.NewQuery(word))
	}
	var ranks [4][]Hit
	for _, a := range g.Articles() {
		for _, s := range a.Sections {
			rank, found := s.rank(queries)
			if found {
				ranks[rank] = append(ranks[rank], Hit{Article: a, Section: s})
			}
		}
	}
	hits := slices.Concat(ranks[:]...)
	hits = hits[:min(most, len(hits))]
	for i := range hits {
		hits[i].Excerpt = excerpt(hits[i].Section.Text, words[0])
	}
	return hits
}

// rank reports whether a section has all words, and how well: 0 if its heading has them, 1 if
// heading and title of the article do, 2 if some are in the heading, 3 if they are in the text.
func (s Section) rank(words []text.Query) (rank int, found bool) {
	inHeading, inTitles := 0, 0
	for _, q := range words {
		switch {
		case q.Empty():
			return 0, false
		case q.FoundIn(s.title):
			inHeading++
			inTitles++
		case q.FoundIn(s.article):
			inTitles++
		case !q.FoundIn(s.text):
			return 0, false
		}
	}
	switch {
	case inHeading == len(words):
		return 0, true
	case inTitles == len(words):
		return 1, true
	case inHeading > 0:
		return 2, true
	}
	return 3, true
}

// excerpt returns the part of a text in which a word is.
func excerpt(whole, word string) string {
	at := strings.Index(text.Fold(whole), text.Fold(word))
	if at < 0 || at > len(whole) {
		at = 0
	}
	from := max(0, at-excerptLength/3)
	if i := strings.IndexByte(whole[from:], ' '); from > 0 && i >= 0 {
		from += i + 1
	}
	part := []rune(strings.ToValidUTF8(whole[from:], ""))
	if len(part) <= excerptLength {
		return string(part)
	}
	return fmt.Sprintf("%s …", strings.TrimRight(string(part[:excerptLength]), " "))
}

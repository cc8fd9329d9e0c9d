// Package guide is the documentation as a book: the documents of docs/ as articles in categories.
//
// An article is a Markdown file. The guide shows it as HTML, in which a link to another file leads
// to its article, and finds it by the words of its sections. The same file is what people read in
// the repository.
package guide

import (
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

// Package docsite serves the documentation: the guide, the reference of the API, a page for each
// error code, and the OpenAPI document.
//
//	/docs                     the articles of the guide, by category
//	/docs/{article}           an article; with .md, its Markdown
//	/docs/files/{file}        a configuration that an article refers to
//	/docs/search?q=           where the guide, the reference and the codes have some words
//	/docs/api                 every operation
//	/docs/api/{group}         the operations of a group; objects for every object
//	/docs/errors              all error codes
//	/docs/errors/{code}       a code; the type of a problem document is such a path
//	/llms.txt                 the list of articles in Markdown, for assistants
//	/openapi.json             the OpenAPI document, which package manageapi builds
//
// The pages are made once, at the first request, from the guide, the OpenAPI document and the table
// of errors (web.Kinds), and are the same for everybody but for their theme. They have the frame of
// the console (console/view).
package docsite

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

//go:embed pages
var files embed.FS

// Site serves the documentation. All fields are required.
type Site struct {
	Errors web.ErrorWriter
	// Document returns the OpenAPI document. It is called once, at the first request.
	Document func() []byte
	// BaseURL is the URL of this server, which the examples name.
	BaseURL string
	// Admit counts a search against its client address, or refuses it. Anybody may search, and a
	// search reads the whole guide.
	Admit func(http.ResponseWriter, *http.Request) error
}

// contentPolicy lets pages load what this server sends, and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// Mount adds the pages.
func (s *Site) Mount(router *web.Router) {
	made := sync.OnceValue(func() *site { return newSite(s.Document(), s.BaseURL) })
	for prefix, paths := range map[string][]string{
		"/docs": {
			"/docs", "/docs/{article}", "/docs/files/{file}", "/docs/api", "/docs/api/{group}", "/docs/errors",
			errorPath,
		},
		"/openapi.json": {"/openapi.json"},
		"/llms.txt":     {"/llms.txt"},
	} {
		var routes []web.Route
		for _, path := range paths {
			routes = append(routes, route(path, func(w http.ResponseWriter, r *http.Request) error {
				return made().serve(w, r)
			}))
		}
		if prefix == "/docs" {
			routes = append(routes, route("/docs/search", func(w http.ResponseWriter, r *http.Request) error {
				if err := s.Admit(w, r); err != nil {
					return err
				}
				return made().search(w, r)
			}))
		}
		router.Mount(prefix, s.Errors, routes...).ContentPolicy = contentPolicy
	}
}

func route(path string, serve web.Handler) web.Route {
	return web.Route{Method: http.MethodGet, Path: path, Page: true, Serve: serve}
}

// errorPath is the path of an error code's page. The type of a problem document is such a path.
const errorPath = "/docs/errors/{code}"

// page is a page of the documentation, or a file.
type page struct {
	title string
	main  template.HTML
	// contentType is that of a file, and text its content; "" for a page.
	contentType string
	text        []byte
}

// serve serves the page or file of the path.
func (s *site) serve(w http.ResponseWriter, r *http.Request) error {
	p, ok := s.pages[r.URL.Path]
	if !ok {
		return fault.NotFound
	}
	return s.write(w, r, p)
}

// write writes a page. Its ETag lets browsers ask whether the page has changed.
func (s *site) write(w http.ResponseWriter, r *http.Request, p page) error {
	h := w.Header()
	if p.contentType == "" {
		f := view.Frame{
			Title: p.title, Main: p.main, Theme: view.ThemeOf(r), Nav: s.sidebar(r.URL.Path), Version: s.version,
		}
		var text bytes.Buffer
		if err := view.RenderFrame(&text, f); err != nil {
			return err
		}
		p.contentType, p.text = "text/html; charset=utf-8", text.Bytes()
		h.Set("Vary", "Cookie") // the theme
	}
	sum := sha256.Sum256(p.text)
	h.Set("Content-Type", p.contentType)
	h.Set("Cache-Control", "no-cache") // browsers may store the page but must ask whether it changed
	h.Set("Etag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.text))
	return nil
}

// maxQuery and maxWords are how many characters and words of a search are read, and maxHits is how
// many results are shown.
const (
	maxQuery = 100
	maxWords = 8
	maxHits  = 30
)

// search serves what was found.
func (s *site) search(w http.ResponseWriter, r *http.Request) error {
	if err := web.CheckPageQuery(r.URL.RawQuery, false); err != nil {
		return err
	}
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	if runes := []rune(query); len(runes) > maxQuery {
		query = string(runes[:maxQuery])
	}
	words := strings.Fields(query)
	words = words[:min(len(words), maxWords)]
	found := s.find(words, maxHits)
	found.Query = query
	return s.write(w, r, page{title: "Search", main: draw("search.html", found)})
}

// draw draws the content of a page.
func draw(name string, content any) template.HTML {
	t := template.New(name).Funcs(template.FuncMap{"prose": prose, "icon": view.Icon})
	t = template.Must(t.ParseFS(files, "pages/parts.html", "pages/"+name))
	var text bytes.Buffer
	if err := t.Execute(&text, content); err != nil {
		panic("docsite: " + err.Error())
	}
	return template.HTML(text.String()) // a template made it
}

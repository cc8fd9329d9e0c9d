// Package docs serves the documentation of the API: the guide, the reference, a page for each error
// code, and the OpenAPI document.
//
//	/openapi.json         the OpenAPI document, which package manageapi builds
//	/docs                 the guide
//	/docs/api             the reference: every operation and every object of the document
//	/docs/errors          all error codes
//	/docs/errors/{code}   one error code; the type of a problem document is this path
//	/docs/style.css       the style sheet
//
// The pages are rendered once, at the first request, from the OpenAPI document and from the table
// of errors (web.Kinds). They are the same for everybody. They run no script and load nothing
// except the style sheet.
package docs

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

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

//go:embed pages
var files embed.FS

// Site serves the OpenAPI document and the pages about it. All fields are required.
type Site struct {
	Errors web.ErrorWriter
	// Document returns the OpenAPI document. It is called once, at the first request.
	Document func() []byte
}

// Mount adds the pages.
func (s *Site) Mount(router *web.Router) {
	rendered := sync.OnceValue(func() map[string]page { return pages(s.Document()) })
	for prefix, paths := range map[string][]string{
		"/docs":         {"/docs", "/docs/api", "/docs/errors", errorPath, "/docs/style.css"},
		"/openapi.json": {"/openapi.json"},
	} {
		var routes []web.Route
		for _, path := range paths {
			routes = append(routes, s.route(path, rendered))
		}
		router.Mount(prefix, s.Errors, routes...).ContentPolicy = contentPolicy
	}
}

// route returns the route of a page.
func (s *Site) route(path string, rendered func() map[string]page) web.Route {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		p, ok := rendered()[strings.Replace(path, "{code}", r.PathValue("code"), 1)]
		if !ok {
			return fault.NotFound
		}
		return p.serve(w, r)
	}
	return web.Route{Method: http.MethodGet, Path: path, Page: true, Serve: serve}
}

// errorPath is the path of an error code's page. The type of a problem document is such a path.
const errorPath = "/docs/errors/{code}"

// pages renders all pages and returns them by path.
func pages(document []byte) map[string]page {
	d := parse(document)
	style, err := files.ReadFile("pages/style.css")
	if err != nil {
		panic("docs: " + err.Error())
	}
	kinds := explanations()
	all := map[string]page{
		"/openapi.json":   file("application/json", document),
		"/docs/style.css": file("text/css; charset=utf-8", style),
		"/docs":           render(layout("guide.html"), d, d),
		"/docs/api":       render(layout("reference.html"), d, referenceOf(d)),
		"/docs/errors":    render(layout("errors.html"), d, kinds),
	}
	t := layout("error.html")
	for _, e := range kinds {
		all[strings.Replace(errorPath, "{code}", string(e.Code), 1)] = render(t, d, e)
	}
	return all
}

// page is a response that is the same for everybody.
type page struct {
	contentType, etag string
	text              []byte
}

// file returns a page with the text. Its ETag lets browsers ask whether the page has changed.
func file(contentType string, text []byte) page {
	sum := sha256.Sum256(text)
	return page{contentType: contentType, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, text: text}
}

// contentPolicy allows the style sheet and nothing else: the pages contain no script.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; " +
	"base-uri 'none'; form-action 'none'"

func (p page) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	h.Set("Cache-Control", "no-cache") // browsers may store the page but must revalidate it
	h.Set("Etag", p.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.text))
	return nil
}

// layout parses the layout of all pages together with the template of a page's content.
func layout(name string) *template.Template {
	t := template.New("layout.html").Funcs(template.FuncMap{"prose": prose})
	return template.Must(t.ParseFS(files, "pages/layout.html", "pages/"+name))
}

func render(t *template.Template, d *document, content any) page {
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]any{"Version": d.Info.Version, "Content": content}); err != nil {
		panic("docs: " + err.Error())
	}
	return file("text/html; charset=utf-8", text.Bytes())
}

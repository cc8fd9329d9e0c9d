// Package docs serves what there is to read about the API: the guide, the reference, a page for each code of a refusal, and the OpenAPI document.
//
//	/openapi.json         the document, made by package manageapi
//	/docs                 the guide
//	/docs/api             the reference: every operation and every object of the document
//	/docs/errors          the codes; /docs/errors/{code} is where a problem document's type points
//	/docs/style.css       how they look
//	/setup/{token}        and the other one-time links: what to do with them
//
// All of it is rendered once, when somebody first asks, from the document and from the table of refusals (web.Kinds), and is the same for everybody. The
// pages run no script and load nothing but the style sheet.
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

// Mount serves the OpenAPI document and the pages about it.
func Mount(router *web.Router, document func() []byte) {
	made := sync.OnceValue(func() map[string]page { return pages(document()) })
	for _, path := range []string{
		"/openapi.json", "/docs/style.css", "/docs", "/docs/api", "/docs/errors", errorPath, setupPath, invitationPath, claimPath,
	} {
		router.Page(path, func(w http.ResponseWriter, r *http.Request) error {
			p, ok := made()[strings.Replace(path, "{code}", r.PathValue("code"), 1)]
			if !ok {
				return fault.NotFound
			}
			return p.serve(w, r)
		})
	}
}

// errorPath is where a problem document's type points.
const errorPath = "/docs/errors/{code}"

// pages renders everything, by path.
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
	t = layout("link.html")
	for _, l := range links(d) {
		p := render(t, d, l)
		p.private = true // nobody is to keep it, or to send its address on
		all[l.Path] = p
	}
	return all
}

// page is an answer that is the same for everybody.
type page struct {
	kind, tag string
	text      []byte
	// private pages are not kept anywhere.
	private bool
}

// file makes a page of a text. Its tag lets browsers ask whether it changed.
func file(kind string, text []byte) page {
	sum := sha256.Sum256(text)
	return page{kind: kind, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, text: text}
}

// contentPolicy allows the style sheet and nothing else: the pages hold no script.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

func (p page) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Content-Security-Policy", contentPolicy)
	if !p.private { // middleware has forbidden to keep it
		h.Set("Cache-Control", "no-cache") // to be kept, and asked for again
		h.Set("Etag", p.tag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.text))
	return nil
}

// layout reads a template of the content into the one around all pages.
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

// Package view draws the pages of the console: typed pages, their templates, and the assets.
//
// A page is a struct, and a template of the same name in templates/ draws it. [Render] draws the
// page inside the frame, which is the same for all: top bar, sidebar, footer. Nothing here decides
// anything. Pages hold texts, not domain objects, so that a template cannot show what the handler
// did not choose.
package view

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
)

//go:embed templates
var templateFiles embed.FS

// Page is a page of the console.
type Page interface {
	// file returns the name of the page's template.
	file() string
}

// templates has the layout and the template of each page, by file. A template is parsed when it is
// first used: all of them take ten megabytes, and most commands show no page.
var templates = parsers()

func parsers() map[string]func() *template.Template {
	files := []string{"layout.html"}
	for _, p := range Pages() {
		files = append(files, p.file())
	}
	all := map[string]func() *template.Template{}
	for _, file := range files {
		all[file] = sync.OnceValue(func() *template.Template { return parse(file) })
	}
	return all
}

func parse(file string) *template.Template {
	t := template.New(file).Funcs(template.FuncMap{
		"icon": Icon, "blade": blade, "asset": AssetPath, "withFault": withFault, "chartWidth": chartWidth,
		"plotWidth": plotWidth,
		"prose":     prose, "breakable": breakable,
	})
	return template.Must(t.Option("missingkey=error").ParseFS(templateFiles, "templates/"+file, "templates/parts.html"))
}

// Render writes the page inside the frame.
func Render(w io.Writer, f Frame, p Page) error {
	var main bytes.Buffer
	if err := templates[p.file()]().Execute(&main, p); err != nil {
		return fmt.Errorf("page %s: %w", p.file(), err)
	}
	f.Main = template.HTML(main.String()) // a template made it
	return RenderFrame(w, f)
}

// RenderPart writes a part of a page, for a page that is open.
func RenderPart(w io.Writer, p Page) error { return templates[p.file()]().Execute(w, p) }

// RenderFrame writes a frame whose Main is set.
func RenderFrame(w io.Writer, f Frame) error { return templates["layout.html"]().Execute(w, f) }

// Icon returns an icon of assets/icons.svg.
func Icon(name string) template.HTML {
	return template.HTML(`<svg class="i" aria-hidden="true"><use href="` + AssetPath("icons.svg") +
		"#" + template.HTMLEscapeString(name) + `"/></svg>`)
}

// prose returns a text in which words between backticks are code.
func prose(text string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1: // nothing closes it
			b.WriteString("`" + part)
		default:
			b.WriteString("<code>" + part + "</code>")
		}
	}
	return template.HTML(b.String()) // the text is escaped
}

// breakable returns a text that may go on in the next line after an @, so that no line ends within
// a word of an address.
func breakable(text string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), "@", "@<wbr>")) // the text is escaped
}

// checkedControl is a field with what is wrong with it; "" for nothing.
type checkedControl struct {
	Control
	Fault string
}

func withFault(c Control, faults Faults) checkedControl { return checkedControl{c, faults.At(c.Name)} }

// plotWidth returns how wide a plot is, in its own units.
func plotWidth(bars []PlotBar) int { return 10 * len(bars) }

// chartWidth returns how wide a chart is, in its own units.
func chartWidth(bars []Bar) int { return 10 * len(bars) }

package console_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// htmlForm is a form of a page, with what a browser would send if nobody touched it.
type htmlForm struct {
	method, action string
	fields         url.Values
	// blank are the text fields that a person must fill in.
	blank []string
	// phrase is what the page asks to type; "" for nothing.
	phrase string
}

// formsOf returns the forms of a page.
func formsOf(t testing.TB, page shown) (list []htmlForm) {
	t.Helper()
	root := testkit.Must[*html.Node](t)(html.Parse(strings.NewReader(page.text)))
	for n := range root.Descendants() {
		if n.DataAtom == atom.Form {
			list = append(list, readForm(n))
		}
	}
	return list
}

// formTo returns the form of a page that is sent to a path by POST.
func formTo(t testing.TB, page shown, path string) htmlForm {
	t.Helper()
	for _, f := range formsOf(t, page) {
		if f.method == "post" && (f.action == path || f.action == "") {
			return f
		}
	}
	t.Fatalf("the page has no form to %s:\n%s", path, page.text)
	return htmlForm{}
}

func readForm(form *html.Node) htmlForm {
	f := htmlForm{method: attribute(form, "method"), action: attribute(form, "action"), fields: url.Values{}}
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if n.DataAtom == atom.Code && f.phrase == "" {
			f.phrase = textOf(n)
		}
		if name == "" || has(n, "disabled") {
			continue
		}
		switch n.DataAtom {
		case atom.Input:
			f.readInput(n, name)
		case atom.Textarea:
			f.fields.Add(name, textOf(n))
		case atom.Select:
			f.fields.Add(name, chosen(n))
		}
	}
	if !f.fields.Has("sure") {
		f.phrase = ""
	}
	return f
}

func (f *htmlForm) readInput(n *html.Node, name string) {
	value := attribute(n, "value")
	switch attribute(n, "type") {
	case "radio", "checkbox":
		f.blank = slices.DeleteFunc(f.blank, func(one string) bool { return one == name })
		if has(n, "checked") {
			f.fields.Add(name, value)
		}
		if has(n, "required") && !f.fields.Has(name) {
			f.blank = append(f.blank, name)
		}
	default:
		f.fields.Add(name, value)
		if value == "" && has(n, "required") {
			f.blank = append(f.blank, name)
		}
	}
}

// chosen returns the value of a list that is selected, or else the first.
func chosen(list *html.Node) (value string) {
	first := true
	for n := range list.Descendants() {
		if n.DataAtom == atom.Option && (first || has(n, "selected")) {
			value = attribute(n, "value")
			first = false
		}
	}
	return value
}

func attribute(n *html.Node, name string) string {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func textOf(n *html.Node) (text string) {
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text += d.Data
		}
	}
	return text
}

package testkit

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTMLForm is a form of a page, with what a browser would send if nobody touched it.
type HTMLForm struct {
	// Method is get or post, in lower case. Action is "" for the address of the page.
	Method, Action string
	Fields         url.Values
	// Blank are the fields that a person must fill in.
	Blank []string
	// Phrase is what the page asks to type; "" for nothing.
	Phrase string
}

// HTMLForms returns the forms of a page.
func HTMLForms(t testing.TB, page string) (list []HTMLForm) {
	t.Helper()
	root := Must[*html.Node](t)(html.Parse(strings.NewReader(page)))
	for n := range root.Descendants() {
		if n.DataAtom == atom.Form {
			list = append(list, readForm(n))
		}
	}
	return list
}

func readForm(form *html.Node) HTMLForm {
	f := HTMLForm{
		Method: strings.ToLower(attribute(form, "method")), Action: attribute(form, "action"), Fields: url.Values{},
	}
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if n.DataAtom == atom.Code && f.Phrase == "" {
			f.Phrase = textOf(n)
		}
		if name == "" || has(n, "disabled") {
			continue
		}
		switch n.DataAtom {
		case atom.Input:
			f.readInput(n, name)
		case atom.Textarea:
			f.Fields.Add(name, textOf(n))
		case atom.Select:
			f.Fields.Add(name, chosen(n))
		}
	}
	if !f.Fields.Has("sure") {
		f.Phrase = ""
	}
	return f
}

func (f *HTMLForm) readInput(n *html.Node, name string) {
	value := attribute(n, "value")
	switch attribute(n, "type") {
	case "radio", "checkbox":
		f.Blank = slices.DeleteFunc(f.Blank, func(one string) bool { return one == name })
		if has(n, "checked") {
			f.Fields.Add(name, value)
		}
		if has(n, "required") && !f.Fields.Has(name) {
			f.Blank = append(f.Blank, name)
		}
	default:
		f.Fields.Add(name, value)
		if value == "" && has(n, "required") {
			f.Blank = append(f.Blank, name)
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

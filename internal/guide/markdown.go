package guide

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	search "github.com/claviger-dev/claviger/internal/text"
)

// markdown reads documents as GitHub does, with tables. HTML in them is left out.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(blocks{}, 100))),
)

// newArticle reads a document.
func newArticle(file, source string) *Article {
	a := &Article{ID: idOf(file), Source: source}
	content := []byte(source)
	about := parser.NewContext(parser.WithIDs(ids{}))
	root := markdown.Parser().Parse(text.NewReader(content), parser.WithContext(about))
	a.outline(root, content)
	follow(root, path.Dir(file))
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, content, root); err != nil {
		panic(err) // a buffer takes everything
	}
	a.HTML = template.HTML(out.String()) // the renderer escapes texts and leaves HTML out
	return a
}

// outline takes title, summary and sections from the document, and the title out of it.
func (a *Article) outline(root ast.Node, source []byte) {
	section := Section{Level: 1}
	for n := root.FirstChild(); n != nil; {
		next := n.NextSibling()
		heading, isHeading := n.(*ast.Heading)
		switch {
		case isHeading && heading.Level == 1:
			a.Title = plain(n, source)
			root.RemoveChild(root, n)
		case isHeading && heading.Level <= 3:
			a.Sections = append(a.Sections, section)
			id, _ := heading.AttributeString("id")
			name, _ := id.([]byte)
			section = Section{
				ID: string(name), Title: plain(n, source), Level: heading.Level, Start: startOfLine(n, source),
			}
		default:
			if a.Summary == "" && n.Kind() == ast.KindParagraph {
				a.Summary = plain(n, source)
			}
			section.Text = strings.TrimSpace(section.Text + " " + plain(n, source))
		}
		n = next
	}
	a.Sections = append(a.Sections, section)
	if a.Sections[0].Text == "" {
		a.Sections = a.Sections[1:]
	} else {
		a.Sections[0].Title = a.Title
	}
	for i := range a.Sections {
		s := &a.Sections[i]
		s.title, s.text = search.Prepare(s.Title), search.Prepare(s.Text)
		s.article = search.Prepare(a.Title)
	}
}

// startOfLine returns where the line begins that a heading is in.
func startOfLine(heading ast.Node, source []byte) int {
	if heading.Lines().Len() == 0 {
		return 0 // a heading without a text
	}
	return bytes.LastIndexByte(source[:heading.Lines().At(0).Start], '\n') + 1
}

// plain returns the text of a node, in one line.
func plain(root ast.Node, source []byte) string {
	var words strings.Builder
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				words.Write(n.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					words.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				words.Write(n.Value)
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			if entering {
				words.Write(n.Lines().Value(source))
			}
		default:
			if !entering && n.Type() == ast.TypeBlock {
				words.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(words.String()), " ")
}

// follow makes the links of a document in a folder lead to articles and files of the guide. What is
// neither, such as a link to a source file, becomes the text that it was.
func follow(root ast.Node, folder string) {
	var links []*ast.Link
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := n.(*ast.Link); ok && entering {
			links = append(links, link)
		}
		return ast.WalkContinue, nil
	})
	for _, link := range links {
		to := target(string(link.Destination), folder)
		if to != "" {
			link.Destination = []byte(to)
			continue
		}
		parent := link.Parent()
		for n := link.FirstChild(); n != nil; n = link.FirstChild() {
			parent.InsertBefore(parent, link, n)
		}
		parent.RemoveChild(parent, link)
	}
}

// target returns where a link leads in the guide; "" for nowhere.
func target(address, folder string) string {
	if strings.HasPrefix(address, "#") || strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "/") {
		return address
	}
	file, fragment, hasFragment := strings.Cut(address, "#")
	file = path.Join(folder, file)
	to := "/docs/" + idOf(file)
	switch {
	case listed(file):
	case path.Dir(file) == "integrations" && !strings.HasSuffix(file, ".md"):
		to = "/docs/files/" + path.Base(file)
	case file == "README.md":
		to = "/docs"
	default:
		return ""
	}
	if hasFragment {
		to += "#" + fragment
	}
	return to
}

// ids makes the ids of headings as GitHub does, so that the links of the documents lead to them
// here, too. It counts how often each was asked for.
type ids map[string]int

// Generate implements parser.IDs.
func (used ids) Generate(value []byte, _ ast.NodeKind) []byte {
	var runes []rune
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case r == ' ':
			runes = append(runes, '-')
		case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			runes = append(runes, r)
		}
	}
	id := string(runes)
	n := used[id]
	used[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

// Put implements parser.IDs.
func (ids) Put([]byte) {}

// blocks draws code with a button that copies it, and tables that can be scrolled by keyboard.
type blocks struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (blocks) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, code)
	r.Register(ast.KindCodeBlock, code)
	r.Register(extast.KindTable, table)
}

const copyButton = `<button type="button" class="btn small" data-copy hidden>Copy</button>`

func code(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	_, _ = w.WriteString(`<div class="sample">` + copyButton + `<pre tabindex="0"><code data-text>`)
	lines := n.Lines()
	for i := range lines.Len() {
		line := lines.At(i)
		_, _ = w.Write(util.EscapeHTML(line.Value(source)))
	}
	_, err := w.WriteString("</code></pre></div>\n")
	return ast.WalkSkipChildren, err
}

func table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	tag := "</table></div>\n"
	if entering {
		tag = `<div class="wide" tabindex="0" role="group" aria-label="Table"><table class="table">` + "\n"
	}
	_, err := w.WriteString(tag)
	return ast.WalkContinue, err
}

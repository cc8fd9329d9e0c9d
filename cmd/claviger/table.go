package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// printer writes what a command answers: tables for people, or the API's own JSON.
type printer struct {
	out, err io.Writer
	json     bool
	colour   bool
}

func newPrinter(out, err io.Writer, json bool) printer {
	return printer{out: out, err: err, json: json, colour: wantsColour(out)}
}

// wantsColour follows no-color.org: none where NO_COLOR is set, nor where nobody looks.
func wantsColour(out io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(out)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// column is one thing to say of a T: a column of a list, or a line where one T is shown.
type column[T any] struct {
	title string
	text  func(T) string
}

// printList prints a list as a table.
func printList[T any](p printer, l api.List[T], columns []column[T]) error {
	if p.json {
		return p.asJSON(l)
	}
	if len(l.Items) == 0 {
		p.note("There are none.")
		return nil
	}
	rows := make([][]string, len(l.Items)+1)
	for _, c := range columns {
		rows[0] = append(rows[0], strings.ToUpper(c.title))
		for i, item := range l.Items {
			rows[i+1] = append(rows[i+1], c.text(item))
		}
	}
	return p.table(rows, true)
}

// printOne prints one thing, a line for each column that has something to say.
func printOne[T any](p printer, v T, columns []column[T]) error {
	if p.json {
		return p.asJSON(v)
	}
	var rows [][]string
	for _, c := range columns {
		if text := c.text(v); text != "" {
			rows = append(rows, []string{c.title, text})
		}
	}
	return p.table(rows, false)
}

// done says what was done where the API answers nothing.
func (p printer) done(format string, args ...any) error {
	if p.json {
		return nil
	}
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	return err
}

// note tells a person something beside the answer.
func (p printer) note(format string, args ...any) { fmt.Fprintf(p.err, format+"\n", args...) }

func (p printer) asJSON(v any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows of equally many cells in aligned columns.
func (p printer) table(rows [][]string, headed bool) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = clean(cell); i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var text strings.Builder
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(p.paint(cell, headed && n == 0 || !headed && i == 0))
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(p.out, text.String())
	return err
}

// colours of the words that a state is told by (ECMA-48).
var colours = map[string]string{"active": "32", "yes": "32", "disabled": "33", "expired": "31", "revoked": "31", "no": "31"}

func (p printer) paint(cell string, title bool) string {
	style := colours[cell]
	if title {
		style = "1"
	}
	if !p.colour || style == "" {
		return cell
	}
	return "\x1b[" + style + "m" + cell + "\x1b[0m"
}

// clean keeps a cell on its line, and what others wrote from commanding the terminal.
func clean(cell string) string { return strings.Map(printable, cell) }

func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsPrint(r):
		return r
	}
	return utf8.RuneError
}

// every reads all pages of a list, or as many as make up most items where most is not 0.
func every[T any](most int, read func(client.Page) (api.List[T], error)) (api.List[T], error) {
	all := api.List[T]{Items: []T{}}
	next, err := eachPage(most, read, func(items []T) error {
		all.Items = append(all.Items, items...)
		return nil
	})
	all.NextCursor = next
	return all, err
}

// eachPage is every, a page at a time. It gives the cursor of what was not read; nil where that is nothing.
func eachPage[T any](most int, read func(client.Page) (api.List[T], error), take func([]T) error) (next *string, err error) {
	const longest = 200
	for page, n := (client.Page{}), 0; ; page.Cursor = *next {
		if page.Limit = longest; most > 0 {
			page.Limit = min(longest, most-n)
		}
		l, err := read(page)
		if err != nil {
			return nil, err
		}
		if err := take(l.Items); err != nil {
			return nil, err
		}
		n, next = n+len(l.Items), l.NextCursor
		if next == nil || most > 0 && n >= most {
			return next, nil
		}
	}
}

func whenText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func whenOr(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return whenText(*t)
}

func orNone(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func personText(p api.Person) string {
	if p.Email == nil {
		return p.ID
	}
	return *p.Email
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func words(list []string) string { return strings.Join(list, " ") }

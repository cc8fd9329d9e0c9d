package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// printer prints the output of a command: tables for people, or the JSON of the API.
type printer struct {
	out, err io.Writer
	json     bool
	color    bool
	// With wide, lists have all columns, and texts are not truncated. With exact, times are exact.
	wide, exact bool
	// width is the maximum width of a list; 0 for no maximum.
	width int
	// ascii and asciiErr are set if out and err are terminals that can show only ASCII.
	ascii, asciiErr bool
	now             func() time.Time
}

func newPrinter(env environment, out, err io.Writer, json bool) printer {
	return printer{
		out: out, err: err, json: json, color: useColor(env, out), width: outputWidth(env, out),
		ascii: isASCII(env, out), asciiErr: isASCII(env, err), now: time.Now,
	}
}

// useColor reports whether to print colors. It follows no-color.org: no colors if NO_COLOR is set,
// or if out is not a terminal. On Windows, only Windows Terminal interprets escape sequences by
// default.
func useColor(env environment, out io.Writer) bool {
	if runtime.GOOS == "windows" && env.get("WT_SESSION") == "" {
		return false
	}
	return env.get("NO_COLOR") == "" && env.get("TERM") != "dumb" && isTerminal(out)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// column is a property of a T: a column of a list, or a line if a single T is printed.
type column[T any] struct {
	title string
	text  func(T) string
}

// printList prints a list as a table. It omits the secondary columns, given by title, without
// --wide: they repeat another column, or are rarely useful.
func printList[T any](p printer, l api.List[T], columns []column[T], secondary ...string) error {
	if p.json {
		return p.printJSON(l)
	}
	if len(l.Items) == 0 {
		p.note("Nothing found.")
		return nil
	}
	var t list
	for _, c := range columns {
		if !p.wide && slices.Contains(secondary, c.title) {
			continue
		}
		cells := make([]string, len(l.Items))
		for i, item := range l.Items {
			cells[i] = c.text(item)
		}
		t.add(c.title, cells)
	}
	return p.printFitted(t)
}

// printOne prints one object, with a line for each column that is not empty.
func printOne[T any](p printer, v T, columns []column[T]) error {
	if p.json {
		return p.printJSON(v)
	}
	var rows [][]string
	for _, c := range columns {
		if text := c.text(v); text != "" {
			rows = append(rows, []string{c.title, text})
		}
	}
	return p.printTable(rows, false)
}

// printDone prints what was done if the API returns no content.
func (p printer) printDone(format string, args ...any) error {
	if p.json {
		return nil
	}
	_, err := io.WriteString(p.out, asciiIf(fmt.Sprintf(format+"\n", args...), p.ascii))
	return err
}

// note prints a message for people on standard error.
func (p printer) note(format string, args ...any) {
	// there is no other place to report the error
	_, _ = io.WriteString(p.err, asciiIf(fmt.Sprintf(format+"\n", args...), p.asciiErr))
}

func (p printer) printJSON(v any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printTable prints rows with the same number of cells in aligned columns.
func (p printer) printTable(rows [][]string, headed bool) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			row[i] = asciiIf(sanitized(cell), p.ascii)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], textWidth(row[i]))
		}
	}
	var text strings.Builder
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(p.paint(cell, headed && n == 0 || !headed && i == 0))
			line.WriteString(strings.Repeat(" ", widths[i]-textWidth(cell)+2))
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(p.out, text.String())
	return err
}

// cellColors are the colors of words for a state, as parameters of ECMA-48.
var cellColors = map[string]string{
	"active": "32", "yes": "32", "disabled": "33", "expired": "31", "revoked": "31",
	"no": "31",
}

func (p printer) paint(cell string, title bool) string {
	style := cellColors[cell]
	if title {
		style = "1"
	}
	if !p.color || style == "" {
		return cell
	}
	return "\x1b[" + style + "m" + cell + "\x1b[0m"
}

// sanitized replaces line breaks and control characters, so that text that others wrote cannot
// control the terminal.
func sanitized(cell string) string { return strings.Map(printable, cell) }

func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsPrint(r):
		return r
	}
	return utf8.RuneError
}

// allPages reads all pages of a list, or at most limit items if limit is not 0.
func allPages[T any](limit int, read func(client.Page) (api.List[T], error)) (api.List[T], error) {
	all := api.List[T]{Items: []T{}}
	next, err := forEachPage(limit, read, func(items []T) error {
		all.Items = append(all.Items, items...)
		return nil
	})
	all.NextCursor = next
	return all, err
}

// forEachPage calls use with each page, with at most limit items in total if limit is not 0. It
// returns the cursor of the items that it did not read, or nil if it read all.
func forEachPage[T any](limit int, read func(client.Page) (api.List[T], error),
	use func([]T) error,
) (next *string, err error) {
	const pageSize = 200
	for page, n := (client.Page{}), 0; ; page.Cursor = *next {
		page.Limit = pageSize
		if limit > 0 {
			page.Limit = min(pageSize, limit-n)
		}
		l, err := read(page)
		if err != nil {
			return nil, err
		}
		if err := use(l.Items); err != nil {
			return nil, err
		}
		n, next = n+len(l.Items), l.NextCursor
		if next == nil || limit > 0 && n >= limit {
			return next, nil
		}
	}
}

// exactTime is the layout of an exact time.
const exactTime = "2006-01-02 15:04:05Z"

func timeText(t time.Time) string { return t.UTC().Format(exactTime) }

func timeOr(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return timeText(*t)
}

func valueOrEmpty[T ~string](text *T) string {
	if text == nil {
		return ""
	}
	return string(*text)
}

func personText(p api.Person) string {
	if p.Email == nil {
		return p.ID
	}
	return *p.Email
}

// partyText returns the text by which people recognise a party.
func partyText(p api.Party) string {
	for _, text := range []*string{p.Email, p.ExternalID, p.Name} {
		if text != nil {
			return *text
		}
	}
	return p.ID
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func joinWords[T ~string](list []T) string {
	var b strings.Builder
	for i, word := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(word))
	}
	return b.String()
}

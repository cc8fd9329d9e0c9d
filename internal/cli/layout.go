package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// list is a table before it is fitted to the width of the output: the cells of each column.
type list struct {
	titles  []string
	columns [][]string
}

func (l *list) add(title string, cells []string) {
	l.titles = append(l.titles, title)
	l.columns = append(l.columns, cells)
}

// Columns with a special layout, by title. Times are printed relative to now, as in "in 3 days",
// unless the user asks for exact times. Texts are truncated if the table is too wide.
var (
	timeTitles = []string{
		"created", "expires", "last used", "since", "at", "due", "re-encrypted",
		"active since",
	}
	textTitles = []string{
		"name", "owner", "e-mail", "description", "by", "target", "details", "findings", "reason", "server", "roles",
		"management key", "service account",
	}
	// idTitles are truncated last, because commands accept their values.
	idTitles = []string{"public id"}
)

// minTruncated is the minimum width of a truncated text.
const minTruncated = 8

// printFitted prints a list within the width of the terminal. If even truncated texts do not fit,
// it prints one item after the other.
func (p printer) printFitted(l list) error {
	for i, title := range l.titles {
		for j, cell := range l.columns[i] {
			if slices.Contains(timeTitles, title) && !p.exact && !p.wide {
				cell = relativeCell(cell, p.now())
			}
			l.columns[i][j] = asciiIf(sanitized(cell), p.ascii)
		}
	}
	if p.wide || p.width == 0 || p.fit(l) {
		return p.printTable(l.rows(), true)
	}
	return p.printBlocks(l)
}

// fit truncates the widest texts until the table fits, and reports whether it fits.
func (p printer) fit(l list) bool {
	widths := make([]int, len(l.titles))
	total := 2 * (len(widths) - 1)
	for i, cells := range l.columns {
		widths[i] = textWidth(l.titles[i])
		for _, cell := range cells {
			widths[i] = max(widths[i], textWidth(cell))
		}
		total += widths[i]
	}
	for total > p.width {
		i := l.widest(widths, textTitles)
		if i < 0 {
			i = l.widest(widths, idTitles)
		}
		if i < 0 {
			return false
		}
		widths[i]--
		total--
	}
	for i, cells := range l.columns {
		for j, cell := range cells {
			cells[j] = truncated(cell, widths[i], p.ellipsis())
		}
	}
	return true
}

// widest returns the index of the widest column that can still be truncated, or -1. It considers
// only the columns with these titles.
func (l list) widest(widths []int, titles []string) int {
	found := -1
	for i, title := range l.titles {
		least := max(minTruncated, textWidth(title))
		if slices.Contains(titles, title) && widths[i] > least && (found < 0 || widths[i] > widths[found]) {
			found = i
		}
	}
	return found
}

func (p printer) ellipsis() string {
	if p.ascii {
		return "..."
	}
	return "…"
}

// rows returns the lines of the table, with the titles first.
func (l list) rows() [][]string {
	rows := make([][]string, 1)
	for _, title := range l.titles {
		rows[0] = append(rows[0], strings.ToUpper(title))
	}
	for j := range l.columns[0] {
		var row []string
		for _, cells := range l.columns {
			row = append(row, cells[j])
		}
		rows = append(rows, row)
	}
	return rows
}

// printBlocks prints a list for a narrow terminal, with one line per cell.
func (p printer) printBlocks(l list) error {
	for j := range l.columns[0] {
		if j > 0 {
			if _, err := io.WriteString(p.out, "\n"); err != nil {
				return err
			}
		}
		var rows [][]string
		for i, title := range l.titles {
			if cell := l.columns[i][j]; cell != "" {
				rows = append(rows, []string{title, cell})
			}
		}
		if err := p.printTable(rows, false); err != nil {
			return err
		}
	}
	return nil
}

// truncated returns the text, shortened to a width.
func truncated(text string, width int, ellipsis string) string {
	if textWidth(text) <= width {
		return text
	}
	room := width - textWidth(ellipsis)
	var short strings.Builder
	for _, r := range text {
		room -= runeWidth(r)
		if room < 0 {
			break
		}
		short.WriteRune(r)
	}
	return short.String() + ellipsis
}

// relativeCell returns an exact time as a time relative to now. It returns other texts unchanged.
func relativeCell(cell string, now time.Time) string {
	at, err := time.Parse(exactTime, cell)
	if err != nil {
		return cell
	}
	return relativeText(at.Sub(now))
}

// relativeText returns a duration from now as text, such as "3 days ago" or "in 2 h".
func relativeText(d time.Duration) string {
	const (
		day   = 24 * time.Hour
		month = 2629746 * time.Second
		year  = 31556952 * time.Second
	)
	size := d.Abs()
	var text string
	switch {
	case size < time.Minute/2 && d <= 0:
		return "just now"
	case roundTo(size, time.Second) < 60:
		text = fmt.Sprintf("%d s", roundTo(size, time.Second))
	case roundTo(size, time.Minute) < 60:
		text = fmt.Sprintf("%d min", roundTo(size, time.Minute))
	case roundTo(size, time.Hour) < 48:
		text = fmt.Sprintf("%d h", roundTo(size, time.Hour))
	case roundTo(size, day) <= 120:
		text = fmt.Sprintf("%d days", roundTo(size, day))
	case roundTo(size, month) < 24:
		text = fmt.Sprintf("%d months", roundTo(size, month))
	default:
		text = fmt.Sprintf("%d years", roundTo(size, year))
	}
	if d < 0 {
		return text + " ago"
	}
	return "in " + text
}

func roundTo(d, unit time.Duration) int64 { return int64((d + unit/2) / unit) }

// outputWidth returns the maximum width of a line: COLUMNS, or the width of the terminal. It
// returns 0 if there is no maximum.
func outputWidth(env environment, out io.Writer) int {
	if n, err := strconv.Atoi(env.get("COLUMNS")); err == nil && n > 0 {
		return n
	}
	file, ok := out.(*os.File)
	if !ok || !isTerminal(out) {
		return 0
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// isASCII reports whether out is a terminal that is set up for a character set other than UTF-8.
func isASCII(env environment, out io.Writer) bool {
	if !isTerminal(out) {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(env.get(name)); locale != "" {
			return !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
		}
	}
	return false
}

// asciiIf returns the text, with non-ASCII characters replaced if ascii is set.
func asciiIf(text string, ascii bool) string {
	if !ascii {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, strings.ReplaceAll(text, "…", "..."))
}

// textWidth returns the number of terminal columns of a text.
func textWidth(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// wideRunes are the characters with a width of two columns (Unicode Standard Annex 11, W and F), as
// whole blocks.
var wideRunes = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x2e80, 0x303e, 1},
		{0x3041, 0xa4cf, 1},
		{0xa960, 0xa97f, 1},
		{0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff00, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x1b2ff, 1},
		{0x1f300, 0x1f64f, 1},
		{0x1f680, 0x1f6ff, 1},
		{0x1f900, 0x1f9ff, 1},
		{0x20000, 0x3fffd, 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wideRunes, r):
		return 2
	}
	return 1
}

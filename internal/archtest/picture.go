package archtest

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
)

//go:generate go test -count=1 -run TestThePictureShowsTheTable -update .

// Sizes in the picture, in pixels.
const (
	margin     = 16
	boxHeight  = 40
	boxGap     = 22
	rowGap     = 26
	titleSpace = 34 // above the rows of a band
	nameWidth  = 8  // of a character in a name
	noteWidth  = 6  // of a character in a note
	laneWidth  = 10 // of a line that passes a row
)

// A band is a layer of the table in the picture. Its boxes stand in rows: a package is above the
// packages of the same band that it imports.
type band struct {
	title string
	// lower lists the titles of the other bands with packages that this one may import.
	lower []string
	rows  [][]*box
}

// A box is one package, or the lane of a line that passes a row (then path is empty).
type box struct {
	row
	below       []*box // the ends of the lines that go down from here
	x, y, width int
}

// bandTitles are the bands from top to bottom, with their layer of the table. The layer public
// is split: programs are at the top, and what others may import is at the bottom.
var bandTitles = []struct{ title, layer string }{
	{"programs", "public"},
	{"tests", "tests"},
	{"top", "top"},
	{"entry points", "entrypoints"},
	{"shared by entry points", "shared"},
	{"outside world", "outside"},
	{"domain", "domain"},
	{"base", "base"},
	{"public API", "public"},
}

// bandOf returns the title of the band in which a package of a layer stands.
func bandOf(layer, path string) string {
	if strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "tools/") {
		return "programs"
	}
	for _, b := range slices.Backward(bandTitles) {
		if b.layer == layer {
			return b.title
		}
	}
	panic("archtest: the picture has no band for the layer " + layer)
}

// bands returns the bands of the packages that exist.
func bands(existing []string) []band {
	members := map[string][]*box{}
	titles := map[string]string{}
	for _, l := range table {
		for _, r := range l.rows {
			if slices.Contains(existing, r.path) {
				title := bandOf(l.name, r.path)
				members[title] = append(members[title], &box{row: r})
				titles[r.path] = title
			}
		}
	}
	var all []band
	for _, b := range bandTitles {
		if boxes := members[b.title]; len(boxes) > 0 {
			all = append(all, band{title: b.title, lower: lowerBands(b.title, boxes, titles), rows: arrange(boxes)})
		}
	}
	return all
}

// lowerBands returns the titles of the bands that the boxes of one band may import from.
func lowerBands(title string, boxes []*box, titles map[string]string) []string {
	used := map[string]bool{}
	for _, b := range boxes {
		for _, path := range resolve(b.imports) {
			used[titles[path]] = true
		}
	}
	var lower []string
	for _, b := range bandTitles {
		if used[b.title] && b.title != title {
			lower = append(lower, b.title)
		}
	}
	return lower
}

// arrange puts the boxes of a band into rows and orders each row so that few lines cross.
func arrange(boxes []*box) [][]*box {
	direct := directImports(boxes)
	heights := map[*box]int{}
	var height func(b *box) int
	height = func(b *box) int {
		for _, lower := range direct[b] {
			heights[b] = max(heights[b], height(lower)+1)
		}
		return heights[b]
	}
	top := 0
	for _, b := range boxes {
		top = max(top, height(b))
	}
	rows := make([][]*box, top+1)
	for _, b := range boxes {
		rows[top-heights[b]] = append(rows[top-heights[b]], b)
	}
	for _, b := range boxes {
		for _, lower := range direct[b] {
			b.below = append(b.below, addLanes(rows, top-heights[b]+1, top-heights[lower], lower))
		}
	}
	for range 8 {
		orderRows(rows)
	}
	return rows
}

// directImports returns for each box the boxes that it imports, without those that it reaches
// through another one of them.
func directImports(boxes []*box) map[*box][]*box {
	imports := map[*box][]*box{}
	for _, b := range boxes {
		paths := resolve(b.imports)
		for _, other := range boxes {
			if other != b && slices.Contains(paths, other.path) {
				imports[b] = append(imports[b], other)
			}
		}
	}
	var reaches func(from, to *box) bool
	reaches = func(from, to *box) bool {
		return slices.ContainsFunc(imports[from], func(next *box) bool { return next == to || reaches(next, to) })
	}
	direct := map[*box][]*box{}
	for from, all := range imports {
		for _, to := range all {
			if !slices.ContainsFunc(all, func(via *box) bool { return reaches(via, to) }) {
				direct[from] = append(direct[from], to)
			}
		}
	}
	return direct
}

// addLanes adds a lane to each of rows[first:last]. It returns the upper end of the line: the lane
// in rows[first], or the target itself if it added none.
func addLanes(rows [][]*box, first, last int, target *box) *box {
	end := target
	for i := last - 1; i >= first; i-- {
		end = &box{below: []*box{end}}
		rows[i] = append(rows[i], end)
	}
	return end
}

// orderRows moves each box towards the mean position of the boxes that its lines lead to.
func orderRows(rows [][]*box) {
	position := map[*box]float64{}
	for _, row := range rows {
		for i, b := range row {
			position[b] = (float64(i) + 0.5) / float64(len(row))
		}
	}
	above := map[*box][]*box{}
	for _, row := range rows {
		for _, b := range row {
			for _, lower := range b.below {
				above[lower] = append(above[lower], b)
			}
		}
	}
	for _, row := range rows {
		wanted := map[*box]float64{}
		for _, b := range row {
			sum, n := position[b], 1.0
			for _, other := range slices.Concat(b.below, above[b]) {
				sum, n = sum+position[other], n+1
			}
			wanted[b] = sum / n
		}
		slices.SortStableFunc(row, func(a, b *box) int { return cmp.Compare(wanted[a], wanted[b]) })
	}
}

// name returns the name in the box: the path without internal/.
func (b *box) name() string { return strings.TrimPrefix(b.path, "internal/") }

// measure sets the width of a box and returns it.
func (b *box) measure() int {
	b.width = laneWidth
	if b.path != "" {
		b.width = max(nameWidth*len(b.name()), noteWidth*len(b.others)) + 20
	}
	return b.width
}

// layOut sets the positions of all boxes and returns the width and the height of the picture.
func layOut(all []band) (width, height int) {
	rowWidth := func(row []*box) int {
		sum := -boxGap
		for _, b := range row {
			sum += b.measure() + boxGap
		}
		return sum
	}
	for _, b := range all {
		for _, row := range b.rows {
			width = max(width, rowWidth(row)+4*margin)
		}
	}
	height = margin
	for _, b := range all {
		height += titleSpace
		for _, row := range b.rows {
			x := (width - rowWidth(row)) / 2
			for _, box := range row {
				box.x, box.y = x, height
				x += box.width + boxGap
			}
			height += boxHeight + rowGap
		}
		height += margin/2 - rowGap + margin
	}
	return width, height + margin
}

// caption stands below the bands.
const caption = "A line leads down to a package that may be imported. Small print in a box: modules of other authors."

// pictureHead takes the width and the height.
const pictureHead = `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %d %d" width="%[1]d"
 height="%[2]d">
<title>The packages of Claviger. Each may import packages that stand below it.</title>
<style>
.page { fill: #ffffff }
.band { fill: #f1f4f8 }
.box { fill: #ffffff; stroke: #8a94a3 }
.line { fill: none; stroke: #8a94a3; stroke-width: 1.3 }
.tip { fill: #8a94a3 }
text { fill: #1c2430; font: 13px ui-monospace, Menlo, Consolas, monospace }
.title { font: 600 14px system-ui, sans-serif }
.note { fill: #566173; font: 11px system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
.page { fill: #0f141b }
.band { fill: #1a212b }
.box { fill: #28323f; stroke: #7f8b9c }
.line { stroke: #7f8b9c }
.tip { fill: #7f8b9c }
text { fill: #e8edf4 }
.note { fill: #a7b2c2 }
}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="tip" d="M0 0 8 4 0 8z"/>
</marker>
<rect class="page" width="100%%" height="100%%"/>
`

// picture returns a drawing of the packages that exist, as SVG. A line leads down from a package to
// one that it may import. There are lines only inside a band, and none where another line leads
// there indirectly.
func picture(existing []string) string {
	all := bands(existing)
	width, height := layOut(all)
	var svg strings.Builder
	fmt.Fprintf(&svg, pictureHead, width, height)
	for _, b := range all {
		b.draw(&svg, width)
	}
	fmt.Fprintf(&svg, "<text class=\"note\" x=\"%d\" y=\"%d\">%s</text>\n</svg>\n", 2*margin, height-margin/2, caption)
	return svg.String()
}

func (b band) draw(svg *strings.Builder, width int) {
	first, last := b.rows[0][0], b.rows[len(b.rows)-1][0]
	top := first.y - titleSpace
	fmt.Fprintf(svg, "<rect class=\"band\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
		margin, top, width-2*margin, last.y+boxHeight+margin/2-top)
	title := html.EscapeString(b.title)
	if len(b.lower) > 0 {
		title += ` <tspan class="note">may import: ` + html.EscapeString(strings.Join(b.lower, ", ")) + `</tspan>`
	}
	fmt.Fprintf(svg, "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", 2*margin, top+21, title)
	for _, row := range b.rows {
		for _, from := range row {
			from.drawLines(svg)
		}
	}
	for _, row := range b.rows {
		for _, box := range row {
			box.draw(svg)
		}
	}
}

// drawLines draws the lines from a box down to the next row. A lane is a part of a line.
func (b *box) drawLines(svg *strings.Builder) {
	if b.path == "" {
		fmt.Fprintf(svg, "<path class=\"line\" d=\"M%d %dv%d\"/>\n", b.x+b.width/2, b.y, boxHeight)
	}
	for _, to := range b.below {
		tip := ""
		if to.path != "" {
			tip = ` marker-end="url(#tip)"`
		}
		start := b.y + boxHeight
		middle := (start + to.y) / 2
		fmt.Fprintf(svg, "<path class=\"line\" d=\"M%d %dC%[1]d %[3]d %[4]d %[3]d %[4]d %[5]d\"%s/>\n",
			b.x+b.width/2, start, middle, to.x+to.width/2, to.y, tip)
	}
}

func (b *box) draw(svg *strings.Builder) {
	if b.path == "" {
		return
	}
	tip := b.path + " may import: " + cmp.Or(b.imports, "nothing of Claviger")
	fmt.Fprintf(svg, "<g><title>%s</title>\n", html.EscapeString(tip))
	fmt.Fprintf(svg, "<rect class=\"box\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>\n",
		b.x, b.y, b.width, boxHeight)
	baseline := b.y + 25
	if b.others != "" {
		baseline = b.y + 18
		fmt.Fprintf(svg, "<text class=\"note\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text>\n",
			b.x+b.width/2, b.y+33, html.EscapeString(b.others))
	}
	fmt.Fprintf(svg, "<text text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text></g>\n",
		b.x+b.width/2, baseline, html.EscapeString(b.name()))
}

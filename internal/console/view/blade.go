package view

import (
	"crypto/sha256"
	"html/template"
	"strconv"
	"strings"
)

// blade returns the drawing of a key: bow, shaft and six cuts. The depth of cut i is byte i of the
// SHA-256 of the id modulo 5, so that people recognise their key before they read its id. drawn is
// "" for a key that works, "off" for one that is disabled, and "out" for one that has ended.
func blade(id, drawn string) template.HTML {
	const (
		bow   = "M6 .5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 1 1 0-11zM5 4a2 2 0 1 0 0 4 2 2 0 1 0 0-4z"
		shaft = "M11 4h31l2 2-2 2h-1"
		step  = 1.4 // units of the drawing
	)
	var path strings.Builder
	path.WriteString(bow + shaft)
	sum := sha256.Sum256([]byte(id))
	for _, b := range sum[:6] {
		if b%5 == 0 { // no cut
			path.WriteString("h-4.6")
			continue
		}
		depth := strconv.FormatFloat(float64(b%5)*step, 'f', -1, 64)
		path.WriteString("l-.6 " + depth + "h-3l-1-" + depth)
	}
	path.WriteString("H11z")
	class := "blade"
	if drawn == "off" || drawn == "out" {
		class += " " + drawn
	}
	return template.HTML(`<svg class="` + class + `" viewBox="0 0 45 16" aria-hidden="true">` +
		`<path d="` + path.String() + `"/></svg>`)
}

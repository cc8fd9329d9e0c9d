package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
)

// The drawing of a key's lifecycle, in its own units: the line begins and ends at a distance from
// the edges, and its dates are at equal distances.
const (
	lineStart = 22
	lineEnd   = 826
	lineDates = 6
	lineY     = 16
	belowY    = 26
)

// lifeline draws the life of a key: when it was made, when its secret was replaced, and when it
// ends.
func (k *call) lifeline(d key.Detail) view.Lifeline {
	from, to := d.Key.CreatedAt, k.now
	ends := d.Life.Expiry.At
	if ends.After(to) {
		to = ends
	}
	if d.Previous.Until.After(to) {
		to = d.Previous.Until
	}
	if to.Sub(from) < day {
		to = from.Add(day)
	}
	x := func(at time.Time) int {
		part := float64(at.Sub(from)) / float64(to.Sub(from))
		return lineStart + int(part*(lineEnd-lineStart))
	}
	l := view.Lifeline{Start: lineStart, Now: min(x(k.now), lineEnd), End: lineEnd}
	add := func(at time.Time, y int, class, text string, strong bool) {
		l.Dots = append(l.Dots, view.Dot{X: x(at), Y: y, Class: class})
		if text != "" {
			l.Legend = append(l.Legend, view.Mark{Class: class, Text: text, Strong: strong})
		}
	}
	add(from, lineY, "", "Created "+k.date(from), false)
	var set []string
	for _, e := range d.Events {
		if e.Action == audit.ActionKeyRefresh {
			add(e.At, lineY, "", "", false)
			set = append([]string{k.date(e.At)}, set...)
		}
	}
	if len(set) > 0 {
		l.Legend = append(l.Legend, view.Mark{Text: "Regenerated " + strings.Join(set, ", ")})
	}
	add(k.now, lineY, "now", "", false)
	if until := d.Previous.Until; !until.IsZero() {
		add(until, belowY, "old", "Old secret ends "+k.date(until), false)
	}
	switch {
	case ends.IsZero():
		l.Legend = append(l.Legend, view.Mark{Class: "end", Text: "Never expires", Strong: true})
	case ends.After(k.now):
		add(ends, lineY, "end", "Expires "+k.date(ends), true)
	default:
		add(ends, lineY, "end", "Expired "+k.date(ends), true)
	}
	l.Dates = k.lineDates(from, to)
	for _, m := range l.Legend {
		l.Finding += m.Text + ". "
	}
	return l
}

// lineDates returns dates at equal distances, each for the beginning of its part: months of a long
// life, days of a short one.
func (k *call) lineDates(from, to time.Time) (list []string) {
	form := "2 Jan"
	if to.Sub(from) > 180*day {
		form = "Jan 2006"
	}
	for i := range lineDates {
		at := from.Add(time.Duration(i) * (to.Sub(from) / lineDates))
		list = append(list, at.In(k.zone).Format(form))
	}
	return list
}

// lifeNote says how old the key and its secret are, and how often that was replaced.
func (k *call) lifeNote(d key.Detail) string {
	age := k.age(d.Key.CreatedAt)
	if age == today {
		age = "created " + today
	}
	notes := []string{age}
	if !d.Key.SecretSetAt.IsZero() && !d.Key.SecretSetAt.Equal(d.Key.CreatedAt) {
		notes = append(notes, "secret "+k.age(d.Key.SecretSetAt))
	}
	n := 0
	for _, e := range d.Events {
		if e.Action == audit.ActionKeyRefresh {
			n++
		}
	}
	if n > 0 {
		notes = append(notes, fmt.Sprintf("regenerated %s", times(n)))
	}
	return strings.Join(notes, " · ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

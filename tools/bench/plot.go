package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// The size of a panel of the plot, in pixels, and the room around its axes.
const (
	panelWidth, panelHeight = 380, 260
	marginLeft, marginTop   = 56, 40
	marginRight             = 36
	marginBottom            = 44
)

// panel is one diagram: a line through points over a logarithmic or linear axis.
type panel struct {
	title, xTitle string
	points        []point
	logarithmic   bool    // the x axis
	top           float64 // the greatest y
	target        float64 // a line across; 0 for none
	format        string  // of the numbers at the y axis
}

type point struct{ x, y float64 }

// plot returns an SVG of the CPU ratio and the memory over the number of keys, and of how soon
// another node rejects a revoked key. A panel without figures is left out.
func (r result) plot() []byte {
	ratio := panel{
		title: "CPU of the baseline / CPU of Claviger", xTitle: "keys", logarithmic: true, top: 1.2, target: 0.9,
		format: "%.1f",
	}
	memory := panel{title: "resident memory, MB", xTitle: "keys", logarithmic: true, format: "%.0f"}
	for _, s := range r.Scenarios {
		if s.Keys == 0 {
			continue
		}
		ratio.points = append(ratio.points, point{float64(s.Keys), s.CPURatio})
		memory.points = append(memory.points, point{float64(s.Keys), s.ResidentBytes / 1e6})
	}
	revoked := panel{
		title: "revoked keys that another node rejects, %", xTitle: "ms after the response", top: 100, format: "%.0f",
	}
	for i, ms := range r.RevocationMillis {
		revoked.points = append(revoked.points, point{ms, 100 * float64(i+1) / float64(len(r.RevocationMillis))})
	}
	var panels []panel
	for _, p := range []panel{ratio, memory, revoked} {
		if len(p.points) > 1 {
			panels = append(panels, p)
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" `+
		`font-family="sans-serif" font-size="12">`+"\n", max(1, len(panels))*panelWidth, panelHeight)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	for i, p := range panels {
		fmt.Fprintf(&out, `<g transform="translate(%d 0)">`+"\n", i*panelWidth)
		p.draw(&out)
		out.WriteString("</g>\n")
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func (p panel) draw(out *bytes.Buffer) {
	slices.SortStableFunc(p.points, func(a, b point) int { return int(math.Copysign(1, a.x-b.x)) })
	if p.top == 0 {
		for _, at := range p.points {
			p.top = max(p.top, roundUp(at.y))
		}
	}
	fmt.Fprintf(out, `<text x="%d" y="22" font-weight="bold">%s</text>`+"\n", marginLeft, p.title)
	for step := range 5 {
		value := p.top * float64(step) / 4
		y := p.y(value)
		fmt.Fprintf(out, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", marginLeft, y, panelWidth-marginRight)
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end">`+p.format+"</text>\n", marginLeft-6, y+4, value)
	}
	for _, x := range p.ticks() {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", p.x(x),
			panelHeight-marginBottom+18, thousands(int(math.Round(x))))
	}
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (marginLeft+panelWidth-marginRight)/2,
		panelHeight-8, p.xTitle)
	if p.target > 0 {
		fmt.Fprintf(out, `<path d="M%d %.1fH%d" stroke="#c60" stroke-dasharray="5 4"/>`+"\n", marginLeft, p.y(p.target),
			panelWidth-marginRight)
	}
	out.WriteString(`<path fill="none" stroke="#06c" stroke-width="2" d="`)
	for i, at := range p.points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(out, "%s%.1f %.1f", command, p.x(at.x), p.y(at.y))
	}
	out.WriteString(`"/>` + "\n")
	if len(p.points) > 20 {
		return
	}
	for _, at := range p.points {
		fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="#06c"><title>%s: %.2f</title></circle>`+"\n",
			p.x(at.x), p.y(at.y), thousands(int(at.x)), at.y)
	}
}

// roundUp returns a number of one or two digits, and zeros, whose quarters are as short.
func roundUp(value float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(value, 1))))
	for _, digits := range []float64{1, 2, 4, 8} {
		if value <= digits*unit {
			return digits * unit
		}
	}
	return 10 * unit
}

// ticks returns the numbers at the x axis.
func (p panel) ticks() []float64 {
	if p.logarithmic {
		var all []float64
		for _, at := range p.points {
			all = append(all, at.x)
		}
		return all
	}
	last := p.points[len(p.points)-1].x
	return []float64{0, last / 2, last}
}

func (p panel) x(value float64) float64 {
	first, last := 0.0, p.points[len(p.points)-1].x
	if p.logarithmic {
		value, first = math.Log(value), math.Log(p.points[0].x)
		last = math.Log(last)
	}
	if last == first {
		return marginLeft
	}
	return marginLeft + (panelWidth-marginLeft-marginRight)*(value-first)/(last-first)
}

func (p panel) y(value float64) float64 {
	return panelHeight - marginBottom - (panelHeight-marginTop-marginBottom)*value/p.top
}

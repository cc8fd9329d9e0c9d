package view

import (
	"fmt"
	"strings"
)

// Plot shows how many requests were accepted and refused over time: accepted ones above the line,
// refused ones below it, on a scale of their own. Words beside the bars are HTML.
type Plot struct {
	// ID is unique in the page.
	ID, Title string
	// Finding is the sentence that the plot shows.
	Finding string
	// Most and MostRefused are the highest numbers, in words.
	Most, MostRefused string
	Bars              []PlotBar
	// Marks are the times below the bars, at equal distances.
	Marks []string
	// Unit is the heading of the times in the table.
	Unit string
}

// PlotBar is a point in time.
type PlotBar struct {
	Text                        string
	Accepted, Refused           string
	X, Top, Height, LowerHeight string
}

// heights of the upper and the lower part of a plot, in its own units.
const (
	upperHeight = 100
	lowerHeight = 20
)

// NewPlotBar returns bar number i, for numbers that are at most most and mostRefused.
func NewPlotBar(i int, text string, accepted, refused, most, mostRefused int64) PlotBar {
	part := func(n, of int64, height float64) float64 {
		if of == 0 {
			return 0
		}
		return height * float64(n) / float64(of)
	}
	height := part(accepted, most, upperHeight)
	return PlotBar{
		Text: text, Accepted: Thousands(accepted), Refused: Thousands(refused),
		X:   fmt.Sprintf("%.1f", float64(10*i)+1.1),
		Top: fmt.Sprintf("%.2f", upperHeight-height), Height: fmt.Sprintf("%.2f", height),
		LowerHeight: fmt.Sprintf("%.2f", part(refused, mostRefused, lowerHeight)),
	}
}

// Spark returns the points of a small line of numbers, for Cell.Spark; "" for fewer than two.
func Spark(numbers []int64) string {
	if len(numbers) < 2 {
		return ""
	}
	most := int64(1)
	for _, n := range numbers {
		most = max(most, n)
	}
	var points []string
	for i, n := range numbers {
		points = append(points, fmt.Sprintf("%.1f,%.1f", 100*float64(i)/float64(len(numbers)-1),
			18-16*float64(n)/float64(most)))
	}
	return strings.Join(points, " ")
}

// Thousands returns a number with a comma between groups of three digits.
func Thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Short returns a number in at most four digits, such as 1.51 M.
func Short(n int64) string {
	switch {
	case n >= 1_000_000_000:
		return fmt.Sprintf("%.2f G", float64(n)/1_000_000_000)
	case n >= 1_000_000:
		return fmt.Sprintf("%.2f M", float64(n)/1_000_000)
	case n >= 10_000:
		return fmt.Sprintf("%.1f k", float64(n)/1000)
	}
	return Thousands(n)
}

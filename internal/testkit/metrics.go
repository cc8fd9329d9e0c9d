package testkit

import (
	"strconv"
	"strings"
	"testing"
)

// Series are the values of a scrape, by name and labels as they are written.
type Series map[string]float64

// Scrape returns what the metrics endpoint of the server shows.
func Scrape(t testing.TB, h *Server) Series {
	t.Helper()
	_, text := Get(t, h.AdminURL+"/metrics")
	all := Series{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			name += "}"
		} else {
			name, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[name] = v
	}
	return all
}

// ExpectGrown fails the test unless the series grew by want, and the others of their families did
// not grow.
func (before Series) ExpectGrown(t testing.TB, what string, after, want Series) {
	t.Helper()
	families := map[string]bool{}
	for name := range want {
		family, _, _ := strings.Cut(name, "{")
		families[family] = true
		if _, there := after[name]; !there {
			t.Errorf("%s: there is no %s", what, name)
		}
	}
	for name, v := range after {
		family, _, _ := strings.Cut(name, "{")
		if got := v - before[name]; families[family] && got != want[name] {
			t.Errorf("%s: %s grew by %v, want %v", what, name, got, want[name])
		}
	}
}

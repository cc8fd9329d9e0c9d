package guide

import (
	"strings"
	"unicode/utf8"
)

// Parts returns the Markdown of the article in parts of at most limit bytes, which must be at least
// utf8.UTFMax. A part ends before a heading if it can, or else at the end of a line, or else in it.
func (a *Article) Parts(limit int) (parts []string) {
	start := 0
	for _, end := range a.partEnds(limit) {
		parts = append(parts, a.Source[start:end])
		start = end
	}
	return parts
}

// PartOf returns which of [Article.Parts] has the beginning of a section, counted from 1.
func (a *Article) PartOf(s Section, limit int) int {
	for i, end := range a.partEnds(limit) {
		if s.Start < end {
			return i + 1
		}
	}
	return 1
}

// partEnds returns where the parts end in Source.
func (a *Article) partEnds(limit int) (ends []int) {
	start := 0
	for len(a.Source)-start > limit {
		end := a.lastSection(start, start+limit)
		if end <= start {
			end = start + strings.LastIndexByte(a.Source[start:start+limit], '\n') + 1
		}
		if end <= start {
			end = start + limit
			for !utf8.RuneStart(a.Source[end]) {
				end--
			}
		}
		ends = append(ends, end)
		start = end
	}
	return append(ends, len(a.Source))
}

// lastSection returns where the last section begins that begins after start and not after end; 0 if
// none does.
func (a *Article) lastSection(start, end int) (last int) {
	for _, s := range a.Sections {
		if s.Start > start && s.Start <= end {
			last = s.Start
		}
	}
	return last
}

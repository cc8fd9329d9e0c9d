package docsite

import "strings"

// span is a piece of a paragraph: plain text, or `code`.
type span struct {
	Text string
	Code bool
}

// prose splits a description into paragraphs and spans. Empty lines separate paragraphs, and
// backquotes enclose code.
func prose(text string) (paragraphs [][]span) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		var spans []span
		code := false
		for part := range strings.SplitSeq(paragraph, "`") {
			if part != "" {
				spans = append(spans, span{Text: part, Code: code})
			}
			code = !code
		}
		if len(spans) > 0 {
			paragraphs = append(paragraphs, spans)
		}
	}
	return paragraphs
}

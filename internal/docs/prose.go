package docs

import "strings"

// span is a stretch of text, or of `code`.
type span struct {
	Text string
	Code bool
}

// prose reads a description: paragraphs stand between empty lines, code between backquotes.
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

package route

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The bounds of a pattern.
const (
	// MaxPattern is the length of the longest pattern, in bytes.
	MaxPattern = 512
	// MaxSegments is how many segments a pattern has at most.
	MaxSegments = 32
)

// Pattern is a compiled pattern of paths: segments that are literal, a parameter, or the rest.
//
//	/applications/{id}/keys    {id} is one segment, which is not empty
//	/files/{path...}           everything below /files/, and /files/ itself; /files is not
//	/app/                      the path with the slash only
//
// Literal segments are compared with the decoded segments of a path, with regard to case. They may
// have escapes: "/a%20b", "/%7Bx%7D".
type Pattern struct {
	// Text is the pattern in its canonical form: "/applications/{id}/keys".
	Text     string
	segments []segment
}

type segmentKind byte

const (
	literal segmentKind = iota
	parameter
	rest
)

// segment is one part of a pattern. The text is a decoded literal, or the name of a parameter.
type segment struct {
	kind segmentKind
	text string
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParsePattern compiles a pattern. The error says what would be valid.
func ParsePattern(text string) (Pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return Pattern{}, errors.New("a path begins with /")
	}
	if len(text) > MaxPattern {
		return Pattern{}, fmt.Errorf("a path has at most %d bytes", MaxPattern)
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > MaxSegments {
		return Pattern{}, fmt.Errorf("a path has at most %d segments", MaxSegments)
	}
	p := Pattern{segments: make([]segment, len(parts))}
	for i, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return Pattern{}, err
		}
		last := i == len(parts)-1
		if s.kind == literal && s.text == "" && !last {
			return Pattern{}, errors.New("a path has no empty segment: remove the second of two slashes")
		}
		if s.kind == rest && !last {
			return Pattern{}, fmt.Errorf("{%s...} is allowed only at the end of a path", s.text)
		}
		if s.kind != literal && p.index(s.text) >= 0 {
			return Pattern{}, fmt.Errorf("the name %s is in the path twice", s.text)
		}
		p.segments[i] = s
	}
	p.Text = p.canonical()
	if len(p.Text) > MaxPattern {
		return Pattern{}, fmt.Errorf("a path has at most %d bytes, with its escapes", MaxPattern)
	}
	return p, nil
}

func parseSegment(part string) (segment, error) {
	if strings.Contains(part, "*") {
		return segment{}, errors.New("a path has no *: write {name} for one segment, {rest...} for all that follow, " +
			"or %2A for the character")
	}
	if strings.ContainsAny(part, "?#") {
		return segment{}, errors.New("a path has no query string and no fragment: write %3F or %23 for the character")
	}
	if !strings.ContainsAny(part, "{}") {
		return parseLiteral(part)
	}
	inner, opened := strings.CutPrefix(part, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed {
		return segment{}, errors.New("a {name} is a whole segment: write /{name}/, or %7B and %7D for the characters")
	}
	name, isRest := strings.CutSuffix(inner, "...")
	if len(name) > maxName || !parameterName.MatchString(name) {
		return segment{}, errors.New("the name in {name} has 1 to 64 letters, digits and underscores, and " +
			"begins with no digit")
	}
	if isRest {
		return segment{kind: rest, text: name}, nil
	}
	return segment{kind: parameter, text: name}, nil
}

func parseLiteral(part string) (segment, error) {
	if strings.Contains(part, "\\") {
		return segment{}, errors.New("a path has no backslash: no request with one is accepted")
	}
	text, ok := decodePath(part)
	if !ok || strings.ContainsFunc(text, isControl) {
		return segment{}, errors.New("the path has a malformed escape, invalid UTF-8, or a slash, a backslash or a " +
			"control character that is encoded: no such request is accepted")
	}
	if text == "." || text == ".." {
		return segment{}, errors.New("a path has no segment . or ..: no request with one is accepted")
	}
	return segment{text: text}, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// index returns the index of the segment with a parameter's name; -1 if there is none.
func (p Pattern) index(name string) int {
	return slices.IndexFunc(p.segments, func(s segment) bool { return s.kind != literal && s.text == name })
}

// canonical returns the text of the pattern with exactly the escapes that it needs.
func (p Pattern) canonical() string {
	var b strings.Builder
	for _, s := range p.segments {
		b.WriteByte('/')
		switch s.kind {
		case literal:
			appendLiteral(&b, s.text)
		case parameter:
			b.WriteString("{" + s.text + "}")
		case rest:
			b.WriteString("{" + s.text + "...}")
		}
	}
	return b.String()
}

func appendLiteral(b *strings.Builder, text string) {
	for _, c := range []byte(text) {
		switch {
		case c <= ' ', c >= 0x7f, strings.IndexByte(`"#%*<>?[]^`+"`{|}", c) >= 0:
			fmt.Fprintf(b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
}

// String returns the pattern in its canonical form.
func (p Pattern) String() string { return p.Text }

// Parameters returns the names of the parameters, in order.
func (p Pattern) Parameters() []string {
	var names []string
	for _, s := range p.segments {
		if s.kind != literal {
			names = append(names, s.text)
		}
	}
	return names
}

// Matches reports whether the pattern matches the path of a request. A [Table] is quicker.
func (p Pattern) Matches(t Target) bool {
	i := 0
	for text := range t.Segments() {
		if i == len(p.segments) {
			return false
		}
		s := p.segments[i]
		if s.kind == rest {
			return true
		}
		if !s.matches(text) {
			return false
		}
		i++
	}
	return i == len(p.segments)
}

// matches reports whether a segment that is not the rest matches a decoded segment.
func (s segment) matches(text string) bool {
	if s.kind == parameter {
		return text != ""
	}
	return s.text == text
}

// Covers reports whether the pattern matches every path that the other one matches.
func (p Pattern) Covers(other Pattern) bool {
	for i, s := range p.segments {
		if i >= len(other.segments) {
			return false
		}
		if s.kind == rest {
			return true
		}
		if !s.covers(other.segments[i]) {
			return false
		}
	}
	return len(p.segments) == len(other.segments)
}

// covers reports whether a segment that is not the rest matches whatever the other one matches.
func (s segment) covers(other segment) bool {
	switch other.kind {
	case literal:
		return s.matches(other.text)
	case parameter:
		return s.kind == parameter
	default:
		return false
	}
}

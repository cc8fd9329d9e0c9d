package route

import (
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Target is the path and the query string of a request to a protected API. [ParseTarget] makes it.
type Target struct {
	// path is decoded. No segment of it contains a slash, so it is the list of its segments.
	path  string
	query string
}

// ParseTarget reads the URI of a request as the client sent it: path and query string, raw. It
// returns fault.PathAmbiguous for a path that a proxy or an API could read in another form:
//
//   - the URI is absolute, or does not begin with a slash
//   - the raw path has an encoded slash, an encoded backslash, a backslash or a byte outside ASCII;
//     path or query string has a space, a control character or a "#"
//   - the path has a bad escape, or one that decodes to a control character or to invalid UTF-8
//   - the path, decoded once, has an empty, "." or ".." segment
//
// One slash at the end is allowed. "/app/" is another path than "/app": its last segment is empty.
// A semicolon is an ordinary character of its segment. An escaped "%" is decoded once only, so
// "%252f" is the text "%2f". Of the query string nothing is read until a rule asks for a parameter.
func ParseTarget(rawURI string) (Target, error) {
	if !strings.HasPrefix(rawURI, "/") {
		return Target{}, ambiguous("The original URI must begin with a slash, and must not be absolute.")
	}
	for _, c := range []byte(rawURI) {
		if c <= ' ' || c == '#' || c == 0x7f {
			return Target{}, ambiguous("The URI has a space, a control character or a number sign.")
		}
	}
	raw, query, _ := strings.Cut(rawURI, "?")
	for _, c := range []byte(raw) {
		if c == '\\' || c >= utf8.RuneSelf {
			return Target{}, ambiguous("The path has a backslash, or a byte that must be percent-encoded.")
		}
	}
	path, ok := decodePath(raw)
	if !ok {
		return Target{}, ambiguous("The path has an escape that is malformed, not UTF-8, or stands for a " +
			"slash, a backslash or a control character.")
	}
	if !plainSegments(path) {
		return Target{}, ambiguous("The path has an empty segment, or one that is `.` or `..`.")
	}
	return Target{path: path, query: query}, nil
}

func ambiguous(message string) error { return fault.New(fault.PathAmbiguous, message) }

// decodePath decodes the escapes of a path or of a segment once. It reports false for one that is
// malformed or that decodes to a slash, a backslash, a control character or invalid UTF-8.
func decodePath(raw string) (string, bool) {
	if !strings.Contains(raw, "%") {
		return raw, utf8.ValidString(raw)
	}
	decoded := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			value, ok := escapeAt(raw, i)
			if !ok || value == '/' || value == '\\' || value < ' ' || value == 0x7f {
				return "", false
			}
			c = value
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded), utf8.Valid(decoded)
}

// escapeAt returns the byte for which the escape at an index stands.
func escapeAt(text string, at int) (byte, bool) {
	if at+2 >= len(text) {
		return 0, false
	}
	high, low := hexDigit(text[at+1]), hexDigit(text[at+2])
	return high<<4 | low, high < 16 && low < 16
}

// hexDigit returns the value of a hexadecimal digit; 255 for another byte.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// plainSegments reports whether no segment of the decoded path is ".", ".." or empty. The last one
// may be empty.
func plainSegments(path string) bool {
	rest := path[1:]
	for {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "." || segment == ".." || (segment == "" && more) {
			return false
		}
		if !more {
			return true
		}
		rest = after
	}
}

// Path returns the decoded path, which begins with a slash.
func (t Target) Path() string { return t.path }

// Segments yields the decoded segments. The last one is empty if the path ends in a slash.
func (t Target) Segments() iter.Seq[string] { return strings.SplitSeq(t.path[1:], "/") }

// segment returns the segment with an index; "" if there is none.
func (t Target) segment(index int) string {
	i := 0
	for segment := range t.Segments() {
		if i == index {
			return segment
		}
		i++
	}
	return ""
}

// parameter returns the value of a parameter of the query string, and whether it is there. It
// returns fault.PathAmbiguous if the parameter is there twice, or if the query string could be read
// in another form: it has a bad escape, a semicolon or a byte outside ASCII.
func (t Target) parameter(name string) (value string, found bool, err error) {
	for i := range len(t.query) {
		if c := t.query[i]; c == ';' || c >= utf8.RuneSelf {
			return "", false, ambiguous("The query string has a semicolon, or a byte that must be percent-encoded.")
		}
	}
	for pair := range strings.SplitSeq(t.query, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawName)
		if err != nil {
			return "", false, ambiguous("The query string has a malformed escape.")
		}
		if key != name {
			continue
		}
		if found {
			return "", false, ambiguous("The query string names the application twice.")
		}
		value, err = url.QueryUnescape(rawValue)
		if err != nil {
			return "", false, ambiguous("The query string has a malformed escape.")
		}
		found = true
	}
	return value, found, nil
}

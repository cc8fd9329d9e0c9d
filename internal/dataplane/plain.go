package dataplane

import "github.com/claviger-dev/claviger/internal/scope"

// readPlain reads the text of a request that is written as nearly all are: one object that has each
// member at most once, no headers, and strings of printable ASCII without escapes. It returns false
// for every other text, valid or not: the general decoder reads that, and says what is wrong with
// it. For the texts that both read, they read the same.
//
// The strings of the request are parts of the text. So nothing is allocated.
func (q *request) readPlain(text string) bool {
	s := scanner{rest: text}
	var seen [len(plainMembers)]bool
	ok := s.list('{', '}', func() bool {
		name, ok := s.text()
		i := memberIndex(name)
		if !ok || i < 0 || seen[i] || !s.skip(':') {
			return false
		}
		seen[i] = true
		return q.readMember(&s, name)
	})
	return ok && s.atEnd()
}

// plainMembers are the members that readPlain knows.
var plainMembers = [...]string{"credential", "scopes", "application_id", "tenant_id", "session_only", "transport", "ip"}

// memberIndex returns the index of a name in plainMembers; -1 if it is not there.
func memberIndex(name string) int {
	for i, known := range plainMembers {
		if name == known {
			return i
		}
	}
	return -1
}

// readMember reads the value of a member.
func (q *request) readMember(s *scanner, name string) (ok bool) {
	switch name {
	case "credential":
		q.Credential.sent = true
		q.Credential.text, ok = s.text()
	case "scopes":
		return s.list('[', ']', func() bool {
			one, ok := s.text()
			q.Scopes = append(q.Scopes, scope.Scope(one))
			return ok
		})
	case "application_id":
		q.ApplicationID, ok = s.text()
	case "tenant_id":
		q.TenantID, ok = s.text()
	case "session_only":
		q.SessionOnly, ok = s.boolean()
	case "transport":
		q.Transport, ok = s.text()
	case "ip":
		q.IP, ok = s.text()
	}
	return ok
}

// scanner reads JSON from the beginning of a text. What it does not know it does not read.
type scanner struct{ rest string }

// space skips white space.
func (s *scanner) space() {
	for s.rest != "" && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\r' || s.rest[0] == '\t') {
		s.rest = s.rest[1:]
	}
}

// atEnd reports whether nothing but white space is left.
func (s *scanner) atEnd() bool {
	s.space()
	return s.rest == ""
}

// next reports whether c comes next, after white space.
func (s *scanner) next(c byte) bool {
	s.space()
	return s.rest != "" && s.rest[0] == c
}

// skip reads c, after white space.
func (s *scanner) skip(c byte) bool {
	if !s.next(c) {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// list reads a list or an object. one reads each of its parts.
func (s *scanner) list(begin, end byte, one func() bool) bool {
	if !s.skip(begin) {
		return false
	}
	if s.skip(end) {
		return true
	}
	for one() {
		if !s.skip(',') {
			return s.skip(end)
		}
	}
	return false
}

// text reads a string of printable ASCII without escapes.
func (s *scanner) text() (text string, ok bool) {
	if !s.skip('"') {
		return "", false
	}
	for i := range len(s.rest) {
		switch c := s.rest[i]; {
		case c == '"':
			text, s.rest = s.rest[:i], s.rest[i+1:]
			return text, true
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		}
	}
	return "", false
}

// boolean reads true or false.
func (s *scanner) boolean() (value, ok bool) {
	s.space()
	for _, value := range [...]bool{true, false} {
		name := "false"
		if value {
			name = "true"
		}
		if len(s.rest) >= len(name) && s.rest[:len(name)] == name {
			s.rest = s.rest[len(name):]
			return value, true
		}
	}
	return false, false
}

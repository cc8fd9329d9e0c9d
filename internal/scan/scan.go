// Package scan finds keys in text, without a server.
//
// A key of style token is known by its checksum, so that a text of the same form is not taken for
// one. A pair and a client have no checksum and are known by their form, which is unlikely
// elsewhere. Keys are also found where HTTP Basic carries them: the scheme and base64, and
// id:secret as curl -u takes it. A uuid is found in Basic alone: elsewhere it looks like any other
// UUID. docs/scanners.md has the patterns.
package scan

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Finding is a key that was found, without its secret.
type Finding struct {
	// Line and Column begin at 1. Column counts bytes; in a text of UTF-16, its units.
	Line, Column int
	Style        credential.Style
	// Checksum is set where the key's checksum was there and matches.
	Checksum bool
	// Masked is the key with … in the place of its secret.
	Masked string
}

const (
	// maxKeyLength is how far from its anchor the text of a key goes: base64 of the longest
	// credential is the longest.
	maxKeyLength = 256
	// chunk is how much is read at once, and bounds the memory whatever the length of lines.
	chunk = 64 << 10
)

// Read finds the keys in a text, in order, and calls found for each. It ends with the first error
// of either. Any bytes will do: a text of UTF-16 is known by its byte-order mark.
func Read(r io.Reader, found func(Finding) error) error {
	s := scanner{found: found, line: 1, column: 1}
	r = decodeUTF16(r)
	buf := make([]byte, 0, chunk+2*maxKeyLength)
	for done := false; !done; {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		done = errors.Is(err, io.EOF)
		if err != nil && !done {
			return err
		}
		end := len(buf)
		if !done {
			end -= maxKeyLength // an anchor behind it is looked at with what follows it
		}
		if err := s.scanWindow(buf, end); err != nil {
			return err
		}
		keep := max(0, s.nextAnchor-maxKeyLength)
		s.nextAnchor -= keep
		s.counted -= keep
		buf = buf[:copy(buf, buf[keep:])]
	}
	return nil
}

// scanner examines a text window by window.
type scanner struct {
	found func(Finding) error
	// nextAnchor is the first byte of the window that was not looked at as an anchor.
	nextAnchor int
	// counted is up to where line and column have come.
	counted, line, column int
}

// scanWindow looks at the anchors of the window up to end. An anchor is the byte around which a key
// is recognised: the underscore before a token's id, the colon of a pair, the space after Basic.
func (s *scanner) scanWindow(window []byte, end int) error {
	for ; s.nextAnchor < end; s.nextAnchor++ {
		at := s.nextAnchor
		c, ok := candidate{}, false
		switch window[at] {
		case '_':
			c, ok = matchToken(window, at)
		case ':':
			c, ok = matchPair(window, at)
		case ' ', '\t':
			c, ok = matchBasic(window, at)
		}
		if !ok {
			continue
		}
		s.advanceTo(window, c.start)
		f := Finding{Line: s.line, Column: s.column, Style: c.style, Checksum: c.checksum, Masked: c.masked}
		if err := s.found(f); err != nil {
			return err
		}
	}
	s.advanceTo(window, s.nextAnchor-maxKeyLength)
	return nil
}

// advanceTo moves line and column on to a place in the window.
func (s *scanner) advanceTo(window []byte, to int) {
	if to <= s.counted {
		return
	}
	text := window[s.counted:to]
	s.line += bytes.Count(text, newline)
	if last := bytes.LastIndexByte(text, '\n'); last >= 0 {
		s.column = len(text) - last
	} else {
		s.column += len(text)
	}
	s.counted = to
}

var newline = []byte{'\n'}

// candidate is a key as it stands in a window.
type candidate struct {
	start    int
	style    credential.Style
	checksum bool
	masked   string
}

const mask = "…"

// The layout of keys, in characters; see package credential, which has the last word on each.
const (
	tokenID     = 16
	tokenSecret = 48
	maxWords    = 2*credential.MaxWordLength + 1
	pairID      = 24
	pairSecret  = 72
	clientMark  = "oauth2-"
	clientID    = 22
	maxDomain   = 64
	clientKey   = 43
)

// matchToken recognises <prefix>_<label>_<id>_<secret> around the underscore before its id. What
// stands right before it may look like a part of its prefix, as the n of a \n does: the checksum
// says where it begins.
func matchToken(window []byte, at int) (c candidate, ok bool) {
	id := window[at+1:]
	if len(id) < tokenID+1+tokenSecret || id[tokenID] != '_' || prefixLen(id, isBase62) != tokenID ||
		prefixLen(id[tokenID+1:], isBase62) < tokenSecret {
		return c, false
	}
	end := at + 1 + tokenID + 1 + tokenSecret
	for start := at - suffixLen(window[:at], isWord, maxWords); start < at; start++ {
		if _, ok := credential.Parse(string(window[start:end])); ok {
			masked := string(window[start:end-tokenSecret]) + mask
			return candidate{start, credential.Token, true, masked}, true
		}
	}
	return c, false
}

// matchPair recognises <id>:<secret> around its colon: a pair, a client, and the two halves of a
// token, as HTTP Basic takes them.
func matchPair(window []byte, at int) (c candidate, ok bool) {
	before, after := window[:at], window[at+1:]
	start := at
	length := prefixLen(after, isBase62)
	switch length {
	case pairSecret:
		start -= pairID
		if suffixLen(before, isHex, pairID+1) != pairID {
			return c, false
		}
	case clientKey:
		domain := suffixLen(before, isDomain, maxDomain)
		start -= domain + 1 + clientID + len(clientMark)
		if start < 0 {
			return c, false
		}
	case tokenSecret:
		label := at - tokenID - 1
		if label < 0 || before[label] != '_' {
			return c, false
		}
		start = labelStart(before[:label])
	default:
		return c, false
	}
	p, ok := credential.ParsePair(string(window[start:at]), string(after[:length]))
	return candidate{start: start, style: p.Style, masked: string(window[start:at+1]) + mask}, ok
}

// labelStart returns where the longest label begins that a text ends in; its end where there is
// none.
func labelStart(text []byte) int {
	start := len(text) - suffixLen(text, isWord, credential.MaxWordLength)
	for start < len(text) && text[start] == '_' {
		start++
	}
	return start
}

// matchBasic recognises the credential of HTTP Basic behind the white space after its scheme.
func matchBasic(window []byte, at int) (c candidate, ok bool) {
	start := at - len(basic)
	if start < 0 || !bytes.EqualFold(window[start:at], basic) {
		return c, false
	}
	text := window[at+1:]
	text = text[:prefixLen(text, isBase64)]
	if len(text) > maxKeyLength-1 {
		return c, false
	}
	plain := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(plain, text)
	id, secret, colon := bytes.Cut(plain[:n], []byte{':'})
	if err != nil || !colon {
		return c, false
	}
	p, ok := credential.ParsePair(string(id), string(secret))
	if !ok || p.Style == credential.UUID && !bytes.HasPrefix(id, keyMark) {
		return c, false // any user's password may be a UUID
	}
	return candidate{start: start, style: p.Style, masked: "Basic " + string(id) + ":" + mask}, true
}

var (
	basic = []byte("basic")
	// keyMark begins the id of a key, which stands in for the public id of a uuid.
	keyMark = []byte("key_")
)

// Classes of bytes.
const (
	isBase62 = 1 << iota
	isHex
	isDomain
	isWord
	isBase64
)

var class = func() (table [256]byte) {
	for c := '0'; c <= '9'; c++ {
		table[c] = isBase62 | isHex | isDomain | isBase64
	}
	for c := 'A'; c <= 'Z'; c++ {
		table[c] = isBase62 | isBase64
	}
	for c := 'a'; c <= 'z'; c++ {
		table[c] = isBase62 | isBase64 | isDomain | isWord
	}
	for c := 'a'; c <= 'f'; c++ {
		table[c] |= isHex
	}
	table['.'] = isDomain
	table['-'] = isDomain
	table['_'] = isWord
	table['+'], table['/'] = isBase64, isBase64
	return table
}()

// prefixLen returns how many bytes of a class a text begins with.
func prefixLen(text []byte, want byte) int {
	for i, c := range text {
		if class[c]&want == 0 {
			return i
		}
	}
	return len(text)
}

// suffixLen returns how many bytes of a class a text ends in, at most so many.
func suffixLen(text []byte, want byte, most int) int {
	n := 0
	for n < min(len(text), most) && class[text[len(text)-1-n]]&want != 0 {
		n++
	}
	return n
}

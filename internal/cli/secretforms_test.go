package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	endian "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// canary is a secret text that must not be found anywhere.
type canary struct {
	name, text string
	// digests are digests of the text that must not be found either.
	digests [][]byte
	// complete is set if parts of the text are not secret.
	complete bool
	// home is the file that may contain it.
	home string
}

// newCanary returns a canary that includes the plain SHA-256 of the text.
func newCanary(name, text string) canary {
	sum := sha256.Sum256([]byte(text))
	return canary{name: name, text: text, digests: [][]byte{sum[:]}}
}

// pieceLength is the length of the pieces that are searched. A part of a canary with twice this
// length is always found, and no other text contains a piece by chance.
const pieceLength = 12

// spellings returns all encodings of a canary, by name.
func (c canary) spellings() map[string][]byte {
	all := map[string][]byte{}
	spell(all, "", []byte(c.text))
	for i := 0; !c.complete && i+pieceLength <= len(c.text); i += pieceLength {
		spell(all, fmt.Sprintf("characters %d to %d, ", i+1, i+pieceLength), []byte(c.text[i:i+pieceLength]))
	}
	for _, d := range c.digests {
		spell(all, "digest, ", d)
	}
	for name, text := range map[string]string{
		"JSON": quotedJSON(c.text, true), "JSON for scripts": quotedJSON(c.text, false),
		"JSON, slashes escaped": strings.ReplaceAll(quotedJSON(c.text, true), "/", `\/`),
		"Go":                    strings.Trim(strconv.Quote(c.text), `"`), "query": url.QueryEscape(c.text),
		"path":                          (&url.URL{Path: c.text}).EscapedPath(),
		"path segment":                  url.PathEscape(c.text),
		"user info":                     strings.TrimPrefix(url.UserPassword("", c.text).String(), ":"),
		"JSON, every character escaped": escapeAll(c.text, `\u%04x`),
		"JSON, EVERY character escaped": escapeAll(c.text, `\u%04X`),
		"URL, every character escaped":  escapeAll(c.text, `%%%02x`),
		"URL, EVERY character escaped":  escapeAll(c.text, `%%%02X`),
	} {
		all[name], all[name+", small"] = []byte(text), []byte(escape.ReplaceAllStringFunc(text, strings.ToLower))
	}
	return all
}

// escape matches an escaped character in a URL.
var escape = regexp.MustCompile(`%[0-9A-F]{2}`)

// quotedJSON returns the text as a JSON string, with or without escapes for HTML.
func quotedJSON(text string, inPages bool) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(inPages)
	_ = e.Encode(text) // marshaling a string never fails
	return strings.Trim(out.String(), "\"\n")
}

// spell adds the encodings of binary data: raw, hex, and base64 at any position in longer data.
func spell(all map[string][]byte, name string, text []byte) {
	all[name+"raw"] = text
	all[name+"hex"] = []byte(hex.EncodeToString(text))
	all[name+"HEX"] = bytes.ToUpper(all[name+"hex"])
	for skip := range 3 {
		all[fmt.Sprintf("%sbase64 after %d", name, skip)] = innerBase64(base64.RawStdEncoding, text, skip)
		all[fmt.Sprintf("%sbase64url after %d", name, skip)] = innerBase64(base64.RawURLEncoding, text, skip)
	}
}

// innerBase64 returns the base64 characters that depend only on the text, if before (modulo 3)
// other bytes come before it.
func innerBase64(e *base64.Encoding, text []byte, before int) []byte {
	whole := e.AppendEncode(nil, append(make([]byte, before), text...))
	first := (before*8 + 5) / 6
	last := (before + len(text)) * 8 / 6
	return whole[first:last]
}

func escapeAll(text, format string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&out, format, b)
	}
	return out.String()
}

// find searches for every encoding. It returns what it found and the text before it; "" for
// nothing.
func (c canary) find(text []byte) (found string) {
	newTrawl(c).find(text, func(m mark, at int) {
		if found == "" {
			found = m.at(text, at)
		}
	})
	return found
}

// trawl finds many encodings of many canaries in one pass, because write-ahead logs are long.
type trawl struct {
	// marks are the encodings by the hash of their start.
	marks map[uint32][]mark
	// holes is the set of hashes.
	holes [1 << 16]bool
}

// mark is an encoding of a canary.
type mark struct {
	canary
	spelling string
	text     []byte
}

// at returns what was found, and the text before it.
func (m mark) at(text []byte, at int) string {
	return fmt.Sprintf("%s, after %q", m.spelling, text[max(0, at-60):at])
}

// commonStart is the number of bytes of an encoding that are hashed.
const commonStart = 8

// startHash returns the hash of the first bytes of an encoding, as a number in little-endian order.
func startHash(start uint64) uint32 {
	return uint32(start * 0x9E3779B97F4A7C15 >> 48) // Fibonacci hashing
}

func newTrawl(canaries ...canary) *trawl {
	n := &trawl{marks: map[uint32][]mark{}}
	for _, c := range canaries {
		for name, text := range c.spellings() {
			h := startHash(endian.LittleEndian.Uint64(text))
			n.marks[h], n.holes[h] = append(n.marks[h], mark{c, name, text}), true
		}
	}
	return n
}

// find calls found with each encoding in the text and its position. It shares no memory with other
// goroutines. Without the race detector, it is ten times as fast.
//
//go:norace
func (n *trawl) find(text []byte, found func(m mark, at int)) {
	var start uint64 // the last 8 bytes
	for i, b := range text {
		start = start>>8 | uint64(b)<<56
		h := startHash(start)
		if !n.holes[h] {
			continue
		}
		at := i + 1 - commonStart
		for _, m := range n.marks[h] {
			if at >= 0 && bytes.HasPrefix(text[at:], m.text) {
				found(m, at)
			}
		}
	}
}

func TestASecretIsFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	c := newCanary("canary", "p/ss+w?rd@h:1 of forty~bytes, with \"é\" and \\n")
	sum := sha256.Sum256([]byte(c.text))
	words := map[string]string{
		"raw": c.text, "hex": fmt.Sprintf("%x", c.text), "HEX": fmt.Sprintf("%X", c.text), "digest": string(sum[:]),
		"digest in hex": fmt.Sprintf("%x", sum),
		"query":         url.Values{"q": {c.text}}.Encode(), "path": (&url.URL{Path: "/" + c.text}).EscapedPath(),
		"user info": url.UserPassword("user", c.text).String(), "cut": c.text[3:27],
	}
	for n := range 6 {
		in, sumIn := strings.Repeat("x", n)+c.text+strings.Repeat("y", n), "x"+strings.Repeat("y", n)+string(sum[:])
		words[fmt.Sprintf("padded base64 after %d", n)] = base64.StdEncoding.EncodeToString([]byte(in))
		words[fmt.Sprintf("bare base64url after %d", n)] = base64.RawURLEncoding.EncodeToString([]byte(in))
		words[fmt.Sprintf("digest in base64 after %d", n)] = base64.StdEncoding.EncodeToString([]byte(sumIn))
	}
	inPages, err := json.Marshal(map[string]string{"k": c.text})
	must(t, err)
	words["JSON"], words["JSON of other programs"] = string(inPages),
		strings.ReplaceAll(quotedJSON(c.text, false), "/", `\/`)
	words["small query"] = escape.ReplaceAllStringFunc(words["query"], strings.ToLower)
	words["log"] = strconv.Quote(c.text)
	words["cut, in hex"], words["cut, in base64"] = fmt.Sprintf("%x", c.text[5:30]),
		base64.StdEncoding.EncodeToString([]byte(c.text[5:30]))
	for how, text := range words {
		if c.find([]byte("before "+text+" after")) == "" {
			t.Errorf("%s: the search does not find it in %q", how, text)
		}
	}
	if found := c.find([]byte(strings.Repeat("an honest text of some length ", 100))); found != "" {
		t.Errorf("an honest text holds %s", found)
	}
}

package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// canary is a text that must be found nowhere.
type canary struct {
	name, text string
	// digests of it that must not be found either.
	digests [][]byte
	// whole is set where parts of it are no secret.
	whole bool
	// home is the file that may hold it.
	home string
}

// newCanary gives a canary whose plain SHA-256 is forbidden too.
func newCanary(name, text string) canary {
	sum := sha256.Sum256([]byte(text))
	return canary{name: name, text: text, digests: [][]byte{sum[:]}}
}

// pieceLength is how much of a canary is too much: any run of twice this length is found; and no honest text holds one by chance.
const pieceLength = 12

// spellings of a canary by their names.
func (c canary) spellings() map[string][]byte {
	all := map[string][]byte{}
	spell(all, "", []byte(c.text))
	for i := 0; !c.whole && i+pieceLength <= len(c.text); i += pieceLength {
		all[fmt.Sprintf("characters %d to %d", i+1, i+pieceLength)] = []byte(c.text[i : i+pieceLength])
	}
	quoted, _ := json.Marshal(c.text) // a string always marshals
	all["JSON"] = bytes.Trim(quoted, `"`)
	all["JSON, every character escaped"] = []byte(escapeAll(c.text, `\u%04x`))
	all["query"] = []byte(url.QueryEscape(c.text))
	all["path"] = []byte((&url.URL{Path: c.text}).EscapedPath())
	all["path segment"] = []byte(url.PathEscape(c.text))
	all["user info"] = []byte(strings.TrimPrefix(url.UserPassword("", c.text).String(), ":"))
	all["URL, every character escaped"] = []byte(escapeAll(c.text, `%%%02X`))
	for _, d := range c.digests {
		spell(all, "digest, ", d)
	}
	return all
}

// spell adds what binary text is written as: raw, hex, and base64 wherever in a longer text it stands.
func spell(all map[string][]byte, name string, text []byte) {
	all[name+"raw"] = text
	all[name+"hex"] = []byte(hex.EncodeToString(text))
	all[name+"HEX"] = bytes.ToUpper(all[name+"hex"])
	for skip := range 3 {
		all[fmt.Sprintf("%sbase64 after %d", name, skip)] = innerBase64(base64.RawStdEncoding, text, skip)
		all[fmt.Sprintf("%sbase64url after %d", name, skip)] = innerBase64(base64.RawURLEncoding, text, skip)
	}
}

// innerBase64 gives the characters that depend on the text alone when so many other bytes stand before it (modulo 3), whatever follows.
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

// find looks for every spelling, and says what it found and after what; "" for nothing.
func (c canary) find(text []byte) string {
	spellings := c.spellings()
	for _, name := range slices.Sorted(maps.Keys(spellings)) {
		if at := bytes.Index(text, spellings[name]); at >= 0 {
			return fmt.Sprintf("%s, after %q", name, text[max(0, at-60):at])
		}
	}
	return ""
}

func TestASecretIsFoundInEverySpelling(t *testing.T) {
	c := newCanary("canary", "p/ss+w?rd@h:1 of forty~bytes, with \"é\" and \\n")
	sum := sha256.Sum256([]byte(c.text))
	words := map[string]string{
		"raw": c.text, "hex": fmt.Sprintf("%x", c.text), "HEX": fmt.Sprintf("%X", c.text), "digest": string(sum[:]), "digest in hex": fmt.Sprintf("%x", sum),
		"query": url.Values{"q": {c.text}}.Encode(), "path": (&url.URL{Path: "/" + c.text}).EscapedPath(), "user info": url.UserPassword("user", c.text).String(), "cut": c.text[3:27],
	}
	for n := range 6 {
		in, sumIn := strings.Repeat("x", n)+c.text+strings.Repeat("y", n), "x"+strings.Repeat("y", n)+string(sum[:])
		words[fmt.Sprintf("padded base64 after %d", n)] = base64.StdEncoding.EncodeToString([]byte(in))
		words[fmt.Sprintf("bare base64url after %d", n)] = base64.RawURLEncoding.EncodeToString([]byte(in))
		words[fmt.Sprintf("digest in base64 after %d", n)] = base64.StdEncoding.EncodeToString([]byte(sumIn))
	}
	quoted, err := json.Marshal(map[string]string{"k": c.text})
	must(t, err)
	words["JSON"] = string(quoted)
	for how, text := range words {
		if c.find([]byte("before "+text+" after")) == "" {
			t.Errorf("%s: the search does not find it in %q", how, text)
		}
	}
	if found := c.find([]byte(strings.Repeat("an honest text of some length ", 100))); found != "" {
		t.Errorf("an honest text holds %s", found)
	}
}

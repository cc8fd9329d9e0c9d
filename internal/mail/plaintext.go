package mail

import (
	"regexp"
	"strings"

	"github.com/claviger-dev/claviger/internal/text"
)

// plainText makes text that people wrote harmless in a message. It replaces invisible characters
// and line breaks by spaces, so that such text never begins a line or a header. It also breaks
// everything that a mail program would turn into a link: a message contains one link, which is
// Claviger's.
func plainText(s string) string {
	return breakLinks(strings.Map(func(r rune) rune {
		if !text.Plain(string(r)) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " ")))
}

var (
	// scheme matches the start of an address with a scheme: http://x, mailto:x. A time of day has a
	// digit before its colon.
	scheme = regexp.MustCompile(`(\p{L}[\p{L}\p{N}+.-]*)[:：]([^\s])`)
	// dot matches a dot before a letter, also other characters that mean a dot: every host name
	// ends in letters, after any characters. ipAddress matches an IPv4 address with a port or a
	// path.
	dot       = regexp.MustCompile(`(\S)([.。．｡․])([\p{M}\p{Cf}]*[\p{L}_-])`)
	ipAddress = regexp.MustCompile(`([0-9])([.。．｡․])([0-9]+[.。．｡․][0-9]+[.。．｡․][0-9]+[:/?#])`)
	// uncPath matches the start of a file name on another machine.
	uncPath = regexp.MustCompile(`(\\|/)(\\|/)`)
)

// breakLinks breaks what mail programs turn into links but keeps it readable: evil[.]example,
// http[:]/ /x.
func breakLinks(s string) string {
	s = scheme.ReplaceAllString(s, "$1[:]$2")
	for {
		broken := dot.ReplaceAllString(s, "$1[$2]$3")
		if broken == s {
			break
		}
		s = broken
	}
	s = ipAddress.ReplaceAllString(s, "$1[$2]$3")
	for {
		broken := uncPath.ReplaceAllString(s, "$1 $2")
		if broken == s {
			return s
		}
		s = broken
	}
}

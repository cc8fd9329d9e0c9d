package identity

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/text"
)

// maxEmail is the longest address, in bytes and in the form in which mail is sent (RFC 5321
// section 4.5.3.1.3, less the two angle brackets).
const maxEmail = 254

// NormalEmail returns an address as it is stored and shown: without space around it, in NFC (RFC
// 6532 section 3.1), and otherwise as it was written.
func NormalEmail(email string) string { return norm.NFC.String(strings.TrimSpace(email)) }

// CanonicalEmail returns the one form for all spellings of an address, which identifies a person:
// the local part with case folded, the domain in ASCII. No provider in use distinguishes addresses
// by case, and two users whose addresses differ only in case would be an attack.
func CanonicalEmail(email string) string {
	email = NormalEmail(email)
	local, _, _ := cutDomain(email)
	_, domain, _ := cutDomain(DeliveryEmail(email))
	if domain == "" {
		return foldCase(email)
	}
	return foldCase(local) + "@" + foldCase(domain)
}

// DeliveryEmail returns an address in the form in which mail is sent to it: with its domain as DNS
// knows it (IDNA2008 as processed by Unicode Technical Standard 46). It returns an address whose
// domain has no such form unchanged.
func DeliveryEmail(email string) string {
	local, domain, found := cutDomain(email)
	ascii, err := domains.ToASCII(domain)
	if !found || err != nil {
		return email
	}
	return local + "@" + ascii
}

// domains accepts only host names that DNS can hold.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckJoiners(true),
	idna.StrictDomainName(true), idna.ValidateLabels(true), idna.VerifyDNSLength(true))

// isDomain reports whether DNS can hold the name.
func isDomain(domain string) bool {
	_, err := domains.ToASCII(domain)
	return err == nil
}

// cutDomain cuts an address at its last @, since a local part in quotes may contain others.
func cutDomain(email string) (local, domain string, found bool) {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return email, "", false
	}
	return email[:at], email[at+1:], true
}

// foldCase folds case by Unicode's simple folding, which maps one character to one: Σ, σ and ς are
// the same. No character outside ASCII becomes one inside it, since that is another mailbox: the
// kelvin sign is not folded to k.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		// SimpleFold goes around all letters that differ only in case. The least one stands for
		// all.
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if other >= utf8.RuneSelf {
				least = min(least, other)
			}
		}
		if lower := unicode.ToLower(least); lower >= utf8.RuneSelf {
			return lower
		}
		return r
	}, s)
}

// EmailFaults returns what is wrong with an address in the field email. It must be one plain
// address without hidden characters, so that mail to it goes to nobody else.
func EmailFaults(email string) []fault.Field {
	refuse := func(message string) []fault.Field {
		return []fault.Field{{Name: "email", Code: "form", Message: message}}
	}
	normal := NormalEmail(email)
	address, err := mail.ParseAddress(normal)
	if err != nil || address.Address != normal {
		return refuse("Use one plain e-mail address, such as name@example.com.")
	}
	if strings.ContainsFunc(normal, func(r rune) bool { return !text.Visible(r) }) {
		return refuse("The address has a space or a character that cannot be seen. Leave it out.")
	}
	if _, domain, _ := cutDomain(normal); !isDomain(domain) {
		return refuse("Use an address whose domain is a valid host name.")
	}
	if len(DeliveryEmail(normal)) > maxEmail {
		return refuse(fmt.Sprintf("Use an address of at most %d bytes.", maxEmail))
	}
	return nil
}

// Storable reports whether a database can hold a text: PostgreSQL stores neither NUL nor invalid
// UTF-8.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

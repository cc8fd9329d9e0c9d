// Package mail renders notices as e-mail and brings them to people: by SMTP, or where there is no mail server as files.
//
// A message goes to the one address on file for its recipient and to nobody else. It has a plain and an HTML part, which say the same; its Message-ID follows
// from the notice, so that whoever gets it twice can tell. Nothing in it is secret, and whatever people wrote is made plain before it is put anywhere.
package mail

import (
	"bytes"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

// Desk writes the messages.
type Desk struct {
	// From is who they are from.
	From mail.Address
	// Base is the URL that people reach Claviger by.
	Base string
}

// errAddress refuses an address that could mean somebody else, or more.
var errAddress = &notice.Failure{Verdict: notice.Never, Reason: "The address on file is not one plain e-mail address."}

// message renders a letter. Headers and parts depend on the letter alone.
func (d Desk) message(l notice.Letter) ([]byte, error) {
	if len(identity.EmailFaults(l.To.Email)) > 0 {
		return nil, errAddress
	}
	w := d.words(l)
	text, html, err := w.render()
	if err != nil {
		return nil, err
	}
	id := string(l.ID)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(id))
	m.FromMailAddress(&d.From)
	m.ToMailAddress(&mail.Address{Address: l.To.Email})
	m.Subject(w.Subject)
	m.SetMessageIDWithValue(id + d.From.Address[strings.LastIndexByte(d.From.Address, '@'):])
	m.SetDateWithValue(l.Date)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's machine answers it
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, html)
	var b bytes.Buffer
	_, err = m.WriteTo(&b)
	return b.Bytes(), err
}

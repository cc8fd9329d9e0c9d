// Package mail renders notices as e-mail and sends them by SMTP, or writes them as files if there
// is no mail server.
//
// A message is sent only to the address on file of its recipient. Its plain and its HTML part say
// the same. Its Message-ID follows from the notice, so that a recipient can recognize a message
// that arrives twice. It contains nothing secret, and text that people wrote is made harmless
// first.
package mail

import (
	"bytes"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

// Renderer renders the messages.
type Renderer struct {
	// From is the sender address.
	From mail.Address
	// Base is the public URL of Claviger.
	Base string
}

// errAddress refuses an address that is not exactly one plain address.
var errAddress = &notice.Failure{
	Disposition: notice.Never,
	Reason:      "The address on file is not one plain e-mail address.",
}

// message renders a message. Its headers and parts depend only on the notice.
func (d Renderer) message(l notice.Message) ([]byte, error) {
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
	m.ToMailAddress(&mail.Address{Address: identity.DeliveryEmail(l.To.Email)})
	m.Subject(w.Subject)
	m.SetMessageIDWithValue(id + d.From.Address[strings.LastIndexByte(d.From.Address, '@'):])
	m.SetDateWithValue(l.Date)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: automatic responders do not answer it
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, html)
	var b bytes.Buffer
	_, err = m.WriteTo(&b)
	return b.Bytes(), err
}

package mail

import (
	"bytes"
	_ "embed"
	htmltemplate "html/template"
	"math"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/text"
)

// words are what a message says.
type words struct {
	Subject, Greeting, Lead string
	Rows                    []row
	Advice                  string // ours
	Link                    string
}

// row is one fact.
type row struct{ Name, Value string }

var (
	//go:embed notice.txt
	textSource string
	//go:embed notice.html
	htmlSource string

	textForm = template.Must(template.New("notice.txt").Parse(textSource))
	htmlForm = htmltemplate.Must(htmltemplate.New("notice.html").Parse(htmlSource))
)

func (w words) render() (text, html string, err error) {
	var t, h bytes.Buffer
	if err := textForm.Execute(&t, w); err != nil {
		return "", "", err
	}
	err = htmlForm.Execute(&h, w)
	return t.String(), h.String(), err
}

// words gives what a letter says.
func (d Desk) words(l notice.Letter) words {
	var w words
	switch l.Kind {
	case notice.KeyExpiring:
		w = expiring(l)
	case notice.KeyExpired:
		w = expired(l)
	case notice.KeyIdle:
		w = idle(l)
	case notice.KeyCreated:
		w = created(l)
	case notice.KeyRefreshed:
		w = refreshed(l)
	case notice.KeyRevealed:
		w = revealed(l)
	case notice.KeyDisabled:
		w = disabled(l)
	case notice.KeyRevoked:
		w = revoked(l)
	case notice.NewSignIn:
		w = signedIn(l)
	}
	w.Link, w.Greeting = d.Base, "Hello"
	if l.To.Name != "" {
		w.Greeting += " " + l.To.Name
	}
	w.Subject, w.Greeting, w.Lead = plain(w.Subject), plain(w.Greeting), plain(w.Lead)
	for i := range w.Rows {
		w.Rows[i].Value = plain(w.Rows[i].Value)
	}
	return w
}

func expiring(l notice.Letter) words {
	f := l.Facts
	left := int(math.Ceil(f.Expiry.At.Sub(l.Date).Hours() / 24))
	return words{
		Subject: "Your API key \"" + f.KeyName + "\" expires " + within(left),
		Lead:    "Your API key \"" + f.KeyName + "\" expires " + within(left) + ". From then on it is refused everywhere.",
		Rows:    append(keyRows(l), row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)}),
		Advice:  "Refresh it before, and give the new secret to whatever uses the key. If nothing does, revoke it.",
	}
}

func expired(l notice.Letter) words {
	f := l.Facts
	return words{
		Subject: "Your API key \"" + f.KeyName + "\" has expired",
		Lead:    "Your API key \"" + f.KeyName + "\" has expired. It is refused everywhere.",
		Rows:    append(keyRows(l), row{"Expired", moment(f.Expiry.At) + because(f.Expiry.Reason)}),
		Advice:  "For 30 days you can bring it back by refreshing it, which gives it a new secret.",
	}
}

func idle(l notice.Letter) words {
	f := l.Facts
	return words{
		Subject: "Your API key \"" + f.KeyName + "\" will be disabled: nobody uses it",
		Lead:    "Nobody uses your API key \"" + f.KeyName + "\". If that stays so, it will be disabled, as the tenant asks of such keys, and refused everywhere from then on.",
		Rows:    append(keyRows(l), lastUse(f), row{"Disabled after", moment(f.IdleAt)}),
		Advice:  "Using it once is enough to keep it. If nothing needs it, revoke it. Once it is disabled, only an admin of the tenant can enable it again.",
	}
}

func created(l notice.Letter) words {
	f := l.Facts
	w := words{
		Subject: "An API key was made for you: \"" + f.KeyName + "\"",
		Lead:    who(f.By) + " made an API key for you, \"" + f.KeyName + "\". What is done with it is done in your name.",
		Rows:    append(keyRows(l), row{"Made", moment(l.At)}),
		Advice:  "Its secret was shown to whoever made it. If you did not expect this, revoke the key.",
	}
	if f.ByLink {
		w.Advice = "It has no secret yet: you make it, and see it once, by the link that you are given for that, within 7 days. If you did not expect this, revoke the key."
	}
	if !f.Expiry.At.IsZero() {
		w.Rows = append(w.Rows, row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)})
	}
	return w
}

func refreshed(l notice.Letter) words {
	f := l.Facts
	w := words{
		Subject: "Your API key \"" + f.KeyName + "\" has a new secret",
		Lead:    who(f.By) + " gave your API key \"" + f.KeyName + "\" a new secret.",
		Rows:    append(keyRows(l), row{"Refreshed", moment(l.At)}),
		Advice:  "If you did not expect this, revoke the key and change your password.",
	}
	if !f.Expiry.At.IsZero() {
		w.Rows = append(w.Rows, row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)})
	}
	return w
}

func revealed(l notice.Letter) words {
	f := l.Facts
	return words{
		Subject: "The secret of your API key \"" + f.KeyName + "\" was shown again",
		Lead:    who(f.By) + " had the secret of your API key \"" + f.KeyName + "\" shown again.",
		Rows:    append(keyRows(l), row{"Shown", moment(l.At)}, row{"Address", f.Address}),
		Advice:  "If this was not you, somebody has your password or your session: refresh the key, which gives it a new secret, and change your password, which ends every session.",
	}
}

func disabled(l notice.Letter) words {
	f := l.Facts
	w := words{
		Subject: "Your API key \"" + f.KeyName + "\" was disabled",
		Lead:    who(f.By) + " disabled your API key \"" + f.KeyName + "\". It is refused everywhere until it is enabled.",
		Rows:    append(keyRows(l), row{"Disabled", moment(l.At)}),
		Advice:  "Only an admin of the tenant can enable it again.",
	}
	if f.IdleDays > 0 {
		w.Lead = "Your API key \"" + f.KeyName + "\" was disabled since nobody used it. It is refused everywhere until it is enabled."
		w.Rows = append(w.Rows, lastUse(f), row{"Days unused that the tenant allows", strconv.Itoa(f.IdleDays)})
	}
	return w
}

func revoked(l notice.Letter) words {
	f, verb := l.Facts, "revoked"
	if f.Deleted {
		verb = "deleted"
	}
	w := words{
		Subject: "Your API key \"" + f.KeyName + "\" was " + verb,
		Lead:    who(f.By) + " " + verb + " your API key \"" + f.KeyName + "\". It is refused everywhere, for good.",
		Advice:  "If something still needs a key, make another one. If you did not expect this, ask an admin of the tenant.",
	}
	if f.Keys > 0 {
		w.Subject = "You left \"" + l.TenantName + "\", and your API keys with you"
		w.Lead = who(f.By) + " ended your membership in \"" + l.TenantName + "\". Your API keys there were " + verb + ": they are refused everywhere, for good."
		w.Rows = []row{{"Keys", strconv.FormatInt(f.Keys, 10)}}
	} else {
		w.Rows = keyRows(l)
	}
	if f.Why != "" {
		w.Rows = append(w.Rows, row{"Reason", f.Why})
	}
	w.Rows = append(w.Rows, row{"When", moment(l.At)})
	return w
}

func signedIn(l notice.Letter) words {
	return words{
		Subject: "New sign-in to Claviger",
		Lead:    "Somebody signed in as you from an address or a device that was not seen before.",
		Rows:    []row{{"When", moment(l.At)}, {"Address", l.Facts.Address}, {"Device", l.Facts.Agent}},
		Advice:  "If this was you, there is nothing to do. If not, change your password: that ends every session.",
	}
}

// keyRows tell which key it is.
func keyRows(l notice.Letter) []row {
	rows := []row{{"Key", l.Facts.KeyName}, {"Tenant", l.TenantName}, {"Public id", l.Facts.PublicID}}
	if l.Facts.Last4 != "" {
		rows = append(rows, row{"Secret ends in", l.Facts.Last4})
	}
	return rows
}

func lastUse(f notice.Facts) row {
	if f.LastUsedAt.IsZero() {
		return row{"Last used", "never"}
	}
	return row{"Last used", moment(f.LastUsedAt)}
}

func within(days int) string {
	if days <= 1 {
		return "within a day"
	}
	return "in " + strconv.Itoa(days) + " days"
}

func because(r policy.Reason) string {
	switch r {
	case policy.ByMaxLifetime:
		return " (the account's maximum lifetime)"
	case policy.ByAutoExpiry:
		return " (the account's automatic expiry)"
	}
	return ""
}

func moment(at time.Time) string { return at.UTC().Format("2 January 2006, 15:04 UTC") }

// who begins a sentence.
func who(by string) string {
	switch by {
	case notice.Self:
		return "You"
	case "":
		return "The operator of the server"
	}
	return by
}

// plain puts a space for whatever does not show itself, line breaks too: nothing that people wrote begins a line, and least of all a header.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !text.Plain(string(r)) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

package mail

import (
	"bytes"
	_ "embed"
	htmltemplate "html/template"
	"math"
	"strconv"
	"text/template"
	"time"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// wording has the texts of a message.
type wording struct {
	Subject, Greeting, Lead string
	Rows                    []row
	Advice                  string // fixed text
	Link                    string
	// Why says why the person receives the message.
	Why string
	// path is the path of a one-time link before its token; "" if the message has none.
	path string
}

// row is one fact of a message, such as the name of the key.
type row struct{ Name, Value string }

var (
	//go:embed notice.txt
	textSource string
	//go:embed notice.html
	htmlSource string

	textForm = template.Must(template.New("notice.txt").Parse(textSource))
	htmlForm = htmltemplate.Must(htmltemplate.New("notice.html").Parse(htmlSource))
)

func (w wording) render() (text, html string, err error) {
	var t, h bytes.Buffer
	if err := textForm.Execute(&t, w); err != nil {
		return "", "", err
	}
	err = htmlForm.Execute(&h, w)
	return t.String(), h.String(), err
}

// words returns the texts of a message.
func (d Renderer) words(l notice.Message) wording {
	var w wording
	switch l.Kind {
	case notice.KeyExpiring:
		w = keyExpiring(l)
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
	case notice.FailedSignIns:
		w = failedSignIns(l)
	case notice.RecoveryCodeUsed:
		w = recoveryCodeUsed(l)
	case notice.PasswordReset:
		w = passwordReset(l)
	case notice.EmailChangeNew:
		w = emailChangeNew(l)
	case notice.EmailChangeOld:
		w = emailChangeOld(l)
	case notice.EmailChanged:
		w = emailChanged(l)
	case notice.Invitation:
		w = invitation(l)
	case notice.KeyClaim:
		w = keyClaim(l)
	case notice.Test:
		w = test(l)
	}
	w.Link, w.Greeting = d.Base+w.path+l.Token.Reveal(), "Hello"
	if l.Facts.ServiceAccount != "" {
		w.Why = "You receive this message because you are a steward of this service account, or because it has no " +
			"steward and you are an admin of its tenant."
	}
	if w.Why == "" {
		w.Why = "You receive this message because it is about your account or your keys in Claviger."
	}
	if l.To.Name != "" {
		w.Greeting += " " + l.To.Name
	}
	w.Subject = plainText(w.Subject)
	w.Greeting = plainText(w.Greeting)
	w.Lead = plainText(w.Lead)
	for i := range w.Rows {
		w.Rows[i].Value = plainText(w.Rows[i].Value)
	}
	return w
}

func keyExpiring(l notice.Message) wording {
	f := l.Facts
	left := int(math.Ceil(f.Expiry.At.Sub(l.Date).Hours() / 24))
	return wording{
		Subject: yourKey(f, "Your") + " expires " + within(left),
		Lead: yourKey(f, "Your") + " expires " + within(left) +
			". After that it is rejected everywhere.",
		Rows: append(keyRows(l), row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)}),
		Advice: "Refresh it before that time, and give the new secret to the programs that use the key. " +
			"If nothing uses it, revoke it.",
	}
}

func expired(l notice.Message) wording {
	f := l.Facts
	return wording{
		Subject: yourKey(f, "Your") + " has expired",
		Lead:    yourKey(f, "Your") + " has expired. It is rejected everywhere.",
		Rows:    append(keyRows(l), row{"Expired", moment(f.Expiry.At) + because(f.Expiry.Reason)}),
		Advice:  "You can refresh it within 30 days. It then gets a new secret and works again.",
	}
}

func idle(l notice.Message) wording {
	f := l.Facts
	return wording{
		Subject: yourKey(f, "Your") + " will be disabled: nobody uses it",
		Lead: "Nobody uses " + yourKey(f, "your") +
			". The tenant disables keys that nobody uses. A disabled key is rejected everywhere.",
		Rows: append(keyRows(l), lastUse(f), row{"Disabled after", moment(f.IdleAt)}),
		Advice: "Use it once to keep it. If nothing needs it, revoke it. " +
			"After it is disabled, only an admin of the tenant can enable it again.",
	}
}

func created(l notice.Message) wording {
	f := l.Facts
	w := wording{
		Subject: "An API key was created for you: \"" + f.KeyName + "\"",
		Lead: who(f.By) + " created the API key \"" + f.KeyName +
			"\" for you. Everything that is done with this key is done in your name.",
		Rows:   append(keyRows(l), row{"Created", moment(l.At)}),
		Advice: "The person who created it has seen its secret. If you did not expect this, revoke the key.",
	}
	if f.ServiceAccount != "" {
		owner := "the service account \"" + f.ServiceAccountName + "\""
		w.Subject = "An API key was created for " + owner + ": \"" + f.KeyName + "\""
		w.Lead = who(f.By) + " created the API key \"" + f.KeyName + "\" for " + owner + "."
		w.Advice = "The person who created it has seen its secret. " +
			"If you did not expect this, ask an admin of the tenant."
	}
	if f.ByLink {
		w.Advice = "It has no secret yet. You will get a link that creates the secret and shows it to you once. " +
			"Open the link within 7 days. If you did not expect this, revoke the key."
	}
	if !f.Expiry.At.IsZero() {
		w.Rows = append(w.Rows, row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)})
	}
	return w
}

func refreshed(l notice.Message) wording {
	f := l.Facts
	w := wording{
		Subject: yourKey(f, "Your") + " has a new secret",
		Lead:    who(f.By) + " refreshed " + yourKey(f, "your") + ". It has a new secret.",
		Rows:    append(keyRows(l), row{"Refreshed", moment(l.At)}),
		Advice:  "If you did not expect this, revoke the key and change your password.",
	}
	if !f.Expiry.At.IsZero() {
		w.Rows = append(w.Rows, row{"Expires", moment(f.Expiry.At) + because(f.Expiry.Reason)})
	}
	return w
}

func revealed(l notice.Message) wording {
	f := l.Facts
	return wording{
		Subject: "The secret of " + yourKey(f, "your") + " was shown again",
		Lead:    who(f.By) + " viewed the secret of " + yourKey(f, "your") + " again.",
		Rows:    append(keyRows(l), row{"Shown", moment(l.At)}, row{"Address", f.Address}),
		Advice: "If this was not you, somebody has your password or your session. " +
			"Refresh the key to give it a new secret, " +
			"and change your password to end every session.",
	}
}

func disabled(l notice.Message) wording {
	f := l.Facts
	w := wording{
		Subject: yourKey(f, "Your") + " was disabled",
		Lead: who(f.By) + " disabled " + yourKey(f, "your") +
			". It is rejected everywhere until somebody enables it again.",
		Rows:   append(keyRows(l), row{"Disabled", moment(l.At)}),
		Advice: "Only an admin of the tenant can enable it again.",
	}
	if f.IdleDays > 0 {
		w.Lead = yourKey(f, "Your") +
			" was disabled because nobody used it. It is rejected everywhere until somebody enables it again."
		w.Rows = append(w.Rows, lastUse(f), row{"Days without use that the tenant allows", strconv.Itoa(f.IdleDays)})
	}
	return w
}

func revoked(l notice.Message) wording {
	f, verb := l.Facts, "revoked"
	if f.Deleted {
		verb = "deleted"
	}
	w := wording{
		Subject: yourKey(f, "Your") + " was " + verb,
		Lead: who(f.By) + " " + verb + " " + yourKey(f, "your") + ". " +
			"It is rejected everywhere. This cannot be undone.",
		Advice: "If something still needs a key, create another one. " +
			"If you did not expect this, ask an admin of the tenant.",
	}
	if f.Keys > 0 {
		w.Subject = "Your membership in \"" + l.TenantName + "\" has ended, and your API keys were " + verb
		w.Lead = who(f.By) + " ended your membership in \"" + l.TenantName + "\". Your API keys there were " + verb +
			". They are rejected everywhere. This cannot be undone."
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

func signedIn(l notice.Message) wording {
	return wording{
		Subject: "New sign-in to Claviger",
		Lead:    "Somebody signed in to your account from a new address or a new device.",
		Rows:    []row{{"When", moment(l.At)}, {"Address", l.Facts.Address}, {"Device", l.Facts.Agent}},
		Advice: "If this was you, you do not have to do anything. " +
			"If it was not, change your password. This ends every session.",
	}
}

func failedSignIns(l notice.Message) wording {
	return wording{
		Subject: "Somebody is guessing your password",
		Lead:    "Somebody who does not know your password is trying to sign in to your account in Claviger.",
		Rows:    []row{{"Failed sign-ins", strconv.Itoa(l.Facts.Attempts)}, {"When", moment(l.At)}},
		Advice: "None of the passwords was correct. " +
			"You can still sign in from an address and a device that you have used before. " +
			"From elsewhere you may have to wait, or to request a link to set a new password. " +
			"Use a password that you do not use anywhere else.",
	}
}

func recoveryCodeUsed(l notice.Message) wording {
	return wording{
		Subject: "A recovery code was used to sign in to Claviger",
		Lead:    "Somebody signed in to your account with a recovery code in the place of your authenticator app.",
		Rows: []row{
			{"When", moment(l.At)},
			{"Address", l.Facts.Address},
			{"Device", l.Facts.Agent},
			{"Recovery codes left", strconv.Itoa(l.Facts.CodesLeft)},
		},
		Advice: "If this was you, create new recovery codes before you run out of them. " +
			"If it was not, change your password at once. This ends every session.",
	}
}

func passwordReset(l notice.Message) wording {
	return wording{
		Subject: "Set a new password for Claviger",
		Lead:    "Somebody requested a link to set a new password for your account.",
		Rows: []row{
			{"When", moment(l.At)},
			{"Address", l.Facts.Address},
			{"The link is valid until", moment(l.Facts.Until)},
		},
		Advice: "If this was you, open the link. It works once, and setting the password ends every session. " +
			"If it was not you, do nothing. Your password stays the same.",
		path: "/password-resets/",
	}
}

func emailChangeNew(l notice.Message) wording {
	return wording{
		Subject: "Confirm your e-mail address for Claviger",
		Lead:    "Somebody asks to use this e-mail address for their account in Claviger.",
		Rows:    []row{{"When", moment(l.At)}, {"The link is valid until", moment(l.Facts.Until)}},
		Advice: "If this was you, open the link. It works once. If a link was sent to your present address, too, the " +
			"address changes after both were used, and you then sign in with the new one. " +
			"If it was not you, do nothing. The address is not used.",
		Why:  "You receive this message because somebody entered your e-mail address in Claviger.",
		path: "/email-changes/",
	}
}

func emailChangeOld(l notice.Message) wording {
	return wording{
		Subject: "Confirm that your e-mail address for Claviger changes",
		Lead:    "Somebody who is signed in as you asks to change the e-mail address of your account.",
		Rows: []row{
			{"New address", l.Facts.Email},
			{"When", moment(l.At)},
			{"Address", l.Facts.Address},
			{"The link is valid until", moment(l.Facts.Until)},
		},
		Advice: "If this was you, open the link. It works once. The address changes after the link that was sent to " +
			"the new address was used as well. " +
			"If it was not you, somebody uses your account: change your password at once. " +
			"That cancels the change and ends every session.",
		path: "/email-changes/",
	}
}

func emailChanged(l notice.Message) wording {
	return wording{
		Subject: "Your e-mail address for Claviger was changed",
		Lead:    "Your account in Claviger has another e-mail address now. Messages no longer go to this one.",
		Rows:    []row{{"When", moment(l.At)}, {"Address", l.Facts.Address}},
		Advice: "If this was you, you do not have to do anything. " +
			"If it was not, tell the operator of the server at once.",
		Why: "You receive this message because it was the e-mail address of your account in Claviger.",
	}
}

func invitation(l notice.Message) wording {
	return wording{
		Subject: "Invitation to \"" + l.TenantName + "\" in Claviger",
		Lead:    who(l.Facts.By) + " invites you to the tenant \"" + l.TenantName + "\" in Claviger.",
		Rows: []row{
			{"Tenant", l.TenantName},
			{"Role", string(l.Facts.Role)},
			{"The link is valid until", moment(l.Facts.Until)},
		},
		Advice: "If you expected this invitation, open the link. It works once. " +
			"If you have an account with this address, " +
			"enter its password. Otherwise choose a name and a password. If you did not expect it, do nothing.",
		Why:  "You receive this message because somebody entered your e-mail address to invite you.",
		path: "/invitations/",
	}
}

func keyClaim(l notice.Message) wording {
	w := created(l)
	w.Rows = append(w.Rows, row{"The link is valid until", moment(l.Facts.Until)})
	w.Advice = "It has no secret yet. Sign in and open the link. " +
		"It works once: it creates the secret and shows it to you. " +
		"Nobody else has the link. If you did not expect this, revoke the key."
	w.path = "/claims/"
	return w
}

func test(l notice.Message) wording {
	return wording{
		Subject: "Test message from Claviger",
		Lead:    "This is the test message that you sent to yourself. Messages of Claviger reach this address.",
		Rows:    []row{{"Account", l.Facts.AccountName}, {"Sent by you", moment(l.At)}},
		Advice:  "You do not have to do anything.",
		Why:     "You receive this message because you pressed a button in Claviger.",
	}
}

// keyRows returns the rows that identify the key.
func keyRows(l notice.Message) []row {
	rows := []row{{"Key", l.Facts.KeyName}, {"Tenant", l.TenantName}, {"Public id", l.Facts.PublicID}}
	if l.Facts.ServiceAccount != "" {
		rows = append(rows, row{"Service account", l.Facts.ServiceAccountName})
	}
	if l.Facts.Last4 != "" {
		rows = append(rows, row{"Secret ends in", l.Facts.Last4})
	}
	return rows
}

// yourKey names the key that the message is about: the recipient's own, or that of a service
// account. your is "your" or "Your".
func yourKey(f notice.Facts, your string) string {
	if f.ServiceAccount == "" {
		return your + " API key \"" + f.KeyName + "\""
	}
	the := map[string]string{"your": "the", "Your": "The"}[your]
	return the + " API key \"" + f.KeyName + "\" of the service account \"" + f.ServiceAccountName + "\""
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

// who returns the name of a person for the beginning of a sentence.
func who(by string) string {
	switch by {
	case notice.Self:
		return "You"
	case "":
		return "The operator of the server"
	}
	return by
}

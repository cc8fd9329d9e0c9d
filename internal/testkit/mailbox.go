package testkit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// Mailbox is a server that writes its mail into files, with a tenant and a member who receives it.
type Mailbox struct {
	*testing.T
	*Server
	MainTenant tenancy.Tenant
	Recipient  principal.Person
	seen       map[string]bool
}

// NewMailbox starts a server on the engine that writes its mail into files.
func NewMailbox(t *testing.T, e Engine) *Mailbox {
	t.Helper()
	return NewMailboxOn(t, Start(t, e))
}

// NewMailboxOn adds a tenant and a member to a running server that writes its mail into files.
func NewMailboxOn(t *testing.T, h *Server) *Mailbox {
	t.Helper()
	p := &Mailbox{T: t, Server: h, seen: map[string]bool{}}
	p.MainTenant = h.Tenant("Main", nil)
	p.Recipient = h.Member(p.MainTenant, "Key Owner", scope.Member)
	return p
}

// AsRecipient returns a client with a new session of the recipient: sessions expire as time moves
// on.
func (p *Mailbox) AsRecipient() *client.Client {
	p.Helper()
	return p.As(p.Recipient)
}

// NoError ends the test if there is an error.
func (p *Mailbox) NoError(err error) {
	p.Helper()
	NoError(p.T, err)
}

// SendPass plans and sends notices once. It returns the subjects of the new messages, sorted.
func (p *Mailbox) SendPass() []string {
	p.Helper()
	p.NoError(p.Notices.Plan(p.Context()))
	p.NoError(p.Notices.SendDue(p.Context()))
	subjects := []string{}
	for name, m := range p.Files() {
		if !p.seen[name] {
			p.seen[name] = true
			subjects = append(subjects, MailHeader(p.T, m, "Subject"))
		}
	}
	slices.Sort(subjects)
	return subjects
}

// Files returns the messages by their file names.
func (p *Mailbox) Files() map[string]string {
	p.Helper()
	all := map[string]string{}
	dir := p.File("mail")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return all
	}
	p.NoError(err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") { // and not one that is being written
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			p.NoError(err)
			all[e.Name()] = string(content)
		}
	}
	return all
}

// ExpectSent fails the test unless SendPass sends exactly the messages with these subjects.
func (p *Mailbox) ExpectSent(when string, want ...string) {
	p.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), p.SendPass()); diff != "" {
		p.Errorf("%s (- wanted, + sent):\n%s", when, diff)
	}
}

// NewKey creates a key of the recipient. It expires after the duration, or as the policy says if
// that is 0.
func (p *Mailbox) NewKey(name string, expires time.Duration) api.IssuedKey {
	p.Helper()
	n := api.CreateKeyRequest{Name: name, Scopes: []string{"applications:read"}, AllApplications: true}
	if expires != 0 {
		at := p.Clock.Now().Add(expires)
		n.ExpiresAt = &at
	}
	k, err := p.AsRecipient().CreateKey(p.Context(), string(p.MainTenant.ID), n)
	p.NoError(err)
	return k
}

// LimitLifetime sets the maximum lifetime of keys in the account policy.
func (p *Mailbox) LimitLifetime(days int) {
	p.Helper()
	_, err := p.As(p.Owner).EditPolicy(p.Context(), string(p.Account.ID),
		api.UpdatePolicyRequest{MaxLifetimeDays: api.To(days)})
	p.NoError(err)
}

// Elapse lets time pass, runs the job that disables idle keys, and calls ExpectSent.
func (p *Mailbox) Elapse(d time.Duration, want ...string) {
	p.Helper()
	p.Clock.Move(d)
	DisableIdleKeys(p.T, p.Server)
	p.ExpectSent("after "+d.String(), want...)
}

// UseKey makes a request with the key.
func (p *Mailbox) UseKey(k api.IssuedKey) {
	p.Helper()
	_, err := p.With(k).Whoami(p.Context())
	p.NoError(err)
}

// SMTPMailbox is a Mailbox whose server sends to a mail server. That answers every recipient with
// ReplyCode while it is not 0.
type SMTPMailbox struct {
	*Mailbox
	MailServer *MailServer
	ReplyCode  atomic.Int64
}

// NewSMTPMailbox starts a server on the engine, and the mail server that it sends to.
func NewSMTPMailbox(t *testing.T, e Engine) *SMTPMailbox {
	t.Helper()
	p := &SMTPMailbox{MailServer: StartMailServer(t)}
	p.MailServer.OnRecipient = func(string) error {
		if code := p.ReplyCode.Load(); code != 0 {
			return &smtp.SMTPError{Code: int(code), Message: "no"}
		}
		return nil
	}
	c := e.Config(t)
	c.Mail.SMTP, c.Mail.TLS = config.MailServer(p.MailServer.Address), config.NoMailTLS
	p.Mailbox = NewMailboxOn(t, StartIn(t, c))
	return p
}

// SendDue sends what is due, and returns how many messages the mail server has accepted so far.
func (p *SMTPMailbox) SendDue() int {
	p.Helper()
	p.NoError(p.Notices.SendDue(p.Context()))
	return len(p.MailServer.Received())
}

// CountIn returns the number of notices in the state.
func (p *SMTPMailbox) CountIn(s notice.State) int {
	p.Helper()
	list, err := p.Notices.List(p.Context(), s, 200)
	p.NoError(err)
	return len(list)
}

// PlanNotices plans n notices about keys that do not exist, and returns their ids.
func (p *SMTPMailbox) PlanNotices(n int) (ids []ident.NoticeID) {
	p.Helper()
	var all []notice.Notice
	for i := range n {
		f := notice.Facts{Tenant: p.MainTenant.ID, KeyName: fmt.Sprintf("Key %d", i)}
		all = append(all,
			notice.OfKey(notice.KeyRevoked, p.Recipient.ID, ident.KeyID(fmt.Sprintf("key_%d", i)), p.Clock.Now(), f))
		ids = append(ids, all[i].ID)
	}
	for range 2 { // the second time they are known
		p.NoError(p.Store.PlanNotices(p.Context(), all))
	}
	return ids
}

// Mails sends what is due, and returns all messages of the kind that the mail server has accepted.
func (p *SMTPMailbox) Mails(t *testing.T, kind notice.Kind) (mails []Mail) {
	t.Helper()
	p.NoError(p.Identity.MailResets(t.Context()))
	p.SendDue()
	list, err := p.Notices.List(t.Context(), notice.Sent, 200)
	p.NoError(err)
	of := map[string]bool{}
	for _, e := range list {
		of[string(e.ID)] = e.Kind == kind
	}
	for _, m := range p.MailServer.Received() {
		if of[m.ID(t)] {
			mails = append(mails, m)
		}
	}
	return mails
}

// ResetToken requests a password reset, and returns the token that was mailed.
func (p *SMTPMailbox) ResetToken(t *testing.T, who principal.Person) string {
	t.Helper()
	before := len(p.Mails(t, notice.PasswordReset))
	p.NoError(p.Anyone().RequestPasswordReset(t.Context(), who.Email))
	mails := p.Mails(t, notice.PasswordReset)
	if len(mails) != before+1 || mails[before].To != who.Email {
		t.Fatalf("%d messages, want %d", len(mails), before+1)
	}
	return MailedToken(t, p.Server, mails[before], "/password-resets/")
}

// RestartWithSMTP restarts the server with its mail server in the settings.
func (p *SMTPMailbox) RestartWithSMTP() {
	p.Config.Mail.SMTP, p.Config.Mail.TLS = config.MailServer(p.MailServer.Address), config.NoMailTLS
	p.Restart()
}

// InvitationToken returns the token in the last invitation that was mailed to the address.
func (p *SMTPMailbox) InvitationToken(t *testing.T, email string) string {
	t.Helper()
	mails := p.Mails(t, notice.Invitation)
	for i := len(mails) - 1; i >= 0; i-- {
		if strings.EqualFold(mails[i].To, email) {
			return MailedToken(t, p.Server, mails[i], "/invitations/")
		}
	}
	t.Fatalf("nothing was mailed to %s", email)
	return ""
}

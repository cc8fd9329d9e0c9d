package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// newMailVisit is newOwnerVisit on a server that sends to a mail server.
func newMailVisit(t *testing.T) (*visit, *testkit.SMTPMailbox) {
	t.Helper()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	d := &visit{Server: p.Server, tenant: p.MainTenant, person: p.Owner, visitor: newVisitor(t, p.URL)}
	d.signIn(d.person)
	return d, p
}

// buttons returns the paths of the buttons of a page that end with a text.
func buttons(t testing.TB, page shown, end string) (paths []string) {
	t.Helper()
	for _, f := range testkit.HTMLForms(t, page.text) {
		if strings.HasSuffix(f.Action, end) {
			paths = append(paths, f.Action)
		}
	}
	return paths
}

func TestAnOwnerSendsAFailedMessageOfTheAccountAgain(t *testing.T) {
	t.Parallel()
	d, p := newMailVisit(t)
	list := d.inAccount("mail")
	d.get(list).see(t, "no message", http.StatusOK, "No message yet.")
	k := p.NewKey("Nightly export", 0)
	p.ReplyCode.Store(550)
	_, err := p.AsRecipient().RefreshKey(t.Context(), string(d.tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
	testkit.NoError(t, err)
	p.SendDue()
	page := d.get(list)
	for _, text := range []string{"A key was regenerated", "Nightly export", p.Recipient.Email, "Failed"} {
		page.see(t, "the failed message", http.StatusOK, text)
	}
	retry := buttons(t, page, "/retry")
	if len(retry) != 1 {
		t.Fatalf("%d messages can be retried\n%s", len(retry), page.text)
	}
	p.ReplyCode.Store(0)
	if got := d.post(retry[0], nil); got.location != list+"?did=mail.retry" {
		t.Fatalf("retry: %d to %q\n%s", got.status, got.location, got.text)
	}
	if p.SendDue() != 1 || p.MailServer.Received()[0].To != p.Recipient.Email {
		t.Errorf("the mail server has %+v", p.MailServer.Received())
	}
	page = d.get(list)
	page.see(t, "the sent message", http.StatusOK, ">Sent<")
	if len(buttons(t, page, "/retry")) != 0 {
		t.Error("a message that was sent can be retried")
	}
	d.post(retry[0], nil).see(t, "once more", http.StatusConflict, "It cannot be sent again.")
	if n := d.accountEvents("notice.retry"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestAnOwnerSendsATestMessageToThemselvesOnceAMinute(t *testing.T) {
	t.Parallel()
	d, p := newMailVisit(t)
	list := d.inAccount("mail")
	if got := d.post(list+"/test", nil); got.location != list+"?did=mail.test" {
		t.Fatalf("test: %d to %q\n%s", got.status, got.location, got.text)
	}
	d.post(list+"/test", nil).see(t, "at once again", http.StatusConflict, "Wait a minute")
	if p.SendDue() != 1 {
		t.Fatalf("%d messages arrived", len(p.MailServer.Received()))
	}
	m := p.MailServer.Received()[0]
	text := testkit.MailText(t, m.Content)
	if m.To != d.Owner.Email || testkit.MailHeader(t, m.Content, "Subject") != "Test message from Claviger" ||
		!strings.Contains(text, d.Account.Name) {
		t.Errorf("to %v:\n%s", m.To, text)
	}
	d.get(list).see(t, "the list", http.StatusOK, "Test message")
	if n := d.accountEvents("notice.test"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestTheMailOfAnAccountListsNothingOfOthersAndOfNobodysSignIns(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	_, foreigner := d.OtherAccount("Foreigner")
	at := time.Now().Add(time.Hour) // nobody sends it meanwhile
	own := notice.OfKey(notice.KeyRevoked, d.Owner.ID, "key_1", at, notice.Facts{
		Tenant: d.tenant.ID, KeyName: "Own key",
	})
	signIn := notice.New(notice.NewSignIn, d.Owner.ID, at, notice.Facts{Agent: "Firefox"}, "1")
	foreign := notice.New(notice.Test, foreigner.ID, at, notice.Facts{AccountName: "Foreign"}, "1")
	foreign.Account = "acc_foreign"
	testkit.NoError(t, d.Store.PlanNotices(t.Context(), []notice.Notice{own, signIn, foreign}))
	list := d.inAccount("mail")
	page := d.get(list)
	page.see(t, "the list", http.StatusOK, "Own key")
	for _, text := range []string{foreigner.Email, "new_sign_in", "Test message"} {
		if strings.Contains(page.text, text) {
			t.Errorf("the list has %q", text)
		}
	}
	for name, id := range map[string]ident.NoticeID{"a sign-in": signIn.ID, "a foreign message": foreign.ID} {
		d.post(list+"/"+string(id)+"/retry", nil).see(t, name, http.StatusNotFound, "Page not found")
	}

	var more []notice.Notice
	for i := range 60 {
		more = append(more, notice.New(notice.KeyRevoked, d.Owner.ID, at.Add(-time.Duration(i)*time.Second),
			notice.Facts{Tenant: d.tenant.ID, KeyName: fmt.Sprintf("Key %d", i)}, fmt.Sprint(i)))
	}
	testkit.NoError(t, d.Store.PlanNotices(t.Context(), more))
	first := d.get(list)
	next := regexp.MustCompile(`href="([^"]*)">Next page`).FindStringSubmatch(first.text)
	if next == nil {
		t.Fatalf("there is no next page\n%s", first.text)
	}
	first.see(t, "the first page", http.StatusOK, "Key 48<")
	second := d.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	second.see(t, "the second page", http.StatusOK, "Key 59<")
	if strings.Contains(second.text, "Key 48<") || strings.Contains(first.text, "Key 59<") {
		t.Error("the pages overlap")
	}
}

package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// linkIn returns the token that was mailed to an address.
func linkIn(t *testing.T, p *testkit.SMTPMailbox, kind notice.Kind, to string) string {
	t.Helper()
	for _, m := range p.Mails(t, kind) {
		if m.To == to {
			return testkit.MailedToken(t, p.Server, m, "/email-changes/")
		}
	}
	t.Fatalf("nothing was mailed to %s", to)
	return ""
}

func TestAPersonChangesTheirAddressByFormsAndTwoLinks(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
	v := newVisitor(t, p.URL)
	v.signIn(ann)
	const path, next = "/settings/profile/email", "next@claviger.example"
	v.get("/settings/profile").see(t, "the profile", http.StatusOK, ann.Email)
	v.get(path).see(t, "the form", http.StatusOK, "You get a link at both addresses.")
	v.post(path, url.Values{"email": {"next"}}).see(t, "no address", http.StatusUnprocessableEntity, `value="next"`)
	if got := v.post(path, url.Values{"email": {next}}); got.location != "/settings/profile?did=email.both" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	v.get("/settings/profile?did=email.both").see(t, "afterwards", http.StatusOK, "Two e-mails are on their way.")
	forNew, forOld := linkIn(t, p, notice.EmailChangeNew, next), linkIn(t, p, notice.EmailChangeOld, ann.Email)

	stranger := newVisitor(t, p.URL)
	for range 3 { // mail scanners open links
		page := stranger.get("/email-changes/" + forNew)
		page.see(t, "the page for the new address", http.StatusOK, next)
		if strings.Contains(page.text, ann.Email) || strings.Contains(page.text, ann.Name) {
			t.Errorf("it tells whose account it is:\n%s", page.text)
		}
		stranger.get("/email-changes/"+forOld).see(t, "the page for the old address", http.StatusOK, next)
	}
	v.get("/settings/profile").see(t, "before", http.StatusOK, ann.Email)
	got := stranger.post("/email-changes/"+forOld, nil)
	if got.location != "/sign-in?did=email-half" {
		t.Fatalf("the first link: %d to %q\n%s", got.status, got.location, got.text)
	}
	stranger.get(got.location).see(t, "after the first", http.StatusOK, "waits for the other address")
	stranger.get("/email-changes/"+forOld).see(t, "the used link", http.StatusNotFound, "This link cannot be used.")
	got = stranger.post("/email-changes/"+forNew, nil)
	if got.location != "/sign-in?did=email" {
		t.Fatalf("the second link: %d to %q\n%s", got.status, got.location, got.text)
	}
	stranger.get(got.location).see(t, "after the second", http.StatusOK, "Your e-mail address is changed.")
	if got := v.get("/settings/profile"); !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("the session goes on: %d to %q", got.status, got.location)
	}
	ann.Email = next
	v.signIn(ann)
}

func TestAnAddressIsChangedAfterARecentSignInAndWithMailAlone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	const path = "/settings/profile/email"
	d.get(path).see(t, "without mail", http.StatusOK, "claviger user email")
	d.post(path, url.Values{"email": {"next@claviger.example"}}).see(t, "sent without mail",
		http.StatusUnprocessableEntity, "claviger user email")
	d.Clock.Move(5 * time.Minute)
	d.get(path).see(t, "later", http.StatusUnauthorized, "Sign in again")
	d.post(path, url.Values{"email": {"next@claviger.example"}}).see(t, "sent later", http.StatusUnauthorized,
		`name="kept.email" value="next@claviger.example"`)
}

func TestAPersonDownloadsTheirDataAfterARecentSignIn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	const path = "/settings/profile/data"
	d.get("/settings/profile").see(t, "the profile", http.StatusOK, path)
	d.get(path).see(t, "the page", http.StatusOK, `href="/api/v1/me/data"`)
	d.get("/api/v1/me/data").see(t, "the file", http.StatusOK, `"complete":true`)
	d.Clock.Move(5 * time.Minute)
	d.get(path).see(t, "later", http.StatusUnauthorized, "Sign in again")
	d.get("/api/v1/me/data").see(t, "the file later", http.StatusForbidden, "sign_in_again")
}

// Requests for links of several people come at once, and each is told of its own address.
func TestPagesOfLinksThatAreReadAtOnceShowEachItsOwnAddress(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	tokens := map[string]string{}
	for _, name := range []string{"Ann Example", "Ben Example", "Cem Example"} {
		person, next := p.Member(p.MainTenant, name, scope.Member), strings.ToLower(name[:3])+"@next.example"
		_, err := p.As(person).ChangeEmail(t.Context(), next)
		testkit.NoError(t, err)
		tokens[next] = linkIn(t, p, notice.EmailChangeNew, next)
	}
	var readers sync.WaitGroup
	for own, token := range tokens {
		readers.Go(func() {
			for range 20 {
				_, text := testkit.Get(t, p.URL+"/email-changes/"+token)
				for next := range tokens {
					if strings.Contains(text, next) != (next == own) {
						t.Errorf("the page for %s and %s:\n%s", own, next, text)
					}
				}
			}
		})
	}
	readers.Wait()
}

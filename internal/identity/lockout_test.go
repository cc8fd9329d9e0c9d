package identity_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// behindProxy is a server that believes what a proxy says of client addresses.
func behindProxy(t *testing.T) *testkit.Server {
	t.Helper()
	c := testkit.SQLite.Config(t)
	c.Server.TrustedProxies = config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
	return testkit.StartIn(t, c)
}

// at is a client at an address, with a browser.
func at(h *testkit.Server, address, agent string) *client.Client {
	return h.Anyone().WithHeader("X-Forwarded-For", address).WithHeader("User-Agent", agent)
}

// tries signs in and returns the code of the refusal; "" for success.
func tries(t *testing.T, c *client.Client, email, password string) api.Code {
	t.Helper()
	_, _, err := c.SignIn(t.Context(), email, password)
	return testkit.Code(t, err)
}

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func TestAStrangerCannotLockTheOwnerOutOfAClientThatTheOwnerHasUsed(t *testing.T) {
	t.Parallel()
	h := behindProxy(t)
	email := h.Owner.Email
	home, stranger := at(h, "198.51.100.7", browser), at(h, "203.0.113.1", browser)
	if got := tries(t, home, email, testkit.Password); got != "" {
		t.Fatalf("the first sign-in: %q", got)
	}
	for range 150 {
		if got := tries(t, stranger, email, testkit.WrongPassword); got != api.SignInFailed {
			t.Fatalf("a guess: %q", got)
		}
		h.Clock.Move(time.Hour)
	}
	for name, c := range map[string]*client.Client{
		"home":                       home,
		"home, with another browser": at(h, "198.51.100.7", "curl/8"),
		"home, with a browser updated": at(h, "198.51.100.7",
			"Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"),
	} {
		if got := tries(t, c, email, testkit.Password); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	tries(t, stranger, email, testkit.WrongPassword)
	if got := tries(t, stranger, email, testkit.Password); got != api.SignInFailed {
		t.Errorf("a stranger's place is judged before it is due: %q", got)
	}
	if got := tries(t, at(h, "192.0.2.9", browser), email, testkit.Password); got != api.SignInFailed {
		t.Errorf("a known browser alone makes a place known: %q", got)
	}
	// Nothing lasts for ever: what was quiet for a day begins anew.
	h.Clock.Move(identity.FailureWindow)
	for range 5 {
		tries(t, stranger, email, testkit.WrongPassword)
	}
	if got := tries(t, at(h, "192.0.2.9", browser), email, testkit.Password); got != "" {
		t.Errorf("after a quiet day: %q", got)
	}
}

func TestGuessesAtAKnownPlaceAreBoundedAndLeaveOtherPlacesAlone(t *testing.T) {
	t.Parallel()
	h := behindProxy(t)
	email := h.Owner.Email
	office, phone := at(h, "198.51.100.7", browser), at(h, "2001:db8:1:2::7", "A phone")
	for _, c := range []*client.Client{office, phone} {
		if got := tries(t, c, email, testkit.Password); got != "" {
			t.Fatalf("the first sign-in: %q", got)
		}
	}
	colleague := at(h, "198.51.100.7", "Another browser")
	for range 20 {
		tries(t, colleague, email, testkit.WrongPassword)
	}
	if got := tries(t, colleague, email, testkit.Password); got != api.SignInFailed {
		t.Errorf("a known address is judged before it is due: %q", got)
	}
	for range 6 {
		tries(t, office, email, testkit.WrongPassword)
	}
	if got := tries(t, office, email, testkit.Password); got != api.SignInFailed {
		t.Errorf("a known place is judged before it is due: %q", got)
	}
	if got := tries(t, at(h, "2001:db8:1:2::8", "A phone"), email, testkit.Password); got != "" {
		t.Errorf("another place, at another address of its network: %q", got)
	}
}

// It counts the guesses that are checked within each day of a week, however they come.
func TestGuessesADayAreBounded(t *testing.T) {
	begin := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	for name, every := range map[string]time.Duration{
		"all the time": time.Second, "once an hour": time.Hour,
		"every 25 minutes": 25 * time.Minute,
	} {
		var f identity.Failures
		var judged []time.Time
		for now := begin; now.Before(begin.Add(7 * policy.Day)); now = now.Add(every) {
			for range 8 {
				if counted := f.At(now); !now.Before(counted.Due()) {
					f = identity.Failures{Count: counted.Count + 1, LastAt: now}
					judged = append(judged, now)
				}
			}
			if every == time.Second && len(judged) == 60 { // and once after a quiet day
				now = now.Add(identity.FailureWindow)
			}
		}
		for i, first := range judged {
			n := 0
			for _, at := range judged[i:] {
				if at.Before(first.Add(policy.Day)) {
					n++
				}
			}
			if n > identity.MaxGuessesADay {
				t.Fatalf("%s: %d guesses are judged within the day from %s", name, n, first)
			}
		}
	}
}

func TestASessionChangesThePasswordWhateverOthersTry(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Person("Some Body")
	signedIn, other := h.As(p), h.As(p)
	for range 30 {
		fail(t, h, p.Email)
	}
	testkit.SetSignInFailures(t, h, p.Email, 1_000)
	change := func(c *client.Client, current string) api.Code {
		_, err := c.ChangePassword(t.Context(), current, "another horse battery staple")
		return testkit.Code(t, err)
	}
	for range 30 { // failures in one session do not block another one
		if got := change(other, testkit.WrongPassword); got != api.SignInFailed {
			t.Fatalf("a wrong password: %q", got)
		}
	}
	if got := change(other, testkit.Password); got != api.SignInFailed {
		t.Errorf("the right password in a session where it was guessed at: %q", got)
	}
	if got := change(signedIn, testkit.Password); got != "" {
		t.Errorf("the right password in another session: %q", got)
	}
}

func TestAPersonIsToldOncePerDayThatSomebodyGuessesAtTheirPassword(t *testing.T) {
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	guessed, few := p.Person("Guessed At"), p.Person("Mistyped")
	guess := func(at principal.Person, times int) {
		for range times {
			fail(t, p.Server, at.Email)
			p.Clock.Move(time.Hour)
		}
		p.NoError(p.Notices.Plan(t.Context()))
		p.SendDue()
	}
	p.Clock.Move(24*time.Hour - time.Duration(p.Clock.Now().Hour())*time.Hour) // a day begins
	guess(few, 9)
	guess(guessed, 9)
	if n := len(p.Mails(t, notice.FailedSignIns)); n != 0 {
		t.Errorf("%d messages after 9 failures", n)
	}
	guess(guessed, 1)
	guess(guessed, 2)
	mails := p.Mails(t, notice.FailedSignIns)
	if len(mails) != 1 || mails[0].To != guessed.Email {
		t.Fatalf("%d messages on the first day, want one to %s: %+v", len(mails), guessed.Email, mails)
	}
	guess(guessed, 24)
	if n := len(p.Mails(t, notice.FailedSignIns)); n != 2 {
		t.Errorf("%d messages on two days, want 2", n)
	}
}

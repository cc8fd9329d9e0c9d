package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// signInWith signs a person in and returns the code of the refusal; "" for success.
func signInWith(t *testing.T, h *testkit.Server, p principal.Person, password, code string) api.Code {
	t.Helper()
	_, _, err := h.Anyone().SignInWithCode(t.Context(), p.Email, password, code)
	return testkit.Code(t, err)
}

// One table says who signs in: by the state of the person, their second factor, what they send, and
// whether their password was reset before.
func TestTheTableOfSignIns(t *testing.T) {
	t.Parallel()
	const (
		ok       = api.Code("")
		failed   = api.SignInFailed
		required = api.SecondFactorRequired
	)
	for _, c := range []struct {
		state, factor, reset string
		right                bool // the password
		code                 string
		want                 api.Code
	}{
		{"active", "none", "", true, "", ok},
		{"active", "none", "", true, "wrong", ok},
		{"active", "none", "", false, "", failed},
		{"active", "none", "reset", true, "", ok},
		{"active", "app", "", true, "", required},
		{"active", "app", "", true, "app", ok},
		{"active", "app", "", true, "used", failed},
		{"active", "app", "", true, "wrong", failed},
		{"active", "app", "", true, "junk", failed},
		{"active", "app", "", true, "recovery", ok},
		{"active", "app", "", true, "recovery in lower case", ok},
		{"active", "app", "", true, "recovery twice", failed},
		{"active", "app", "", true, "recovery of another person", failed},
		{"active", "app", "", false, "", failed},
		{"active", "app", "", false, "app", failed},
		{"active", "app", "", false, "recovery", failed},
		{"active", "app", "reset", true, "", required},
		{"active", "app", "reset", true, "app", ok},
		{"active", "app", "reset", true, "recovery", ok},
		{"active", "app", "reset", false, "app", failed},
		{"active", "removed", "", true, "", ok},
		{"active", "removed", "", true, "recovery", ok},
		{"active", "missing", "", true, "", required},
		{"active", "missing", "", true, "wrong", required},
		{"active", "missing", "", false, "", failed},
		{"disabled", "none", "", true, "", failed},
		{"disabled", "app", "", true, "", failed},
		{"disabled", "app", "", true, "app", failed},
		{"disabled", "app", "", true, "recovery", failed},
		{"enabled again", "app", "", true, "", required},
		{"enabled again", "app", "", true, "app", ok},
	} {
		name := strings.Join([]string{c.state, c.factor, c.reset, strconv.FormatBool(c.right), c.code}, ", ")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testkit.Start(t, testkit.SQLite)
			p := h.Member(h.Tenant("Tenant", nil), "Ann", scope.Member)
			password := testkit.Password
			var phone testkit.App
			var recovery []string
			_, others := h.SetUpFactor(h.As(h.Member(h.Tenant("Other", nil), "Bob", scope.Member)))
			switch c.factor {
			case "app", "removed":
				session := h.As(p)
				phone, recovery = h.SetUpFactor(session)
				if c.factor == "removed" {
					testkit.NoError(t, session.RemoveTwoFactor(t.Context()))
				}
			case "missing":
				requireFactor(t, h, policy.FactorAll)
			}
			if c.reset != "" {
				password = "another sentence that only Ann knows"
				resetPassword(t, h, p, password)
			}
			if c.state != "active" {
				setDisabled(t, h, p, true)
			}
			if c.state == "enabled again" {
				setDisabled(t, h, p, false)
			}
			code := c.code
			switch code {
			case "app":
				code = phone.Next()
			case "used":
				code = phone.Code()
			case "wrong":
				code = "000000"
			case "junk":
				code = strings.Repeat("9", 100)
			case "recovery":
				code = recovery[0]
			case "recovery in lower case":
				code = strings.ToLower(strings.ReplaceAll(recovery[0], "-", " "))
			case "recovery twice":
				code = recovery[0]
				if got := signInWith(t, h, p, password, code); got != ok {
					t.Fatalf("the first time: %s", got)
				}
			case "recovery of another person":
				code = others[0]
			}
			if !c.right {
				password = testkit.WrongPassword
			}
			if got := signInWith(t, h, p, password, code); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// requireFactor sets who needs a second factor in the account of the server.
func requireFactor(t *testing.T, h *testkit.Server, rule policy.FactorRule) {
	t.Helper()
	owner := principal.OfSession(&principal.Session{
		User: h.Owner, AccountMembers: []principal.AccountMember{{Account: h.Account.ID, Role: scope.AccountOwner}},
	})
	_, err := h.Accounts.ChangePolicy(t.Context(), owner, h.Account.ID, policy.Change{SecondFactor: &rule}, "")
	testkit.NoError(t, err)
}

func resetPassword(t *testing.T, h *testkit.Server, p principal.Person, password string) {
	t.Helper()
	_, token, err := h.Identity.NewReset(t.Context(), principal.Operator(), p.ID)
	testkit.NoError(t, err)
	testkit.NoError(t, h.Anyone().ResetPassword(t.Context(), token.Reveal(), password))
}

func setDisabled(t *testing.T, h *testkit.Server, p principal.Person, disabled bool) {
	t.Helper()
	_, err := h.Identity.SetDisabled(t.Context(), principal.Operator(), p.ID, disabled)
	testkit.NoError(t, err)
}

// A code works once, however many requests bring it to however many nodes.
func TestACodeWorksOnceOnAllNodes(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	person := p.First.Member(p.Tenant, "Ann", scope.Member)
	phone, recovery := p.First.SetUpFactor(p.First.As(person))
	u, err := p.First.Store.User(t.Context(), person.ID)
	testkit.NoError(t, err)
	for name, code := range map[string]string{"of the app": phone.Next(), "for recovery": recovery[3]} {
		var begun atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			s := unthrottled([]*testkit.Server{p.First, p.Second}[i%2])
			all.Go(func() {
				_, _, err := s.Begin(t.Context(), session.SignIn{
					User: person, PasswordSetAt: u.PasswordSetAt, Code: credential.NewSecret(code),
				})
				switch {
				case err == nil:
					begun.Add(1)
				case !errors.Is(err, fault.SignInFailed):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if begun.Load() != 1 {
			t.Errorf("a code %s began %d sessions", name, begun.Load())
		}
	}
}

// unthrottled returns sessions that check every code: the throttle by itself would refuse codes
// that come at the same time.
func unthrottled(h *testkit.Server) *session.Service {
	return &session.Service{
		Ledger: h.Sessions.Ledger, Store: h.Store, Now: h.Clock.Now, Horizon: h.Clock.Now, Rand: rand.Reader,
		Keyring: h.Sessions.Keyring, Factors: h.SecondFactors, Attempts: everyAttempt{},
	}
}

type everyAttempt struct{}

func (everyAttempt) TryCode(ctx context.Context, _ ident.UserID, _ principal.Origin,
	check func(context.Context) error,
) error {
	return check(ctx)
}

func TestCodesAreThrottledAsPasswordsAre(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Member(h.Tenant("Tenant", nil), "Ann", scope.Member)
	phone, _ := h.SetUpFactor(h.As(p))
	for range 8 {
		if got := signInWith(t, h, p, testkit.Password, "000000"); got != api.SignInFailed {
			t.Fatal(got)
		}
	}
	right := phone.CodeAt(h.Clock.Now().Add(30 * time.Second))
	if got := signInWith(t, h, p, testkit.Password, right); got != api.SignInFailed {
		t.Errorf("the right code at once after 8 wrong ones: %q", got)
	}
	resetPassword(t, h, p, testkit.Password)
	if got := signInWith(t, h, p, testkit.Password, right); got != api.SignInFailed {
		t.Errorf("a new password made room for more guesses: %q", got)
	}
	h.Clock.Move(2 * time.Hour)
	if got := signInWith(t, h, p, testkit.Password, phone.Code()); got != "" {
		t.Errorf("after the wait: %q", got)
	}
}

func TestAFactorChangesOnlyByASessionThatProvedIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Member(h.Tenant("Tenant", nil), "Ann", scope.Member)
	first, other := h.As(p), h.As(p)
	phone, recovery := h.SetUpFactor(first)
	if testkit.HasSession(t, other) {
		t.Error("a session without the second factor is left")
	}
	state, err := first.TwoFactor(t.Context())
	testkit.NoError(t, err)
	if !state.Enabled || state.RecoveryCodesLeft != 10 || len(recovery) != 10 {
		t.Errorf("%+v", state)
	}
	byRecovery, _, err := h.Anyone().SignInWithCode(t.Context(), p.Email, testkit.Password, recovery[0])
	testkit.NoError(t, err)
	for name, change := range map[string]func(*client.Client) error{
		"turning it off": func(c *client.Client) error { return c.RemoveTwoFactor(t.Context()) },
		"new codes": func(c *client.Client) error {
			_, err := c.CreateRecoveryCodes(t.Context())
			return err
		},
		"another app": func(c *client.Client) error {
			started, err := c.StartTwoFactor(t.Context())
			testkit.NoError(t, err)
			_, err = c.ConfirmTwoFactor(t.Context(), *started.Setup, h.Authenticator(*started.Secret).Code())
			return err
		},
	} {
		if err := change(byRecovery); !errors.Is(err, api.SignInAgain) {
			t.Errorf("%s after a recovery code: %v", name, err)
		}
	}
	byApp, _, err := h.Anyone().SignInWithCode(t.Context(), p.Email, testkit.Password, phone.Next())
	testkit.NoError(t, err)
	codes, err := byApp.CreateRecoveryCodes(t.Context())
	testkit.NoError(t, err)
	if got := signInWith(t, h, p, testkit.Password, recovery[1]); got != api.SignInFailed {
		t.Errorf("an old recovery code: %q", got)
	}
	if got := signInWith(t, h, p, testkit.Password, codes.RecoveryCodes[0]); got != "" {
		t.Errorf("a new recovery code: %q", got)
	}
	h.Clock.Move(6 * time.Minute)
	if err := byApp.RemoveTwoFactor(t.Context()); !errors.Is(err, api.SignInAgain) {
		t.Errorf("an old sign-in: %v", err)
	}
}

func TestTheLastNeededFactorStays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Member(h.Tenant("Tenant", nil), "Ann", scope.Member)
	c := h.As(p)
	phone, _ := h.SetUpFactor(c)
	requireFactor(t, h, policy.FactorAll)
	if err := c.RemoveTwoFactor(t.Context()); !errors.Is(err, api.Conflict) {
		t.Errorf("a factor that the account requires: %v", err)
	}
	requireFactor(t, h, policy.FactorAdmins)
	if _, err := c.ChangePassword(t.Context(), testkit.Password, "ten-letter"); err != nil {
		t.Errorf("a short password beside a factor: %v", err)
	}
	if err := c.RemoveTwoFactor(t.Context()); !errors.Is(err, api.Conflict) {
		t.Errorf("with a short password: %v", err)
	}
	_, err := c.ChangePassword(t.Context(), "ten-letter", testkit.Password)
	testkit.NoError(t, err)
	testkit.NoError(t, c.RemoveTwoFactor(t.Context()))
	if _, err := c.ChangePassword(t.Context(), testkit.Password, "ten-letter"); !errors.Is(err, api.ValidationFailed) {
		t.Errorf("a short password alone: %v", err)
	}
	if got := signInWith(t, h, p, testkit.Password, phone.Next()); got != "" {
		t.Errorf("after it was turned off: %q", got)
	}
}

func TestARequiredFactorStopsSessionsAtTheirNextRequest(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Tenant", nil)
	member, admin := h.Member(tenant, "Ann", scope.Member), h.Member(tenant, "Bob", scope.Admin)
	_, stranger := h.OtherAccount("Carol")
	asMember, asAdmin := h.As(member), h.As(admin)
	asStranger := h.As(stranger)
	refused := func(c *client.Client) bool {
		_, err := c.Me(t.Context())
		return errors.Is(err, api.SecondFactorRequired)
	}
	requireFactor(t, h, policy.FactorAdmins)
	if refused(asMember) || !refused(asAdmin) || refused(asStranger) {
		t.Error("admins: another than the admin is refused, or the admin is not")
	}
	requireFactor(t, h, policy.FactorAll)
	if !refused(asMember) || !refused(asAdmin) || refused(asStranger) {
		t.Error("all: the wrong people are refused")
	}
	requireFactor(t, h, policy.FactorOff)
	if refused(asMember) || refused(asAdmin) {
		t.Error("off: somebody is refused")
	}
	h.SetUpFactor(asAdmin)
	requireFactor(t, h, policy.FactorAll)
	if refused(asAdmin) {
		t.Error("a session with a second factor is refused")
	}
}

func TestTheOperatorRemovesALostFactor(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Member(h.Tenant("Tenant", nil), "Ann", scope.Member)
	c := h.As(p)
	h.SetUpFactor(c)
	path := "/operator/v1/users/" + p.Email + "/two-factor"
	testkit.NoError(t, h.Operator().Do(t.Context(), http.MethodDelete, path, nil, nil))
	if testkit.HasSession(t, c) {
		t.Error("a session is left")
	}
	if got := signInWith(t, h, p, testkit.Password, ""); got != "" {
		t.Errorf("%q", got)
	}
	if err := h.Operator().Do(t.Context(), http.MethodDelete, path, nil, nil); !errors.Is(err, api.Conflict) {
		t.Errorf("a person without one: %v", err)
	}
}

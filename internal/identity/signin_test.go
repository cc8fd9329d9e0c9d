package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// fail makes a sign-in fail.
func fail(t *testing.T, h *testkit.Server, email string) {
	t.Helper()
	if got := testkit.SignInCode(t, h, email, testkit.WrongPassword); got != api.SignInFailed {
		t.Fatalf("%s with a wrong password: %q", email, got)
	}
}

// failures returns how many failed sign-ins of a person are counted, wherever they came from.
func failures(t *testing.T, h *testkit.Server, email string) (count int) {
	t.Helper()
	err := h.Beside().QueryRowContext(t.Context(),
		`SELECT COALESCE(SUM(f.failures), 0) FROM users u JOIN sign_in_failures f
		ON f.canonical_email = u.canonical_email OR f.canonical_email LIKE u.id || ' %' WHERE u.canonical_email = $1`,
		identity.CanonicalEmail(email)).Scan(&count)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestWhenTheNextSignInIsDue(t *testing.T) {
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		count int
		after time.Duration
	}{
		{0, 0},
		{1, 0},
		{5, 0},
		{6, 2 * time.Second},
		{7, 4 * time.Second},
		{16, 2048 * time.Second},
		{17, time.Hour},
		{99, time.Hour},
		{100, time.Hour},
		{1_000_000, time.Hour},
	} {
		if due := (identity.Failures{Count: c.count, LastAt: at}).Due(); !due.Equal(at.Add(c.after)) {
			t.Errorf("after %d failures: %s later, want %s", c.count, due.Sub(at), c.after)
		}
	}
}

func TestFailedSignInsDelayTheNextAndASuccessEndsTheDelay(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	email := h.Owner.Email
	for range 5 {
		fail(t, h, email)
	}
	if got := testkit.SignInCode(t, h, email, testkit.Password); got != "" { // the first five cost nothing
		t.Fatalf("after five failures: %q", got)
	}
	if got := failures(t, h, email); got != 0 {
		t.Fatalf("after a success %d failures count", got)
	}
	for range 6 {
		fail(t, h, email)
	}
	for range 3 { // which do not count
		if got := testkit.SignInCode(t, h, email, testkit.Password); got != api.SignInFailed {
			t.Errorf("before the next is due: %q", got)
		}
	}
	h.Clock.Move(2*time.Second - 100*time.Millisecond)
	if got := testkit.SignInCode(t, h, email, testkit.Password); got != api.SignInFailed {
		t.Errorf("just before the next is due: %q", got)
	}
	if got := failures(t, h, email); got != 6 {
		t.Errorf("%d failures count, want 6", got)
	}
	if got := testkit.SignInCode(t, h, h.Person("Some Body").Email, testkit.Password); got != "" {
		t.Errorf("somebody else: %q", got)
	}
	h.Clock.Move(100 * time.Millisecond)
	if got := testkit.SignInCode(t, h, email, testkit.Password); got != "" {
		t.Errorf("when the next is due: %q", got)
	}
}

func TestEverySpellingOfAnAddressSharesOneCounter(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	const email = "Mike.Jürgens@Claviger.Example"
	_, err := h.Identity.Create(t.Context(), principal.Operator(),
		identity.NewUser{Email: email, Name: "Mike", Password: credential.NewSecret(testkit.Password)})
	if err != nil {
		t.Fatal(err)
	}
	spellings := []string{
		email, "mike.jürgens@claviger.example", "MIKE.JÜRGENS@CLAVIGER.EXAMPLE", "  Mike.Jürgens@claviger.example\t",
		"\u00a0mike.jürgens@claviger.example\n",
		// decomposed; the Kelvin sign is K by definition
		"mike.ju\u0308rgens@claviger.example", "MI\u212aE.JU\u0308RGENS@claviger.example",
	}
	for i, s := range spellings {
		fail(t, h, s)
		if got := failures(t, h, email); got != min(i+1, 6) {
			t.Errorf("after %q %d failures count, want %d", s, got, min(i+1, 6))
		}
	}
	others := []string{
		// dotless, dotted, Cyrillic
		"mıke.jürgens@claviger.example", "mİke.jürgens@claviger.example", "m\u0456ke.jürgens@claviger.example",
		"mike.jurgens@claviger.example", "ｍike.jürgens@claviger.example", "mike.jürgens@claviger.example.",
		"mike. jürgens@claviger.example",
		"mi\u200bke.jürgens@claviger.example",
	}
	h.Clock.Move(time.Minute)
	for _, o := range others {
		if got := testkit.SignInCode(t, h, o, testkit.Password); got != api.SignInFailed {
			t.Errorf("%q is taken for another: %q", o, got)
		}
	}
	if got := failures(t, h, email); got != 6 {
		t.Errorf("what only looks alike counts: %d failures", got)
	}
	for _, s := range spellings {
		if got := testkit.SignInCode(t, h, s, testkit.Password); got != "" {
			t.Errorf("%q with the password: %q", s, got)
		}
	}
}

func TestOf32GuessesAtTheRightMomentOneIsJudgedAtMost(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		testkit.SetSignInFailures(t, h, h.Owner.Email, 20)
		h.Clock.Move(time.Hour)
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				// Those that wait for their turn too long are unavailable.
				if got := testkit.SignInCode(t, h, h.Owner.Email, testkit.WrongPassword); got != api.SignInFailed &&
					got != api.Unavailable {
					t.Errorf("a guess: %q", got)
				}
			})
		}
		all.Wait()
		if got := failures(t, h, h.Owner.Email); got != 21 {
			t.Errorf("%d guesses were judged, want one", got-20)
		}
	})
}

// The flood comes from more clients than could be served in the time anyone waits.
func TestAFloodOfGuessesFromOneAddressLetsOthersSignIn(t *testing.T) {
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.PasswordCost = identity.ProductionCost() })
	h.Config.Server.TrustedProxies = config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
	h.Restart()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	flood := h.Anyone().WithHeader("X-Forwarded-For", "203.0.113.1")
	begun := make(chan struct{}, 150)
	for i := range cap(begun) {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, _, err := flood.SignIn(ctx, fmt.Sprintf("somebody%d@claviger.example", i), testkit.WrongPassword)
				if n == 0 {
					begun <- struct{}{}
				}
				if errors.Is(err, api.Unavailable) { // told to come again later
					<-ctx.Done()
				}
			}
		})
	}
	<-begun
	start := time.Now()
	_, _, err := h.Anyone().WithHeader("X-Forwarded-For", "198.51.100.7").SignIn(t.Context(), h.Owner.Email,
		testkit.Password)
	if err != nil {
		t.Errorf("the owner cannot sign in, after %s: %v", time.Since(start), err)
	}
	cancel()
	all.Wait()
}

// failing are the causes for which a sign-in fails, each with a function that makes it fail again.
func failing(t *testing.T, h *testkit.Server) map[string]func() api.SignInRequest {
	t.Helper()
	wrong := h.Person("Wrong Password")
	disabled := h.Person("Now Disabled")
	throttled := h.Person("Now Throttled")
	if _, err := h.Identity.SetDisabled(t.Context(), principal.Operator(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	return map[string]func() api.SignInRequest{
		"wrong": func() api.SignInRequest {
			return api.SignInRequest{Email: wrong.Email, Password: testkit.WrongPassword}
		},
		"unknown": func() api.SignInRequest {
			return api.SignInRequest{Email: "nobody@claviger.example", Password: testkit.Password}
		},
		"disabled": func() api.SignInRequest {
			return api.SignInRequest{Email: disabled.Email, Password: testkit.Password}
		},
		"throttled": func() api.SignInRequest {
			testkit.SetSignInFailures(t, h, throttled.Email, 20)
			return api.SignInRequest{Email: throttled.Email, Password: testkit.Password}
		},
	}
}

// signIn sends the body and gives how long the answer took, and the answer.
func signIn(t *testing.T, h *testkit.Server,
	in api.SignInRequest,
) (took time.Duration, status int, header http.Header, body []byte) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	status, header, body = testkit.Post(t, h, "/api/v1/session", http.Header{"Content-Type": {"application/json"}},
		string(text))
	return time.Since(start), status, header, body
}

func TestEveryFailedSignInIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	type answer struct {
		status int
		header http.Header
		body   map[string]any
	}
	answers := map[string]answer{}
	for name, next := range failing(t, h) {
		_, status, header, text := signIn(t, h, next())
		var body map[string]any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatal(err)
		}
		if id := header.Get("X-Request-Id"); id == "" || body["request_id"] != id {
			t.Errorf("%s: request id %q, %v", name, id, body["request_id"])
		}
		delete(body, "request_id")
		header.Del("X-Request-Id")
		header.Del("Date")
		answers[name] = answer{status, header, body}
	}
	if got := answers["wrong"]; got.status != http.StatusUnauthorized || got.body["code"] != "sign_in_failed" {
		t.Errorf("a wrong password: %+v", got)
	}
	for name, got := range answers {
		if diff := cmp.Diff(answers["wrong"], got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("wrong (-) and %s (+):\n%s", name, diff)
		}
	}
}

// It is the one test that hashes at the production cost.
func TestEveryFailedSignInTakesAsLong(t *testing.T) {
	cost := identity.ProductionCost()
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.PasswordCost = cost })
	ways := failing(t, h)
	older := h.Person("Older Hash")
	cost.Memory /= 2
	storeHash(t, h, older, cost)
	ways["hashed at half the cost"] = func() api.SignInRequest {
		return api.SignInRequest{Email: older.Email, Password: testkit.WrongPassword}
	}
	names := slices.Sorted(maps.Keys(ways))
	samples := map[string][]time.Duration{}
	for round := range 12 {
		for _, name := range names { // one after the other, so that what else the machine does meets them alike
			in := ways[name]()
			took, _, _, _ := signIn(t, h, in)
			if round > 0 { // the first prepares statements
				samples[name] = append(samples[name], took)
			}
		}
		h.Clock.Move(2 * time.Hour) // so that a wrong password is checked each time
	}
	for _, name := range names {
		if report := apart(samples["wrong"], samples[name]); report != "" {
			t.Errorf("wrong and %s take differently long: %s", name, report)
		}
	}
}

// storeHash puts a hash of testkit.Password at the cost in the place of a person's.
func storeHash(t *testing.T, h *testkit.Server, p principal.Person, c identity.Cost) {
	t.Helper()
	encoded, err := identity.NewHasher(c, 4).Hash(t.Context(), "test", credential.NewSecret(testkit.Password))
	if err == nil {
		_, err = h.Beside().ExecContext(t.Context(), `UPDATE users SET password = $1 WHERE id = $2`, encoded, p.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// storedCost returns the cost part of the stored hash of a person's password.
func storedCost(t *testing.T, h *testkit.Server, p principal.Person) string {
	t.Helper()
	_, encoded, err := h.Store.UserByEmail(t.Context(), identity.CanonicalEmail(p.Email))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(encoded, "$")[3]
}

func TestAPasswordHashedAtAnotherCostIsUpgradedAtTheNextSignIn(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	p := h.Person("Older Hash")
	before := h.As(p)
	const older, today = "m=64,t=2,p=2", "m=8,t=1,p=1"
	storeHash(t, h, p, identity.Cost{Memory: 64, Time: 2, Threads: 2})
	if got := testkit.SignInCode(t, h, p.Email, testkit.WrongPassword); got != api.SignInFailed || storedCost(t, h,
		p) != older {
		t.Errorf("a wrong password: %q, and the stored hash has %s", got, storedCost(t, h, p))
	}
	if got := testkit.SignInCode(t, h, p.Email, testkit.Password); got != "" || storedCost(t, h, p) != today {
		t.Errorf("the right password: %q, and the stored hash has %s", got, storedCost(t, h, p))
	}
	if got := testkit.SignInCode(t, h, p.Email, testkit.WrongPassword); got != api.SignInFailed {
		t.Errorf("a wrong password after the upgrade: %q", got)
	}
	if got := testkit.SignInCode(t, h, p.Email, testkit.Password); got != "" {
		t.Errorf("the right password after the upgrade: %q", got)
	}
	if _, err := before.Whoami(t.Context()); err != nil {
		t.Errorf("the upgrade ended a session: %v", err)
	}
	storeHash(t, h, p, identity.Cost{Memory: 64, Time: 2, Threads: 2})
	if _, err := before.ChangePassword(t.Context(), testkit.Password, "another long password of mine"); err != nil {
		t.Errorf("change of a password that is hashed at another cost: %v", err)
	}
	if storedCost(t, h, p) != today {
		t.Errorf("the new password has %s", storedCost(t, h, p))
	}
}

// apart says how two samples differ; "" where they might be of one distribution. The bounds are
// generous, since the machine is busy with other tests: of samples of one distribution nearly every
// second pair stands the other way round, and here nine in ten must stand one way, with a gap
// between the medians.
func apart(a, b []time.Duration) string {
	longer := 0
	for _, x := range a {
		for _, y := range b {
			if x > y {
				longer++
			}
		}
	}
	share := float64(longer) / float64(len(a)*len(b))
	low, high := median(a), median(b)
	if low > high {
		low, high = high, low
	}
	if share > 0.1 && share < 0.9 || high-low < low/4 {
		return ""
	}
	return fmt.Sprintf("medians %s and %s, %.0f %% of pairs one way", median(a), median(b), 100*share)
}

func median(sample []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(sample))[len(sample)/2]
}

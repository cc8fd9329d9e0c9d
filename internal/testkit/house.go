package testkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// House is a running Claviger with one account. Time stands still unless it is moved.
type House struct {
	*app.App
	Account tenancy.Account
	// Owner of the account.
	Owner  principal.Person
	Clock  *Clock
	Log    *Log
	Config config.Config
	t      testing.TB
	change func(*app.Options)
	people int
	halted bool
	// running is set from boot to stop.
	running bool
}

// Password of everybody in a House.
const Password = "correct horse battery staple"

// PasswordCost keeps tests from hashing most of their time. One test, in identity, pays the production cost.
var PasswordCost = identity.Cost{Memory: 8, Time: 1, Threads: 1}

// Start boots a House on the engine; it is stopped with the test.
func Start(t testing.TB, e Engine) *House {
	t.Helper()
	return StartWith(t, e, func(*app.Options) {})
}

// StartWith boots a House on the engine, with options altered by change.
func StartWith(t testing.TB, e Engine, change func(*app.Options)) *House {
	t.Helper()
	return start(t, e.Config(t), change)
}

// StartIn boots a House with the set-up.
func StartIn(t testing.TB, c config.Config) *House {
	t.Helper()
	return start(t, c, func(*app.Options) {})
}

// StartOn boots a House on the PostgreSQL database at the URL.
func StartOn(t testing.TB, databaseURL string) *House {
	t.Helper()
	c := SQLite.Config(t)
	c.Database.URL = credential.NewSecret(databaseURL)
	return start(t, c, func(*app.Options) {})
}

func start(t testing.TB, c config.Config, change func(*app.Options)) *House {
	t.Helper()
	h := &House{Config: c, Clock: NewClock(time.Now()), Log: &Log{}, t: t, change: change}
	h.boot()
	t.Cleanup(h.stop)
	h.Owner = h.Person("Account Owner")
	var err error
	h.Account, err = h.Tenancy.CreateAccount(t.Context(), principal.Operator(), "Test account", h.Owner, true)
	h.check(err)
	return h
}

func (h *House) boot() {
	h.t.Helper()
	o := app.Options{
		Log: telemetry.NewLogger(h.Log, slog.LevelDebug), Version: "test", PasswordCost: PasswordCost,
		Wall: h.Clock.Now, Elapsed: h.Clock.Elapsed, Boot: fmt.Sprintf("%p", h.Clock),
	}
	h.change(&o)
	if wall := o.Wall; o.DatabaseTime == nil {
		o.DatabaseTime = func() time.Time { return wall().Add(-h.Clock.Stepped()) }
	}
	var err error
	h.App, err = app.Start(h.t.Context(), h.Config, o)
	h.check(err)
	h.running = true
}

func (h *House) stop() {
	if !h.running {
		return
	}
	h.running = false
	if err := h.Stop(context.Background()); (err != nil) != h.halted {
		h.t.Errorf("stop: %v", err)
	}
}

// ExpectStopToFail says that the House cannot write, or read, its last.
func (h *House) ExpectStopToFail() { h.halted = true }

// ChangePassword gives a person another password.
func (h *House) ChangePassword(p principal.Person, password string) {
	h.t.Helper()
	u, _, err := h.Store.UserByEmail(h.t.Context(), identity.CanonicalEmail(p.Email))
	h.check(err)
	h.check(h.Identity.SetPassword(h.t.Context(), principal.Operator(), u, credential.NewSecret(password)))
}

// Move stops the House and starts it with other settings, on the same data elsewhere.
func (h *House) Move(c config.Config) {
	h.t.Helper()
	h.stop()
	h.Config = c
	h.boot()
	h.t.Cleanup(h.stop) // before its database goes
}

// Restart stops the House and starts it again on the same data.
func (h *House) Restart() {
	h.t.Helper()
	h.stop()
	h.boot()
}

// Person makes a user with Password.
func (h *House) Person(name string) principal.Person {
	h.t.Helper()
	h.people++
	u, err := h.Identity.Create(h.t.Context(), principal.Operator(), identity.NewUser{
		Email: fmt.Sprintf("person%d@claviger.example", h.people), Name: name, Password: credential.NewSecret(Password),
	})
	h.check(err)
	return u.Person()
}

// Tenant makes a standard tenant, altered by change.
func (h *House) Tenant(name string, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	return h.tenant(name, policy.Standard, change)
}

// Preset makes a tenant of the preset, altered by change.
func (h *House) Preset(p policy.Preset, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	return h.tenant("Preset "+string(p), p, change)
}

func (h *House) tenant(name string, p policy.Preset, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	t, err := h.Tenancy.CreateTenant(h.t.Context(), principal.Operator(), h.Account.ID, name, p, change)
	h.check(err)
	return t
}

// Member makes a user who is a member of the tenant.
func (h *House) Member(tenant tenancy.Tenant, name string, role scope.Role) principal.Person {
	h.t.Helper()
	p := h.Person(name)
	h.Join(tenant, p, role)
	return p
}

// Join makes a person a member of the tenant.
func (h *House) Join(tenant tenancy.Tenant, p principal.Person, role scope.Role) {
	h.t.Helper()
	h.check(h.Tenancy.AddMember(h.t.Context(), principal.Operator(), tenant, p, role))
}

// Officer makes a user with a role in the account, who is a member of none of its tenants.
func (h *House) Officer(name string, role scope.AccountRole) principal.Person {
	h.t.Helper()
	p := h.Person(name)
	_, err := h.Tenancy.SetStanding(h.t.Context(), principal.Operator(), h.Account.ID, p.ID, role)
	h.check(err)
	return p
}

// OtherAccount makes a second account, and gives its owner.
func (h *House) OtherAccount(name string) (tenancy.Account, principal.Person) {
	h.t.Helper()
	owner := h.Person(name)
	a, err := h.Tenancy.CreateAccount(h.t.Context(), principal.Operator(), "Other account", owner, true)
	h.check(err)
	return a, owner
}

// Application makes an application.
func (h *House) Application(tenant tenancy.Tenant, name string) tenancy.Application {
	h.t.Helper()
	a, err := h.Tenancy.CreateApplication(h.t.Context(), principal.Operator(), tenant.ID, name, "")
	h.check(err)
	return a
}

// Anyone is a client without a credential. It repeats nothing, so that a test sees every refusal.
func (h *House) Anyone() *client.Client { return client.New(h.URL).WithRetry(client.Retry{}) }

// Operator is a client of the operators' API by the socket of the House.
func (h *House) Operator() *client.Client {
	h.t.Helper()
	way, err := app.Operate(h.t.Context(), h.Config, app.Options{Log: telemetry.NewLogger(h.Log, slog.LevelDebug)})
	h.check(err)
	h.t.Cleanup(func() { h.check(way.Close(context.Background())) })
	return client.New("http://claviger").WithTransport(way).WithRetry(client.Retry{})
}

// As is a client with a session of the person. It begins the session without their password, which
// only tests of the sign-in itself need to give (see SignIn of client).
func (h *House) As(p principal.Person) *client.Client {
	h.t.Helper()
	u, err := h.Store.User(h.t.Context(), p.ID)
	h.check(err)
	_, token, err := h.Sessions.Begin(h.t.Context(), p, u.PasswordSetAt, principal.Origin{IP: "127.0.0.1"}, "Go-http-client/1.1")
	h.check(err)
	cookie := "claviger="
	if strings.HasPrefix(h.URL, "https:") {
		cookie = "__Host-" + cookie
	}
	c, err := h.Anyone().WithSession(client.SavedSession(cookie + token.Reveal()))
	h.check(err)
	return c
}

// With is a client that sends the key.
func (h *House) With(k api.IssuedKey) *client.Client { return h.Anyone().WithKey(*k.Credential.Value) }

// Key makes a key through the public door, as the signed-in client.
func (h *House) Key(c *client.Client, tenant tenancy.Tenant, scopes ...string) api.IssuedKey {
	h.t.Helper()
	k, err := c.CreateKey(h.t.Context(), string(tenant.ID), api.NewKey{Name: "Test key", Scopes: scopes, AllApplications: true})
	h.check(err)
	return k
}

// Verifier gives a client that may ask about every key of the account.
func (h *House) Verifier() *client.Client {
	h.t.Helper()
	t := h.Tenant("Verifiers", nil)
	h.Join(t, h.Owner, scope.Admin)
	return h.With(h.Key(h.As(h.Owner), t, "keys:verify"))
}

func (h *House) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Beside opens the database of the House a second time.
func (h *House) Beside() *sql.DB {
	h.t.Helper()
	return Database(h.t, h.Config.Database.URL.Reveal(), h.File("claviger.db"))
}

// Code gives the code of a refusal; "" for success.
func Code(t testing.TB, err error) api.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		t.Fatalf("not a problem document: %v", err)
	}
	return p.Code
}

// Clock is a machine's clock that tests move. The database's own clock goes with it, unless it steps.
type Clock struct {
	mu      sync.Mutex
	at      time.Time
	booted  time.Time
	stepped time.Duration
}

// NewClock returns a clock at the second of that time, of a machine that has been up for an hour.
func NewClock(at time.Time) *Clock {
	at = at.UTC().Truncate(time.Second)
	return &Clock{at: at, booted: at.Add(-time.Hour)}
}

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Microsecond) // no two events at one instant
	return c.at
}

// Move lets time pass. A negative duration sets the clock back.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.stepped += min(d, 0)
}

// Step sets the clock forward or back while no time passes.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.stepped += d
}

// Stepped returns how far the clock was set in all.
func (c *Clock) Stepped() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stepped
}

// Elapsed returns how long the machine has been up.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.Sub(c.booted) - c.stepped
}

// Log keeps what is logged.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String gives everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

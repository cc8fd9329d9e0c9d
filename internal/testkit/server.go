package testkit

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// Server is a running Claviger with one account, or with none (StartEmpty). Its time stands still
// until a test moves Clock.
type Server struct {
	*app.App
	Account account.Account
	// Owner owns the account.
	Owner  principal.Person
	Clock  *Clock
	Log    *Log
	Config config.Config
	t      testing.TB
	change func(*app.Options)
	people int
	halted bool
	// running is set between boot and stop.
	running bool
}

// Password is the password of every person of a server.
const Password = "correct horse battery staple"

// PasswordCost is the cost of password hashes in tests, which would otherwise spend most of their
// time on them. One test of package identity uses the production cost.
var PasswordCost = identity.Cost{Memory: 8, Time: 1, Threads: 1}

// Start starts a server on the engine. It is stopped after the test.
func Start(t testing.TB, e Engine) *Server {
	t.Helper()
	return StartWith(t, e, func(*app.Options) {})
}

// StartWith starts a server on the engine, with options altered by change.
func StartWith(t testing.TB, e Engine, change func(*app.Options)) *Server {
	t.Helper()
	return start(t, e.Config(t), change)
}

// StartIn starts a server with the settings.
func StartIn(t testing.TB, c config.Config) *Server {
	t.Helper()
	return start(t, c, func(*app.Options) {})
}

// StartOn starts a server on the PostgreSQL database of the URL.
func StartOn(t testing.TB, databaseURL string) *Server {
	t.Helper()
	c := SQLite.Config(t)
	c.Database.URL = credential.NewSecret(databaseURL)
	return start(t, c, func(*app.Options) {})
}

// StartEmpty starts a server without an account and without people, with the settings.
func StartEmpty(t testing.TB, c config.Config) *Server {
	t.Helper()
	return startEmpty(t, c, func(*app.Options) {})
}

func startEmpty(t testing.TB, c config.Config, change func(*app.Options)) *Server {
	t.Helper()
	h := &Server{Config: c, Clock: NewClock(time.Now()), Log: &Log{}, t: t, change: change}
	h.boot()
	t.Cleanup(h.stop)
	return h
}

func start(t testing.TB, c config.Config, change func(*app.Options)) *Server {
	t.Helper()
	h := startEmpty(t, c, change)
	h.Owner = h.Person("Account Owner")
	var err error
	h.Account, err = h.Accounts.CreateAccount(t.Context(), principal.Operator(), "Test account", h.Owner, true)
	h.check(err)
	return h
}

func (h *Server) boot() {
	h.t.Helper()
	o := app.Options{
		Log: telemetry.NewLogger(h.Log, slog.LevelDebug), Version: "test", PasswordCost: PasswordCost,
		Machine: h.Clock.Machine(),
	}
	h.change(&o)
	if read := o.Machine.Read; o.DatabaseTime == nil {
		o.DatabaseTime = func() time.Time { return read().Wall.Add(-h.Clock.Stepped()) }
	}
	var err error
	h.App, err = app.Start(h.t.Context(), h.Config, o)
	h.check(err)
	h.ConsoleNumbers.SetFirstWait(time.Minute) // so that pages do not depend on the speed of the machine
	h.running = true
}

func (h *Server) stop() {
	if !h.running {
		return
	}
	h.running = false
	if err := h.Stop(context.Background()); (err != nil) != h.halted {
		h.t.Errorf("stop: %v", err)
	}
}

// ExpectStopToFail fails the test unless the server stops with an error.
func (h *Server) ExpectStopToFail() { h.halted = true }

// ChangePassword sets the password of a person.
func (h *Server) ChangePassword(p principal.Person, password string) {
	h.t.Helper()
	u, _, err := h.Store.UserByEmail(h.t.Context(), identity.CanonicalEmail(p.Email))
	h.check(err)
	h.check(h.Identity.SetPassword(h.t.Context(), principal.Operator(), u, credential.NewSecret(password)))
}

// Move stops the server and starts it with other settings, whose data is a copy of the old.
func (h *Server) Move(c config.Config) {
	h.t.Helper()
	h.stop()
	h.Config = c
	h.boot()
	h.t.Cleanup(h.stop) // before its database goes
}

// Restart stops the server and starts it again on the same data.
func (h *Server) Restart() {
	h.t.Helper()
	h.stop()
	h.boot()
}

// Person creates a user with Password.
func (h *Server) Person(name string) principal.Person {
	h.t.Helper()
	h.people++
	u, err := h.Identity.Create(h.t.Context(), principal.Operator(), identity.NewUser{
		Email: fmt.Sprintf("person%d@claviger.example", h.people), Name: name, Password: credential.NewSecret(Password),
	})
	h.check(err)
	return u.Person()
}

// Tenant creates a tenant with the standard settings, altered by change.
func (h *Server) Tenant(name string, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	return h.tenant(name, policy.Standard, change)
}

// Preset creates a tenant with the preset, altered by change.
func (h *Server) Preset(p policy.Preset, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	return h.tenant("Preset "+string(p), p, change)
}

func (h *Server) tenant(name string, p policy.Preset, change func(*policy.Settings)) tenancy.Tenant {
	h.t.Helper()
	t, err := h.Tenancy.CreateTenant(h.t.Context(), principal.Operator(), h.Account.ID, name, p, change)
	h.check(err)
	return t
}

// Member creates a user who is a member of the tenant.
func (h *Server) Member(tenant tenancy.Tenant, name string, role scope.Role) principal.Person {
	h.t.Helper()
	p := h.Person(name)
	h.Join(tenant, p, role)
	return p
}

// Join adds a person to the tenant.
func (h *Server) Join(tenant tenancy.Tenant, p principal.Person, role scope.Role) {
	h.t.Helper()
	h.check(h.Tenancy.AddMember(h.t.Context(), principal.Operator(), tenant, p, role))
}

// AccountMember creates a user with a role in the account who is a member of none of its tenants.
func (h *Server) AccountMember(name string, role scope.AccountRole) principal.Person {
	h.t.Helper()
	p := h.Person(name)
	_, err := h.Accounts.SetAccountMember(h.t.Context(), principal.Operator(), h.Account.ID, p.ID, role, "")
	h.check(err)
	return p
}

// OtherAccount creates a second account and its owner.
func (h *Server) OtherAccount(name string) (account.Account, principal.Person) {
	h.t.Helper()
	owner := h.Person(name)
	a, err := h.Accounts.CreateAccount(h.t.Context(), principal.Operator(), "Other account", owner, true)
	h.check(err)
	return a, owner
}

// Application creates an application.
func (h *Server) Application(tenant tenancy.Tenant, name string) application.Application {
	h.t.Helper()
	a, err := h.Applications.CreateApplication(h.t.Context(), principal.Operator(), tenant.ID, name, "")
	h.check(err)
	return a
}

// Anyone returns a client without a credential. It does not retry, so that a test sees every
// refusal.
func (h *Server) Anyone() *client.Client { return Client(h.t, h.URL).WithRetry(client.Retry{}) }

// Operator returns a client of the API of operators, through the socket of the server.
func (h *Server) Operator() *client.Client {
	h.t.Helper()
	operation, err := app.Operate(h.t.Context(), h.Config,
		app.Options{Log: telemetry.NewLogger(h.Log, slog.LevelDebug)})
	h.check(err)
	h.t.Cleanup(func() { h.check(operation.Close(context.Background())) })
	return Client(h.t, "http://claviger").WithTransport(operation).WithRetry(client.Retry{})
}

// As returns a client with a session of the person. The session begins without the password: only
// tests of the sign-in itself need that.
func (h *Server) As(p principal.Person) *client.Client {
	h.t.Helper()
	u, err := h.Store.User(h.t.Context(), p.ID)
	h.check(err)
	_, token, err := h.Sessions.Begin(h.t.Context(), session.SignIn{
		User: p, PasswordSetAt: u.PasswordSetAt,
		From: principal.Origin{IP: "127.0.0.1", UserAgent: "Go-http-client/1.1"},
	})
	h.check(err)
	cookie := "claviger="
	if strings.HasPrefix(h.URL, "https:") {
		cookie = "__Host-" + cookie
	}
	c, err := h.Anyone().WithSession(client.SavedSession(cookie + token.Reveal()))
	h.check(err)
	return c
}

// With returns a client that sends the key.
func (h *Server) With(k api.IssuedKey) *client.Client { return h.Anyone().WithKey(k.Credential.Value) }

// Key creates a key by the API, as the client.
func (h *Server) Key(c *client.Client, tenant tenancy.Tenant, scopes ...string) api.IssuedKey {
	h.t.Helper()
	k, err := c.CreateKey(h.t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Test key", Scopes: scopes, AllApplications: true})
	h.check(err)
	return k
}

// Verifier returns a client that may verify every key of the account.
func (h *Server) Verifier() *client.Client {
	h.t.Helper()
	t := h.Tenant("Verifiers", nil)
	h.Join(t, h.Owner, scope.Admin)
	return h.With(h.Key(h.As(h.Owner), t, "keys:verify"))
}

func (h *Server) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Beside opens a second connection to the database of the server.
func (h *Server) Beside() *sql.DB {
	h.t.Helper()
	return Database(h.t, h.Config.Database.URL.Reveal(), h.File("claviger.db"))
}

// Client returns a client of the server at the address.
func Client(t testing.TB, address string) *client.Client {
	t.Helper()
	c, err := client.New(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// AnonymousLimitedServer starts a server that accepts three requests without a credential per
// minute and address. It trusts X-Forwarded-For.
func AnonymousLimitedServer(t testing.TB) *Server {
	t.Helper()
	c := SQLite.Config(t)
	c.Limits.AnonymousPerMinute = 3
	c.Server.TrustedProxies = config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
	return StartIn(t, c)
}

// TenantOfOtherAccount creates a tenant of another account with the key header. It also returns a
// client of that account's owner.
func TenantOfOtherAccount(t testing.TB, h *Server, header string) (tenancy.Tenant, *client.Client) {
	t.Helper()
	account, owner := h.OtherAccount("Other Owner")
	tenant := Must[tenancy.Tenant](t)(h.Tenancy.CreateTenant(t.Context(), principal.Operator(), account.ID,
		"Other tenant", policy.Standard,
		func(s *policy.Settings) { s.KeyHeader, s.KeysPerUser = header, 0 }))
	h.Join(tenant, owner, scope.Admin)
	return tenant, h.As(owner)
}

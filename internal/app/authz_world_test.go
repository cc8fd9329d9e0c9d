package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// world is a server with all callers and objects of the table.
type world struct {
	*testkit.Server
	t       *testing.T
	homes   map[site]home
	people  map[string]principal.Person
	parties []party
	// bound is the application that the bound key is restricted to.
	bound application.Application
	// robot is a service account of our tenant.
	robot machine.ServiceAccount
	// shelf holds the objects that refused requests share.
	shelf map[string]any
	// ends of the audit chains; stale is set when something was created that moved them.
	ends  map[string]audit.Head
	stale bool
	// absent is the "not found" of each route.
	absent map[string]string
	count  int
	// turns counts the requests of each party, to choose their transports.
	turns map[string]int
}

// site is a tenant with its account.
type site string

const (
	ours                site = "our tenant"
	membersSeeTheirOwn  site = "where members see their own keys alone"
	adminsRefresh       site = "where admins refresh keys, too"
	adminsCreate        site = "where admins alone create keys"
	eachCreatesTheirOwn site = "where each creates their own keys alone"
	recoverable         site = "where secrets can be shown again"
	sibling             site = "another tenant of our account"
	theirs              site = "the tenant of another account"
	none                site = "no tenant"
)

// sites with their settings.
var sites = map[site]func(*policy.Settings){
	ours: func(*policy.Settings) {}, sibling: func(*policy.Settings) {}, theirs: func(*policy.Settings) {},
	membersSeeTheirOwn:  func(s *policy.Settings) { s.Visibility = policy.SeeOwn },
	adminsRefresh:       func(s *policy.Settings) { s.AdminRefresh = true },
	adminsCreate:        func(s *policy.Settings) { s.Creators = []policy.Creator{policy.ByAdmin} },
	eachCreatesTheirOwn: func(s *policy.Settings) { s.Creators = []policy.Creator{policy.BySelf} },
	recoverable:         func(s *policy.Settings) { s.Disclosure = policy.Recoverable },
}

// actor is a person with a role in some tenants, and perhaps a role in the account of the first of
// them.
type actor struct {
	name        string
	accountRole scope.AccountRole
	role        scope.Role
	seats       []site
}

var ourTenants = []site{ours, membersSeeTheirOwn, adminsRefresh, adminsCreate, eachCreatesTheirOwn, recoverable}

// cast are the people of the columns, and the people whom requests change. Our account has one more
// owner, whom no request changes.
var cast = []actor{
	{"owner", scope.AccountOwner, scope.Member, ourTenants},
	{"officer", scope.AccountAdmin, scope.Member, ourTenants},
	{"admin", "", scope.Admin, ourTenants},
	{"member", "", scope.Member, ourTenants},
	{"auditor", "", scope.Auditor, ourTenants},
	{"foreigner", scope.AccountOwner, scope.Admin, []site{theirs}},

	{"founder", scope.AccountOwner, scope.Member, []site{ours}},
	{"deputy", scope.AccountAdmin, scope.Member, []site{ours}},
	{"keeper", "", scope.Admin, []site{ours, sibling}}, // of the keys that ask
	{"sleeper", "", scope.Member, []site{ours}},        // who is disabled everywhere
	{"absentee", "", scope.Member, []site{ours}},       // who is disabled in the tenant
	{"resident", "", scope.Member, ourTenants},
	{"neighbour", "", scope.Member, []site{sibling}},
	{"stranger", "", scope.Member, []site{theirs}},
	{"guest", "", scope.Member, ourTenants},
	{"neighbour's guest", "", scope.Member, []site{sibling}},
	{"stranger's guest", "", scope.Member, []site{theirs}},
}

// home is a site with two of its members: the resident owns the objects of "another", and the guest
// can be removed.
type home struct {
	tenancy.Tenant
	site            site
	resident, guest principal.Person
}

// password of people who use a link.
const password = testkit.Password

func newWorld(t *testing.T, e testkit.Engine) *world {
	t.Helper()
	c := e.Config(t)
	// A busy machine must refuse nothing for a reason that is not in the table.
	c.Database.MaxStaleness = config.Staleness(config.MaxStaleness)
	w := &world{
		Server: testkit.StartIn(t, c), t: t, homes: map[site]home{}, people: map[string]principal.Person{},
		shelf: map[string]any{}, absent: map[string]string{}, turns: map[string]int{},
		stale: true,
	}
	for _, a := range cast {
		w.people[a.name] = w.Person("The " + a.name)
	}
	w.build()
	for _, a := range cast {
		w.setRoles(a, w.person(a.name))
	}
	w.bound = w.Application(w.homes[ours].Tenant, "Bound application")
	w.robot = w.newServiceAccount(w.homes[ours])
	w.signIn()
	w.issue()
	w.createInvalidCredentials()
	tokens := map[string]bool{} // by column: one key of each also sends an access token
	for i, p := range w.parties {
		if _, bad := refused[p.name]; !bad && p.cookie == "" {
			w.parties[i].accessToken, w.parties[i].sendsToken = w.newAccessToken(p), !tokens[p.column]
			tokens[p.column] = true
		}
	}
	return w
}

// newServiceAccount creates a service account of a site.
func (w *world) newServiceAccount(at home) machine.ServiceAccount {
	a, err := w.ServiceAccounts.Create(w.t.Context(), principal.Operator(), at.Tenant.ID,
		machine.NewServiceAccount{Name: "Some robot", Role: scope.Member})
	w.check(err)
	return a
}

// newManagementKey returns a management key of a service account.
func (w *world) newManagementKey(at home, account ident.ServiceAccountID) machine.ManagementKey {
	issued, err := w.ManagementKeys.Create(w.t.Context(), principal.Operator(), at.Tenant.ID, account,
		machine.ManagementKeySpec{Name: "Some program", Rights: policy.ManagementRights{
			Permissions: []policy.Permission{policy.MayReadKeys}, Owners: []ident.PartyType{ident.SubjectParty},
		}})
	w.check(err)
	return issued.ManagementKey
}

// person returns one of the cast.
func (w *world) person(name string) principal.Person {
	w.t.Helper()
	p, ok := w.people[name]
	if !ok {
		w.t.Fatalf("nobody is the %s", name)
	}
	return p
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// checkGone is check, but accepts that there was nothing to remove.
func (w *world) checkGone(err error) {
	w.t.Helper()
	if !errors.Is(err, fault.NotFound) {
		w.check(err)
	}
}

// build creates the sites.
func (w *world) build() {
	other, err := w.Accounts.CreateAccount(w.t.Context(), principal.Operator(), "Other account", w.person("foreigner"),
		true)
	w.check(err)
	for at, change := range sites {
		account := w.Account.ID
		resident := "resident"
		guest := "guest"
		switch at {
		case theirs:
			account = other.ID
			resident = "stranger"
			guest = "stranger's guest"
		case sibling:
			resident, guest = "neighbour", "neighbour's guest"
		}
		tenant, err := w.Tenancy.CreateTenant(w.t.Context(), principal.Operator(), account, "Some tenant",
			policy.Standard, func(s *policy.Settings) {
				s.KeysPerUser = 0
				s.TokenSeconds = 86_400 // the clock moves by hours
				change(s)
			})
		w.check(err)
		w.homes[at] = home{tenant, at, w.person(resident), w.person(guest)}
	}
	w.homes[none] = home{
		tenancy.Tenant{ID: unused[ident.TenantID](w), Account: unused[ident.AccountID](w)},
		none,
		w.person("resident"), w.person("guest"),
	}
}

// readEnds reads where the audit chains end: every change moves one of them.
func (w *world) readEnds() map[string]audit.Head {
	ends, err := w.Store.Chains(w.t.Context())
	w.check(err)
	return ends
}

// unused returns an id that nothing has.
func unused[T ident.ID](w *world) T { return ident.New[T](w.Clock.Now(), rand.Reader) }

// setRoles sets the roles of a person to those of an actor, and removes any other in the account.
func (w *world) setRoles(a actor, user principal.Person) {
	ctx, operator := w.t.Context(), principal.Operator()
	for _, at := range a.seats {
		_, err := w.Tenancy.ChangeMember(ctx, operator, w.homes[at].ID, user.ID,
			tenancy.MemberChange{Role: &a.role, Disabled: new(false)})
		if errors.Is(err, fault.NotFound) {
			err = w.Tenancy.AddMember(ctx, operator, w.homes[at].Tenant, user, a.role)
		}
		w.check(err)
	}
	account := w.homes[a.seats[0]].Account
	if a.accountRole == "" {
		w.checkGone(w.Accounts.RemoveAccountMember(ctx, operator, account, user.ID))
		return
	}
	_, err := w.Accounts.SetAccountMember(ctx, operator, account, user.ID, a.accountRole, "")
	w.check(err)
}

// dismiss removes the roles that setRoles set, if the person still has them.
func (w *world) dismiss(a actor, user principal.Person) {
	ctx, operator := w.t.Context(), principal.Operator()
	for _, at := range a.seats {
		w.checkGone(w.Tenancy.RemoveMember(ctx, operator, w.homes[at].ID, user.ID))
	}
	w.checkGone(w.Accounts.RemoveAccountMember(ctx, operator, w.homes[a.seats[0]].Account, user.ID))
}

// isMember reports whether a person can own keys in a tenant.
func (w *world) isMember(p principal.Person, at site) bool {
	return slices.ContainsFunc(cast,
		func(a actor) bool { return w.people[a.name] == p && slices.Contains(a.seats, at) })
}

// party is a caller: with a cookie, with a key, or without a credential.
type party struct {
	name string
	// column of the table; "" for a party of the table refused.
	column string
	// needs of the routes that the party calls; "" for all.
	needs string
	// person who is signed in or owns the key.
	person principal.Person
	cookie string
	key    credentials
	// accessToken was issued for the key; "" for an invalid key.
	accessToken string
	// sendsToken is set if the party also calls every route with it.
	sendsToken bool
}

// newAccessToken returns an access token of the party's key.
func (w *world) newAccessToken(p party) string {
	w.t.Helper()
	header := p.header("basic")
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _, text := testkit.Send(w.t, w.Server, http.MethodPost, "/oauth2/token", header,
		"grant_type=client_credentials")
	var issued api.AccessTokenResponse
	if err := json.Unmarshal([]byte(text), &issued); err != nil || issued.AccessToken == "" {
		w.t.Fatalf("%s gets no access token: %d %s", p.name, status, text)
	}
	return issued.AccessToken
}

// credentials are a key with its secret.
type credentials struct{ id, publicID, secret, value string }

// transports by which the party's credential comes.
func (p party) transports() []string {
	switch {
	case p.cookie != "":
		return []string{"cookie"}
	case p.key == credentials{}:
		return []string{"nothing"}
	case p.sendsToken:
		return []string{"bearer", "basic", "header", "oauth"}
	}
	return []string{"bearer", "basic", "header"}
}

func (p party) header(transport string) http.Header {
	switch transport {
	case "cookie":
		return http.Header{"Cookie": {"claviger=" + p.cookie}}
	case "bearer":
		return http.Header{"Authorization": {"Bearer " + p.key.value}}
	case "oauth":
		return http.Header{"Authorization": {"Bearer " + p.accessToken}}
	case "basic":
		return http.Header{"Authorization": {"Basic " +
			base64.StdEncoding.EncodeToString([]byte(p.key.publicID+":"+p.key.secret))}}
	case "header":
		return http.Header{"X-Api-Key": {p.key.value}}
	}
	return http.Header{}
}

// party returns the party with the name.
func (w *world) party(name string) party {
	i := slices.IndexFunc(w.parties, func(p party) bool { return p.name == name })
	return w.parties[i]
}

// signIn creates the parties of people.
func (w *world) signIn() {
	for _, column := range split(columns)[:firstKey] {
		w.parties = append(w.parties,
			party{name: column, column: column, person: w.person(column), cookie: w.begin(w.person(column))})
	}
}

// begin starts another session of a person.
func (w *world) begin(p principal.Person) (cookie string) {
	_, cookie = w.beginSession(p)
	return cookie
}

func (w *world) beginSession(p principal.Person) (id ident.SessionID, cookie string) {
	u, _, err := w.Store.UserByEmail(w.t.Context(), identity.CanonicalEmail(p.Email))
	w.check(err)
	begun, token, err := w.Sessions.Begin(w.t.Context(), session.SignIn{User: p, PasswordSetAt: u.PasswordSetAt})
	w.check(err)
	return begun.ID, token.Reveal()
}

// issue creates the parties of keys: those for every route, and for each scope a key with it alone
// and a key with all others.
func (w *world) issue() {
	const gone scope.Scope = "reports:export"
	own := func(entries ...scope.Entry) {
		_, err := w.Tenancy.ReplaceScopes(w.t.Context(), principal.Operator(), w.homes[ours].ID, entries, "")
		w.check(err)
	}
	add := func(name, column, needs, owner string, scopes ...scope.Scope) {
		p := party{name: name, column: column, needs: needs, person: w.person(owner)}
		p.key = w.newKey(w.homes[ours], p.person, key.Spec{Scopes: scopes, AllApplications: true})
		w.parties = append(w.parties, p)
	}
	own(scope.Entry{Name: gone})
	add("owner's-key", "owner's-key", "", "founder", scope.Every)
	add("key", "key", "", "keeper", scope.Every)
	add("key-without", "key-without", "", "keeper", gone)
	add("member's-key", "member's-key", "", "member", scope.Every)
	own()
	var builtIn []scope.Scope
	for _, e := range scope.NewCatalogue(nil).Entries() {
		builtIn = append(builtIn, e.Name)
	}
	for _, name := range builtIn {
		others := slices.DeleteFunc(slices.Clone(builtIn), func(s scope.Scope) bool { return s == name })
		add("a key with "+string(name)+" alone", "key", string(name), "keeper", name)
		add("a key with all but "+string(name), "key-without", string(name), "keeper", others...)
	}
	w.parties = append(w.parties,
		party{name: "bound-key", column: "bound-key", person: w.person("keeper"), key: w.bind(w.bound)},
		party{name: "subject's-key", column: "subject's-key", person: w.person("keeper"), key: w.newSubjectsKey()})
}

// newSubjectsKey creates a key with every scope for a subject.
func (w *world) newSubjectsKey() credentials {
	at, spec := w.homes[ours], everything
	spec.Name, spec.Subject = "Key of a customer", &machine.NewSubject{ExternalID: "customer-with-a-key"}
	issued, err := w.Keys.Create(w.t.Context(), w.running(at), at.ID, spec)
	w.check(err)
	c := issued.Credential
	return credentials{string(issued.Key.ID), c.PublicID, c.Secret.Reveal(), c.Value.Reveal()}
}

// bind creates a key with every scope that is restricted to an application.
func (w *world) bind(a application.Application) credentials {
	return w.newKey(w.homes[ours], w.person("keeper"),
		key.Spec{Scopes: []scope.Scope{scope.Every}, ApplicationIDs: []string{string(a.ID)}})
}

// everything is all that a key can be allowed.
var everything = key.Spec{Scopes: []scope.Scope{scope.Every}, AllApplications: true}

// newKey creates a key for a person.
func (w *world) newKey(at home, owner principal.Person, spec key.Spec) credentials {
	spec.Name, spec.Owner = "Test key", ident.PartyID(owner.ID)
	by := w.running(at)
	if role := w.roleOver(owner); role != "" { // who gets no secret from others
		member := principal.AccountMember{Account: at.Account, Role: role}
		by = principal.OfSession(&principal.Session{User: owner, AccountMembers: []principal.AccountMember{member}})
	}
	issued, err := w.Keys.Create(w.t.Context(), by, at.ID, spec)
	w.check(err)
	c := issued.Credential
	return credentials{string(issued.Key.ID), c.PublicID, c.Secret.Reveal(), c.Value.Reveal()}
}

// roleOver returns the role that one of the cast has in their account; "" for none.
func (w *world) roleOver(p principal.Person) scope.AccountRole {
	for _, a := range cast {
		if w.people[a.name].ID == p.ID {
			return a.accountRole
		}
	}
	return ""
}

// running returns an owner of the account, who may do everything in the tenant.
func (w *world) running(at home) principal.Principal {
	user := w.Owner
	if at.site == theirs {
		user = w.person("foreigner")
	}
	return principal.OfSession(&principal.Session{
		User:           user,
		AccountMembers: []principal.AccountMember{{Account: at.Account, Role: scope.AccountOwner}},
	})
}

// createInvalidCredentials creates the invalid credentials.
func (w *world) createInvalidCredentials() {
	ctx := w.t.Context()
	admin := w.running(w.homes[ours])
	home := w.homes[ours]
	soon := w.Clock.Now().Add(time.Hour)
	spec := everything
	spec.ExpiresAt = &soon
	w.refuse("an expired key", party{key: w.newKey(home, w.person("keeper"), spec)})
	w.Clock.Move(2 * time.Hour)

	revoked := w.newKey(home, w.person("keeper"), everything)
	disabled := w.newKey(home, w.person("keeper"), everything)
	deleted := w.newKey(home, w.person("keeper"), everything)
	_, _, err := w.Keys.Revoke(ctx, admin, home.ID, ident.KeyID(revoked.id), "")
	w.check(err)
	_, err = w.Keys.Disable(ctx, admin, home.ID, ident.KeyID(disabled.id))
	w.check(err)
	w.check(w.Keys.Delete(ctx, admin, home.ID, ident.KeyID(deleted.id)))
	w.refuse("a revoked key", party{key: revoked})
	w.refuse("a disabled key", party{key: disabled})
	w.refuse("a deleted key", party{key: deleted})

	w.refuse("a key of a disabled owner", party{key: w.newKey(home, w.person("sleeper"), everything)})
	_, err = w.Identity.SetDisabled(ctx, principal.Operator(), w.person("sleeper").ID, true)
	w.check(err)
	w.refuse("a key of a disabled member", party{key: w.newKey(home, w.person("absentee"), everything)})
	_, err = w.Tenancy.ChangeMember(ctx, principal.Operator(), home.ID, w.person("absentee").ID,
		tenancy.MemberChange{Disabled: new(true)})
	w.check(err)

	w.refuse("a wrong secret", party{key: w.party("key").key.with(revoked.secret)})
	w.refuse("a session that was ended", party{cookie: w.endedSession()})
	w.refuse("nobody", party{})
}

// refuse adds a party of the table refused. Its own objects are those of the resident.
func (w *world) refuse(name string, p party) {
	p.name, p.person = name, w.person("resident")
	w.parties = append(w.parties, p)
}

// with returns the key with another secret and a correct checksum.
func (k credentials) with(secret string) credentials {
	k.value = testkit.WithChecksum(strings.Replace(k.value, k.secret, secret, 1))
	k.secret = k.value[len(k.value)-len(secret):]
	return k
}

func (w *world) endedSession() (cookie string) {
	cookie = w.begin(w.person("admin"))
	status, _, _ := testkit.Send(w.t, w.Server, http.MethodDelete, "/api/v1/session",
		party{cookie: cookie}.header("cookie"),
		"")
	if status != http.StatusNoContent {
		w.t.Fatalf("ending a session answers %d", status)
	}
	return cookie
}

package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/ident"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// scenario records what the services return.
type scenario struct {
	*fixture
	*services
	operator principal.Principal
	answers  []string
}

// runScenario makes the services do everything that they can do to the store, including what they
// refuse, and returns their answers.
func runScenario(fx *fixture) []string {
	sc := &scenario{fixture: fx, services: fx.services(), operator: principal.Operator()}
	// what older nodes do not understand begins so
	sc.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.RequireUpgrade(ctx) })
	sc.setUpServer()
	ada, bob := sc.createPeople()
	account := sc.createAccount(ada, bob)
	who := sc.signIn(ada)
	capped := sc.createTenant("capped", account, func(s *policy.Settings) { s.KeysPerUser = 1 }, ada, bob)
	sc.keysUnderACap(who, capped, bob)
	sc.keysWithoutACap(who, sc.createTenant("open", account, func(s *policy.Settings) { s.KeysPerUser = 0 }, ada))
	sc.keysAreDeletedOnRevoke(who,
		sc.createTenant("vanishing", account, func(s *policy.Settings) { s.RevokeMode = policy.Delete }, ada))
	sc.keysAreDeliveredByLink(who, bob, capped)
	sc.keysAreShownAgain(account, ada)
	sc.accountsAndTenantsChange(who, account, bob)
	sc.idleKeysAreDisabled(who, sc.createTenant("idle", account, func(s *policy.Settings) { s.IdleDays = 10 }, ada))
	sc.oldKeysExpire(who, sc.createTenant("ageing", account, func(s *policy.Settings) { s.KeysPerUser = 0 }, ada))
	sc.serviceAccountsOwnKeys(who, sc.createTenant("robotic", account, nil, ada), ada)
	sc.subjectsHavePlans(who, sc.createTenant("selling", account, nil, ada))
	sc.programsManageKeys(who, sc.createTenant("programmed", account, nil, ada))
	sc.tokensAreIssuedAndRevoked(who, sc.createTenant("issuing", account, nil, ada))
	sc.membersJoinAndLeave(who, sc.createTenant("busy", account, nil, ada))
	sc.linksAreMailed(who, sc.createTenant("mailed", account, nil, ada), bob)
	sc.secondFactorsCome(who, account, bob)
	sc.peopleChangeThemselves()
	sc.openAccount()
	sc.sendNotices()
	sc.mailOfAnAccount(who, account)
	sc.signOut(who)
	sc.peopleChangeAndLeave(ada, bob)
	sc.serverKeysRotate()
	sc.oldLinksAreRemoved()
	sc.signingKeysRotate()
	return sc.answers
}

const longPassword = "correct horse battery staple"

// record records an answer and moves the clock.
func record[T any](sc *scenario, what string, answer T, err error) T {
	sc.answers = append(sc.answers, fmt.Sprintf("%s: %+v %v %v", what, answer, err, fault.Fields(err)))
	sc.clock.move(time.Second)
	return answer
}

func (sc *scenario) createPeople() (ada, bob principal.Person) {
	password := credential.NewSecret(longPassword)
	create := func(name, email string) identity.User {
		u, err := sc.identity.Create(sc.Context(), sc.operator,
			identity.NewUser{Name: name, Email: email, Password: password})
		return record(sc, "create "+name, u, err)
	}
	a, b := create("Ada", "Ada@Claviger.Example"), create("Bob", "bob@claviger.example")
	create("Ada again", "ada@claviger.example")
	record(sc, "new password", "", sc.identity.SetPassword(sc.Context(), sc.operator, a, password))
	// as a restore does
	sc.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.VoidPassword(ctx, b.ID, sc.clock.Now()) })
	// as a restore does
	sc.mustWrite(func(ctx context.Context, tx *store.Tx) error { _, _, err := tx.EventOf(ctx, 1); return err })
	record(sc, "new password after none", "", sc.identity.SetPassword(sc.Context(), sc.operator, b, password))
	record(sc, "new password of nobody", "",
		sc.identity.SetPassword(sc.Context(), sc.operator, identity.User{ID: "usr_nobody"}, password))
	sc.resetPasswords(b)
	return a.Person(), b.Person()
}

// resetPasswords sets a password by a mailed link and by a link of the operator.
func (sc *scenario) resetPasswords(u identity.User) {
	for _, email := range []string{u.Email, "nobody@claviger.example"} {
		record(sc, "ask for a link", "", sc.identity.RequestReset(principal.Origin{IP: "192.0.2.1"}, email))
		record(sc, "mail links", "", sc.identity.MailResets(sc.Context()))
	}
	_, void, err := sc.identity.NewReset(sc.Context(), sc.operator, u.ID)
	record(sc, "link of the operator", "", err)
	l, token, err := sc.identity.NewReset(sc.Context(), sc.operator, u.ID)
	record(sc, "another", l, err)
	_, _, err = sc.identity.NewReset(sc.Context(), sc.operator, "usr_nobody")
	record(sc, "link of nobody", "", err)
	for _, token := range []credential.Secret{token, token, void} {
		record(sc, "reset", "",
			sc.identity.Reset(sc.Context(), principal.Origin{IP: "192.0.2.1"}, token.Reveal(),
				credential.NewSecret(longPassword)))
	}
}

func (sc *scenario) createAccount(ada, bob principal.Person) account.Account {
	a, err := sc.accounts.CreateAccount(sc.Context(), sc.operator, "Acme", ada, true)
	record(sc, "create account", a, err)
	sc.createTenant("first", a, nil, ada)
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner} {
		o, err := sc.accounts.SetAccountMember(sc.Context(), sc.operator, a.ID, bob.ID, role, "")
		record(sc, "standing", o, err)
	}
	return a
}

func (sc *scenario) createTenant(name string, account account.Account, change func(*policy.Settings),
	members ...principal.Person,
) tenancy.Tenant {
	t, err := sc.tenancy.CreateTenant(sc.Context(), sc.operator, account.ID, name, policy.Standard, change)
	record(sc, "create tenant "+name, t, err)
	for _, m := range append(members, members[0]) { // the first twice, which is refused
		record(sc, "join "+name, m, sc.tenancy.AddMember(sc.Context(), sc.operator, t, m, scope.Admin))
	}
	return t
}

func (sc *scenario) signIn(person principal.Person) principal.Principal {
	u, err := sc.store.User(sc.Context(), person.ID)
	record(sc, "user", u, err)
	begun, token, err := sc.sessions.Begin(sc.Context(), session.SignIn{
		User: person, PasswordSetAt: u.PasswordSetAt,
		From: principal.Origin{IP: "192.0.2.1", RequestID: "r1", UserAgent: "a browser"},
	})
	record(sc, "begin", begun, err)
	who, err := sc.sessions.Resume(sc.Context(), credential.SessionToken, token.Reveal())
	rights, _ := who.Session()
	record(sc, "resume", rights, err)
	return who
}

func (sc *scenario) signOut(who principal.Principal) {
	own, _ := who.Session()
	record(sc, "end", "", sc.sessions.End(sc.Context(), who, own.ID))
	record(sc, "end again", "", sc.sessions.End(sc.Context(), who, own.ID))
}

func (sc *scenario) oldLinksAreRemoved() {
	sc.clock.move(60 * policy.Day)
	for range 2 { // the second time there are none
		record(sc, "remove old links", "", sc.tenancy.RemoveOldLinks(sc.Context()))
	}
}

// sendNotices sends the notices of all that was done, which fails, and retries them.
func (sc *scenario) sendNotices() {
	record(sc, "plan", "", sc.notices.Plan(sc.Context()))
	record(sc, "send", "", sc.notices.SendDue(sc.Context()))
	dead, err := sc.notices.List(sc.Context(), notice.Dead, 1)
	record(sc, "list", dead, err)
	for range 2 {
		record(sc, "retry", "", sc.notices.Retry(sc.Context(), sc.operator, dead[0].ID))
	}
	record(sc, "retry none", "", sc.notices.Retry(sc.Context(), sc.operator, "ntc_none"))
	for range 2 { // the second time there are none
		n, err := sc.notices.RetryDead(sc.Context(), sc.operator)
		record(sc, "retry dead", n, err)
	}
}

// mailOfAnAccount lists the messages of an account, retries one that is dead, and sends a test.
func (sc *scenario) mailOfAnAccount(who principal.Principal, a account.Account) {
	record(sc, "send again", "", sc.notices.SendDue(sc.Context()))
	list, err := sc.accounts.Mail(sc.Context(), who, a.ID, paging.Page{Limit: 50})
	record(sc, "mail", list, err)
	for _, e := range list {
		if e.State == notice.Dead {
			record(sc, "retry mail", "", sc.accounts.RetryMail(sc.Context(), who, a.ID, e.ID))
			break
		}
	}
	record(sc, "retry no mail", "", sc.accounts.RetryMail(sc.Context(), who, a.ID, "ntc_none"))
	for range 2 { // the second time it is too early
		record(sc, "send a test", "", sc.accounts.SendTest(sc.Context(), who, a.ID))
	}
}

// peopleChangeAndLeave makes people change and delete themselves. Bob is the last admin nowhere;
// Ada is.
func (sc *scenario) peopleChangeAndLeave(ada, bob principal.Person) {
	name := "Another name"
	for range 2 { // the second time there is nothing to do
		u, err := sc.identity.ChangeMe(sc.Context(), sc.signIn(bob), identity.Change{Name: &name})
		record(sc, "rename", u, err)
		u, err = sc.identity.ChangeMe(sc.Context(), sc.signIn(bob),
			identity.Change{Notices: map[notice.Kind]bool{notice.NewSignIn: false}})
		record(sc, "mute", u, err)
	}
	for _, disabled := range []bool{true, true, false} {
		u, err := sc.identity.SetDisabled(sc.Context(), sc.operator, bob.ID, disabled)
		record(sc, "disable", u, err)
	}
	password := credential.NewSecret(longPassword)
	for range 2 { // the second time it is no longer the one
		u, err := sc.identity.ChangePassword(sc.Context(), sc.signIn(bob), password,
			credential.NewSecret("another "+longPassword))
		record(sc, "change password", u, err)
	}
	record(sc, "delete the last admin", "", sc.identity.DeleteMe(sc.Context(), sc.signIn(ada)))
	gone := sc.signIn(bob)
	record(sc, "delete", "", sc.identity.DeleteMe(sc.Context(), gone))
	record(sc, "delete again", "", sc.identity.DeleteMe(sc.Context(), gone))
	for range 2 { // the second time there is nothing to do
		record(sc, "sweep", "", sc.sessions.Sweep(sc.Context()))
		sc.clock.move(policy.DefaultSessions.Absolute)
	}
	record(sc, "sweep", "", sc.sessions.Sweep(sc.Context()))
}

func (sc *scenario) create(who principal.Principal, t tenancy.Tenant, spec key.Spec) key.Key {
	issued, err := sc.keys.Create(sc.Context(), who, t.ID, spec)
	return record(sc, "create key", issued, err).Key
}

func (sc *scenario) revoke(who principal.Principal, t tenancy.Tenant, k key.Key) {
	v, gone, err := sc.keys.Revoke(sc.Context(), who, t.ID, k.ID, "no longer needed")
	record(sc, fmt.Sprintf("revoke key (gone: %t)", gone), v.Key, err)
}

func (sc *scenario) delete(who principal.Principal, t tenancy.Tenant, k key.Key) {
	record(sc, "delete key", k, sc.keys.Delete(sc.Context(), who, t.ID, k.ID))
}

func (sc *scenario) edit(who principal.Principal, t tenancy.Tenant, k key.Key, e key.Edit) {
	v, err := sc.keys.Edit(sc.Context(), who, t.ID, k.ID, e)
	record(sc, "edit key", v.Key, err)
}

func (sc *scenario) refresh(who principal.Principal, t tenancy.Tenant, k key.Key, r key.RefreshParams) {
	issued, err := sc.keys.Refresh(sc.Context(), who, t.ID, k.ID, r)
	record(sc, "refresh key", issued, err)
}

func (sc *scenario) keysUnderACap(who principal.Principal, t tenancy.Tenant, bob principal.Person) {
	a, err := sc.applications.CreateApplication(sc.Context(), sc.operator, t.ID, "An application", "")
	record(sc, "create application", a, err)
	short := anyKey()
	soon := sc.after(time.Hour)
	short.AllApplications = false
	short.ApplicationIDs = []string{string(a.ID)}
	short.ExpiresAt = &soon
	sc.create(who, t, short)
	sc.create(who, t, anyKey()) // beyond the cap
	sc.clock.move(2 * time.Hour)
	next := sc.create(who, t, anyKey()) // in the slot of the one that expired
	unknown := short
	unknown.ApplicationIDs = append([]string{"app_0000000000" + "0000000000"}, short.ApplicationIDs...)
	sc.create(who, t, unknown)
	another := anyKey()
	another.Owner = ident.PartyID(bob.ID)
	sc.create(who, t, another) // refused, since Bob runs the account
	sc.revoke(who, t, next)
	sc.revoke(who, t, next) // nothing to do
	sc.create(who, t, anyKey())
}

func (sc *scenario) keysWithoutACap(who principal.Principal, t tenancy.Tenant) {
	first := sc.create(who, t, anyKey())
	sc.create(who, t, anyKey())
	for range 2 { // the second time there is nothing to do
		k, err := sc.keys.Disable(sc.Context(), who, t.ID, first.ID)
		record(sc, "disable key", k, err)
	}
	for range 2 {
		k, err := sc.keys.Enable(sc.Context(), who, t.ID, first.ID)
		record(sc, "enable key", k, err)
	}
	for range 2 {
		sc.edit(who, t, first,
			key.Edit{
				Name: new("Another name"), Scopes: []scope.Scope{scope.Every},
				ExpiresAt: key.ExpiryPatch{Given: true},
			})
	}
	sc.refresh(who, t, first, key.RefreshParams{KeepID: true, Overlap: 60})
	sc.refresh(who, t, first, key.RefreshParams{Overlap: 60})
	for range 2 { // the second time there is none
		record(sc, "end previous", "", sc.keys.EndPrevious(sc.Context(), who, t.ID, first.ID))
	}
	sc.delete(who, t, first)
	sc.delete(who, t, first) // not there
	sc.create(who, t, anyKey())
	sc.exec(`UPDATE keys SET slot = 10000, expires_at = 1 WHERE tenant_id = $1 AND slot = 2`, t.ID)
	sc.create(who, t, anyKey()) // from here on an owner's keys are counted, and expired ones give their slots
}

func (sc *scenario) keysAreDeletedOnRevoke(who principal.Principal, t tenancy.Tenant) {
	k := sc.create(who, t, anyKey())
	sc.revoke(who, t, k)
	sc.revoke(who, t, k) // not there
}

// keysAreShownAgain creates, shows and deletes sealed copies.
func (sc *scenario) keysAreShownAgain(account account.Account, ada principal.Person) {
	t := sc.createTenant("disclosing", account, func(s *policy.Settings) { s.Disclosure = policy.Recoverable }, ada)
	who := sc.signIn(ada)
	k := sc.create(who, t, anyKey())
	reveal := func() {
		shown, err := sc.keys.Reveal(sc.Context(), who, t.ID, k.ID)
		record(sc, "reveal key", shown, err)
	}
	reveal()
	for _, to := range []policy.Disclosure{policy.Once, policy.Recoverable} {
		changed, err := sc.tenancy.ChangeTenant(sc.Context(), who, t.ID,
			tenancy.TenantChange{Settings: func(s *policy.Settings) { s.Disclosure = to }})
		record(sc, "disclose", changed, err)
		reveal()
	}
}

// serverKeysRotate rotates all server keys twice, re-encrypts what they sealed, and retires what it
// can.
func (sc *scenario) serverKeysRotate() {
	for _, set := range []serverkey.Set{serverkey.Seals, serverkey.Tags, serverkey.Seals} {
		v, err := sc.serverKeys.Rotate(sc.Context(), sc.operator, set)
		record(sc, "rotate "+set.String(), v, err)
		sc.clock.move(time.Hour)
		for range 2 { // the second time there is nothing to do
			record(sc, "wrap anew", "", sc.serverKeys.RunOnce(sc.Context()))
		}
	}
	record(sc, "retire a version with sign-ins", "",
		sc.serverKeys.Retire(sc.Context(), sc.operator, serverkey.Seals, 1))
	sc.clock.move(10 * policy.Day)
	for _, number := range []int{1, 2, 3} { // the last is the newest
		record(sc, "retire", number, sc.serverKeys.Retire(sc.Context(), sc.operator, serverkey.Seals, number))
	}
	states, err := sc.serverKeys.Status(sc.Context(), sc.operator)
	record(sc, "status", states, err)
}

func (sc *scenario) keysAreDeliveredByLink(who principal.Principal, bob principal.Person, t tenancy.Tenant) {
	sc.clock.move(100 * policy.Day) // so that Bob's other key has expired
	spec := anyKey()
	spec.Owner, spec.Delivery = ident.PartyID(bob.ID), key.ByLink
	first, err := sc.keys.Create(sc.Context(), who, t.ID, spec)
	record(sc, "create key by link", first, err)
	owner := sc.signIn(bob)
	for range 2 { // the second time it was used
		claimed, err := sc.keys.Claim(sc.Context(), owner, first.Link.Token.Reveal())
		record(sc, "claim key", claimed, err)
	}
	sc.delete(who, t, first.Key)
	lost := sc.create(who, t, spec)
	renewed, err := sc.keys.RenewClaim(sc.Context(), who, t.ID, lost.ID)
	record(sc, "another link for a key", renewed, err)
	sc.clock.move(key.ClaimPeriod)
	record(sc, "drop what was not claimed", "", sc.sweeper.DeleteUnclaimed(sc.Context()))
}

// idleKeysAreDisabled disables a key that nobody uses.
func (sc *scenario) idleKeysAreDisabled(who principal.Principal, t tenancy.Tenant) {
	sc.create(who, t, anyKey())
	for range 3 { // the first time its owner is only told, the third there is nothing to do
		sc.clock.move(11 * policy.Day)
		record(sc, "plan", "", sc.notices.Plan(sc.Context()))
		record(sc, "disable what is idle", "", sc.sweeper.DisableIdle(sc.Context()))
	}
}

// oldKeysExpire makes all keys expire and deletes their digests.
func (sc *scenario) oldKeysExpire(who principal.Principal, t tenancy.Tenant) {
	own := anyKey()
	soon := sc.after(policy.Day)
	own.ExpiresAt = &soon
	sc.create(who, t, own)
	sc.refresh(who, t, sc.create(who, t, anyKey()), key.RefreshParams{Overlap: 60})
	for range 3 {
		sc.clock.move(sc.sweeper.ExpiredRetention)
		record(sc, "forget what expired long ago", "", sc.sweeper.ForgetExpired(sc.Context()))
	}
}

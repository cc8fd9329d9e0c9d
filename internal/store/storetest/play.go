package storetest

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// player notes what the services answer.
type player struct {
	*house
	*domain
	operator principal.Principal
	answers  []string
}

// play lets the services do everything they can do to the store, what is refused included, and gives their answers.
func play(h *house) []string {
	p := &player{house: h, domain: h.services(), operator: principal.Operator()}
	ada, bob := p.people()
	account := p.anAccount(ada, bob)
	who := p.signIn(ada)
	capped := p.makeTenant("capped", account, func(s *policy.Settings) { s.KeysPerUser = 1 }, ada, bob)
	p.keysUnderACap(who, capped, bob)
	p.keysWithoutACap(who, p.makeTenant("open", account, func(s *policy.Settings) { s.KeysPerUser = 0 }, ada))
	p.keysThatVanish(who, p.makeTenant("vanishing", account, func(s *policy.Settings) { s.RevokeMode = policy.Delete }, ada))
	p.keysByLink(who, bob, capped)
	p.keysAreShownAgain(account, ada)
	p.placesChange(who, account, bob)
	p.keysGoIdle(who, p.makeTenant("idle", account, func(s *policy.Settings) { s.IdleDays = 10 }, ada))
	p.keysGrowOld(who, p.makeTenant("ageing", account, func(s *policy.Settings) { s.KeysPerUser = 0 }, ada))
	p.peopleComeAndGo(who, p.makeTenant("busy", account, nil, ada))
	p.setUp()
	p.notify()
	p.signOut(who)
	p.lives(ada, bob)
	p.serverKeysRotate()
	return p.answers
}

const longPassword = "correct horse battery staple"

// note keeps an answer, and lets time pass.
func note[T any](p *player, what string, answer T, err error) T {
	p.answers = append(p.answers, fmt.Sprintf("%s: %+v %v %v", what, answer, err, fault.Fields(err)))
	p.clock.move(time.Second)
	return answer
}

func (p *player) people() (ada, bob principal.Person) {
	password := credential.NewSecret(longPassword)
	create := func(name, email string) identity.User {
		u, err := p.identity.Create(p.Context(), p.operator, identity.NewUser{Name: name, Email: email, Password: password})
		return note(p, "create "+name, u, err)
	}
	a, b := create("Ada", "Ada@Claviger.Example"), create("Bob", "bob@claviger.example")
	create("Ada again", "ada@claviger.example")
	note(p, "new password", "", p.identity.SetPassword(p.Context(), p.operator, a, password))
	note(p, "new password of nobody", "", p.identity.SetPassword(p.Context(), p.operator, identity.User{ID: "usr_nobody"}, password))
	return a.Person(), b.Person()
}

func (p *player) anAccount(ada, bob principal.Person) tenancy.Account {
	a, err := p.tenancy.CreateAccount(p.Context(), p.operator, "Acme", ada, true)
	note(p, "create account", a, err)
	p.makeTenant("first", a, nil, ada)
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner} {
		o, err := p.tenancy.SetStanding(p.Context(), p.operator, a.ID, bob.ID, role)
		note(p, "standing", o, err)
	}
	return a
}

func (p *player) makeTenant(name string, account tenancy.Account, change func(*policy.Settings), members ...principal.Person) tenancy.Tenant {
	t, err := p.tenancy.CreateTenant(p.Context(), p.operator, account.ID, name, policy.Standard, change)
	note(p, "create tenant "+name, t, err)
	for _, m := range append(members, members[0]) { // the first twice, which is refused
		note(p, "join "+name, m, p.tenancy.AddMember(p.Context(), p.operator, t, m, scope.Admin))
	}
	return t
}

func (p *player) signIn(person principal.Person) principal.Principal {
	u, err := p.store.User(p.Context(), person.ID)
	note(p, "user", u, err)
	begun, token, err := p.sessions.Begin(p.Context(), person, u.PasswordSetAt, principal.Origin{IP: "192.0.2.1", RequestID: "r1"}, "a browser")
	note(p, "begin", begun, err)
	who, err := p.sessions.Resume(p.Context(), token.Reveal())
	rights, _ := who.Session()
	note(p, "resume", rights, err)
	return who
}

func (p *player) signOut(who principal.Principal) {
	own, _ := who.Session()
	note(p, "end", "", p.sessions.End(p.Context(), who, own.ID))
	note(p, "end again", "", p.sessions.End(p.Context(), who, own.ID))
}

// notify lets the notices of all that was done be sent, in vain, and has them tried again.
func (p *player) notify() {
	note(p, "plan", "", p.notices.Plan(p.Context()))
	note(p, "send", "", p.notices.Send(p.Context()))
	dead, err := p.notices.List(p.Context(), notice.Dead, 1)
	note(p, "list", dead, err)
	for range 2 {
		note(p, "retry", "", p.notices.Retry(p.Context(), p.operator, dead[0].ID))
	}
	note(p, "retry none", "", p.notices.Retry(p.Context(), p.operator, "ntc_none"))
	for range 2 { // the second time there are none
		n, err := p.notices.RetryDead(p.Context(), p.operator)
		note(p, "retry dead", n, err)
	}
}

// lives lets people change and delete themselves. Bob leads nothing alone; Ada does.
func (p *player) lives(ada, bob principal.Person) {
	name := "Another name"
	for range 2 { // the second time there is nothing to do
		u, err := p.identity.ChangeMe(p.Context(), p.signIn(bob), identity.Change{Name: &name})
		note(p, "rename", u, err)
		u, err = p.identity.ChangeMe(p.Context(), p.signIn(bob), identity.Change{Notices: map[notice.Kind]bool{notice.NewSignIn: false}})
		note(p, "mute", u, err)
	}
	for _, disabled := range []bool{true, true, false} {
		u, err := p.identity.SetDisabled(p.Context(), p.operator, bob.ID, disabled)
		note(p, "disable", u, err)
	}
	password := credential.NewSecret(longPassword)
	for range 2 { // the second time it is no longer the one
		u, err := p.identity.ChangePassword(p.Context(), p.signIn(bob), password, credential.NewSecret("another "+longPassword))
		note(p, "change password", u, err)
	}
	note(p, "delete the last admin", "", p.identity.DeleteMe(p.Context(), p.signIn(ada)))
	gone := p.signIn(bob)
	note(p, "delete", "", p.identity.DeleteMe(p.Context(), gone))
	note(p, "delete again", "", p.identity.DeleteMe(p.Context(), gone))
	for range 2 { // the second time there is nothing to do
		note(p, "sweep", "", p.sessions.Sweep(p.Context()))
		p.clock.move(policy.DefaultSessions.Absolute)
	}
	note(p, "sweep", "", p.sessions.Sweep(p.Context()))
}

func (p *player) create(who principal.Principal, t tenancy.Tenant, spec key.Spec) key.Key {
	issued, err := p.keys.Create(p.Context(), who, t.ID, spec)
	return note(p, "create key", issued, err).Key
}

func (p *player) revoke(who principal.Principal, t tenancy.Tenant, k key.Key) {
	v, gone, err := p.keys.Revoke(p.Context(), who, t.ID, k.ID, "no longer needed")
	note(p, fmt.Sprintf("revoke key (gone: %t)", gone), v.Key, err)
}

func (p *player) delete(who principal.Principal, t tenancy.Tenant, k key.Key) {
	note(p, "delete key", k, p.keys.Delete(p.Context(), who, t.ID, k.ID))
}

func (p *player) edit(who principal.Principal, t tenancy.Tenant, k key.Key, e key.Edit) {
	v, err := p.keys.Edit(p.Context(), who, t.ID, k.ID, e)
	note(p, "edit key", v.Key, err)
}

func (p *player) refresh(who principal.Principal, t tenancy.Tenant, k key.Key, r key.Renewal) {
	issued, err := p.keys.Refresh(p.Context(), who, t.ID, k.ID, r)
	note(p, "refresh key", issued, err)
}

func (p *player) keysUnderACap(who principal.Principal, t tenancy.Tenant, bob principal.Person) {
	a, err := p.tenancy.CreateApplication(p.Context(), p.operator, t.ID, "An application", "")
	note(p, "create application", a, err)
	short := anyKey()
	soon := p.later(time.Hour)
	short.AllApplications, short.ApplicationIDs, short.ExpiresAt = false, []string{string(a.ID)}, &soon
	p.create(who, t, short)
	p.create(who, t, anyKey()) // beyond the cap
	p.clock.move(2 * time.Hour)
	next := p.create(who, t, anyKey()) // in the slot of the one that expired
	unknown := short
	unknown.ApplicationIDs = append([]string{"app_0000000000" + "0000000000"}, short.ApplicationIDs...)
	p.create(who, t, unknown)
	another := anyKey()
	another.Owner = bob.ID
	p.create(who, t, another)
	p.revoke(who, t, next)
	p.revoke(who, t, next) // nothing to do
	p.create(who, t, anyKey())
}

func (p *player) keysWithoutACap(who principal.Principal, t tenancy.Tenant) {
	first := p.create(who, t, anyKey())
	p.create(who, t, anyKey())
	for range 2 { // the second time there is nothing to do
		k, err := p.keys.Disable(p.Context(), who, t.ID, first.ID)
		note(p, "disable key", k, err)
	}
	for range 2 {
		k, err := p.keys.Enable(p.Context(), who, t.ID, first.ID)
		note(p, "enable key", k, err)
	}
	for range 2 {
		p.edit(who, t, first, key.Edit{Name: new("Another name"), Scopes: []scope.Scope{scope.Every}, ExpiresAt: key.Expiring{Given: true}})
	}
	p.refresh(who, t, first, key.Renewal{KeepID: true, Overlap: 60})
	p.refresh(who, t, first, key.Renewal{Overlap: 60})
	for range 2 { // the second time there is none
		note(p, "end previous", "", p.keys.EndPrevious(p.Context(), who, t.ID, first.ID))
	}
	p.delete(who, t, first)
	p.delete(who, t, first) // not there
	p.create(who, t, anyKey())
}

func (p *player) keysThatVanish(who principal.Principal, t tenancy.Tenant) {
	k := p.create(who, t, anyKey())
	p.revoke(who, t, k)
	p.revoke(who, t, k) // not there
}

// keysAreShownAgain has copies made, shown and destroyed.
func (p *player) keysAreShownAgain(account tenancy.Account, ada principal.Person) {
	t := p.makeTenant("disclosing", account, func(s *policy.Settings) { s.Disclosure = policy.Recoverable }, ada)
	who := p.signIn(ada)
	k := p.create(who, t, anyKey())
	reveal := func() {
		shown, err := p.keys.Reveal(p.Context(), who, t.ID, k.ID)
		note(p, "reveal key", shown, err)
	}
	reveal()
	for _, to := range []policy.Disclosure{policy.Once, policy.Recoverable} {
		changed, err := p.tenancy.ChangeTenant(p.Context(), who, t.ID, tenancy.TenantChange{Settings: func(s *policy.Settings) { s.Disclosure = to }})
		note(p, "disclose", changed, err)
		reveal()
	}
}

// serverKeysRotate rotates all server keys twice, wraps anew what they sealed, and retires what it can.
func (p *player) serverKeysRotate() {
	for _, set := range []serverkey.Set{serverkey.Seals, serverkey.Tags, serverkey.Seals} {
		v, err := p.serverKeys.Rotate(p.Context(), p.operator, set)
		note(p, "rotate "+set.String(), v, err)
		p.clock.move(time.Hour)
		for range 2 { // the second time there is nothing to do
			note(p, "wrap anew", "", p.serverKeys.Pass(p.Context()))
		}
	}
	note(p, "retire a version with sign-ins", "", p.serverKeys.Retire(p.Context(), p.operator, serverkey.Seals, 1))
	p.clock.move(10 * policy.Day)
	for _, number := range []int{1, 2, 3} { // the last is the newest
		note(p, "retire", number, p.serverKeys.Retire(p.Context(), p.operator, serverkey.Seals, number))
	}
	states, err := p.serverKeys.Status(p.Context(), p.operator)
	note(p, "status", states, err)
}

func (p *player) keysByLink(who principal.Principal, bob principal.Person, t tenancy.Tenant) {
	p.clock.move(100 * policy.Day) // so that Bob's other key has expired
	spec := anyKey()
	spec.Owner, spec.Delivery = bob.ID, key.ByLink
	first, err := p.keys.Create(p.Context(), who, t.ID, spec)
	note(p, "create key by link", first, err)
	owner := p.signIn(bob)
	for range 2 { // the second time it was used
		claimed, err := p.keys.Claim(p.Context(), owner, first.Link.Ticket.Reveal())
		note(p, "claim key", claimed, err)
	}
	p.delete(who, t, first.Key)
	p.create(who, t, spec)
	p.clock.move(key.ClaimWithin)
	note(p, "drop what was not claimed", "", p.keys.DropUnclaimed(p.Context()))
}

// keysGoIdle lets a key be disabled that nobody uses.
func (p *player) keysGoIdle(who principal.Principal, t tenancy.Tenant) {
	p.create(who, t, anyKey())
	for range 3 { // the first time its owner is only told, the third there is nothing to do
		p.clock.move(11 * policy.Day)
		note(p, "plan", "", p.notices.Plan(p.Context()))
		note(p, "disable what is idle", "", p.keys.DisableIdle(p.Context()))
	}
}

// keysGrowOld lets the keys of everybody expire and be forgotten.
func (p *player) keysGrowOld(who principal.Principal, t tenancy.Tenant) {
	own := anyKey()
	soon := p.later(policy.Day)
	own.ExpiresAt = &soon
	p.create(who, t, own)
	p.refresh(who, t, p.create(who, t, anyKey()), key.Renewal{Overlap: 60})
	for range 3 {
		p.clock.move(p.keys.KeepExpired)
		note(p, "forget what expired long ago", "", p.keys.ForgetExpired(p.Context()))
	}
}

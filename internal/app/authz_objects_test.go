package app_test

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// object is what a request is about.
type object struct {
	name string
	site site
	// fill gives its names to the cell; those of the site are there.
	fill func(c *cell)
}

// and is the object with one thing more to it.
func (o object) and(what string, then func(c *cell)) object {
	fill := o.fill
	o.name += " " + what
	o.fill = func(c *cell) {
		fill(c)
		then(c)
	}
	return o
}

// where is such an object of another site.
func (o object) where(at site) object {
	o.name += ", " + string(at)
	o.site = at
	return o
}

// keep makes something that a request may use up. Requests that are refused share it.
func keep[T any](c *cell, make func() T) T {
	if c.want.succeeds() {
		return make()
	}
	place := fmt.Sprintf("%s of %s, %T", c.rule.name, c.owner.ID, make)
	kept, found := c.shelf[place]
	if !found {
		kept = make()
		c.shelf[place], c.stale = kept, true
	}
	return kept.(T)
}

// fresh gives a number that was not given before.
func (w *world) fresh() string {
	w.count++
	return strconv.Itoa(w.count)
}

// Sites, and nothing in particular.
var (
	nothing       = object{"nothing", ours, func(*cell) {}}
	ourAccount    = object{"our account", ours, func(*cell) {}}
	theirAccount  = object{"another account", theirs, func(*cell) {}}
	onlyAccount   = object{"the one account that one runs", ours, func(c *cell) { c.names["account"] = "" }}
	ourTenant     = object{"our tenant", ours, func(*cell) {}}
	siblingTenant = ourTenant.where(sibling)
	theirTenant   = ourTenant.where(theirs)
	// What the path names behind an account or a tenant that does not exist is there, elsewhere.
	noAccount = object{"no account", none, elsewhere}
	noTenant  = object{"no tenant", none, elsewhere}
)

// dry says whether a change of policy is only tried.
func (o object) dry(run string) object {
	return o.and("with dry_run "+run, func(c *cell) { c.names["dry"] = run })
}

func elsewhere(c *cell) {
	c.names["user"] = string(c.home.guest.ID)
	c.names["application"] = string(c.bound.ID)
	c.names["key"] = c.party("key").key.id
}

// Sessions and links.
var (
	ownSession = object{"one's own session", ours, func(c *cell) {
		if c.want.succeeds() {
			c.by.cookie = c.begin(c.by.person)
		}
	}}
	sessionOfOnes    = object{"a session of one's own", ours, func(c *cell) { c.showSession(c.by.person) }}
	anothersSession  = object{"another's session", ours, func(c *cell) { c.showSession(c.home.resident) }}
	noSession        = object{"no session", ours, func(c *cell) { c.names["session"] = string(unused[ident.SessionID](c.world)) }}
	strangersAddress = object{"an address that nobody has", ours, func(c *cell) { c.names["email"] = "nobody" + c.fresh() + "@claviger.example" }}
	noLink           = object{"no link", ours, func(c *cell) { c.names["token"] = "nothing" }}
	setUpLink        = object{"a set-up link", ours, func(c *cell) {
		c.names["token"] = keep(c, func() string {
			_, ticket, err := c.Tenancy.NewSetupLink(c.t.Context(), principal.Operator())
			c.check(err)
			return ticket.Reveal()
		})
	}}
	invitation = object{"an invitation", sibling, func(c *cell) {
		c.names["token"] = keep(c, func() string {
			_, ticket, err := c.Tenancy.Invite(c.t.Context(), principal.Operator(), c.home.ID, "invited"+c.fresh()+"@claviger.example", scope.Member)
			c.check(err)
			return ticket.Reveal()
		})
	}}
)

// showSession takes a session of the person.
func (c *cell) showSession(of principal.Person) {
	if of.ID == "" {
		of = c.home.resident // to whoever is nobody
	}
	c.names["session"] = keep(c, func() string {
		id, _ := c.beginSession(of)
		return string(id)
	})
}

// People.
var (
	// aTwin asks in one's place: somebody of the same roles, who can be spared.
	aTwin = object{"oneself, for good", ours, func(c *cell) {
		if c.want.succeeds() || c.want.code == outcomes["failed"].code {
			a := cast[slices.IndexFunc(cast, func(a actor) bool { return a.name == c.by.name })]
			c.by.person = c.Person("A twin")
			c.settle(a, c.by.person)
			c.by.cookie, c.stale = c.begin(c.by.person), true
			c.after = func() { c.dismiss(a, c.by.person) }
		}
		c.names["password"] = password
	}}
	oneself = object{"oneself", ours, func(c *cell) {
		c.names["user"], c.names["email"] = string(c.by.person.ID), c.by.person.Email
	}}
	aMember        = object{"a member", ours, func(c *cell) { c.names["user"] = string(c.home.guest.ID) }}
	siblingMember  = aMember.where(sibling)
	theirMember    = aMember.where(theirs)
	anAuditor      = somebody("an auditor", "auditor", ours)
	anotherOwner   = somebody("another owner", "founder", ours)
	anotherOfficer = somebody("another admin of the account", "deputy", ours)
	theLastAdmin   = somebody("the last admin", "admin", membersSeeTheirOwn)
	theirOwner     = somebody("the last owner", "foreigner", theirs)
	// Those who are not in the tenant, or in the account, that the path names.
	siblingMemberHere = somebody("a member of another tenant", "neighbour", ours)
	theirMemberHere   = somebody("a member of another account", "stranger", ours)
	noPerson          = object{"no person", ours, func(c *cell) { c.names["user"] = string(unused[ident.UserID](c.world)) }}
)

func somebody(name, of string, at site) object {
	return object{name, at, func(c *cell) { c.names["user"] = string(c.person(of).ID) }}
}

// as is a person who is to get a role.
func (o object) as(role string) object {
	return o.and("as "+role, func(c *cell) { c.names["role"] = role })
}

// Applications.
var (
	boundApplication = object{"the application of the bound key", ours, func(c *cell) {
		a := c.bound
		if c.want.succeeds() {
			a = c.Application(c.home.Tenant, "Bound application")
		}
		if c.by.name == "bound-key" && c.want.succeeds() {
			c.by.key = c.bind(a)
		}
		c.names["application"] = string(a.ID)
	}}
	otherApplication       = application("an application", func(*cell, tenancy.Application) {})
	siblingApplication     = otherApplication.where(sibling)
	theirApplication       = otherApplication.where(theirs)
	siblingApplicationHere = object{"an application of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		otherApplication.fill(c)
	}}
	disabledApplication = application("a disabled application", func(c *cell, a tenancy.Application) {
		disabled := true
		_, err := c.Tenancy.ChangeApplication(c.t.Context(), principal.Operator(), a.Tenant, a.ID, tenancy.ApplicationChange{Disabled: &disabled})
		c.check(err)
	})
	unnamed       = object{"none", ours, func(c *cell) { c.names["application"] = "" }}
	noApplication = object{"no application", ours, func(c *cell) { c.names["application"] = string(unused[ident.ApplicationID](c.world)) }}
)

func application(name string, then func(*cell, tenancy.Application)) object {
	return object{name, ours, func(c *cell) {
		c.names["application"] = keep(c, func() string {
			a := c.Application(c.home.Tenant, "Some application")
			then(c, a)
			return string(a.ID)
		})
	}}
}

// Keys.
var (
	ownKey = object{"one's own key", ours, func(c *cell) {
		if owner := c.by.person; c.isMember(owner, c.home.site) {
			c.show(owner)
			return
		}
		c.show(c.home.resident) // to whoever can own none there
	}}
	anothersKey    = object{"another's key", ours, func(c *cell) { c.show(c.home.resident) }}
	siblingKey     = anothersKey.where(sibling)
	theirKey       = anothersKey.where(theirs)
	siblingKeyHere = object{"a key of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		c.show(c.home.resident)
	}}
	noKey = object{"no key", ours, func(c *cell) {
		c.names["key"], c.names["credential"] = string(unused[ident.KeyID](c.world)), c.party("a deleted key").key.value
	}}
)

// show takes a key of the owner.
func (c *cell) show(owner principal.Person) {
	c.owner = owner
	k := keep(c, func() presented { return c.mint(c.home, owner, everything) })
	c.names["key"], c.names["credential"] = k.id, k.value
}

// Who disabled a key.
const (
	itsOwner = "its owner"
	anAdmin  = "an admin"
)

// overlapping is a key with a secret of before a refresh that counts still.
func (o object) overlapping() object {
	return o.and("with a previous secret", func(c *cell) {
		by := principal.OfSession(&principal.Session{User: c.owner, Memberships: []principal.Membership{{Tenant: c.home.ID, Account: c.home.Account, Role: scope.Member}}})
		_, err := c.Keys.Refresh(c.t.Context(), by, c.home.ID, ident.KeyID(c.names["key"]), key.Renewal{KeepID: true, Overlap: key.MaxOverlap})
		c.check(err)
		c.stale = true
	})
}

// justSignedIn is asked for by somebody who signed in a moment ago.
func (o object) justSignedIn() object {
	return o.and("after a sign-in", func(c *cell) {
		if c.want.succeeds() || c.want.code == outcomes["once"].code {
			c.by.cookie, c.stale = c.begin(c.by.person), true
		}
	})
}

// signedInLongAgo is asked for by somebody whose sign-in is too old for what is sensitive.
func (o object) signedInLongAgo() object {
	return o.and("five minutes after signing in", func(c *cell) {
		if c.want.code == outcomes["again"].code {
			c.by.cookie, c.stale = c.begin(c.by.person), true
			c.Clock.Move(5 * time.Minute)
		}
	})
}

// Keys that are handed over by link.
var (
	ownClaim = object{"a link to one's own key", ours, func(c *cell) {
		owner := c.by.person
		if !c.isMember(owner, c.home.site) {
			owner = c.home.resident
		}
		c.handOver(owner)
	}}
	anothersClaim = object{"a link to another's key", ours, func(c *cell) { c.handOver(c.home.resident) }}
)

func (c *cell) handOver(owner principal.Person) {
	c.owner = owner
	c.names["token"] = keep(c, func() string {
		spec := everything
		spec.Name, spec.Owner, spec.Delivery = "Test key", owner.ID, key.ByLink
		issued, err := c.Keys.Create(c.t.Context(), c.running(c.home), c.home.ID, spec)
		c.check(err)
		return issued.Link.Ticket.Reveal()
	})
}

// disabledBy is a key that was disabled.
func (o object) disabledBy(who string) object {
	return o.and("disabled by "+who, func(c *cell) {
		by := c.running(c.home)
		if who == itsOwner {
			by = principal.OfSession(&principal.Session{User: c.owner})
		}
		_, err := c.Keys.Disable(c.t.Context(), by, c.home.ID, ident.KeyID(c.names["key"]))
		c.check(err)
	})
}

// judgedFor is a credential that is judged for an application.
func (o object) judgedFor(application object) object {
	return o.and("judged for "+application.name, application.fill)
}

package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// object is what a request refers to.
type object struct {
	name string
	site site
	// fill sets the names of the object in the cell; those of the site are set already.
	fill func(c *cell)
}

// and returns the object with one more step to prepare it.
func (o object) and(what string, then func(c *cell)) object {
	fill := o.fill
	o.name += " " + what
	o.fill = func(c *cell) {
		fill(c)
		then(c)
	}
	return o
}

// where returns such an object of another site.
func (o object) where(at site) object {
	o.name += ", " + string(at)
	o.site = at
	return o
}

// keep creates something that a request may use up. Refused requests share it.
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

// fresh returns a number that it has not returned before.
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
	// Behind an account or tenant that does not exist, the path names an object that exists
	// elsewhere.
	noAccount = object{"no account", none, elsewhere}
	noTenant  = object{"no tenant", none, elsewhere}
)

// dry sets whether a change of policy is a dry run.
func (o object) dry(run string) object {
	return o.and("with dry_run "+run, func(c *cell) { c.names["dry"] = run })
}

func elsewhere(c *cell) {
	c.names["user"] = string(c.home.guest.ID)
	c.names["application"] = string(c.bound.ID)
	c.names["key"] = c.party("key").key.id
	c.names["service_account"] = string(c.robot.ID)
	c.names["subject"] = string(unused[ident.SubjectID](c.world))
	c.names["plan"] = "no-such-plan"
	c.names["name"] = "reports:no_such"
	c.names["management_key"] = string(unused[ident.ManagementKeyID](c.world))
}

// Sessions and links.
var (
	ownSession = object{"one's own session", ours, func(c *cell) {
		if c.want.succeeds() {
			c.by.cookie = c.begin(c.by.person)
		}
	}}
	sessionOfOnes   = object{"a session of one's own", ours, func(c *cell) { c.showSession(c.by.person) }}
	anothersSession = object{"another's session", ours, func(c *cell) { c.showSession(c.home.resident) }}
	noSession       = object{
		"no session", ours,
		func(c *cell) { c.names["session"] = string(unused[ident.SessionID](c.world)) },
	}
	strangersAddress = object{
		"an address that nobody has", ours,
		func(c *cell) { c.names["email"] = "nobody" + c.fresh() + "@claviger.example" },
	}
	noLink    = object{"no link", ours, func(c *cell) { c.names["token"] = "nothing" }}
	setUpLink = object{"a set-up link where there is an account", ours, func(c *cell) {
		c.names["token"] = keep(c, func() string { return c.SetupLink().Reveal() })
	}}
	firstSetUpLink = object{"a set-up link where there is no account", ours, func(c *cell) {
		c.to = testkit.StartEmpty(c.t, testkit.SQLite.Config(c.t))
		c.names["token"] = c.to.SetupLink().Reveal()
	}}
	resetLink = object{"a link to set a password", ours, func(c *cell) {
		c.names["token"] = keep(c, func() string {
			_, token, err := c.Identity.NewReset(c.t.Context(), principal.Operator(),
				c.Person("Somebody Forgetful").ID)
			c.check(err)
			return token.Reveal()
		})
	}}
	emailLink = object{"a link that confirms an address", ours, func(c *cell) {
		c.names["token"] = keep(c, func() string {
			p := c.Person("Somebody Moving")
			at := c.Clock.Now()
			l := identity.EmailLink{
				ID: ident.New[ident.LinkID](at, c.Identity.Rand), User: p.ID,
				Email:     "moved" + c.fresh() + "@claviger.example",
				CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			}
			old := l
			old.ID, old.Email = ident.New[ident.LinkID](at, c.Identity.Rand), ""
			token := c.Identity.Keyring.DeriveLinkToken(credential.EmailChangeToken, l.ID, at)
			who := principal.Operator()
			insert := func(ctx context.Context, tx identity.EmailTx) (audit.Event, error) {
				err := errors.Join(tx.InsertEmailLink(ctx, l, credential.HashToken(token.Reveal())),
					tx.InsertEmailLink(ctx, old, credential.HashToken(string(old.ID))))
				return audit.By(who, audit.ActionUserEmailRequest, audit.Target{Type: "user", ID: string(p.ID)}), err
			}
			c.check(c.Identity.Ledgers.Emails.Write(c.t.Context(), who, insert))
			return token.Reveal()
		})
	}}
	pendingInvitation = object{
		"an invitation that nobody accepted", ours,
		func(c *cell) { c.names["invitation"] = c.invite(c.home) },
	}
	ownersInvitation = object{"an invitation that makes an owner", ours, func(c *cell) {
		id := c.invite(c.home)
		_, err := c.Beside().ExecContext(c.t.Context(), `UPDATE links SET account_id = $1 WHERE id = $2`,
			string(c.home.Account), id)
		c.check(err)
		c.names["invitation"] = id
	}}
	siblingInvitationHere = object{
		"an invitation into another tenant", ours,
		func(c *cell) { c.names["invitation"] = c.invite(c.homes[sibling]) },
	}
	noInvitation = object{
		"no invitation", ours,
		func(c *cell) { c.names["invitation"] = string(unused[ident.LinkID](c.world)) },
	}
	invitation = object{"an invitation", sibling, func(c *cell) {
		c.names["token"] = keep(c, func() string {
			_, token, err := c.Tenancy.Invite(c.t.Context(), principal.Operator(), c.home.ID,
				"invited"+c.fresh()+"@claviger.example", scope.Member)
			c.check(err)
			return token.Reveal()
		})
	}}
)

// invite invites somebody new into the tenant.
func (c *cell) invite(into home) string {
	return keep(c, func() string {
		i, _, err := c.Tenancy.Invite(c.t.Context(), principal.Operator(), into.ID,
			"asked"+c.fresh()+"@claviger.example", scope.Member)
		c.check(err)
		return string(i.ID)
	})
}

// showSession uses a session of the person.
func (c *cell) showSession(of principal.Person) {
	if of.ID == "" {
		of = c.home.resident // the caller is nobody
	}
	c.names["session"] = keep(c, func() string {
		id, _ := c.beginSession(of)
		return string(id)
	})
}

// People.
var (
	// aTwin replaces the caller: somebody with the same roles who may be deleted.
	aTwin = object{"oneself, for good", ours, func(c *cell) {
		if c.want.succeeds() || c.want.code == outcomes["failed"].code {
			a := cast[slices.IndexFunc(cast, func(a actor) bool { return a.name == c.by.name })]
			c.by.person = c.Person("A twin")
			c.setRoles(a, c.by.person)
			c.by.cookie, c.stale = c.begin(c.by.person), true
			c.after = func() { c.dismiss(a, c.by.person) }
		}
		c.names["password"] = password
	}}
	aTwinWithFactor = aTwin.and("with a second factor", func(c *cell) {
		if !c.want.succeeds() {
			return
		}
		ctx := c.t.Context()
		started, err := c.SecondFactors.Start(c.by.person)
		c.check(err)
		code := c.Authenticator(started.Secret.Reveal()).Code()
		setup, err := c.SecondFactors.Prepare(c.by.person.ID, started.Token, credential.NewSecret(code))
		c.check(err)
		who, err := c.Sessions.Resume(ctx, credential.SessionToken, c.by.cookie)
		c.check(err)
		token, err := c.Sessions.SetFactor(ctx, who, setup)
		c.check(err)
		c.by.cookie = token.Reveal()
	})
	oneself = object{"oneself", ours, func(c *cell) {
		c.names["user"], c.names["email"] = string(c.by.person.ID), c.by.person.Email
	}}
	recently = oneself.and("just signed in", func(c *cell) {
		if c.want.succeeds() || c.want.code == api.Conflict {
			c.by.cookie, c.stale = c.begin(c.by.person), true
		}
	})
	aMember        = object{"a member", ours, func(c *cell) { c.names["user"] = string(c.home.guest.ID) }}
	siblingMember  = aMember.where(sibling)
	theirMember    = aMember.where(theirs)
	anAuditor      = somebody("an auditor", "auditor", ours)
	anotherOwner   = somebody("another owner", "founder", ours)
	anotherOfficer = somebody("another admin of the account", "deputy", ours)
	theLastAdmin   = somebody("the last admin", "admin", membersSeeTheirOwn)
	theirOwner     = somebody("the last owner", "foreigner", theirs)
	// People who do not belong to the tenant or account in the path.
	siblingMemberHere = somebody("a member of another tenant", "neighbour", ours)
	theirMemberHere   = somebody("a member of another account", "stranger", ours)
	noPerson          = object{
		"no person", ours,
		func(c *cell) { c.names["user"] = string(unused[ident.UserID](c.world)) },
	}
)

// dotGIF is a picture of one pixel.
const dotGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00" +
	"\x00\x02\x02D\x01\x00;"

// withAvatar returns the person with a picture.
func (o object) withAvatar() object {
	return o.and("with a picture", func(c *cell) {
		user := ident.UserID(c.names["user"])
		if user == "" { // the caller is nobody
			return
		}
		who := principal.OfSession(&principal.Session{User: principal.Person{ID: user}, SignedInAt: c.Clock.Now()})
		c.check(c.Identity.SetAvatar(c.t.Context(), who, []byte(dotGIF)))
		c.stale = true
	})
}

func somebody(name, of string, at site) object {
	return object{name, at, func(c *cell) { c.names["user"] = string(c.person(of).ID) }}
}

// as returns a person who gets a role.
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
			c.by.accessToken = c.newAccessToken(c.by)
		}
		c.names["application"] = string(a.ID)
	}}
	otherApplication       = applicationObject("an application", func(*cell, application.Application) {})
	siblingApplication     = otherApplication.where(sibling)
	theirApplication       = otherApplication.where(theirs)
	siblingApplicationHere = object{"an application of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		otherApplication.fill(c)
	}}
	disabledApplication = applicationObject("a disabled application", func(c *cell, a application.Application) {
		disabled := true
		_, err := c.Applications.ChangeApplication(c.t.Context(), principal.Operator(), a.Tenant, a.ID,
			application.Change{Disabled: &disabled})
		c.check(err)
	})
	unnamed       = object{"none", ours, func(c *cell) { c.names["application"] = "" }}
	noApplication = object{
		"no application", ours,
		func(c *cell) { c.names["application"] = string(unused[ident.ApplicationID](c.world)) },
	}
)

func applicationObject(name string, then func(*cell, application.Application)) object {
	return object{name, ours, func(c *cell) {
		c.names["application"] = keep(c, func() string {
			a := c.Application(c.home.Tenant, "Some application")
			then(c, a)
			return string(a.ID)
		})
	}}
}

// Service accounts.
var (
	aServiceAccount = object{"a service account", ours, func(c *cell) {
		c.names["service_account"] = keep(c, func() string { return string(c.newServiceAccount(c.home).ID) })
	}}
	siblingServiceAccount     = aServiceAccount.where(sibling)
	theirServiceAccount       = aServiceAccount.where(theirs)
	siblingServiceAccountHere = object{"a service account of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		aServiceAccount.fill(c)
	}}
	deletedServiceAccount = object{"a deleted service account", ours, func(c *cell) {
		c.names["service_account"] = keep(c, func() string {
			a := c.newServiceAccount(c.home)
			c.check(c.ServiceAccounts.Delete(c.t.Context(), principal.Operator(), a.Tenant, a.ID))
			return string(a.ID)
		})
	}}
	noServiceAccount = object{
		"no service account", ours,
		func(c *cell) { c.names["service_account"] = string(unused[ident.ServiceAccountID](c.world)) },
	}
)

// Management keys.
var (
	aManagementKey = aServiceAccount.and("with a management key", func(c *cell) {
		account := ident.ServiceAccountID(c.names["service_account"])
		c.names["management_key"] = string(keep(c, func() ident.ManagementKeyID {
			return c.newManagementKey(c.home, account).ID
		}))
	})
	noManagementKey = aServiceAccount.and("without that management key", func(c *cell) {
		c.names["management_key"] = string(unused[ident.ManagementKeyID](c.world))
	})
)

// refreshManagementKey refreshes the management key of a cell, with an overlap.
func refreshManagementKey(c *cell) {
	if !c.want.succeeds() {
		return
	}
	_, err := c.ManagementKeys.Refresh(c.t.Context(), principal.Operator(), c.home.Tenant.ID,
		ident.ServiceAccountID(c.names["service_account"]), ident.ManagementKeyID(c.names["management_key"]),
		machine.ManagementRefresh{Overlap: 3600})
	c.check(err)
}

// Subjects.
var (
	aSubject = object{"a subject", ours, func(c *cell) {
		c.names["subject"] = keep(c, func() string { return string(c.newSubject().ID) })
	}}
	siblingSubject     = aSubject.where(sibling)
	theirSubject       = aSubject.where(theirs)
	siblingSubjectHere = object{"a subject of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		aSubject.fill(c)
	}}
	deletedSubject = object{"a deleted subject", ours, func(c *cell) {
		c.names["subject"] = keep(c, func() string {
			s := c.newSubject()
			c.check(c.Subjects.Delete(c.t.Context(), principal.Operator(), s.Tenant, s.ID))
			return string(s.ID)
		})
	}}
	noSubject = object{
		"no subject", ours,
		func(c *cell) { c.names["subject"] = string(unused[ident.SubjectID](c.world)) },
	}
)

// newSubject creates a subject in the home of the cell.
func (c *cell) newSubject() machine.Subject {
	c.t.Helper()
	s, err := c.Subjects.Create(c.t.Context(), principal.Operator(), c.home.ID,
		machine.NewSubject{ExternalID: "customer-" + c.fresh()})
	c.check(err)
	return s
}

// Plans.
var (
	aPlan = object{"a plan", ours, func(c *cell) {
		c.names["plan"] = keep(c, func() string { return c.newPlan().Name })
	}}
	siblingPlan     = aPlan.where(sibling)
	theirPlan       = aPlan.where(theirs)
	siblingPlanHere = object{"a plan of another tenant", ours, func(c *cell) {
		c.home = c.homes[sibling]
		aPlan.fill(c)
	}}
	deletedPlan = object{"a deleted plan", ours, func(c *cell) {
		c.names["plan"] = keep(c, func() string {
			p := c.newPlan()
			c.check(c.Plans.Delete(c.t.Context(), principal.Operator(), p.Tenant, p.Name))
			return p.Name
		})
	}}
	noPlan = object{"no plan", ours, func(c *cell) { c.names["plan"] = "no-such-plan" }}
)

// Scopes.
var (
	aScope = object{"a scope that the tenant added", ours, func(c *cell) {
		c.names["name"] = keep(c, func() string {
			e, err := c.Tenancy.PutScope(c.t.Context(), principal.Operator(), c.home.ID,
				scope.Entry{Name: scope.Scope("reports:export" + c.fresh())}, "")
			c.check(err)
			return string(e.Name)
		})
	}}
	aNewScope = object{"a scope that the tenant does not have", ours, func(c *cell) {
		c.names["name"] = "reports:new" + c.fresh()
	}}
	siblingScope, theirScope       = aScope.where(sibling), aScope.where(theirs)
	siblingNewScope, theirNewScope = aNewScope.where(sibling), aNewScope.where(theirs)
)

// newPlan creates a plan in the home of the cell.
func (c *cell) newPlan() machine.Plan {
	c.t.Helper()
	p, err := c.Plans.Create(c.t.Context(), principal.Operator(), c.home.ID, machine.NewPlan{
		Name: "plan-" + c.fresh(), Scopes: []scope.Scope{scope.Every}, AllApplications: true,
	})
	c.check(err)
	return p
}

// Keys.
var (
	ownKey = object{"one's own key", ours, func(c *cell) {
		if owner := c.by.person; c.isMember(owner, c.home.site) {
			c.show(owner)
			return
		}
		c.show(c.home.resident) // the caller cannot own a key there
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

// show uses a key of the owner.
func (c *cell) show(owner principal.Person) {
	c.owner = owner
	k := keep(c, func() credentials { return c.newKey(c.home, owner, everything) })
	c.names["key"], c.names["credential"] = k.id, k.value
}

// Who disabled a key.
const (
	itsOwner = "its owner"
	anAdmin  = "an admin"
)

// overlapping is a key whose previous secret is still accepted after a refresh.
func (o object) overlapping() object {
	return o.and("with a previous secret", func(c *cell) {
		by := principal.OfSession(&principal.Session{
			User:        c.owner,
			Memberships: []principal.Membership{{Tenant: c.home.ID, Account: c.home.Account, Role: scope.Member}},
		})
		_, err := c.Keys.Refresh(c.t.Context(), by, c.home.ID, ident.KeyID(c.names["key"]),
			key.RefreshParams{KeepID: true, Overlap: key.MaxOverlap})
		c.check(err)
		c.stale = true
	})
}

// justSignedIn is a request by somebody who signed in a moment ago.
func (o object) justSignedIn() object {
	return o.and("after a sign-in", func(c *cell) {
		if c.want.succeeds() || c.want.code == outcomes["once"].code {
			c.by.cookie, c.stale = c.begin(c.by.person), true
		}
	})
}

// The access tokens. That of another is of a key that calls none of their routes.
var (
	ownToken = object{"an access token of the client", ours, func(c *cell) {
		if c.by.accessToken != "" {
			c.names["access_token"] = c.newAccessToken(c.by)
			return
		}
		c.names["access_token"] = c.party("key").accessToken
	}}
	anothersToken = object{"an access token of another client", ours, func(c *cell) {
		c.names["access_token"] = c.party("a key with keys:verify alone").accessToken
	}}
	noToken = object{"no access token", ours, func(c *cell) { c.names["access_token"] = "clv_at_none" }}
)

// signedInLongAgo is a request by somebody whose sign-in is too old for a sensitive operation.
func (o object) signedInLongAgo() object {
	return o.and("five minutes after signing in", func(c *cell) {
		if c.want.code == outcomes["again"].code {
			c.by.cookie, c.stale = c.begin(c.by.person), true
			c.Clock.Move(5 * time.Minute)
		}
	})
}

// Keys that are delivered by link.
var (
	ownClaim = object{"a link to one's own key", ours, func(c *cell) {
		owner := c.by.person
		if !c.isMember(owner, c.home.site) {
			owner = c.home.resident
		}
		c.keyByLink(owner)
	}}
	anothersClaim = object{"a link to another's key", ours, func(c *cell) { c.keyByLink(c.home.resident) }}
	// A key that waits for its owner.
	ownWaiting = object{"one's own key that waits to be claimed", ours, func(c *cell) {
		owner := c.by.person
		if !c.isMember(owner, c.home.site) {
			owner = c.home.resident
		}
		c.waitingKey(owner)
	}}
	anothersWaiting = object{"another's key that waits to be claimed", ours, func(c *cell) {
		c.waitingKey(c.home.resident)
	}}
)

func (c *cell) waitingKey(owner principal.Person) {
	c.owner = owner
	c.names["key"] = keep(c, func() string { return string(c.issueByLink(owner).Key.ID) })
}

func (c *cell) keyByLink(owner principal.Person) {
	c.owner = owner
	c.names["token"] = keep(c, func() string { return c.issueByLink(owner).Link.Token.Reveal() })
}

func (c *cell) issueByLink(owner principal.Person) key.Issued {
	spec := everything
	spec.Name = "Test key"
	spec.Owner = ident.PartyID(owner.ID)
	spec.Delivery = key.ByLink
	issued, err := c.Keys.Create(c.t.Context(), c.running(c.home), c.home.ID, spec)
	c.check(err)
	return issued
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

// verifiedFor is a credential to verify for an application.
func (o object) verifiedFor(application object) object {
	return o.and("judged for "+application.name, application.fill)
}

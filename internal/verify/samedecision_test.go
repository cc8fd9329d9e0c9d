package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// subject is a key that may change one application, in an account of its own, and who owns it.
type subject struct {
	*testkit.Server
	t       *testing.T
	account account.Account
	tenant  tenancy.Tenant
	owner   principal.Person
	admin   principal.Principal // the owner, signed in
	app     application.Application
	key     ident.KeyID
	value   string
	// caller is the key as it was accepted while all was well.
	caller verify.Caller
	// ip is the address that its requests come from.
	ip    string
	asked int
}

func newSubject(t *testing.T, h *testkit.Server, spec key.Spec) *subject {
	t.Helper()
	s := &subject{Server: h, t: t, ip: "192.0.2.7"}
	landlord := h.Person("The Landlord")
	s.account = testkit.Must[account.Account](t)(h.Accounts.CreateAccount(t.Context(), principal.Operator(),
		"Its account",
		landlord, false))
	s.tenant = testkit.Must[tenancy.Tenant](t)(h.Tenancy.CreateTenant(t.Context(), principal.Operator(), s.account.ID,
		"Main tenant", policy.Standard, testkit.UnlimitedKeys))
	h.Join(s.tenant, landlord, scope.Admin) // so that the owner is not the last admin
	s.owner = h.Member(s.tenant, "Key Owner", scope.Admin)
	s.admin = principal.OfSession(&principal.Session{
		User: s.owner, SignedInAt: h.Clock.Now(),
		Memberships: []principal.Membership{{Tenant: s.tenant.ID, Account: s.account.ID, Role: scope.Admin}},
	})
	s.app = h.Application(s.tenant, "Orders API")
	spec.Name, spec.Scopes = "Test key", []scope.Scope{scope.ApplicationsUpdate}
	if !spec.AllApplications {
		spec.ApplicationIDs = []string{string(s.app.ID)}
	}
	issued := testkit.Must[key.Issued](t)(h.Keys.Create(t.Context(), s.admin, s.tenant.ID, spec))
	s.key, s.value = issued.Key.ID, issued.Credential.Value.Reveal()
	d := testkit.Must[verify.Decision](t)(h.Engine.Authenticate(t.Context(), web.ParseCredential(s.value), s.ip))
	if d.Code != "" {
		t.Fatalf("a new key is %s", d.Code)
	}
	s.caller = verify.Caller{Principal: d.Principal(), Facts: d.Facts}
	return s
}

func (s *subject) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// onThePath is what a request with the key is answered now.
func (s *subject) onThePath() fault.Kind {
	s.t.Helper()
	d := testkit.Must[verify.Decision](s.t)(s.Engine.Authenticate(s.t.Context(), web.ParseCredential(s.value), s.ip))
	if d.Code != "" {
		return d.Code
	}
	return refusedAs(s.Engine.Allow(s.t.Context(), verify.Caller{Principal: d.Principal(), Facts: d.Facts},
		verify.Requirement{
			Tenant: s.tenant.ID, Scopes: []scope.Scope{scope.ApplicationsUpdate}, Application: string(s.app.ID),
		}))
}

// inTheTransaction is what a change is answered whose request was accepted while all was well.
func (s *subject) inTheTransaction() fault.Kind {
	s.t.Helper()
	s.asked++
	description := fmt.Sprintf("Changed %d times", s.asked)
	who := s.caller.WithOrigin(principal.Origin{IP: s.ip})
	_, err := s.Applications.ChangeApplication(s.t.Context(), who, s.tenant.ID, s.app.ID,
		application.Change{Description: &description})
	return refusedAs(err)
}

func refusedAs(err error) fault.Kind {
	if err == nil {
		return ""
	}
	return fault.KindOf(err)
}

func (s *subject) refresh(overlap time.Duration) {
	s.t.Helper()
	_, err := s.Keys.Refresh(s.t.Context(), s.admin, s.tenant.ID, s.key,
		key.RefreshParams{KeepID: true, Overlap: int(overlap / time.Second)})
	s.ok(err)
}

func (s *subject) revoke() {
	s.t.Helper()
	_, _, err := s.Keys.Revoke(s.t.Context(), s.admin, s.tenant.ID, s.key, "")
	s.ok(err)
}

func (s *subject) maxLifetime(days int) {
	s.t.Helper()
	_, err := s.Accounts.ChangePolicy(s.t.Context(), principal.Operator(), s.account.ID,
		policy.Change{MaxLifetimeDays: &days}, "")
	s.ok(err)
}

func (s *subject) memberIs(c tenancy.MemberChange) {
	s.t.Helper()
	_, err := s.Tenancy.ChangeMember(s.t.Context(), principal.Operator(), s.tenant.ID, s.owner.ID, c)
	s.ok(err)
}

func (s *subject) keyIs(disabled bool) {
	s.t.Helper()
	change := s.Keys.Enable
	if disabled {
		change = s.Keys.Disable
	}
	_, err := change(s.t.Context(), s.admin, s.tenant.ID, s.key)
	s.ok(err)
}

func (s *subject) personIs(disabled bool) {
	s.t.Helper()
	_, err := s.Identity.SetDisabled(s.t.Context(), principal.Operator(), s.owner.ID, disabled)
	s.ok(err)
}

func (s *subject) tenantIs(disabled bool) {
	s.t.Helper()
	_, err := s.Tenancy.ChangeTenant(s.t.Context(), principal.Operator(), s.tenant.ID,
		tenancy.TenantChange{Disabled: &disabled})
	s.ok(err)
}

func (s *subject) accountIs(disabled bool) {
	s.t.Helper()
	_, err := s.Accounts.SetAccountDisabled(s.t.Context(), principal.Operator(), s.account.ID, disabled)
	s.ok(err)
}

func (s *subject) edit(e key.Edit) {
	s.t.Helper()
	_, err := s.Keys.Edit(s.t.Context(), s.admin, s.tenant.ID, s.key, e)
	s.ok(err)
}

// allow restricts the key to the networks.
func (s *subject) allow(cidrs ...string) {
	s.t.Helper()
	s.edit(key.Edit{Addresses: key.AddressPatch{Given: true, Networks: cidrs}})
}

// Whatever becomes of a key between a request and its change, the transaction decides as the next
// request is decided.
func TestTheVerificationPathAndTheTransactionDecideAlike(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	all := key.Spec{AllApplications: true}
	yes := true
	member := scope.Member
	for name, c := range map[string]struct {
		spec   key.Spec
		become func(s *subject)
		want   fault.Kind
	}{
		"good":    {become: func(*subject) {}},
		"revoked": {become: (*subject).revoke, want: fault.KeyRevoked},
		"deleted": {become: func(s *subject) {
			s.ok(s.Keys.Delete(t.Context(), s.admin, s.tenant.ID, s.key))
		}, want: fault.KeyInvalid},
		"at its end": {
			become: func(s *subject) { s.endsIn(time.Hour); s.Clock.Move(time.Hour) },
			want:   fault.KeyExpired,
		},
		"past the account's policy": {
			become: func(s *subject) { s.maxLifetime(30); s.Clock.Move(30 * policy.Day) },
			want:   fault.KeyExpired,
		},
		"disabled": {become: func(s *subject) { s.keyIs(true) }, want: fault.KeyDisabled},
		"revoked after it was disabled": {
			become: func(s *subject) { s.keyIs(true); s.revoke() },
			want:   fault.KeyRevoked,
		},
		"expired and disabled": {become: func(s *subject) {
			s.keyIs(true)
			s.maxLifetime(30)
			s.Clock.Move(30 * policy.Day)
		}, want: fault.KeyExpired},
		"expired in a disabled account": {become: func(s *subject) {
			s.maxLifetime(30)
			s.accountIs(true)
			s.Clock.Move(30 * policy.Day)
		}, want: fault.KeyExpired},
		"revoked, its owner disabled": {
			become: func(s *subject) { s.revoke(); s.personIs(true) },
			want:   fault.KeyRevoked,
		},
		"its owner disabled": {become: func(s *subject) { s.personIs(true) }, want: fault.KeyDisabled},
		"its owner's membership": {
			become: func(s *subject) { s.memberIs(tenancy.MemberChange{Disabled: &yes}) },
			want:   fault.KeyDisabled,
		},
		"its owner removed": {become: func(s *subject) {
			s.ok(s.Tenancy.RemoveMember(t.Context(), principal.Operator(), s.tenant.ID, s.owner.ID))
		}, want: fault.KeyRevoked},
		"its owner deleted": {
			become: func(s *subject) { s.ok(s.As(s.owner).DeleteMe(t.Context())) },
			want:   fault.KeyRevoked,
		},
		"its tenant disabled":  {become: func(s *subject) { s.tenantIs(true) }, want: fault.KeyDisabled},
		"its account disabled": {become: func(s *subject) { s.accountIs(true) }, want: fault.KeyDisabled},
		"refreshed":            {become: func(s *subject) { s.refresh(0) }, want: fault.KeyInvalid},
		"refreshed twice": {
			become: func(s *subject) { s.refresh(time.Hour); s.refresh(time.Hour) },
			want:   fault.KeyInvalid,
		},
		"refreshed with an overlap": {become: func(s *subject) { s.refresh(time.Hour) }},
		"at the end of the overlap": {
			become: func(s *subject) { s.refresh(time.Hour); s.Clock.Move(time.Hour) },
			want:   fault.KeyExpired,
		},
		"long after the overlap": {become: func(s *subject) {
			s.refresh(time.Hour)
			s.Clock.Move(time.Hour + policy.Grace)
		}, want: fault.KeyInvalid},
		"long after, and revoked": {become: func(s *subject) {
			s.refresh(time.Hour)
			s.Clock.Move(time.Hour + policy.Grace)
			s.revoke()
		}, want: fault.KeyInvalid},
		"after the overlap, and revoked": {become: func(s *subject) {
			s.refresh(time.Hour)
			s.Clock.Move(2 * time.Hour)
			s.revoke()
		}, want: fault.KeyRevoked},
		"in the overlap, disabled": {
			become: func(s *subject) { s.refresh(time.Hour); s.keyIs(true) },
			want:   fault.KeyDisabled,
		},
		"its overlap ended by hand": {become: func(s *subject) {
			s.refresh(time.Hour)
			s.ok(s.Keys.EndPrevious(t.Context(), s.admin, s.tenant.ID, s.key))
		}, want: fault.KeyInvalid},
		"in the overlap, past a policy that its younger secret is within": {become: func(s *subject) {
			s.maxLifetime(30)
			s.Clock.Move(30*policy.Day - time.Hour)
			s.refresh(2 * time.Hour)
			s.Clock.Move(time.Hour)
		}, want: fault.KeyExpired},
		"its owner's role lowered": {
			become: func(s *subject) { s.memberIs(tenancy.MemberChange{Role: &member}) },
			want:   fault.InsufficientScope,
		},
		"its scope taken": {become: func(s *subject) {
			s.edit(key.Edit{Scopes: []scope.Scope{scope.ApplicationsRead}})
		}, want: fault.InsufficientScope},
		"its application changed": {become: func(s *subject) {
			s.edit(key.Edit{ApplicationIDs: []string{string(s.Server.Application(s.tenant, "Reports API").ID)}})
		}, want: fault.ApplicationForbidden},
		"its application disabled": {
			become: func(s *subject) { s.appIs(&yes) },
			want:   fault.ApplicationForbidden,
		},
		"its application deleted": {
			become: func(s *subject) { s.deleteApp() },
			want:   fault.ApplicationForbidden,
		},
		"restricted to its address": {become: func(s *subject) { s.allow("192.0.2.0/24") }},
		"restricted to other addresses": {
			become: func(s *subject) { s.allow("198.51.100.0/24", "::/0") },
			want:   fault.AddressForbidden,
		},
		"restricted, from an address that is not known": {
			become: func(s *subject) { s.allow("0.0.0.0/0", "::/0"); s.ip = "" },
			want:   fault.AddressForbidden,
		},
		"restricted to other addresses, and disabled": {
			become: func(s *subject) { s.allow("198.51.100.0/24"); s.keyIs(true) },
			want:   fault.KeyDisabled,
		},
		"restricted to other addresses, and without its scope": {
			become: func(s *subject) {
				s.edit(key.Edit{
					Scopes:    []scope.Scope{scope.ApplicationsRead},
					Addresses: key.AddressPatch{Given: true, Networks: []string{"198.51.100.0/24"}},
				})
			},
			want: fault.AddressForbidden,
		},
		"no longer restricted": {become: func(s *subject) {
			s.allow("198.51.100.0/24")
			s.edit(key.Edit{Addresses: key.AddressPatch{Given: true}})
		}},
		"an application of all deleted":  {all, func(s *subject) { s.deleteApp() }, fault.NotFound},
		"an application of all disabled": {all, func(s *subject) { s.appIs(&yes) }, fault.ApplicationForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t, h, c.spec)
			c.become(s)
			if path, tx := s.onThePath(), s.inTheTransaction(); path != c.want || tx != c.want {
				t.Errorf("the verification path says %q, the transaction %q, want %q", path, tx, c.want)
			}
		})
	}
}

func (s *subject) endsIn(d time.Duration) {
	s.t.Helper()
	at := s.Clock.Now().Add(d)
	s.edit(key.Edit{ExpiresAt: key.ExpiryPatch{Given: true, At: &at}})
}

func (s *subject) appIs(disabled *bool) {
	s.t.Helper()
	_, err := s.Applications.ChangeApplication(s.t.Context(), principal.Operator(), s.tenant.ID, s.app.ID,
		application.Change{Disabled: disabled})
	s.ok(err)
}

func (s *subject) deleteApp() {
	s.t.Helper()
	s.ok(s.Applications.DeleteApplication(s.t.Context(), principal.Operator(), s.tenant.ID, s.app.ID))
}

// Every combination of what can be disabled, by both callers: a key works only while none of it is.
func TestAKeyWorksOnlyWhileNothingAboveItIsDisabled(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	s := newSubject(t, h, key.Spec{})
	links := []struct {
		name string
		set  func(disabled bool)
	}{
		{"key", s.keyIs},
		{"membership", func(off bool) { s.memberIs(tenancy.MemberChange{Disabled: &off}) }},
		{"person", s.personIs},
		{"tenant", s.tenantIs},
		{"account", s.accountIs},
	}
	for mask := range 1 << len(links) {
		var off []string
		for i, link := range links {
			if mask&(1<<i) != 0 {
				link.set(true)
				off = append([]string{link.name}, off...)
			}
		}
		want := fault.Kind("")
		if mask != 0 {
			want = fault.KeyDisabled
		}
		if path, tx := s.onThePath(), s.inTheTransaction(); path != want || tx != want {
			t.Errorf("disabled: %s: the verification path says %q, the transaction %q, want %q",
				strings.Join(off, ", "), path, tx, want)
		}
		for i := len(links) - 1; i >= 0; i-- { // from above, since below a disabled account nothing is changed
			if mask&(1<<i) != 0 {
				links[i].set(false)
			}
		}
	}
}

package journal_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// narrowings have what happens before the backup; what they return happens after it, and after the
// restore.
var narrowings = map[string]func(n *narrowed) (after, demand func()){
	"an application was disabled": func(n *narrowed) (after, demand func()) {
		a := n.Application(n.tenant, "Orders")
		_, k := n.key(scope.Member, "applications:read")
		return func() {
				_, err := n.As(n.admin).EditApplication(n.Context(), n.id, string(a.ID),
					api.UpdateApplicationRequest{Status: api.To(api.Status("disabled"))})
				n.check(err)
			}, func() {
				n.code("the application", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(a.ID))),
					api.ApplicationForbidden)
			}
	},
	"an application was disabled and enabled": func(n *narrowed) (after, demand func()) {
		a := n.Application(n.tenant, "Orders")
		_, k := n.key(scope.Member, "applications:read")
		return func() {
				for _, status := range []string{"disabled", "active"} {
					_, err := n.As(n.admin).EditApplication(n.Context(), n.id, string(a.ID),
						api.UpdateApplicationRequest{Status: api.To(api.Status(status))})
					n.check(err)
				}
			}, func() {
				n.code("the application", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(a.ID))), "")
			}
	},
	"an application was deleted": func(n *narrowed) (after, demand func()) {
		a := n.Application(n.tenant, "Orders")
		return func() { n.check(n.As(n.admin).DeleteApplication(n.Context(), n.id, string(a.ID))) }, func() {
			n.code("the application", testkit.ErrorOf(n.As(n.admin).Application(n.Context(), n.id, string(a.ID))),
				api.NotFound)
		}
	},
	"a subject was disabled": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		s, k := n.subject("", "reports:read")
		return func() {
				_, err := n.As(n.admin).DisableSubject(n.Context(), n.id, s)
				n.check(err)
			}, func() {
				n.code("its key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.APIKeyDisabled)
			}
	},
	"a subject was deleted": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		s, k := n.subject("", "reports:read")
		return func() { n.check(n.As(n.admin).DeleteSubject(n.Context(), n.id, s)) }, func() {
			n.code("its key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.APIKeyRevoked)
		}
	},
	"a plan lost a scope": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		n.plan("pro", "reports:read", "reports:export")
		_, k := n.subject("pro", "*")
		return func() {
			_, err := n.As(n.admin).EditPlan(n.Context(), n.id, "pro",
				api.UpdatePlanRequest{Scopes: api.To([]string{"reports:read"})})
			n.check(err)
		}, func() { n.scopes(k, "reports:read") }
	},
	"a subject was moved to a plan that gives less": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		n.plan("pro", "reports:read", "reports:export")
		n.plan("free", "reports:read")
		s, k := n.subject("pro", "*")
		return func() { n.move(s, "free") }, func() { n.scopes(k, "reports:read") }
	},
	"a subject was moved to a plan that gives other scopes": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		n.plan("one", "reports:read")
		n.plan("two", "reports:export")
		s, k := n.subject("one", "*")
		return func() { n.move(s, "two") }, func() {
			n.code("its key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.APIKeyDisabled)
		}
	},
	"a scope was removed from the catalogue": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		_, k := n.key(scope.Member, "reports:read", "reports:export")
		return func() { n.catalogue(reports[0]) }, func() { n.scopes(k, "reports:read") }
	},
	"all scopes were removed from the catalogue": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		_, k := n.key(scope.Member, "reports:read", "applications:read")
		return func() { n.catalogue() }, func() { n.scopes(k, "applications:read") }
	},
	"a scope was taken from a role": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		_, k := n.key(scope.Member, "reports:read", "reports:export")
		return func() {
			n.catalogue(reports[0], api.NewScope{Name: "reports:export", Roles: []api.Role{"admin"}})
		}, func() { n.scopes(k, "reports:read") }
	},
	"a scope was removed and added again": func(n *narrowed) (after, demand func()) {
		n.catalogue(reports...)
		_, k := n.key(scope.Member, "reports:export")
		return func() { n.catalogue(reports[0]); n.catalogue(reports...) }, func() { n.scopes(k, "reports:export") }
	},
	"scopes were removed from a key": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read", "members:read")
		return func() { n.edit(k, api.UpdateKeyRequest{Scopes: api.To([]string{"members:read"})}) },
			func() { n.scopes(k, "members:read") }
	},
	"a key with every scope got some": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Admin, "*")
		return func() { n.edit(k, api.UpdateKeyRequest{Scopes: api.To([]string{"members:read"})}) },
			func() { n.scopes(k, "members:read") }
	},
	"a key got other scopes": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.edit(k, api.UpdateKeyRequest{Scopes: api.To([]string{"members:read"})}) },
			func() { n.scopes(k, []string{}...) }
	},
	"a key got more scopes": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.edit(k, api.UpdateKeyRequest{Scopes: api.To([]string{"*"})}) },
			func() { n.scopes(k, "applications:read") }
	},
	"a key was restricted to applications": func(n *narrowed) (after, demand func()) {
		a, b := n.Application(n.tenant, "Orders"), n.Application(n.tenant, "Invoices")
		_, k := n.key(scope.Member, "applications:read")
		return func() {
				later := n.Application(n.tenant, "Made after the backup")
				n.edit(k, api.UpdateKeyRequest{ApplicationIDs: api.To([]string{string(a.ID), string(later.ID)})})
			}, func() {
				n.code("one that is left", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(a.ID))), "")
				n.code("one that is not", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(b.ID))),
					api.ApplicationForbidden)
			}
	},
	"an application was taken from a key": func(n *narrowed) (after, demand func()) {
		a, b := n.Application(n.tenant, "Orders"), n.Application(n.tenant, "Invoices")
		_, k := n.key(scope.Member, "applications:read")
		n.edit(k, api.UpdateKeyRequest{ApplicationIDs: api.To([]string{string(a.ID), string(b.ID)})})
		return func() { n.edit(k, api.UpdateKeyRequest{ApplicationIDs: api.To([]string{string(a.ID)})}) }, func() {
			n.code("one that is left", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(a.ID))), "")
			n.code("one that is not", testkit.ErrorOf(n.With(k).Application(n.Context(), n.id, string(b.ID))),
				api.ApplicationForbidden)
		}
	},
	"a key was restricted to networks": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.allow(k, "192.0.2.0/24") }, func() { n.networks(k, "192.0.2.0/24") }
	},
	"a network was taken from a key": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		n.allow(k, "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")
		return func() { n.allow(k, "10.0.0.0/8", "2001:db8::/32") },
			func() { n.networks(k, "10.0.0.0/8", "2001:db8::/32") }
	},
	// The intersection of both lists: of two nested networks, the narrower one.
	"a key got other networks": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		n.allow(k, "10.0.0.0/8", "192.0.2.128/25", "198.51.100.0/24")
		return func() { n.allow(k, "10.1.0.0/16", "192.0.2.0/24", "203.0.113.0/24") },
			func() { n.networks(k, "10.1.0.0/16", "192.0.2.128/25") }
	},
	"a key got networks without a common one": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		n.allow(k, "192.0.2.0/24")
		return func() { n.allow(k, "198.51.100.0/24") }, func() {
			n.networks(k, []string{}...)
			n.code("the key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.AddressForbidden)
			n.allow(k, "127.0.0.0/8", "::1/128")
			n.code("once its owner said from where", testkit.ErrorOf(n.With(k).Whoami(n.Context())), "")
		}
	},
	"a key got more networks": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		n.allow(k, "192.0.2.0/24")
		return func() { n.allow(k, "192.0.2.0/24", "198.51.100.0/24") }, func() { n.networks(k, "192.0.2.0/24") }
	},
	"the networks of a key were cleared": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		n.allow(k, "192.0.2.0/24")
		return func() { n.edit(k, api.UpdateKeyRequest{AllowedCIDRs: api.Cleared[[]string]()}) },
			func() { n.networks(k, "192.0.2.0/24") }
	},
	"a key was restricted to networks and freed": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() {
			n.allow(k, "192.0.2.0/24")
			n.edit(k, api.UpdateKeyRequest{AllowedCIDRs: api.Cleared[[]string]()})
		}, func() { n.code("the key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), "") }
	},
	"a transport was closed": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.settings(api.SettingsPatch{Transports: api.To([]api.Transport{"basic", "header"})}) },
			func() {
				n.code("by bearer", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.TransportForbidden)
				n.code("by header",
					testkit.ErrorOf(n.Anyone().WithHeader("X-API-Key", k.Credential.Value).Whoami(n.Context())), "")
			}
	},
	"all transports were replaced by others": func(n *narrowed) (after, demand func()) {
		n.settings(api.SettingsPatch{Transports: api.To([]api.Transport{"basic"})})
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.settings(api.SettingsPatch{Transports: api.To([]api.Transport{"bearer"})}) }, func() {
			n.code("by bearer", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.TransportForbidden)
			if s := testkit.Must[api.Tenant](n.T)(n.owner.Tenant(n.Context(), n.id)).Settings; s.Transports == nil ||
				len(s.Transports) > 0 {
				n.Errorf("the transports are %v", s.Transports)
			}
			n.settings(api.SettingsPatch{Transports: api.To([]api.Transport{"bearer"})})
			n.code("once its owner said how", testkit.ErrorOf(n.With(k).Whoami(n.Context())), "")
		}
	},
	"the key header was replaced": func(n *narrowed) (after, demand func()) {
		_, k := n.key(scope.Member, "applications:read")
		return func() { n.settings(api.SettingsPatch{KeyHeader: api.To("X-Other-Key")}) }, func() {
			n.code("by bearer", testkit.ErrorOf(n.With(k).Whoami(n.Context())), "")
			for _, header := range []string{"X-API-Key", "X-Other-Key"} {
				if err := testkit.ErrorOf(n.Anyone().WithHeader(header,
					k.Credential.Value).Whoami(n.Context())); err == nil {
					n.Errorf("by %s: accepted", header)
				}
			}
		}
	},
	"settings were tightened": func(n *narrowed) (after, demand func()) {
		return func() {
				n.settings(api.SettingsPatch{
					KeysPerUser: api.To(1), RequestsPerMinute: api.To(30), IdleDays: api.To(90),
					Visibility:       api.To(api.VisibilityOwn),
					Creators:         api.To([]api.Creator{"admin"}),
					VerifyRequires:   api.To([]api.VerifyMember{"application_id"}),
					SessionTransport: api.To(false),
				})
				n.settings(api.SettingsPatch{RequestsPerMinute: api.To(40)}) // the last word counts
			}, func() {
				s := testkit.Must[api.Tenant](n.T)(n.owner.Tenant(n.Context(), n.id)).Settings
				got := []any{
					*s.KeysPerUser, *s.RequestsPerMinute, *s.IdleDays, s.Visibility, s.Creators,
					s.VerifyRequires, s.SessionTransport,
				}
				want := []any{
					1, 40, 90, api.VisibilityOwn,
					[]api.Creator{api.CreatorAdmin},
					[]api.VerifyMember{api.VerifyApplicationID},
					false,
				}
				if diff := cmp.Diff(want, got); diff != "" {
					n.Errorf("settings:\n%s", diff)
				}
			}
	},
	"settings were tightened and loosened": func(n *narrowed) (after, demand func()) {
		return func() {
				n.settings(api.SettingsPatch{KeysPerUser: api.To(1), Transports: api.To([]api.Transport{"basic"})})
				n.settings(api.SettingsPatch{
					KeysPerUser: api.To(9),
					Transports:  api.To([]api.Transport{"bearer", "basic", "header", "oauth"}),
				})
			}, func() {
				s := testkit.Must[api.Tenant](n.T)(n.owner.Tenant(n.Context(), n.id)).Settings
				if *s.KeysPerUser != 2 || len(s.Transports) != 4 {
					n.Errorf("%d keys, transports %v", *s.KeysPerUser, s.Transports)
				}
			}
	},
	"copies of secrets were destroyed": func(n *narrowed) (after, demand func()) {
		n.settings(api.SettingsPatch{Disclosure: api.To(api.Disclosure("recoverable"))})
		p, k := n.key(scope.Member, "applications:read")
		return func() {
				n.settings(api.SettingsPatch{Disclosure: api.To(api.Disclosure("once"))})
				n.settings(api.SettingsPatch{Disclosure: api.To(api.Disclosure("recoverable"))})
			}, func() {
				n.code("reveal", testkit.ErrorOf(n.As(p).RevealKey(n.Context(), n.id, k.Key.ID)), api.NotRecoverable)
			}
	},
	"an admin became a member": func(n *narrowed) (after, demand func()) {
		p, k := n.key(scope.Admin, "keys:verify", "applications:read")
		return func() { n.role(p, "member") }, func() { n.scopes(k, "applications:read") }
	},
	"an admin became an auditor": func(n *narrowed) (after, demand func()) {
		p, k := n.key(scope.Admin, "keys:verify", "audit:read")
		return func() { n.role(p, "auditor") }, func() { n.scopes(k, "audit:read") }
	},
	"a member became an admin": func(n *narrowed) (after, demand func()) {
		p, k := n.key(scope.Member, "applications:read")
		return func() { n.role(p, "admin") }, func() {
			n.scopes(k, "applications:read")
			n.code("change settings",
				testkit.ErrorOf(n.As(p).EditMember(n.Context(), n.id, string(n.admin.ID), api.UpdateMemberRequest{})),
				api.Forbidden)
		}
	},
	"an admin became a member and an admin again": func(n *narrowed) (after, demand func()) {
		p, k := n.key(scope.Admin, "keys:verify")
		return func() { n.role(p, "member"); n.role(p, "admin") }, func() { n.scopes(k, "keys:verify") }
	},
	// Neither role may all that the other may.
	"a member became an auditor": func(n *narrowed) (after, demand func()) {
		p, k := n.key(scope.Member, "applications:read")
		return func() { n.role(p, "auditor") },
			func() { n.code("the key", testkit.ErrorOf(n.With(k).Whoami(n.Context())), api.APIKeyDisabled) }
	},
	"an account owner became an admin": func(n *narrowed) (after, demand func()) {
		p := n.AccountMember("Was Owner", scope.AccountOwner)
		return func() {
				_, err := n.owner.SetAccountMember(n.Context(), string(n.Account.ID), string(p.ID), "admin")
				n.check(err)
			}, func() {
				_, err := n.As(p).SetAccountMember(n.Context(), string(n.Account.ID), string(p.ID), "owner")
				n.code("make owners", err, api.Forbidden)
				n.code("see the tenant", testkit.ErrorOf(n.As(p).Tenant(n.Context(), n.id)), "")
			}
	},
	"a password was changed": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Password Owner", scope.Member)
		const next = "another horse battery staple"
		return func() { n.ChangePassword(p, next) }, func() {
			for _, password := range []string{testkit.Password, next} {
				_, _, err := n.Anyone().SignIn(n.Context(), p.Email, password)
				n.code("sign in", err, api.SignInFailed)
			}
			n.ChangePassword(p, "a third horse battery staple")
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, "a third horse battery staple")
			n.code("sign in with a password set since", err, "")
		}
	},
	"a password was changed before the backup": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Password Owner", scope.Member)
		const next = "another horse battery staple"
		n.ChangePassword(p, next)
		return func() {}, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, next)
			n.code("sign in", err, "")
		}
	},
	"an address was changed": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Address Owner", scope.Member)
		k := n.Key(n.As(p), n.tenant, "applications:read")
		const next = "another@claviger.example"
		set := func(email string) {
			n.Helper()
			_, err := n.Identity.SetEmail(n.Context(), principal.Operator(), p.ID, email)
			n.check(err)
		}
		return func() { set(next) }, func() {
			for _, email := range []string{p.Email, next} {
				_, _, err := n.Anyone().SignIn(n.Context(), email, testkit.Password)
				n.code("sign in as "+email, err, api.SignInFailed)
			}
			who, err := n.With(k).Whoami(n.Context())
			n.code("the key", err, "")
			if err == nil && who.User.Email != nil {
				n.Errorf("the key is that of %s", *who.User.Email)
			}
			set(next)
			_, _, err = n.Anyone().SignIn(n.Context(), next, testkit.Password)
			n.code("sign in after the operator set the address", err, "")
		}
	},
	"an address was changed before the backup": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Address Owner", scope.Member)
		const next = "before@claviger.example"
		_, err := n.Identity.SetEmail(n.Context(), principal.Operator(), p.ID, next)
		n.check(err)
		return func() {}, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), next, testkit.Password)
			n.code("sign in", err, "")
		}
	},
	"a second factor was removed": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Factor Owner", scope.Member)
		c := n.As(p)
		n.SetUpFactor(c)
		return func() { n.check(c.RemoveTwoFactor(n.Context())) }, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, testkit.Password)
			n.code("sign in without a second factor", err, "")
		}
	},
	"a second factor was set up": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Factor Owner", scope.Member)
		var phone testkit.App
		var recovery []string
		return func() { phone, recovery = n.SetUpFactor(n.As(p)) }, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, testkit.Password)
			n.code("sign in with the password alone", err, api.SecondFactorRequired)
			for _, code := range []string{phone.CodeAt(n.Clock.Now().Add(30 * time.Second)), recovery[0]} {
				_, _, err := n.Anyone().SignInWithCode(n.Context(), p.Email, testkit.Password, code)
				n.code("sign in with a code", err, api.SignInFailed)
			}
			n.check(n.SecondFactors.RemoveLost(n.Context(), principal.Operator(), p.ID))
			_, _, err = n.Anyone().SignIn(n.Context(), p.Email, testkit.Password)
			n.code("sign in after the operator removed it", err, "")
		}
	},
	"a second factor was replaced": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Factor Owner", scope.Member)
		c := n.As(p)
		_, old := n.SetUpFactor(c)
		return func() { n.SetUpFactor(c) }, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, testkit.Password)
			n.code("sign in with the password alone", err, api.SecondFactorRequired)
			_, _, err = n.Anyone().SignInWithCode(n.Context(), p.Email, testkit.Password, old[0])
			n.code("sign in with a recovery code of the first one", err, api.SignInFailed)
		}
	},
	"a second factor stayed": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Factor Owner", scope.Member)
		_, recovery := n.SetUpFactor(n.As(p))
		return func() {}, func() {
			_, _, err := n.Anyone().SignIn(n.Context(), p.Email, testkit.Password)
			n.code("sign in with the password alone", err, api.SecondFactorRequired)
			_, _, err = n.Anyone().SignInWithCode(n.Context(), p.Email, testkit.Password, recovery[0])
			n.code("sign in with a recovery code", err, "")
		}
	},
	"a recovery code was used": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Factor Owner", scope.Member)
		_, recovery := n.SetUpFactor(n.As(p))
		return func() {
				_, _, err := n.Anyone().SignInWithCode(n.Context(), p.Email, testkit.Password, recovery[0])
				n.check(err)
			}, func() {
				for _, code := range recovery[:2] {
					_, _, err := n.Anyone().SignInWithCode(n.Context(), p.Email, testkit.Password, code)
					n.code("sign in with a recovery code", err, api.SignInFailed)
				}
			}
	},
	"a second factor was required": func(n *narrowed) (after, demand func()) {
		account, admin := n.OtherAccount("Strict")
		return func() {
				_, err := n.As(admin).EditPolicy(n.Context(), string(account.ID),
					api.UpdatePolicyRequest{RequireSecondFactor: api.To(api.FactorAdmins)})
				n.check(err)
			}, func() {
				_, _, err := n.Anyone().SignIn(n.Context(), admin.Email, testkit.Password)
				n.code("sign in without a second factor", err, api.SecondFactorRequired)
			}
	},
	"a hand-over was claimed": func(n *narrowed) (after, demand func()) {
		p := n.Member(n.tenant, "Key Owner", scope.Member)
		_, token := testkit.KeyByLink(n.T, n.As(n.admin), n.tenant, p, nil)
		var claimed api.IssuedKey
		return func() { claimed = testkit.Must[api.IssuedKey](n.T)(n.As(p).ClaimKey(n.Context(), token)) }, func() {
			n.code("claim again", testkit.ErrorOf(n.As(p).ClaimKey(n.Context(), token)), api.LinkInvalid)
			n.code("the key that was claimed", testkit.ErrorOf(n.With(claimed).Whoami(n.Context())), api.APIKeyInvalid)
		}
	},
}

// TestWhatWasNarrowedAfterABackupStaysSo has every way to allow less than a backup does, and those
// that it must leave alone.
func TestWhatWasNarrowedAfterABackupStaysSo(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	all, demands := allNarrowings(), map[string]func(*testing.T){}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	afters := make([]func(), len(names))
	for i, name := range names {
		n := &narrowed{T: t, Server: h, tenant: h.Tenant("Main tenant", nil), owner: h.As(h.Owner)}
		n.id, n.admin = string(n.tenant.ID), h.Member(n.tenant, "Tenant Admin", scope.Admin)
		after, demand := all[name](n)
		afters[i] = after
		demands[name] = func(t *testing.T) {
			n.T, n.owner = t, h.As(h.Owner)
			demand()
		}
	}
	b := testkit.Backup(t, h)
	for _, after := range afters {
		after()
	}
	h.Clock.Move(time.Minute)
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	if err != nil || !r.Covered || r.Revocations.Passwords != 1 || r.Revocations.Applications != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	h.Move(c)
	for _, name := range names {
		t.Run(name, demands[name])
	}
	testkit.ExpectWholeTrail(t, h)

	// What was restored can be backed up and restored with its own journal, and nothing more is
	// taken.
	r, err = testkit.Restore(t, h, testkit.RestoreTarget(t, h, testkit.SQLite), testkit.Backup(t, h),
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	r.Revocations.Passwords = 0 // one was set since, by a test
	if err != nil || !r.Covered || r.Revocations != (app.Restored{}).Revocations {
		t.Errorf("again: %+v, %v", r, err)
	}
}

func TestSessionsThatWereShortenedAfterABackupStaySo(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner, account := h.As(h.Owner), string(h.Account.ID)
	testkit.Must[api.Policy](t)(owner.EditPolicy(t.Context(), account,
		api.UpdatePolicyRequest{SessionIdleMinutes: api.To(600)}))
	b := testkit.Backup(t, h)
	testkit.Must[api.Policy](t)(owner.EditPolicy(t.Context(), account,
		api.UpdatePolicyRequest{SessionIdleMinutes: api.To(30), SessionAbsoluteHours: api.To(200)}))
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	if err != nil || r.Revocations.Policies != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	h.Move(c)
	p := testkit.Must[api.Policy](t)(h.As(h.Owner).Policy(t.Context(), account))
	if p.SessionIdleMinutes != 30 || p.SessionAbsoluteHours != 168 {
		t.Errorf("%d minutes, %d hours", p.SessionIdleMinutes, p.SessionAbsoluteHours)
	}
}

func TestATenantThatWasClosedToPasswordsAfterABackupStaysSo(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Old tenant", func(s *policy.Settings) { s.LegacyPassword = true })
	b := testkit.Backup(t, h)
	testkit.Must[tenancy.Tenant](t)(h.Tenancy.AllowPassword(t.Context(), principal.Operator(), tenant.ID, false))
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	if r, err := testkit.Restore(t, h, c, b,
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}); err != nil ||
		r.Revocations.Tenants != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	h.Move(c)
	if got := testkit.Must[tenancy.Tenant](t)(h.Store.Tenant(t.Context(), tenant.ID)); got.Settings.LegacyPassword {
		t.Error("passwords are accepted again")
	}
}

// The journal tells when a password was set, and nothing of what it is.
func TestTheJournalHoldsNothingOfAPassword(t *testing.T) {
	t.Parallel()
	j := newJournaled(t, testkit.SQLite)
	before := len(j.text(t))
	j.ChangePassword(j.owner, "another horse battery staple")
	text := string(j.text(t)[before:])
	want := `"effects":[{"kind":"password_set","user":"` + string(j.owner.ID) + `","since":"`
	if strings.Count(text, want) != 1 || strings.Contains(text, "argon2") {
		t.Errorf("the journal has %q", text)
	}
}

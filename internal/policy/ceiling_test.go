package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

func TestAGrantIsWithinTheCeilingsOrTheFieldBeyondThemIsNamed(t *testing.T) {
	ceilings := policy.Ceilings{
		Scopes: scope.NewSet("films:read", "films:write"), Applications: scope.Applications{IDs: []string{"app_1"}},
		Addresses: networks(t, "192.0.2.0/24"), MaxLifetimeDays: 30,
	}
	within := policy.KeyGrant{
		Scopes: scope.NewSet("films:read"), Applications: scope.Applications{IDs: []string{"app_1"}},
		Addresses: networks(t, "192.0.2.0/25"), Lifetime: 30 * policy.Day,
	}
	everything := policy.Ceilings{
		Scopes: scope.NewSet(scope.Every), Applications: scope.Applications{All: true},
	}
	for _, c := range []struct {
		name     string
		ceilings policy.Ceilings
		change   func(*policy.KeyGrant)
		want     string
	}{
		{"all at its limit", ceilings, func(*policy.KeyGrant) {}, ""},
		{"a scope more", ceilings, func(g *policy.KeyGrant) { g.Scopes = scope.NewSet("films:read", "x:y") }, "scopes"},
		{"every scope", ceilings, func(g *policy.KeyGrant) { g.Scopes = scope.NewSet(scope.Every) }, "scopes"},
		{"no scope", ceilings, func(g *policy.KeyGrant) { g.Scopes = nil }, ""},
		{
			"another application", ceilings,
			func(g *policy.KeyGrant) { g.Applications.IDs = []string{"app_1", "app_2"} }, "application_ids",
		},
		{
			"all applications", ceilings, func(g *policy.KeyGrant) { g.Applications = scope.Applications{All: true} },
			"application_ids",
		},
		{
			"a wider network", ceilings, func(g *policy.KeyGrant) { g.Addresses = networks(t, "192.0.0.0/16") },
			"allowed_cidrs",
		},
		{"any address", ceilings, func(g *policy.KeyGrant) { g.Addresses = policy.Addresses{} }, "allowed_cidrs"},
		{"a moment longer", ceilings, func(g *policy.KeyGrant) { g.Lifetime = 30*policy.Day + 1 }, "expires_at"},
		{"for ever", ceilings, func(g *policy.KeyGrant) { g.Lifetime = 0 }, "expires_at"},
		{"nothing is allowed", policy.Ceilings{}, func(*policy.KeyGrant) {}, "scopes"},
		{"everything is allowed", everything, func(g *policy.KeyGrant) {
			*g = policy.KeyGrant{Scopes: scope.NewSet(scope.Every), Applications: scope.Applications{All: true}}
		}, ""},
	} {
		grant := within
		c.change(&grant)
		excess := grant.Within(c.ceilings)
		if excess.Field != c.want {
			t.Errorf("%s: beyond in %q, want %q", c.name, excess.Field, c.want)
		}
		err := excess.Fault()
		if c.want == "" && err != nil || c.want != "" && (fault.KindOf(err) != fault.Forbidden ||
			!strings.Contains(err.Error(), "`"+c.want+"`")) {
			t.Errorf("%s: the refusal is %v", c.name, err)
		}
	}
}

func TestAPlanIsAssignedIfTheCeilingNamesIt(t *testing.T) {
	for _, c := range []struct {
		plans   []string
		plan    string
		allowed bool
		limit   string
	}{
		{nil, "", false, "nothing"},
		{nil, "free", false, "nothing"},
		{[]string{""}, "", true, ""},
		{[]string{""}, "free", false, "null"},
		{[]string{"", "free"}, "free", true, ""},
		{[]string{"free"}, "", false, "free"},
		{[]string{"free"}, "freely", false, "free"},
	} {
		excess := policy.Ceilings{Plans: c.plans}.AssignsPlan(c.plan)
		if (excess == policy.Excess{}) != c.allowed || excess.Limit != c.limit {
			t.Errorf("%q with %q: %+v", c.plan, c.plans, excess)
		}
	}
}

func TestWhatIsWrongWithRightsIsSaidFieldByField(t *testing.T) {
	good := policy.ManagementRights{
		Permissions: []policy.Permission{policy.MayReadKeys}, Owners: []ident.PartyType{ident.SubjectParty},
	}
	longName := []string{strings.Repeat("x", 65)}
	for want, change := range map[string]func(*policy.ManagementRights){
		"permissions required":  func(r *policy.ManagementRights) { r.Permissions = nil },
		"permissions.0 unknown": func(r *policy.ManagementRights) { r.Permissions[0] = "keys:reveal" },
		"permissions.0 beyond_role": func(r *policy.ManagementRights) {
			r.Permissions[0] = policy.MayReadAudit
		},
		"owners required":  func(r *policy.ManagementRights) { r.Owners = nil },
		"owners.0 unknown": func(r *policy.ManagementRights) { r.Owners[0] = ident.OperatorParty },
		"ceilings.scopes every": func(r *policy.ManagementRights) {
			r.Ceilings.Scopes = scope.Set{scope.Every, "films:read"}
		},
		"ceilings.scopes.0 form": func(r *policy.ManagementRights) { r.Ceilings.Scopes = scope.Set{"Films"} },
		"ceilings.scopes length": func(r *policy.ManagementRights) { r.Ceilings.Scopes = make(scope.Set, 501) },
		"ceilings.plans length":  func(r *policy.ManagementRights) { r.Ceilings.Plans = make([]string, 501) },
		"ceilings.plans.0 form":  func(r *policy.ManagementRights) { r.Ceilings.Plans = longName },
		"ceilings.application_ids exclusive": func(r *policy.ManagementRights) {
			r.Ceilings.Applications = scope.Applications{All: true, IDs: []string{"app_1"}}
		},
		"ceilings.application_ids.0 form": func(r *policy.ManagementRights) {
			r.Ceilings.Applications.IDs = []string{"orders"}
		},
		"ceilings.max_lifetime_days range": func(r *policy.ManagementRights) { r.Ceilings.MaxLifetimeDays = 3651 },
		"ceilings.creates_per_hour range":  func(r *policy.ManagementRights) { r.Ceilings.CreatesPerHour = 100_001 },
	} {
		r := good.Clone()
		change(&r)
		var got []string
		for _, f := range r.Faults(scope.Member) {
			got = append(got, f.Name+" "+f.Code)
		}
		if !slices.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if faults := good.Faults(scope.Member); len(faults) > 0 {
		t.Errorf("good rights: %v", faults)
	}
}

// To skip a ceiling that a later version wrote would widen what the management key may do.
func TestCeilingsOfALaterVersionAreRefused(t *testing.T) {
	text := testMust(json.Marshal(policy.Ceilings{MaxLifetimeDays: 7}))
	var c policy.Ceilings
	if err := json.Unmarshal(text, &c); err != nil || c.MaxLifetimeDays != 7 {
		t.Errorf("%+v, %v", c, err)
	}
	later := strings.Replace(string(text), "{", `{"max_keys":3,`, 1)
	if err := json.Unmarshal([]byte(later), &c); err == nil {
		t.Error("a ceiling that is not known was skipped")
	}
}

func testMust[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// subset draws some of the values.
func subset[T any](t *rapid.T, label string, values ...T) (some []T) {
	for i, v := range values {
		if rapid.Bool().Draw(t, fmt.Sprint(label, i)) {
			some = append(some, v)
		}
	}
	return some
}

func drawScopes(t *rapid.T) scope.Set {
	if rapid.IntRange(0, 4).Draw(t, "every scope") == 0 {
		return scope.NewSet(scope.Every)
	}
	return scope.NewSet(subset[scope.Scope](t, "scope", "a:read", "b:read", "c:read")...)
}

func drawApplications(t *rapid.T) scope.Applications {
	if rapid.IntRange(0, 4).Draw(t, "all applications") == 0 {
		return scope.Applications{All: true}
	}
	return scope.Applications{IDs: subset(t, "application", "app_1", "app_2", "app_3")}
}

func drawAddresses(t *rapid.T) policy.Addresses {
	cidrs := subset(t, "network", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "2001:db8::/32")
	if cidrs == nil {
		return policy.Addresses{}
	}
	a, _ := policy.ParseAddresses("", cidrs)
	return a
}

// drawRights draws rights as they are stored.
func drawRights(t *rapid.T) policy.ManagementRights {
	return policy.ManagementRights{
		Permissions: subset(t, "permission", policy.Permissions()...),
		Owners:      subset(t, "owner", ident.OwnerTypes()...),
		Ceilings: policy.Ceilings{
			Scopes: drawScopes(t), Applications: drawApplications(t), Plans: subset(t, "plan", "", "free", "gold"),
			MaxLifetimeDays: rapid.SampledFrom([]int{0, 1, 30, 90}).Draw(t, "days"),
			CreatesPerHour:  rapid.SampledFrom([]int{1, 10, 1000}).Draw(t, "an hour"), Addresses: drawAddresses(t),
		},
		Addresses: drawAddresses(t),
	}.Normal()
}

func drawGrant(t *rapid.T) policy.KeyGrant {
	return policy.KeyGrant{
		Scopes: drawScopes(t), Applications: drawApplications(t), Addresses: drawAddresses(t),
		Lifetime: rapid.SampledFrom([]time.Duration{
			0, 1, policy.Day, policy.Day + 1, 30 * policy.Day, 90 * policy.Day, 91 * policy.Day,
		}).Draw(t, "lifetime"),
	}
}

// beyond returns what the first rights allow and the second do not, "" for nothing.
func beyond(t *rapid.T, first, second policy.ManagementRights) string {
	grant := drawGrant(t)
	if grant.Within(first.Ceilings) == (policy.Excess{}) && grant.Within(second.Ceilings) != (policy.Excess{}) {
		return fmt.Sprintf("the key %+v", grant)
	}
	for _, plan := range []string{"", "free", "gold", "silver"} {
		if first.Ceilings.AssignsPlan(plan) == (policy.Excess{}) &&
			second.Ceilings.AssignsPlan(plan) != (policy.Excess{}) {
			return "the plan " + plan
		}
	}
	for _, owner := range ident.OwnerTypes() {
		for _, p := range policy.Permissions() {
			if first.ActsFor(owner, p) && !second.ActsFor(owner, p) {
				return fmt.Sprintf("%s for %s", p, owner)
			}
		}
	}
	for _, ip := range []string{"10.0.0.1", "10.1.0.1", "10.1.2.3", "192.0.2.1", "2001:db8::1", "203.0.113.1", ""} {
		if first.Addresses.Allows(ip) && !second.Addresses.Allows(ip) {
			return "requests from " + ip
		}
	}
	if first.Ceilings.CreatesPerHour > second.Ceilings.CreatesPerHour {
		return "more creations an hour"
	}
	return ""
}

// What a PATCH of a management key accepts, allows nothing that was not allowed before.
func TestRightsThatAreNotWiderAllowNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, next := drawRights(t), drawRights(t)
		if faults := was.WidenedFaults(next); len(faults) > 0 {
			next = was.Narrowed(next).Normal()
		}
		if faults := was.WidenedFaults(next); len(faults) > 0 {
			t.Fatalf("narrowed rights are wider: %v", faults)
		}
		if more := beyond(t, next, was); more != "" {
			t.Errorf("%+v allow %s, and %+v did not", next, more, was)
		}
	})
}

// What a restore leaves of a management key, both the backup and the journal allow.
func TestNarrowedRightsAllowOnlyWhatBothAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRights(t), drawRights(t)
		both := a.Narrowed(b).Normal()
		for _, r := range []policy.ManagementRights{a, b} {
			if faults := r.WidenedFaults(both); len(faults) > 0 {
				t.Errorf("wider than %+v: %v", r, faults)
			}
			if more := beyond(t, both, r); more != "" {
				t.Errorf("%+v allow %s, and %+v do not", both, more, r)
			}
		}
		if diff := cmp.Diff(a.Narrowed(a).Normal(), a); diff != "" {
			t.Errorf("narrowed to themselves:\n%s", diff)
		}
	})
}

func TestEveryWideningIsRefusedAndEveryDifferenceNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, next := drawRights(t), drawRights(t)
		more := beyond(t, next, was)
		if more != "" && len(was.WidenedFaults(next)) == 0 {
			t.Errorf("%+v may become %+v, which allow %s", was, next, more)
		}
		same := cmp.Equal(was, next)
		if names := was.Differences(next); (len(names) == 0) != same {
			t.Errorf("the differences of %+v and %+v are %v", was, next, names)
		}
	})
}

func TestStoredRightsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRights(t)
		var got policy.ManagementRights
		if err := json.Unmarshal(testMust(json.Marshal(want)), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Normal()); diff != "" {
			t.Errorf("stored rights came back otherwise:\n%s", diff)
		}
	})
}

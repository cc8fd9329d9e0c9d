package key

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

var (
	testNow = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	// anApplication is an id in the right form.
	anApplication = "app_01m7z51nc2xnsr53yart"
)

// codes returns "field code, …" of the faults.
func codes(faults []fault.Field) string {
	var parts []string
	for _, f := range faults {
		parts = append(parts, f.Name+" "+f.Code)
	}
	return strings.Join(parts, ", ")
}

// repeated returns a list of n times the same value.
func repeated[T any](value T, n int) []T { return slices.Repeat([]T{value}, n) }

func TestTheFormOfTheFieldsOfANewKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"all is well":  {func(*Spec) {}, ""},
		"a short name": {func(s *Spec) { s.Name = " ab " }, "name too_short"},
		"a long description": {
			func(s *Spec) { s.Description = strings.Repeat("x", 1001) },
			"description too_long",
		},
		"an owner that is no id":  {func(s *Spec) { s.Owner = "me" }, "owner_id form"},
		"no scopes":               {func(s *Spec) { s.Scopes = nil }, ""},
		"an empty list of scopes": {func(s *Spec) { s.Scopes = []scope.Scope{} }, "scopes length"},
		"200 scopes":              {func(s *Spec) { s.Scopes = repeated(scope.KeysVerify, 200) }, ""},
		"201 scopes":              {func(s *Spec) { s.Scopes = repeated(scope.KeysVerify, 201) }, "scopes length"},
		"every scope":             {func(s *Spec) { s.Scopes = []scope.Scope{"*"} }, ""},
		"every scope and another": {func(s *Spec) { s.Scopes = []scope.Scope{"*", "a:b"} }, "scopes every"},
		"scopes that are none": {
			func(s *Spec) { s.Scopes = []scope.Scope{"a:b", "Read", ""} },
			"scopes.1 form, scopes.2 form",
		},
		"a network":        {func(s *Spec) { s.Addresses = []string{"10.0.0.0/8"} }, ""},
		"no network":       {func(s *Spec) { s.Addresses = []string{} }, "allowed_cidrs length"},
		"a bare address":   {func(s *Spec) { s.Addresses = []string{"::/0", "10.0.0.1"} }, "allowed_cidrs.1 form"},
		"metadata":         {func(s *Spec) { s.Metadata = json.RawMessage(`{"a":1}`) }, ""},
		"null as metadata": {func(s *Spec) { s.Metadata = json.RawMessage(`null`) }, ""},
		"a list as metadata": {
			func(s *Spec) { s.Metadata = json.RawMessage(`[]`) },
			"metadata object",
		},
		"no application": {func(s *Spec) { s.AllApplications = false }, ""},
		"all applications and another": {
			func(s *Spec) { s.ApplicationIDs = []string{anApplication} },
			"application_ids exclusive",
		},
		"500 applications": {func(s *Spec) { s.restrict(repeated(anApplication, 500)) }, ""},
		"501 applications": {
			func(s *Spec) { s.restrict(repeated(anApplication, 501)) },
			"application_ids length",
		},
		"applications that are none": {
			func(s *Spec) { s.restrict([]string{"x", anApplication}) },
			"application_ids.0 form",
		},
		"an expiry now":         {func(s *Spec) { s.ExpiresAt = &testNow }, "expires_at past"},
		"an expiry in a moment": {func(s *Spec) { s.ExpiresAt = new(testNow.Add(1)) }, ""},
		"the last expiry": {func(s *Spec) {
			s.ExpiresAt = new(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
		}, ""},
		"an expiry after that": {func(s *Spec) {
			s.ExpiresAt = new(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
		}, "expires_at range"},
		"two faults": {
			func(s *Spec) { s.Name, s.Scopes = "", []scope.Scope{} },
			"name too_short, scopes length",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Name: "Good name", Scopes: []scope.Scope{"a:b"}, AllApplications: true}
			c.change(&s)
			if got := codes(s.Validate(testNow)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func (s *Spec) restrict(ids []string) { s.AllApplications, s.ApplicationIDs = false, ids }

func TestHowANewKeyMayBeDelivered(t *testing.T) {
	const caller, other = ident.UserID("usr_caller"), ident.UserID("usr_other")
	for name, c := range map[string]struct {
		owner ident.UserID
		asked Delivery
		want  string
		set   Delivery
	}{
		"no choice for oneself":      {"", "", "", Direct},
		"no choice for another":      {other, "", "", Direct},
		"directly to another":        {other, Direct, "", Direct},
		"by link to another":         {other, ByLink, "", ByLink},
		"by link to oneself":         {"", ByLink, "delivery self", ByLink},
		"by link to oneself by name": {caller, ByLink, "delivery self", ByLink},
		"by another way":             {other, "pigeon", "delivery unknown", "pigeon"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Owner: ident.PartyID(c.owner), Delivery: c.asked}
			if got := codes(s.deliveryFaults(caller)); got != c.want || s.Delivery != c.set {
				t.Errorf("%q and %q, want %q and %q", got, s.Delivery, c.want, c.set)
			}
		})
	}
}

func TestWhoseSecretIsHandedOverByLinkOnly(t *testing.T) {
	const required = "delivery link_required"
	for name, c := range map[string]struct {
		by, owner ident.UserID
		role      scope.AccountRole
		delivery  Delivery
		want      string
	}{
		"of a member":                         {"usr_a", "usr_b", "", Direct, ""},
		"of an account admin":                 {"usr_a", "usr_b", scope.AccountAdmin, Direct, required},
		"of an account owner":                 {"usr_a", "usr_b", scope.AccountOwner, Direct, required},
		"of an account owner, by link":        {"usr_a", "usr_b", scope.AccountOwner, ByLink, ""},
		"of an account owner, for themselves": {"usr_a", "usr_a", scope.AccountOwner, Direct, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Delivery: c.delivery}
			by := principal.Authority{Person: principal.Person{ID: c.by}}
			owner := principal.Authority{Person: principal.Person{ID: c.owner}, Account: c.role}
			if got := codes(s.linkRequiredFaults(by, OwnerOf(owner))); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatATenantAddsToANewKeyAndRefuses(t *testing.T) {
	catalogue := scope.NewCatalogue([]scope.Entry{{Name: "films:read", Roles: []scope.Role{scope.Member}}})
	lifetime := []policy.Rule{{Reason: policy.ByMaxLifetime, Days: 10, Since: testNow.Add(-time.Hour)}}
	for name, c := range map[string]struct {
		spec     Spec
		defaults []scope.Scope
		owner    scope.Role
		want     string
	}{
		"scopes without a default": {Spec{AllApplications: true}, nil, scope.Member, "scopes required"},
		"applications without a default": {
			Spec{Scopes: []scope.Scope{"films:read"}},
			nil, scope.Member,
			"application_ids required",
		},
		"every scope by default": {Spec{}, []scope.Scope{scope.Every}, scope.Member, ""},
		"some scopes by default": {
			Spec{},
			[]scope.Scope{"films:read"},
			scope.Member,
			"application_ids required",
		},
		"a scope of the catalogue": {
			Spec{Scopes: []scope.Scope{"films:read"}, AllApplications: true},
			nil,
			scope.Member, "",
		},
		"a scope of another role": {
			Spec{Scopes: []scope.Scope{"films:read"}, AllApplications: true},
			nil,
			scope.Admin, "scopes.0 beyond_role",
		},
		"an unknown scope": {
			Spec{Scopes: []scope.Scope{"*", "films:write"}, AllApplications: true},
			nil,
			scope.Member, "scopes.1 unknown",
		},
		"the last allowed expiry": {
			Spec{ExpiresAt: new(testNow.Add(10 * policy.Day))},
			[]scope.Scope{scope.Every},
			scope.Member, "",
		},
		"an expiry after that": {
			Spec{ExpiresAt: new(testNow.Add(10*policy.Day + 1))},
			[]scope.Scope{scope.Every},
			scope.Member, "expires_at beyond_policy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := policy.Tenant{
				Catalogue: catalogue, Rules: lifetime,
				Settings: policy.Settings{DefaultScopes: c.defaults},
			}
			owner := policy.OwnerRights{Role: c.owner}
			if got := codes(c.spec.validateInTenant(tenant, owner, testNow)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheFormOfTheFieldsOfAnEdit(t *testing.T) {
	for name, c := range map[string]struct {
		edit Edit
		want string
	}{
		"nothing":                         {Edit{}, ""},
		"a short name":                    {Edit{Name: new("ab")}, "name too_short"},
		"an empty list of scopes":         {Edit{Scopes: []scope.Scope{}}, "scopes length"},
		"all applications":                {Edit{AllApplications: new(true)}, ""},
		"not all applications, but which": {Edit{AllApplications: new(false)}, "application_ids required"},
		"no application at all":           {Edit{ApplicationIDs: []string{}}, "application_ids required"},
		"one application":                 {Edit{ApplicationIDs: []string{anApplication}}, ""},
		"all applications and another": {
			Edit{AllApplications: new(true), ApplicationIDs: []string{anApplication}},
			"application_ids exclusive",
		},
		"an expiry in the past": {
			Edit{ExpiresAt: ExpiryPatch{Given: true, At: new(testNow.Add(-1))}},
			"expires_at past",
		},
		"no expiry":          {Edit{ExpiresAt: ExpiryPatch{Given: true}}, ""},
		"every address":      {Edit{Addresses: AddressPatch{Given: true}}, ""},
		"an empty list":      {Edit{Addresses: AddressPatch{true, []string{}}}, "allowed_cidrs length"},
		"host bits":          {Edit{Addresses: AddressPatch{true, []string{"::1/8"}}}, "allowed_cidrs.0 host_bits"},
		"a list as metadata": {Edit{Metadata: json.RawMessage(`[1]`)}, "metadata object"},
		"no metadata":        {Edit{Metadata: json.RawMessage(`null`)}, ""},
		"a member that is removed": {
			Edit{Metadata: json.RawMessage(`{"a":null,"b":{"c d":null}}`)},
			"metadata.b name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := codes(c.edit.validate(testNow)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheOverlapOfARefreshIsAtMostSevenDays(t *testing.T) {
	for overlap, want := range map[int]string{
		-1: "overlap_seconds range", 0: "", MaxOverlap: "", MaxOverlap + 1: "overlap_seconds range",
	} {
		if got := codes(RefreshParams{Overlap: overlap}.validate(testNow)); got != want {
			t.Errorf("%d: %q, want %q", overlap, got, want)
		}
	}
}

// An edit names exactly the fields that it changes, so to repeat it changes nothing.
func TestAnEditRepeatedChangesNothing(t *testing.T) {
	text := rapid.SampledFrom([]string{"First name", "Second name"})
	scopes := rapid.SampledFrom([][]scope.Scope{nil, {"a:b"}, {"b:c", "a:b"}, {"a:b", "b:c"}, {"a:b", "a:b"}})
	ids := rapid.SampledFrom([][]string{nil, {"app_1"}, {"app_2", "app_1"}, {"app_1", "app_2", "app_1"}})
	expiry := rapid.SampledFrom([]ExpiryPatch{
		{},
		{Given: true},
		{Given: true, At: new(testNow)},
		{Given: true, At: new(testNow.In(time.FixedZone("", 3600)))},
	})
	networks := rapid.SampledFrom([]AddressPatch{
		{},
		{Given: true},
		{Given: true, Networks: []string{"10.0.0.0/8"}},
		{Given: true, Networks: []string{"::/0", "10.0.0.0/8"}},
	})
	notes := rapid.SampledFrom([]string{"", "null", `{}`, `{"a":1}`, `{"a":null}`, `{"a":{"b":null,"c":[]}}`})
	rapid.Check(t, func(t *rapid.T) {
		k := Key{
			Name: text.Draw(t, "name before"), Scopes: scope.NewSet(scopes.Draw(t, "scopes before")...),
			Applications: scope.Applications{IDs: ids.Draw(t, "applications before")},
		}
		e := Edit{
			Name: rapid.Ptr(text, true).Draw(t, "name"), Scopes: scopes.Draw(t, "scopes"),
			AllApplications: rapid.Ptr(rapid.Bool(), true).Draw(t, "all applications"),
			ExpiresAt:       expiry.Draw(t, "expiry"), Addresses: networks.Draw(t, "addresses"),
		}
		if note := notes.Draw(t, "metadata"); note != "" {
			e.Metadata = json.RawMessage(note)
		}
		e.validate(testNow) // which reads addresses and metadata; the ids of applications have no valid form
		if !e.allApplications() {
			e.ApplicationIDs = ids.Draw(t, "applications")
		}
		before := fmt.Sprint(k)
		changed, err := e.apply(&k)
		if err != nil {
			t.Fatal(err)
		}
		if len(changed) == 0 && e.ApplicationIDs == nil && fmt.Sprint(k) != before {
			t.Fatalf("no field is named, but\n%s became\n%s", before, fmt.Sprint(k))
		}
		if again, err := e.apply(&k); len(again) > 0 || err != nil {
			t.Fatalf("repeated it changes %v, %v", again, err)
		}
	})
}

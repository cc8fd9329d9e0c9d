package key_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestMetadataIsMergedAndReturnedByVerifyAndNotByWhoami(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	owner, verifier := h.As(h.Member(tenant, "Key Owner", scope.Member)), h.Verifier()
	k := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), in, api.CreateKeyRequest{
		Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true,
		Metadata: json.RawMessage(`{ "team" : "build", "limits": {"rpm": 1.50, "burst": 12345678901234567890} }`),
	}))
	path := testkit.TenantPath(tenant.ID) + "/keys/" + k.Key.ID
	for _, c := range []struct{ patch, want string }{
		{`{}`, `{"limits":{"burst":12345678901234567890,"rpm":1.50},"team":"build"}`},
		{`{"metadata":{}}`, `{"limits":{"burst":12345678901234567890,"rpm":1.50},"team":"build"}`},
		{
			`{"metadata":{"team":"<é>\u0041","limits":{"rpm":null}}}`,
			`{"limits":{"burst":12345678901234567890},"team":"<é>A"}`,
		},
		{`{"metadata":{"limits":null,"list":[null,{"a":null}]}}`, `{"list":[null,{"a":null}],"team":"<é>A"}`},
		{`{"name":"Another name"}`, `{"list":[null,{"a":null}],"team":"<é>A"}`},
		// The response of verify is made of parts around the values of these members.
		{
			`{"metadata":{"list":null,"team":null,"transport":"null","metadata":[null],` +
				`"\u0074.x":"\"transport\":null"}}`,
			`{"metadata":[null],"t.x":"\"transport\":null","transport":"null"}`,
		},
		{`{"metadata":null}`, `{}`},
		{`{"metadata":{"again":true}}`, `{"again":true}`},
	} {
		testkit.NoError(t, testkit.SendBody(t, owner, http.MethodPatch, path, c.patch))
		got := testkit.Must[api.Key](t)(owner.Key(t.Context(), in, k.Key.ID))
		if string(got.Metadata) != c.want {
			t.Errorf("after %s: %s, want %s", c.patch, got.Metadata, c.want)
		}
		d := testkit.Must[api.Decision](t)(verifier.Verify(t.Context(), api.VerifyRequest{
			Credential: k.Credential.Value, Transport: "bearer",
		}))
		if string(d.Metadata) != c.want || !d.Active || *d.Transport != "bearer" || d.KeyID != k.Key.ID {
			t.Errorf("after %s verify answers %s in %+v, want %s", c.patch, d.Metadata, d, c.want)
		}
	}
	whoami := testkit.GetJSON(t, h.With(k), "/api/v1/whoami")
	if strings.Contains(whoami, "metadata") || strings.Contains(whoami, "again") || strings.Contains(whoami, "cidr") {
		t.Errorf("whoami answers %s", whoami)
	}
	if d := testkit.Must[api.Decision](t)(verifier.Verify(t.Context(),
		api.VerifyRequest{Credential: k.Credential.Value, SessionOnly: true})); d.Metadata != nil {
		t.Errorf("a refusal has the metadata %s", d.Metadata)
	}
	events := testkit.TenantRecords(t, h, tenant, "key.edit")
	if last := events[len(events)-1]; last.Details["changed"] != "metadata" || len(last.Effects) > 0 {
		t.Errorf("the last edit is recorded as %+v", last)
	}
	if text := fmt.Sprint(events); strings.Contains(text, "again") || strings.Contains(text, "é") {
		t.Error("the audit trail has the metadata")
	}
}

// Members see of another's key neither metadata nor addresses.
func TestMetadataAndAddressesAreShownWithTheWholeKeyOnly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	owner, member := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "A Member", scope.Member)
	plain := h.Key(h.As(owner), tenant, "applications:read").Key
	if plain.AllowedCIDRs != nil || string(plain.Metadata) != "{}" {
		t.Errorf("a key without either has %v and %s", plain.AllowedCIDRs, plain.Metadata)
	}
	k := testkit.Must[api.IssuedKey](t)(h.As(owner).CreateKey(t.Context(), in, api.CreateKeyRequest{
		Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true,
		AllowedCIDRs: []string{"2001:DB8::/32", "10.0.0.0/8"}, Metadata: json.RawMessage(`{"team":"build"}`),
	})).Key
	auditor, admin := h.Member(tenant, "An Auditor", scope.Auditor), h.Member(tenant, "An Admin", scope.Admin)
	for _, p := range []struct {
		who  string
		text string
		full bool
	}{
		{"the owner", testkit.GetJSON(t, h.As(owner), testkit.TenantPath(tenant.ID)+"/keys/"+k.ID), true},
		{"the owner's list", testkit.GetJSON(t, h.As(owner), "/api/v1/me/keys"), true},
		{"an admin", testkit.GetJSON(t, h.As(admin), testkit.TenantPath(tenant.ID)+"/keys"), true},
		{"an auditor", testkit.GetJSON(t, h.As(auditor), testkit.TenantPath(tenant.ID)+"/keys/"+k.ID), true},
		{"a member", testkit.GetJSON(t, h.As(member), testkit.TenantPath(tenant.ID)+"/keys/"+k.ID), false},
		{"a member's list", testkit.GetJSON(t, h.As(member), testkit.TenantPath(tenant.ID)+"/keys"), false},
	} {
		has := strings.Contains(p.text, `"metadata":{"team":"build"}`) &&
			strings.Contains(p.text, `"allowed_cidrs":["10.0.0.0/8","2001:db8::/32"]`)
		any := strings.Contains(p.text, "metadata") || strings.Contains(p.text, "cidrs") ||
			strings.Contains(p.text, "build") || strings.Contains(p.text, "10.0.0.0")
		if has != p.full || any != p.full {
			t.Errorf("%s sees %s", p.who, p.text)
		}
	}
}

// What is wrong with metadata and addresses is refused with the field, a code and the limit, and
// nothing is half written.
func TestWrongMetadataAndAddressesAreRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	keys := testkit.TenantPath(tenant.ID) + "/keys"
	path := keys + "/" + h.Key(owner, tenant, "applications:read").Key.ID
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	var hosts, members []string
	for i := range 65 {
		hosts = append(hosts, fmt.Sprintf(`"192.0.2.%d/32"`, i))
		members = append(members, fmt.Sprintf(`"m%d":%d`, i, i))
	}
	unchanged := testkit.ExpectUnchanged(t, owner, keys, path)
	for member, want := range map[string]string{
		`"allowed_cidrs":[]`: "allowed_cidrs length",
		`"allowed_cidrs":[` + strings.Join(hosts, ",") + `]`:     "allowed_cidrs length",
		`"allowed_cidrs":["10.0.0.1/8","::/0","fe80::%eth0/64"]`: "allowed_cidrs.0 host_bits, allowed_cidrs.2 zone",
		`"allowed_cidrs":["192.0.2.1"]`:                          "allowed_cidrs.0 form",
		`"allowed_cidrs":["10.0.0.0/8","::ffff:10.0.0.0/104"]`:   "allowed_cidrs.1 duplicate",
		`"allowed_cidrs":"10.0.0.0/8"`:                           "allowed_cidrs type",
		`"allowed_cidrs":[null,""]`:                              "allowed_cidrs.0 form, allowed_cidrs.1 form",
		`"allowed_cidrs":{}`:                                     "allowed_cidrs type",
		`"metadata":[]`:                                          "metadata object",
		`"metadata":"text"`:                                      "metadata object",
		`"metadata":1`:                                           "metadata object",
		`"metadata":{"a":{"b":{"c":{"d":{}}}}}`:                  "metadata.a.b.c.d too_deep",
		`"metadata":{"a b":1}`:                                   "metadata name",
		`"metadata":{"":1}`:                                      "metadata name",
		`"metadata":{"a":"\u0000"}`:                              "metadata.a character",
		`"metadata":{"a":1e999}`:                                 "metadata.a number",
		`"metadata":{` + strings.Join(members, ",") + `}`:        "metadata too_many",
		`"metadata":{"a":"` + strings.Repeat("x", 4089) + `"}`:   "metadata too_large",
		`"metadata":{"a":` + list(1400, "[]") + `}`:              "metadata too_large",
		`"metadata":{"a":1,"a":2}`:                               "code malformed_request",
		`"metadata":{"a":"\ud800"}`:                              "code malformed_request",
		`"metadata":{"a":` + deep + `}`:                          "metadata.a.0.0.0 too_deep",
		`"metadata":[1],"allowed_cidrs":[]`:                      "allowed_cidrs length, metadata object",
	} {
		create := `{"name":"Test key","scopes":["applications:read"],"all_applications":true,` + member + `}`
		if got := testkit.FieldErrors(t, testkit.SendBody(t, owner, http.MethodPost, keys, create)); got != want {
			t.Errorf("creating with %.80s: %s, want %s", member, got, want)
		}
		edit := `{"name":"Other name",` + member + `}`
		if got := testkit.FieldErrors(t, testkit.SendBody(t, owner, http.MethodPatch, path, edit)); got != want {
			t.Errorf("editing to %.80s: %s, want %s", member, got, want)
		}
	}
	unchanged()

	// What the key would have after the merge counts.
	testkit.NoError(t, testkit.SendBody(t, owner, http.MethodPatch, path,
		`{"metadata":{`+strings.Join(members[:64], ",")+`}}`))
	unchanged = testkit.ExpectUnchanged(t, owner, keys, path)
	err := testkit.SendBody(t, owner, http.MethodPatch, path, `{"name":"Other name","metadata":{"one-more":1}}`)
	if got := testkit.FieldErrors(t, err); got != "metadata too_many" {
		t.Errorf("a member too many: %s", got)
	}
	err = testkit.SendBody(t, owner, http.MethodPatch, path, `{"metadata":{"m0":"`+strings.Repeat("x", 4000)+`"}}`)
	if got := testkit.FieldErrors(t, err); got != "metadata too_large" {
		t.Errorf("too large: %s", got)
	}
	unchanged()
	testkit.NoError(t, testkit.SendBody(t, owner, http.MethodPatch, path, `{"metadata":{"m0":null,"one-more":1}}`))
}

// A Go program that computes a list, and finds none, must not free the key.
func TestAListThatIsNilInGoIsNotSentAsNull(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read").Key
	allow := func(list api.Optional[[]string]) error {
		_, err := owner.EditKey(t.Context(), in, k.ID, api.UpdateKeyRequest{AllowedCIDRs: list})
		return err
	}
	testkit.NoError(t, allow(api.To([]string{"10.0.0.0/8"})))
	for _, list := range [][]string{nil, {}} {
		if got := testkit.FieldErrors(t, allow(api.To(list))); got != "allowed_cidrs length" {
			t.Errorf("%#v: %s", list, got)
		}
		_, err := owner.CreateKey(t.Context(), in, api.CreateKeyRequest{
			Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true, AllowedCIDRs: list,
		})
		if want := map[bool]string{true: "", false: "allowed_cidrs length"}[list == nil]; err != nil &&
			testkit.FieldErrors(t, err) != want || err == nil && want != "" {
			t.Errorf("creating with %#v: %v", list, err)
		}
	}
	got := testkit.Must[api.Key](t)(owner.Key(t.Context(), in, k.ID))
	if diff := cmp.Diff([]string{"10.0.0.0/8"}, got.AllowedCIDRs); diff != "" {
		t.Errorf("the list is otherwise:\n%s", diff)
	}
	testkit.NoError(t, allow(api.Cleared[[]string]()))
	if got := testkit.Must[api.Key](t)(owner.Key(t.Context(), in, k.ID)); got.AllowedCIDRs != nil {
		t.Errorf("cleared, it is %v", got.AllowedCIDRs)
	}
}

// A node of the version before would not compare the address, so there is nothing to compare until
// no such node is left.
func TestMetadataAndAddressesWaitForTheEndOfTheUpgrade(t *testing.T) {
	t.Parallel()
	c := testkit.ReleasedConfig(t, testkit.Postgres)
	h := testkit.StartReleased(t, c)
	h.Account = testkit.Must[account.Account](t)(h.Accounts.CreateAccount(t.Context(), principal.Operator(), "Account",
		h.Person("Account Owner"), false))
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	keys := testkit.TenantPath(tenant.ID) + "/keys"
	path := keys + "/" + h.Key(owner, tenant, "applications:read").Key.ID
	create := func(member string) error {
		return testkit.SendBody(t, owner, http.MethodPost, keys,
			`{"name":"Test key","scopes":["applications:read"],"all_applications":true,`+member+`}`)
	}
	edit := func(member string) error {
		return testkit.SendBody(t, owner, http.MethodPatch, path, `{`+member+`}`)
	}
	news := []string{`"metadata":{"a":1}`, `"allowed_cidrs":["10.0.0.0/8"]`}
	unchanged := testkit.ExpectUnchanged(t, owner, keys, path)
	for _, member := range news {
		for what, err := range map[string]error{"creating with ": create(member), "editing to ": edit(member)} {
			testkit.ExpectCode(t, what+member, err, api.Conflict)
			if err != nil && !strings.Contains(err.Error(), "claviger migrate finish") {
				t.Errorf("%s%s: %v", what, member, err)
			}
		}
	}
	unchanged()
	testkit.NoError(t, create(`"metadata":{},"allowed_cidrs":null`))
	for _, member := range []string{`"name":"Other name"`, `"metadata":{},"allowed_cidrs":null`, `"metadata":null`} {
		testkit.NoError(t, edit(member))
	}
	testkit.Must[app.Migration](t)(app.FinishMigration(t.Context(), c))
	for _, member := range news {
		testkit.NoError(t, create(member))
		testkit.NoError(t, edit(member))
	}
}

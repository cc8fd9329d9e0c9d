package console_test

import (
	"encoding/csv"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// panelOf returns the part of a page from one heading to the next.
func panelOf(page shown, heading string) string {
	_, after, _ := strings.Cut(page.text, ">"+heading+"</h2>")
	panel, _, _ := strings.Cut(after, "</section>")
	return panel
}

func TestAKeyIsShownOnceUnderItsWorstFinding(t *testing.T) {
	t.Parallel()
	d := newVisit(t, testkit.UnlimitedKeys)
	off := false
	testkit.SetPolicy(t, d.Server, api.UpdatePolicyRequest{
		AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(off)}, AcknowledgeRisk: true,
		MaxLifetimeDays: api.Cleared[int](),
	})
	owner := d.As(d.person)
	in := func(days int) *time.Time {
		at := d.Clock.Now().Add(time.Duration(days)*policy.Day + time.Hour)
		return &at
	}
	testkit.NamedKey(t, owner, d.tenant, "Endless", nil)
	testkit.NamedKey(t, owner, d.tenant, "Ends soon", in(105))
	fine := testkit.NamedKey(t, owner, d.tenant, "Old but used", in(3000))
	d.Clock.Move(100 * policy.Day)
	testkit.RouteCode(t, d.Server, fine.Credential.Value, d.tenant, "")
	testkit.NoError(t, d.Usage.Flush(t.Context(), d.Store))
	admin := d.as("Tenant Admin", scope.Admin)
	page := admin.get(d.at("health"))
	page.see(t, "the page", http.StatusOK, "3 of 3 keys need attention. Review weekly. As of ")
	for heading, name := range map[string]string{
		"Expire within 7 days": "Ends soon", "Never expire": "Endless", "Secret older than 90 days": "Old but used",
	} {
		panel := panelOf(page, heading)
		if !strings.Contains(panel, ">"+name+"</a>") || strings.Count(panel, "<tr role=\"row\">") != 2 {
			t.Errorf("%s has\n%s", heading, panel)
		}
	}
	if got := panelOf(page, "Never used"); got != "" {
		t.Errorf("a key is shown twice:\n%s", got)
	}
	for _, want := range []string{
		`href="#p-never_expires"><b>1</b><span>never expire</span>`, // a tile
		"mailto:" + d.person.Email + "?subject=Your%20API%20key%20%E2%80%9COld%20but%20used",
		"/edit\">Edit<span class=\"vh\"> Endless</span>",
	} {
		page.see(t, "the page", http.StatusOK, want)
	}
	if strings.Contains(page.text, "/regenerate") {
		t.Error("an admin who gets no secret of others is offered to regenerate")
	}

	file := admin.get(d.at("health.csv"))
	rows := testkit.Must[[][]string](t)(csv.NewReader(strings.NewReader(file.text)).ReadAll())
	found := map[string]string{}
	for _, row := range rows[1:] {
		found[row[2]] = row[9]
	}
	want := map[string]string{
		"Old but used": "older_than_90_days", "Ends soon": "never_used older_than_90_days unused_scopes",
		"Endless": "never_used older_than_90_days never_expires unused_scopes",
	}
	if !maps.Equal(found, want) || rows[1][6] != "100" {
		t.Errorf("the file has %q", rows)
	}
}

func TestATenantWithoutFindingsSaysSo(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	page := d.get(d.at("health"))
	page.see(t, "no key", http.StatusOK, "No key needs attention. 0 keys checked.")
}

func TestAuditorsReadTheHealthOfKeysAndChangeNone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	testkit.NamedKey(t, d.As(d.person), d.tenant, "Never called", nil)
	d.get(d.at("health")).see(t, "a member", http.StatusForbidden, "Only admins and auditors")
	d.Clock.Move(7 * policy.Day)
	page := d.as("Auditor", scope.Auditor).get(d.at("health"))
	page.see(t, "an auditor", http.StatusOK, "Write to the owner")
	for _, action := range []string{"/revoke", "/edit", "/regenerate"} {
		if strings.Contains(page.text, action+`"`) {
			t.Errorf("the page offers %s", action)
		}
	}
}

func TestManagementKeysWithFindingsAreListed(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	as := d.As(d.person)
	machine := testkit.ServiceAccount(t, as, d.tenant, "Customer platform", api.RoleMember)
	_, err := as.CreateManagementKey(t.Context(), string(d.tenant.ID), machine.ID, api.CreateManagementKeyRequest{
		Name: "Provisioner", Permissions: []api.Permission{"keys:read"}, Owners: []api.PartyType{"subject"},
	})
	testkit.NoError(t, err)
	d.Clock.Move(7 * policy.Day)
	page := d.as("Another Admin", scope.Admin).get(d.at("health"))
	panel := panelOf(page, "Management keys")
	for _, want := range []string{"Provisioner", "Customer platform", "Never used"} {
		if !strings.Contains(panel, want) {
			t.Errorf("no %s in\n%s", want, panel)
		}
	}
}

package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// as returns a browser in which a new person of the tenant is signed in.
func (d *visit) as(name string, role scope.Role) *visitor {
	d.t.Helper()
	v := newVisitor(d.t, d.URL)
	v.signIn(d.Member(d.tenant, name, role))
	return v
}

func (d *visit) members() []api.Member {
	d.t.Helper()
	list, err := d.As(d.Owner).Members(d.t.Context(), string(d.tenant.ID), client.Page{})
	return testkit.Must[api.List[api.Member]](d.t)(list, err).Items
}

func (d *visit) invitations() []api.PendingInvitation {
	d.t.Helper()
	list, err := d.As(d.Owner).Invitations(d.t.Context(), string(d.tenant.ID), client.Page{})
	return testkit.Must[api.List[api.PendingInvitation]](d.t)(list, err).Items
}

var invitationLink = regexp.MustCompile(`/invitations/[A-Za-z0-9_-]{40,}`)

func TestAnAdminInvitesByALinkThatIsShownOnce(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	list := d.at("members")
	form := url.Values{
		"once": {field(t, d.get(list), "once")}, "email": {"sofia@meridian.example"}, "role": {"auditor"},
	}
	first := d.post(list, form)
	first.see(t, "invite", http.StatusOK, "Pass this link on to sofia@meridian.example")
	link := invitationLink.FindString(first.text)
	again := d.post(list, form)
	again.see(t, "the same form again", http.StatusOK, "This link was shown once")
	if link == "" || invitationLink.MatchString(again.text) || len(d.invitations()) != 1 {
		t.Fatalf("the link is %q, and there are %d invitations", link, len(d.invitations()))
	}
	if page := d.get(list); invitationLink.MatchString(page.text) {
		t.Error("the list shows a link")
	}
	id := d.invitations()[0].ID
	resend := d.at("invitations/" + id + "/resend")
	renewed := d.post(resend, url.Values{"once": {strings.Repeat("a", 20)}})
	renewed.see(t, "another link", http.StatusOK, "Pass this link on")
	d.get(link).see(t, "the old link", http.StatusNotFound, "This link cannot be used.")
	second := newVisitor(t, d.URL)
	joined := second.post(invitationLink.FindString(renewed.text), url.Values{
		"name": {"Sofia Marin"}, "password": {testkit.Password},
	})
	if joined.location != "/settings/keys?did=welcome" {
		t.Errorf("join: %d to %q", joined.status, joined.location)
	}
	d.get(list).see(t, "the list", http.StatusOK, "Sofia Marin")
	form.Set("once", strings.Repeat("b", 20))
	d.post(list, form).see(t, "a member", http.StatusUnprocessableEntity, "already a member")
	form.Set("email", "nobody")
	d.post(list, form).see(t, "a wrong address", http.StatusUnprocessableEntity, `value="nobody"`)
}

func TestMembersAreListedByTheirRole(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Member(d.tenant, "Arno Auditor", scope.Auditor)
	d.Member(d.tenant, "Mia Member", scope.Member)
	list := d.at("members")
	all := map[string]string{"admin": "Ada Admin", "auditor": "Arno Auditor", "member": "Mia Member"}
	for role, name := range all {
		page := d.get(list + "?role=" + role)
		page.see(t, role, http.StatusOK, `href="`+list+`?role=`+role+`" aria-current="true"`)
		_, table, _ := strings.Cut(page.text, `id="p-people"`)
		for other, theirs := range all {
			if shown := strings.Contains(table, theirs); shown != (other == role) {
				t.Errorf("%s: shows %s: %t", role, name, shown)
			}
		}
	}
	d.get(list+"?role=king").see(t, "an unknown role", http.StatusUnprocessableEntity, "Use admin, member or auditor.")
}

func TestAnAdminCancelsAnInvitation(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	link := "/invitations/" + testkit.InvitationToken(
		testkit.Invite(t, d.As(d.person), d.tenant, "sofia@meridian.example", "member"))
	path := d.at("invitations/" + d.invitations()[0].ID + "/cancel")
	d.get(d.at("invitations")).see(t, "all of them", http.StatusOK, "sofia@meridian.example")
	d.get(path).see(t, "before", http.StatusOK, "Its link stops working at once.")
	if got := d.post(path, nil); got.location != d.at("members?did=invitation.cancel") {
		t.Errorf("cancel: %d to %q", got.status, got.location)
	}
	d.get(link).see(t, "the link", http.StatusNotFound, "This link cannot be used.")
	d.get(path).see(t, "a cancelled one", http.StatusOK, "Cancel the invitation")
	d.post(path, nil).see(t, "cancel again", http.StatusNotFound, "not found")
}

func TestAnAdminChangesDisablesAndRemovesAMember(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	person := d.Member(d.tenant, "Priya Raman", scope.Member)
	k := d.Key(d.As(person), d.tenant, "applications:read")
	path := d.at("members/" + string(person.ID))
	page := d.get(path + "/role")
	page.see(t, "the form", http.StatusOK, `value="member" checked`)
	form := url.Values{"version": {field(t, page, "version")}, "role": {"nonsense"}}
	d.post(path+"/role", form).see(t, "no role", http.StatusUnprocessableEntity, "Use admin")
	form.Set("role", "auditor")
	if got := d.post(path+"/role", form); got.location != d.at("members?did=member.role") {
		t.Errorf("change the role: %d to %q", got.status, got.location)
	}
	form.Set("role", "admin")
	stale := d.post(path+"/role", form)
	stale.see(t, "a stale form", http.StatusUnprocessableEntity, "was changed since you opened this form")
	stale.see(t, "a stale form", http.StatusUnprocessableEntity, `value="admin" checked`)
	if field(t, stale, "version") == form.Get("version") {
		t.Error("the form is shown again for the old version")
	}
	d.post(path+"/disable", nil)
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.APIKeyDisabled {
		t.Errorf("the key of a disabled member: %s", code)
	}
	d.get(d.at("members")).see(t, "the list", http.StatusOK, "Enable here")
	d.post(path+"/enable", nil)
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.OK {
		t.Errorf("the key of an enabled member: %s", code)
	}
	d.get(path+"/remove").see(t, "before", http.StatusOK, "revoked</dt><dd>1</dd>")
	d.post(path+"/remove", nil)
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.APIKeyRevoked {
		t.Errorf("the key of a former member: %s", code)
	}
	d.get(path+"/role").see(t, "a former member", http.StatusNotFound, "not found")
}

func TestSecretsThatARemovedAdminKnowsAreListedAndTheirKeysRevoked(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	admin := d.Member(d.tenant, "Former Admin", scope.Admin)
	owner := d.Member(d.tenant, "Key Owner", scope.Member)
	k, err := d.As(admin).CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
		Name: "Shown to the admin", OwnerID: string(owner.ID), Scopes: []string{"applications:read"},
		AllApplications: true,
	})
	testkit.NoError(t, err)
	path := d.at("members/" + string(admin.ID))
	d.get(path+"/role").see(t, "the form", http.StatusOK, "Shown to the admin")
	d.get(path+"/remove").see(t, "before", http.StatusOK, "Shown to the admin")
	if got := d.post(path+"/remove", nil); got.location != path+"/known?did=member.remove" {
		t.Fatalf("remove: %d to %q", got.status, got.location)
	}
	d.get(path+"/known").see(t, "afterwards", http.StatusOK, "Secrets that a former member knows")
	page := d.get(path + "/known/revoke")
	page.see(t, "the question", http.StatusOK, "revoke 1 key")
	form := url.Values{"id": {field(t, page, "id")}, "sure": {"revoke"}}
	d.post(path+"/known/revoke", form).see(t, "half a phrase", http.StatusUnprocessableEntity,
		"to say that you are sure")
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.OK {
		t.Errorf("the key before: %s", code)
	}
	form.Set("sure", "revoke 1 key")
	d.post(path+"/known/revoke", form)
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.APIKeyRevoked {
		t.Errorf("the key afterwards: %s", code)
	}
	d.get(path+"/known").see(t, "nothing is known", http.StatusNotFound, "not found")
}

func TestAMemberLeavesATenantAndTheLastAdminStays(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	k := d.Key(d.As(d.person), d.tenant, "applications:read")
	d.get(d.at("members")).see(t, "the list", http.StatusOK, "Leave this tenant…")
	d.get(d.at("leave")).see(t, "before", http.StatusOK, "Your keys in this tenant are revoked at once")
	if got := d.post(d.at("leave"), nil); got.location != "/settings/keys?did=member.leave" {
		t.Errorf("leave: %d to %q", got.status, got.location)
	}
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.APIKeyRevoked {
		t.Errorf("the key: %s", code)
	}
	d.get(d.at("members")).see(t, "a former member", http.StatusNotFound, "not found")

	admin := d.as("Last Admin", scope.Admin)
	admin.post(d.at("leave"), nil).see(t, "the last admin", http.StatusConflict, "last admin")
	for _, m := range d.members() {
		role := d.at("members/" + m.User.ID + "/role")
		form := url.Values{"role": {"member"}, "version": {field(t, admin.get(role), "version")}}
		admin.post(role, form).see(t, "the last admin", http.StatusUnprocessableEntity,
			"last admin")
	}
}

func TestOnlyAdminsChangeMembers(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	person := d.Member(d.tenant, "Priya Raman", scope.Member)
	testkit.Invite(t, d.As(d.Owner), d.tenant, "sofia@meridian.example", "member")
	invitation, before := d.invitations()[0], d.members()
	auditor := d.as("Auditor", scope.Auditor)
	before = append(before, d.members()[0])
	other := d.Tenant("Other", nil)
	stranger := newVisitor(t, d.URL)
	stranger.signIn(d.Member(other, "Stranger", scope.Admin))
	for who, v := range map[string]*visitor{"a member": d.visitor, "an auditor": auditor} {
		page := v.get(d.at("members"))
		page.see(t, who, http.StatusOK, "Priya Raman")
		for _, hidden := range []string{"Invite", "sofia@meridian.example", "/role", "/remove"} {
			if strings.Contains(page.text, hidden) {
				t.Errorf("%s sees %q", who, hidden)
			}
		}
	}
	stranger.get(d.at("members")).see(t, "a stranger", http.StatusNotFound, "not found")
	member := "members/" + string(person.ID)
	forms := map[string]url.Values{
		"members": {"email": {"new@meridian.example"}, "role": {"admin"}},
		"invitations/" + invitation.ID + "/resend": nil,
		"invitations/" + invitation.ID + "/cancel": nil,
		member + "/role":         {"role": {"admin"}},
		member + "/disable":      nil,
		member + "/enable":       nil,
		member + "/remove":       nil,
		member + "/known/revoke": {"sure": {"revoke 0 keys"}},
	}
	for page, form := range forms {
		sent := url.Values{"once": {strings.Repeat("c", 20)}}
		for name, values := range form {
			sent[name] = values
		}
		for who, c := range map[string]struct {
			v      *visitor
			status int
		}{
			"a member": {d.visitor, http.StatusForbidden}, "an auditor": {auditor, http.StatusForbidden},
			"a stranger": {stranger, http.StatusNotFound},
		} {
			if got := c.v.post(d.at(page), sent); got.status != c.status {
				t.Errorf("POST %s by %s: %d, want %d", page, who, got.status, c.status)
			}
			if strings.HasSuffix(page, "able") || strings.HasSuffix(page, "resend") || page == "members" {
				continue
			}
			if got := c.v.get(d.at(page)); got.status != c.status {
				t.Errorf("GET %s by %s: %d, want %d", page, who, got.status, c.status)
			}
		}
		own := strings.Replace(d.at(page), string(d.tenant.ID), string(other.ID), 1)
		if got := stranger.post(own, sent); page != "members" && got.status != http.StatusNotFound {
			t.Errorf("POST %s in another tenant: %d", page, got.status)
		}
	}
	if len(d.members()) != len(before) || len(d.invitations()) != 1 {
		t.Errorf("members %+v, invitations %+v", d.members(), d.invitations())
	}
}

// Admins see who could be taken over with a password alone, and whose account nobody uses any more.
func TestAdminsSeeHowMembersSignInAndWhenTheyWereLastSeen(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	careful, absent := d.Member(d.tenant, "Carla Careful", scope.Member), d.Member(d.tenant, "Abe Absent", scope.Member)
	d.SetUpFactor(d.As(careful))
	newVisitor(t, d.URL).signIn(absent)
	d.Clock.Move(3 * time.Hour)
	list := d.at("members")
	page := d.get(list)
	row := func(name string) string {
		_, people, _ := strings.Cut(page.text, `id="p-people"`)
		_, rest, _ := strings.Cut(people, name)
		row, _, _ := strings.Cut(rest, "</tr>")
		return row
	}
	for name, wants := range map[string][]string{
		"Ada Admin": {"password only", ">just now<"}, "Carla Careful": {"two-factor", ">3 hours ago<"},
		"Abe Absent": {"password only", ">3 hours ago<", "joined "},
	} {
		for _, want := range wants {
			if !strings.Contains(row(name), want) {
				t.Errorf("%s: no %q in\n%s", name, want, row(name))
			}
		}
	}
	page = d.get(list + "?role=password")
	if row("Carla Careful") != "" || row("Abe Absent") == "" {
		t.Errorf("password only:\n%s", page.text)
	}
	member := d.as("Mia Member", scope.Member)
	page = member.get(list)
	if strings.Contains(page.text, "password only") || strings.Contains(page.text, "Last seen") ||
		!strings.Contains(page.text, "Member since") {
		t.Errorf("a member sees how others sign in:\n%s", page.text)
	}
	member.get(list+"?role=password").see(t, "a member", http.StatusForbidden, "dmin")
}

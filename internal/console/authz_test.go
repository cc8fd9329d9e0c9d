package console_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/console"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// columns are the people. The owner and the manager, an admin of the account, are members of no
// tenant. admin, member, colleague and auditor have a role in our tenant; the member owns the
// object, where it has an owner. The sibling is an admin of another tenant of the account, and the
// foreigner owns another account.
const columns = "owner manager | admin member colleague auditor | sibling foreigner"

// pages says who may see each page and send each form, by column: y for those who may, n for those
// who are refused (403), - for those to whom it does not exist (404).
var pages = map[string]string{
	"GET /settings/keys":             "y y | y y y y | y y",
	"GET /settings/keys/new":         "n n | y y y n | y n",
	"POST /settings/keys/new":        "n n | y y y n | y -",
	"GET /settings/keys/new/summary": "n n | y y y n | y n",
	"GET /first-key":                 "- - | y - - - | y -",
	"POST /first-key":                "- - | y - - - | y -",
	"GET /find":                      "y y | y y y y | y y",
	"GET /find/list":                 "y y | y y y y | y y",
	"GET /shortcuts":                 "y y | y y y y | y y",
	"POST /shortcuts":                "y y | y y y y | y y",
	"POST /first-key/skip":           "y y | y y y y | y y",
	"POST /settings/keys/download":   "- - | - - - - | - -", // nobody sends a credential that was shown

	"GET /settings/profile":                          "y y | y y y y | y y",
	"POST /settings/profile":                         "y y | y y y y | y y",
	"GET /settings/profile/avatar":                   "y y | y y y y | y y",
	"POST /settings/profile/avatar/remove":           "y y | y y y y | y y",
	"GET /settings/profile/email":                    "y y | y y y y | y y",
	"GET /settings/profile/data":                     "y y | y y y y | y y",
	"GET /settings/notifications":                    "y y | y y y y | y y",
	"POST /settings/notifications":                   "y y | y y y y | y y",
	"GET /settings/security":                         "y y | y y y y | y y",
	"GET /settings/security/password":                "y y | y y y y | y y",
	"POST /settings/security/sessions/{session}/end": "- - | - y - - | - -", // one of the member's
	"GET /settings/security/delete":                  "y y | y y y y | y y",
	"GET /settings/security/two-factor":              "y y | y y y y | y y",
	"GET /settings/security/two-factor/codes":        "y y | y y y y | y y",
	"GET /settings/security/two-factor/off":          "y y | y y y y | y y",

	"GET /t/{tenant}/keys":                   "y y | y y y y | - -",
	"GET /t/{tenant}/keys.csv":               "y y | y y y y | - -",
	"GET /t/{tenant}/keys/new":               "y y | y n n n | - -",
	"POST /t/{tenant}/keys/new":              "y y | y n n n | - -",
	"GET /t/{tenant}/keys/new/summary":       "y y | y n n n | - -",
	"GET /t/{tenant}/keys/revoke":            "y y | y n n n | - -",
	"POST /t/{tenant}/keys/revoke":           "y y | y n n n | - -",
	"GET /t/{tenant}/keys/disable":           "y y | y n n n | - -",
	"POST /t/{tenant}/keys/disable":          "y y | y n n n | - -",
	"GET /t/{tenant}/keys/{key}":             "y y | y y y y | - -",
	"GET /t/{tenant}/keys/{key}/edit":        "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/edit":       "y y | y y n n | - -",
	"GET /t/{tenant}/keys/{key}/regenerate":  "n n | n y n n | - -", // no admin_refresh
	"POST /t/{tenant}/keys/{key}/regenerate": "n n | n y n n | - -",
	"GET /t/{tenant}/keys/{key}/revoke":      "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/revoke":     "y y | y y n n | - -",
	"GET /t/{tenant}/keys/{key}/delete":      "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/delete":     "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/disable":    "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/enable":     "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/previous":   "y y | y y n n | - -",
	"POST /t/{tenant}/keys/{key}/reveal":     "n n | n n n n | - -", // this tenant keeps no copies
	"POST /t/{tenant}/keys/{key}/claim-link": "y y | y n n n | - -",
	"GET /t/{tenant}/keys/{key}/menu":        "y y | y y y y | - -",
	"GET /t/{tenant}/keys/{key}/uses":        "y y | y y - y | - -",
	"GET /t/{tenant}/keys/{key}/waiting":     "y y | y y - y | - -",

	"GET /t/{tenant}/applications":                        "y y | y y y y | - -",
	"GET /t/{tenant}/applications/new":                    "y y | y n n n | - -",
	"POST /t/{tenant}/applications/new":                   "y y | y n n n | - -",
	"GET /t/{tenant}/applications/{application}/edit":     "y y | y n n n | - -",
	"POST /t/{tenant}/applications/{application}/edit":    "y y | y n n n | - -",
	"GET /t/{tenant}/applications/{application}/disable":  "y y | y n n n | - -",
	"POST /t/{tenant}/applications/{application}/disable": "y y | y n n n | - -",
	"POST /t/{tenant}/applications/{application}/enable":  "y y | y n n n | - -",
	"GET /t/{tenant}/applications/{application}/delete":   "y y | y n n n | - -",
	"POST /t/{tenant}/applications/{application}/delete":  "y y | y n n n | - -",

	"GET /a/{account}/general":  "y y | n n n n | n -",
	"POST /a/{account}/general": "y y | n n n n | n -",

	"GET /a/{account}/tenants":               "y y | n n n n | n -",
	"GET /a/{account}/tenants/new":           "y y | n n n n | n -",
	"POST /a/{account}/tenants/new":          "y y | n n n n | n -",
	"GET /a/{account}/people":                "y y | n n n n | n -",
	"POST /a/{account}/people":               "y y | n n n n | n -",
	"GET /a/{account}/people/{user}/role":    "y y | n n n n | n -",
	"POST /a/{account}/people/{user}/role":   "y y | n n n n | n -",
	"GET /a/{account}/people/{user}/remove":  "y y | n n n n | n -",
	"POST /a/{account}/people/{user}/remove": "y y | n n n n | n -",

	"GET /t/{tenant}/health":                "y y | y n n y | - -",
	"GET /t/{tenant}/health.csv":            "y y | y n n y | - -",
	"GET /t/{tenant}/usage":                 "y y | y y y y | - -",
	"GET /t/{tenant}/usage.csv":             "y y | y y y y | - -",
	"GET /t/{tenant}/audit":                 "y y | y n n y | - -",
	"GET /t/{tenant}/audit.csv":             "y y | y n n y | - -",
	"GET /t/{tenant}/audit.jsonl":           "y y | y n n y | - -",
	"GET /a/{account}/statement":            "y y | n n n n | n -",
	"GET /a/{account}/statement.csv":        "y y | n n n n | n -",
	"GET /a/{account}/audit":                "y y | n n n n | n -",
	"GET /a/{account}/audit.csv":            "y y | n n n n | n -",
	"GET /a/{account}/audit.jsonl":          "y y | n n n n | n -",
	"GET /a/{account}/mail":                 "y y | n n n n | n -",
	"POST /a/{account}/mail/test":           "y y | n n n n | n -",
	"POST /a/{account}/mail/{notice}/retry": "y y | n n n n | n -",

	"GET /t/{tenant}/settings":                   "y y | y n n y | - -",
	"POST /t/{tenant}/settings":                  "y y | n n n n | - -",
	"GET /t/{tenant}/settings/presets":           "y y | y n n y | - -",
	"GET /t/{tenant}/settings/presets/{preset}":  "y y | n n n n | - -",
	"POST /t/{tenant}/settings/presets/{preset}": "y y | n n n n | - -",
	"GET /t/{tenant}/disable":                    "y y | n n n n | - -",
	"POST /t/{tenant}/disable":                   "y y | n n n n | - -",
	"POST /t/{tenant}/enable":                    "y y | n n n n | - -",

	"GET /t/{tenant}/scopes":                 "y y | y y y y | - -",
	"GET /t/{tenant}/scopes/new":             "y y | y n n n | - -",
	"POST /t/{tenant}/scopes/new":            "y y | y n n n | - -",
	"GET /t/{tenant}/scopes/{scope}/edit":    "y y | y n n n | - -",
	"POST /t/{tenant}/scopes/{scope}/edit":   "y y | y n n n | - -",
	"GET /t/{tenant}/scopes/{scope}/remove":  "y y | y n n n | - -",
	"POST /t/{tenant}/scopes/{scope}/remove": "y y | y n n n | - -",

	"GET /t/{tenant}/members":                          "y y | y y y y | - -",
	"POST /t/{tenant}/members":                         "y y | y n n n | - -",
	"GET /t/{tenant}/members/{user}/role":              "y y | y n n n | - -",
	"POST /t/{tenant}/members/{user}/role":             "y y | y n n n | - -",
	"POST /t/{tenant}/members/{user}/disable":          "y y | y n n n | - -",
	"POST /t/{tenant}/members/{user}/enable":           "y y | y n n n | - -",
	"GET /t/{tenant}/members/{user}/remove":            "y y | y n n n | - -",
	"POST /t/{tenant}/members/{user}/remove":           "y y | y n n n | - -",
	"GET /t/{tenant}/members/{user}/known":             "y y | y n n y | - -",
	"GET /t/{tenant}/members/{user}/known/revoke":      "y y | y n n n | - -",
	"POST /t/{tenant}/members/{user}/known/revoke":     "y y | y n n n | - -",
	"GET /t/{tenant}/invitations/{invitation}/cancel":  "y y | y n n n | - -",
	"POST /t/{tenant}/invitations/{invitation}/cancel": "y y | y n n n | - -",
	"POST /t/{tenant}/invitations/{invitation}/resend": "y y | y n n n | - -",
	"GET /t/{tenant}/leave":                            "- - | y y y y | - -",
	"POST /t/{tenant}/leave":                           "- - | n y y y | - -", // a tenant keeps its last admin
	"GET /t/{tenant}/invitations":                      "y y | y n n n | - -",

	"GET /t/{tenant}/service-accounts":                            "y y | y n n y | - -",
	"GET /t/{tenant}/service-accounts/new":                        "y y | y n n n | - -",
	"POST /t/{tenant}/service-accounts/new":                       "y y | y n n n | - -",
	"GET /t/{tenant}/service-accounts/{service_account}":          "y y | y n n y | - -",
	"GET /t/{tenant}/service-accounts/{service_account}/edit":     "y y | y n n n | - -",
	"POST /t/{tenant}/service-accounts/{service_account}/edit":    "y y | y n n n | - -",
	"GET /t/{tenant}/service-accounts/{service_account}/disable":  "y y | y n n n | - -",
	"POST /t/{tenant}/service-accounts/{service_account}/disable": "y y | y n n n | - -",
	"POST /t/{tenant}/service-accounts/{service_account}/enable":  "y y | y n n n | - -",
	"GET /t/{tenant}/service-accounts/{service_account}/delete":   "y y | y n n n | - -",
	"POST /t/{tenant}/service-accounts/{service_account}/delete":  "y y | y n n n | - -",

	"GET /t/{tenant}/subjects":                    "y y | y n n y | - -",
	"GET /t/{tenant}/subjects.csv":                "y y | y n n y | - -",
	"GET /t/{tenant}/subjects/new":                "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/new":               "y y | y n n n | - -",
	"GET /t/{tenant}/subjects/{subject}":          "y y | y n n y | - -",
	"GET /t/{tenant}/subjects/{subject}/edit":     "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/{subject}/edit":    "y y | y n n n | - -",
	"GET /t/{tenant}/subjects/{subject}/plan":     "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/{subject}/plan":    "y y | y n n n | - -",
	"GET /t/{tenant}/subjects/{subject}/disable":  "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/{subject}/disable": "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/{subject}/enable":  "y y | y n n n | - -",
	"GET /t/{tenant}/subjects/{subject}/delete":   "y y | y n n n | - -",
	"POST /t/{tenant}/subjects/{subject}/delete":  "y y | y n n n | - -",

	"GET /t/{tenant}/plans":                "y y | y n n y | - -",
	"GET /t/{tenant}/plans/new":            "y y | y n n n | - -",
	"POST /t/{tenant}/plans/new":           "y y | y n n n | - -",
	"GET /t/{tenant}/plans/{plan}/edit":    "y y | y n n n | - -",
	"POST /t/{tenant}/plans/{plan}/edit":   "y y | y n n n | - -",
	"GET /t/{tenant}/plans/{plan}/delete":  "y y | y n n n | - -",
	"POST /t/{tenant}/plans/{plan}/delete": "y y | y n n n | - -",

	"GET " + ofMachine + "/new":                          "y y | y n n n | - -",
	"POST " + ofMachine + "/new":                         "y y | y n n n | - -",
	"GET " + ofMachine + "/{management_key}":             "y y | y n n y | - -",
	"GET " + ofMachine + "/{management_key}/edit":        "y y | y n n n | - -",
	"POST " + ofMachine + "/{management_key}/edit":       "y y | y n n n | - -",
	"GET " + ofMachine + "/{management_key}/regenerate":  "y y | y n n n | - -",
	"POST " + ofMachine + "/{management_key}/regenerate": "y y | y n n n | - -",
	"GET " + ofMachine + "/{management_key}/revoke":      "y y | y n n n | - -",
	"POST " + ofMachine + "/{management_key}/revoke":     "y y | y n n n | - -",
	"GET " + ofMachine + "/{management_key}/delete":      "y y | y n n n | - -",
	"POST " + ofMachine + "/{management_key}/delete":     "y y | y n n n | - -",
	"POST " + ofMachine + "/{management_key}/previous":   "y y | y n n n | - -",
}

// ofMachine is the path of the management keys of a service account.
const ofMachine = "/t/{tenant}/service-accounts/{service_account}/management-keys"

// oneself are routes by which only the sender loses something, or whose form has a file or needs
// mail. profile_test.go, avatar_test.go, emailchange_test.go and secondfactor_test.go are about
// them.
var oneself = []string{
	"POST /settings/security/password", "POST /settings/security/delete",
	"POST /settings/security/two-factor", "POST /settings/security/two-factor/codes",
	"POST /settings/security/two-factor/off",
	"POST /settings/profile/avatar", "POST /settings/profile/email",
}

// world has the people of the columns, and makes the objects of the paths.
type world struct {
	*testkit.Server
	t       testing.TB
	tenant  tenancy.Tenant
	sibling tenancy.Tenant
	people  map[string]principal.Person
	browser map[string]*visitor
	// member and owner are the API with sessions of the two.
	member, owner *client.Client
	fresh         int
}

// unlimited lets people hold any number of keys.
func unlimited(s *policy.Settings) { s.KeysPerUser = 0 }

func newWorld(t testing.TB) *world {
	h := testkit.Start(t, testkit.SQLite)
	w := &world{Server: h, t: t, tenant: h.Tenant("Shipping API", unlimited), browser: map[string]*visitor{}}
	sibling := h.Tenant("Sibling", nil)
	w.sibling = sibling
	_, foreigner := h.OtherAccount("Foreigner")
	w.people = map[string]principal.Person{
		"owner":   h.AccountMember("Owner", scope.AccountOwner),
		"manager": h.AccountMember("Manager", scope.AccountAdmin),
		"admin":   h.Member(w.tenant, "Admin", scope.Admin), "member": h.Member(w.tenant, "Member", scope.Member),
		"colleague": h.Member(w.tenant, "Colleague", scope.Member),
		"auditor":   h.Member(w.tenant, "Auditor", scope.Auditor),
		"sibling":   h.Member(sibling, "Sibling", scope.Admin), "foreigner": foreigner,
	}
	for name, p := range w.people {
		w.browser[name] = newVisitor(t, h.URL)
		w.browser[name].signIn(p)
	}
	w.member, w.owner = h.As(w.people["member"]), h.As(w.people["owner"])
	return w
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// path returns the path of a route, with an object of its own for each segment in braces.
func (w *world) path(route string) string {
	w.t.Helper()
	_, path, _ := strings.Cut(route, " ")
	if strings.HasSuffix(path, "/keys/revoke") || strings.HasSuffix(path, "/keys/disable") {
		path += "?id={key}"
	}
	machine := ""
	return parameter.ReplaceAllStringFunc(path, func(name string) string {
		switch name {
		case "{tenant}":
			return string(w.tenant.ID)
		case "{account}":
			return string(w.Account.ID)
		case "{key}":
			if strings.HasSuffix(route, "/claim-link") {
				k, _ := testkit.KeyByLink(w.t, w.owner, w.tenant, w.people["member"], nil)
				return k.Key.ID
			}
			return w.key(strings.HasSuffix(route, "/previous"))
		case "{notice}":
			return w.deadNotice()
		case "{session}":
			return w.session()
		case "{application}":
			return string(w.Application(w.tenant, "Application").ID)
		case "{preset}":
			return string(policy.Standard)
		case "{scope}":
			w.fresh++
			e := scope.Entry{Name: scope.Scope(fmt.Sprintf("rates:s%d", w.fresh))}
			testkit.NoError(w.t, w.Tenancy.AddScope(w.t.Context(), principal.Operator(), w.tenant.ID, e))
			return string(e.Name)
		case "{user}":
			if strings.Contains(route, "/people/") {
				return string(w.AccountMember("Some Admin", scope.AccountAdmin).ID)
			}
			return w.formerAdmin()
		case "{invitation}":
			return w.invitation()
		case "{subject}":
			w.fresh++
			return testkit.Must[api.Subject](w.t)(w.owner.CreateSubject(w.t.Context(), string(w.tenant.ID),
				api.CreateSubjectRequest{ExternalID: fmt.Sprintf("cus_%d", w.fresh)})).ID
		case "{plan}":
			w.fresh++
			return testkit.Must[api.Plan](w.t)(w.owner.CreatePlan(w.t.Context(), string(w.tenant.ID),
				api.CreatePlanRequest{
					Name: fmt.Sprintf("plan%d", w.fresh), Scopes: []string{"*"}, AllApplications: true,
				})).Name
		case "{service_account}":
			machine = testkit.ServiceAccount(w.t, w.owner, w.tenant, "Machine", api.RoleMember).ID
			return machine
		case "{management_key}":
			return w.managementKey(machine)
		}
		w.t.Fatalf("%s: say here which object the test makes for %s", route, name)
		return ""
	})
}

// key creates a key of the member, if asked with two secrets, and returns its id.
func (w *world) key(two bool) string {
	w.t.Helper()
	id := w.Key(w.member, w.tenant, "applications:read").Key.ID
	if two {
		_, err := w.member.RefreshKey(w.t.Context(), string(w.tenant.ID), id,
			api.RefreshKeyRequest{OverlapSeconds: 3600})
		testkit.NoError(w.t, err)
	}
	return id
}

// formerAdmin creates a member who knows the secret of a key of another, and returns their id.
func (w *world) formerAdmin() string {
	w.t.Helper()
	admin := w.Member(w.tenant, "Former Admin", scope.Admin)
	_, err := w.As(admin).CreateKey(w.t.Context(), string(w.tenant.ID), api.CreateKeyRequest{
		Name: "Shown", OwnerID: string(w.people["member"].ID), Scopes: []string{"applications:read"},
		AllApplications: true,
	})
	testkit.NoError(w.t, err)
	member := scope.Member
	_, err = w.Tenancy.ChangeMember(w.t.Context(), principal.Operator(), w.tenant.ID, admin.ID,
		tenancy.MemberChange{Role: &member})
	testkit.NoError(w.t, err)
	return string(admin.ID)
}

// managementKey creates a management key of a service account, with two secrets, and returns its
// id.
func (w *world) managementKey(account string) string {
	w.t.Helper()
	m, err := w.owner.CreateManagementKey(w.t.Context(), string(w.tenant.ID), account, managementRequest)
	testkit.NoError(w.t, err)
	_, err = w.owner.RefreshManagementKey(w.t.Context(), string(w.tenant.ID), account, m.ManagementKey.ID,
		api.RefreshManagementKeyRequest{OverlapSeconds: 3600})
	testkit.NoError(w.t, err)
	return m.ManagementKey.ID
}

// managementRequest asks for a management key that manages the keys of subjects.
var managementRequest = api.CreateManagementKeyRequest{
	Name: "Customer keys", Permissions: []api.Permission{"keys:create", "keys:read"},
	Owners: []api.PartyType{api.PartySubject}, Ceilings: api.ManagementCeilingsRequest{AllApplications: true},
}

// session begins a session of the member and returns its id.
func (w *world) session() string {
	w.t.Helper()
	newVisitor(w.t, w.URL).signIn(w.people["member"])
	list, err := w.member.Sessions(w.t.Context(), client.Page{Limit: 1})
	return testkit.Must[api.List[api.SessionInfo]](w.t)(list, err).Items[0].ID
}

// formTo returns the form of a page that is sent to a path by POST, if it has one.
func formTo(t testing.TB, page shown, path string) (form testkit.HTMLForm, ok bool) {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	for _, f := range testkit.HTMLForms(t, page.text) {
		if f.Method == "post" && f.Action == path {
			return f, true
		}
	}
	return form, false
}

// deadNotice plans a message of the account that failed, and returns its id.
func (w *world) deadNotice() string {
	w.t.Helper()
	w.fresh++
	f := notice.Facts{Tenant: w.tenant.ID, KeyName: "Key"}
	n := notice.New(notice.KeyRevoked, w.people["member"].ID, time.Now().Add(time.Hour), f, fmt.Sprint(w.fresh))
	testkit.NoError(w.t, w.Store.PlanNotices(w.t.Context(), []notice.Notice{n}))
	testkit.Exec(w.t, w.Server, `UPDATE outbox SET state = 'dead', attempts = 3 WHERE id = '`+string(n.ID)+`'`)
	return string(n.ID)
}

// invitation invites somebody and returns the id of the invitation.
func (w *world) invitation() string {
	w.t.Helper()
	w.fresh++
	email := fmt.Sprintf("invited%d@claviger.example", w.fresh)
	_, err := w.owner.Invite(w.t.Context(), string(w.tenant.ID), api.CreateInvitationRequest{
		Email: email, Role: api.Role(scope.Member),
	})
	testkit.NoError(w.t, err)
	list, err := w.owner.Invitations(w.t.Context(), string(w.tenant.ID), client.Page{Limit: 1})
	return testkit.Must[api.List[api.PendingInvitation]](w.t)(list, err).Items[0].ID
}

// form returns the fields that are sent to a path: those of the form of the page there, as the
// first person sees it who does, or those of the button on a page above.
func (w *world) form(column, path string, hasPage bool) url.Values {
	w.t.Helper()
	if hasPage {
		for _, by := range []string{column, "owner", "admin", "member"} {
			form := w.filled(by, path)
			if form != nil {
				return form
			}
		}
	}
	for above := path; strings.Count(above, "/") > 2; {
		above = above[:strings.LastIndexByte(above, '/')]
		f, ok := formTo(w.t, w.browser["owner"].get(above), path)
		if ok {
			return f.Fields
		}
	}
	return nil
}

// filled returns the form at a path as the person of a column would send it: untouched, but with
// the fields filled in that must be.
func (w *world) filled(column, path string) url.Values {
	w.t.Helper()
	f, ok := formTo(w.t, w.browser[column].get(path), path)
	if !ok {
		return nil
	}
	w.fresh++
	email := fmt.Sprintf("fresh%d@claviger.example", w.fresh)
	if strings.HasSuffix(path, "/people") { // for those who belong to the account
		email = w.Member(w.tenant, "Fresh", scope.Member).Email
	}
	for _, name := range f.Blank {
		text := fmt.Sprintf("Fresh %d", w.fresh)
		if strings.HasSuffix(path, "/scopes/new") {
			text = fmt.Sprintf("fresh:s%d", w.fresh)
		}
		value, known := map[string]string{
			"name": text, "accept": "yes", "sure": f.Phrase, "overlap": "0",
			"email": email, "external_id": fmt.Sprintf("fresh%d", w.fresh),
		}[name]
		if !known {
			w.t.Fatalf("%s: say here what to fill in for %s", path, name)
		}
		f.Fields.Set(name, value)
	}
	if f.Fields.Has("person") { // of several fields, one must be filled in
		f.Fields.Set("person", w.people["colleague"].Email)
	}
	if strings.HasSuffix(path, "/plans/new") {
		f.Fields.Set("name", fmt.Sprintf("fresh%d", w.fresh))
		f.Fields.Set("access", "all")
	}
	if strings.HasSuffix(path, "/management-keys/new") { // check boxes of which some must be ticked
		f.Fields["permissions"], f.Fields["owners"] = []string{"keys:read"}, []string{"subject"}
	}
	return f.Fields
}

// signedInRoutes returns the routes for signed-in people, as "GET /path".
func signedInRoutes() map[string]bool {
	routes := map[string]bool{}
	for prefix, list := range (&console.Console{}).Routes() {
		for _, r := range list {
			if slices.Contains([]string{"/settings", "/t", "/a", "/first-key", "/find", "/shortcuts"}, prefix) {
				routes[r.Method+" "+r.Path] = true
			}
		}
	}
	return routes
}

// Every page and every action of the console is for the people of the table, and for nobody else.
func TestEveryPageAndFormIsForThePeopleOfItsRow(t *testing.T) {
	t.Parallel()
	w, routes := newWorld(t), signedInRoutes()
	for route := range pages {
		if !routes[route] {
			t.Errorf("%s has a row and does not exist", route)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		if slices.Contains(oneself, route) {
			continue
		}
		row := strings.Fields(strings.ReplaceAll(pages[route], "|", ""))
		if len(row) == 0 {
			t.Errorf("%s has no row: say in the table who may do it", route)
			continue
		}
		for i, column := range strings.Fields(strings.ReplaceAll(columns, "|", "")) {
			if got := w.ask(route, routes, column); got != row[i] {
				t.Errorf("%s as the %s: %s, not %s", route, column, got, row[i])
			}
		}
	}
}

// ask makes the request of a route as the person of a column, and returns its letter.
func (w *world) ask(route string, routes map[string]bool, column string) string {
	w.t.Helper()
	path := w.path(route)
	var got shown
	if strings.HasPrefix(route, "GET") {
		got = w.browser[column].get(path)
	} else {
		hasPage := routes["GET"+strings.TrimPrefix(route, "POST")]
		got = w.browser[column].post(path, w.form(column, path, hasPage))
	}
	if strings.HasSuffix(route, "/leave") && got.status == http.StatusSeeOther {
		role := map[string]scope.Role{"auditor": scope.Auditor}[column]
		w.Join(w.tenant, w.people[column], cmp.Or(role, scope.Member))
	}
	if got.status == http.StatusSeeOther &&
		(route == "POST /t/{tenant}/disable" || strings.HasSuffix(route, "{preset}")) {
		off := false
		_, err := w.Tenancy.ChangeTenant(w.t.Context(), principal.Operator(), w.tenant.ID,
			tenancy.TenantChange{Disabled: &off, Settings: unlimited})
		testkit.NoError(w.t, err)
	}
	if got.status == http.StatusSeeOther && strings.HasSuffix(route, "/tenants/new") {
		w.leaveNewest(w.people[column])
	}
	switch got.status {
	case http.StatusOK, http.StatusSeeOther:
		return "y"
	case http.StatusForbidden, http.StatusConflict:
		return "n"
	case http.StatusNotFound:
		return "-"
	}
	return fmt.Sprint(got.status)
}

// Two people who edit the same thing do not overwrite each other unseen, so that a form that edits
// something says for which version it was filled in.
func TestEveryFormThatEditsCarriesTheVersionOfWhatItEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	edits := 0
	for route := range signedInRoutes() {
		if !strings.HasPrefix(route, "GET") || !strings.HasSuffix(route, "/edit") {
			continue
		}
		edits++
		path := w.path(route)
		f, ok := formTo(t, w.browser["owner"].get(path), path)
		if !ok || f.Fields.Get("version") == "" {
			t.Errorf("%s: the form has no version", route)
		}
	}
	if edits < 5 {
		t.Errorf("only %d forms edit something", edits)
	}
}

// leaveNewest makes somebody else the admin of the tenant that a person has just created.
func (w *world) leaveNewest(p principal.Person) {
	w.t.Helper()
	list, err := w.Store.TenantsFor(w.t.Context(), w.Owner.ID, nil, paging.Page{Limit: 1})
	newest := testkit.Must[[]tenancy.Tenant](w.t)(list, err)[0]
	w.Member(newest, "Another Admin", scope.Admin)
	testkit.NoError(w.t, w.Tenancy.RemoveMember(w.t.Context(), principal.Operator(), newest.ID, p.ID))
}

// A key is no session: it calls the API and opens no page.
func TestNoPageAndNoFormIsForCallersWithoutASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.Key(w.member, w.tenant, "*").Credential.Value
	nobody := newVisitor(t, w.URL)
	for route := range signedInRoutes() {
		method, _, _ := strings.Cut(route, " ")
		for who, header := range map[string]string{"nobody": "", "a key": "Bearer " + secret} {
			req, err := http.NewRequestWithContext(t.Context(), method, w.URL+w.path(route), nil)
			testkit.NoError(t, err)
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			got := nobody.do(req)
			signIn := strings.HasPrefix(got.location, "/sign-in") || strings.Contains(got.text, "<h1>Sign in</h1>")
			if want := who == "nobody"; got.status == http.StatusOK || signIn != want {
				t.Errorf("%s as %s: %d to %q\n%s", route, who, got.status, got.location, got.text)
			}
		}
	}
}

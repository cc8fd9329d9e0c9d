package app_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// editable is an object that people edit.
type editable struct {
	name string
	// read returns its version as one object, and listed as an item of a list; nil for one that is
	// in no list.
	read, listed func() (etag.Tag, error)
	// edits change one field each. They return the version that they leave, also with an error.
	edits []edit
}

// edit is an edit of an object that must have the expected version.
type edit struct {
	field string
	do    func(expected etag.Tag) (etag.Tag, error)
}

// Nobody overwrites what somebody else has changed since they read it.
func TestAnEditIsRefusedIfTheObjectWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newVersions(t, e)
		for _, o := range w.objects() {
			t.Run(o.name, func(t *testing.T) {
				for _, e := range o.edits {
					w.expectEdit(t, o, e)
				}
				last := o.edits[len(o.edits)-1]
				for _, expected := range []etag.Tag{"", etag.Any, etag.Of("never") + " " + w.version(t, o)} {
					if _, err := last.do(expected); err != nil {
						t.Errorf("an edit that expects %q: %v", expected, err)
					}
				}
			})
		}
	})
}

// expectEdit makes an edit with a version that the object never had, with the one that it has, and
// with the one that it had.
func (w *versions) expectEdit(t *testing.T, o editable, e edit) {
	t.Helper()
	before := w.version(t, o)
	w.expectRefused(t, o, e, etag.Of("never"))
	w.expectRefused(t, o, e, etag.Of("never")+" "+etag.Of("neither"))
	after, err := e.do(before)
	if err != nil || after == before {
		t.Fatalf("%s: %v, and the version is %s, before %s", e.field, err, after, before)
	}
	if now := w.version(t, o); now != after {
		t.Errorf("%s: the edit answered version %s, and the object has %s", e.field, after, now)
	}
	w.expectRefused(t, o, e, before)
}

// expectRefused fails the test unless an edit that expects the version changes nothing and leaves
// no event.
func (w *versions) expectRefused(t *testing.T, o editable, e edit, expected etag.Tag) {
	t.Helper()
	before := w.version(t, o)
	ends := testkit.Must[map[string]audit.Head](t)(w.Store.Chains(t.Context()))
	present, err := e.do(expected)
	if !errors.Is(err, etag.ErrChanged) || !errors.Is(err, fault.Conflict) {
		t.Errorf("%s with another version: %v", e.field, err)
	}
	if present != before {
		t.Errorf("%s: the refused edit returned an object of version %s, not the present one", e.field, present)
	}
	if now := w.version(t, o); now != before {
		t.Errorf("%s: the refused edit left version %s, before %s", e.field, now, before)
	}
	if diff := cmp.Diff(ends, testkit.Must[map[string]audit.Head](t)(w.Store.Chains(t.Context()))); diff != "" {
		t.Errorf("%s: the refused edit left an event: %s", e.field, diff)
	}
}

// version returns the version that the object and the item of the list have.
func (w *versions) version(t *testing.T, o editable) etag.Tag {
	t.Helper()
	read := testkit.Must[etag.Tag](t)(o.read())
	if o.listed != nil {
		if listed := testkit.Must[etag.Tag](t)(o.listed()); listed != read {
			t.Errorf("the list shows version %s, the object has %s", listed, read)
		}
	}
	return read
}

// versions is a server with one object of each kind.
type versions struct {
	*testkit.Server
	t      *testing.T
	tenant tenancy.Tenant
	// who is an admin of the account, and of the tenant.
	who principal.Principal
}

func newVersions(t *testing.T, e testkit.Engine) *versions {
	t.Helper()
	w := &versions{Server: testkit.Start(t, e), t: t}
	w.tenant = w.Tenant("Main tenant", testkit.UnlimitedKeys)
	w.Join(w.tenant, w.Owner, scope.Admin)
	u := testkit.Must[identity.User](t)(w.Store.User(t.Context(), w.Owner.ID))
	_, token, err := w.Sessions.Begin(t.Context(), session.SignIn{
		User: w.Owner, PasswordSetAt: u.PasswordSetAt, From: principal.Origin{IP: "192.0.2.1", UserAgent: "a browser"},
	})
	testkit.NoError(t, err)
	w.who = testkit.Must[principal.Principal](t)(w.Sessions.Resume(t.Context(), credential.SessionToken,
		token.Reveal()))
	_, err = w.Tenancy.ReplaceScopes(t.Context(), w.who, w.tenant.ID, []scope.Entry{
		{Name: "films:read"}, {Name: "films:write"},
	}, "")
	testkit.NoError(t, err)
	return w
}

func (w *versions) objects() []editable {
	return slices.Concat([]editable{
		w.key(), w.application(), w.entry(), w.member(), w.catalogue(), w.oneScope(), w.account(),
		w.accountMember(), w.policy(), w.me(),
	}, w.machines(), []editable{w.routes(), w.tenantItself()})
}

// one is the first page of a list that has one item.
var one = paging.Page{Limit: 10}

// versioned is what has a version.
type versioned interface{ Version() etag.Tag }

// versionOf returns the version of an object that was read.
func versionOf[T versioned](o T, err error) (etag.Tag, error) { return o.Version(), err }

// itemVersion returns the version of the first item of a list for which is holds.
func itemVersion[T versioned](list []T, err error, is func(T) bool) (etag.Tag, error) {
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return "", fmt.Errorf("it is not among the %d items of the list", len(list))
	}
	return list[i].Version(), nil
}

// edits returns an edit for each field of the change, in the order of its fields. sets has for each
// what sets it. A field without one fails the test, unless it is the expected version or ignored.
func edits[C any](t *testing.T, change func(C) (etag.Tag, error), sets map[string]func(*C),
	ignored ...string,
) (list []edit) {
	t.Helper()
	sets = maps.Clone(sets)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[C]()) {
		if !f.IsExported() || f.Name == "Expected" || slices.Contains(ignored, f.Name) {
			continue
		}
		set := sets[f.Name]
		delete(sets, f.Name)
		if set == nil {
			t.Errorf("no edit sets field %s of %s", f.Name, reflect.TypeFor[C]())
			continue
		}
		list = append(list, edit{f.Name, func(expected etag.Tag) (etag.Tag, error) {
			var c C
			set(&c)
			if field := reflect.ValueOf(&c).Elem().FieldByName("Expected"); field.IsValid() {
				field.SetString(string(expected))
				return change(c)
			}
			return change(c)
		}})
	}
	for name := range sets {
		t.Errorf("%s has no field %s", reflect.TypeFor[C](), name)
	}
	return list
}

func (w *versions) key() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	apps := []string{string(w.Application(w.tenant, "Orders").ID), string(w.Application(w.tenant, "Films").ID)}
	slices.Reverse(apps)
	made := testkit.Must[key.Issued](w.t)(w.Keys.Create(ctx, w.who, t, key.Spec{
		Name: "A key", Scopes: []scope.Scope{"films:write", "films:read"}, ApplicationIDs: apps,
		Addresses: []string{"203.0.113.0/24", "192.0.2.0/24"}, Metadata: []byte(`{"b":1,"a":[]}`),
	}))
	later := w.Clock.Now().Add(time.Hour + 1234567*time.Nanosecond)
	read := func() (etag.Tag, error) {
		v, err := w.Keys.Get(ctx, w.who, t, made.Key.ID)
		return v.Key.Version(), err
	}
	listed := func() (etag.Tag, error) {
		l, err := w.Keys.List(ctx, w.who, t, key.Filter{}, key.Page{Limit: 10})
		if err != nil || len(l.Views) != 1 {
			return "", fmt.Errorf("%d keys: %w", len(l.Views), err)
		}
		return l.Views[0].Key.Version(), nil
	}
	change := func(e key.Edit) (etag.Tag, error) {
		v, err := w.Keys.Edit(ctx, w.who, t, made.Key.ID, e)
		return v.Key.Version(), err
	}
	return editable{"a key", read, listed, edits(w.t, change, map[string]func(*key.Edit){
		"Name":            func(e *key.Edit) { e.Name = new("Another name") },
		"Description":     func(e *key.Edit) { e.Description = new("Of the tests") },
		"Scopes":          func(e *key.Edit) { e.Scopes = []scope.Scope{"films:read"} },
		"AllApplications": func(e *key.Edit) { e.AllApplications = new(true) },
		"ApplicationIDs":  func(e *key.Edit) { e.ApplicationIDs = apps },
		"ExpiresAt":       func(e *key.Edit) { e.ExpiresAt = key.ExpiryPatch{Given: true, At: &later} },
		"Addresses":       func(e *key.Edit) { e.Addresses = key.AddressPatch{Given: true} },
		"Metadata":        func(e *key.Edit) { e.Metadata = []byte(`{"b":2,"c":{}}`) },
		"WholeMetadata":   func(e *key.Edit) { e.WholeMetadata, e.Metadata = true, []byte(`{"d":4}`) },
	})}
}

func (w *versions) application() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	a := w.Application(w.tenant, "Lists")
	read := func() (etag.Tag, error) { return versionOf(w.Applications.Application(ctx, w.who, t, a.ID)) }
	listed := func() (etag.Tag, error) {
		list, err := w.Applications.Applications(ctx, w.who, t, one)
		return itemVersion(list, err, func(o application.Application) bool { return o.ID == a.ID })
	}
	change := func(c application.Change) (etag.Tag, error) {
		return versionOf(w.Applications.ChangeApplication(ctx, w.who, t, a.ID, c))
	}
	return editable{"an application", read, listed, edits(w.t, change, map[string]func(*application.Change){
		"Name":        func(c *application.Change) { c.Name = new("Another name") },
		"Description": func(c *application.Change) { c.Description = new("Of the tests") },
		"Disabled":    func(c *application.Change) { c.Disabled = new(true) },
	})}
}

func (w *versions) routes() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	a := w.Application(w.tenant, "Routed")
	path := testkit.Must[route.Pattern](w.t)(route.ParsePattern("/films/{id}"))
	rules := application.Routes{{Methods: []string{"GET"}, Path: path, Scopes: []scope.Scope{"films:read"}}}
	read := func() (etag.Tag, error) { return versionOf(w.Applications.Routes(ctx, w.who, t, a.ID)) }
	return editable{"route rules", read, nil, []edit{{"items", func(expected etag.Tag) (etag.Tag, error) {
		return versionOf(w.Applications.SetRoutes(ctx, w.who, t, a.ID, rules, expected))
	}}}}
}

func (w *versions) entry() editable {
	ctx, operator := w.t.Context(), principal.Operator()
	_, err := w.Applications.CreateEntry(ctx, operator, "films", w.tenant.ID, route.AnyKey)
	testkit.NoError(w.t, err)
	read := func() (etag.Tag, error) {
		list, err := w.Applications.Entries(ctx, operator)
		return itemVersion(list, err, func(e application.Entry) bool { return e.Name == "films" })
	}
	return editable{"an entry", read, nil, []edit{{"otherwise", func(expected etag.Tag) (etag.Tag, error) {
		return versionOf(w.Applications.EditEntry(ctx, operator, "films", route.Refuse, expected))
	}}}}
}

func (w *versions) tenantItself() editable {
	ctx, id := w.t.Context(), w.tenant.ID
	read := func() (etag.Tag, error) { return versionOf(w.Tenancy.Tenant(ctx, w.who, id)) }
	listed := func() (etag.Tag, error) {
		list, err := w.Tenancy.Tenants(ctx, w.who, one)
		return itemVersion(list, err, func(t tenancy.Tenant) bool { return t.ID == id })
	}
	change := func(c tenancy.TenantChange) (etag.Tag, error) {
		return versionOf(w.Tenancy.ChangeTenant(ctx, w.who, id, c))
	}
	return editable{"a tenant", read, listed, edits(w.t, change, map[string]func(*tenancy.TenantChange){
		"Name": func(c *tenancy.TenantChange) { c.Name = new("Another name") },
		"Settings": func(c *tenancy.TenantChange) {
			c.Settings = func(s *policy.Settings) {
				s.IdleDays = 30
				s.DefaultScopes, s.VerifyRequires = []scope.Scope{"films:read"}, []policy.VerifyField{}
			}
		},
		"Disabled": func(c *tenancy.TenantChange) { c.Disabled = new(true) },
	})}
}

func (w *versions) member() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	p := w.Member(w.tenant, "A Member", scope.Member)
	read := func() (etag.Tag, error) {
		list, err := w.Tenancy.Members(ctx, w.who, t, one)
		return itemVersion(list, err, func(m tenancy.Member) bool { return m.User.ID == p.ID })
	}
	change := func(c tenancy.MemberChange) (etag.Tag, error) {
		return versionOf(w.Tenancy.ChangeMember(ctx, w.who, t, p.ID, c))
	}
	return editable{"a member", read, nil, edits(w.t, change, map[string]func(*tenancy.MemberChange){
		"Role":     func(c *tenancy.MemberChange) { c.Role = new(scope.Auditor) },
		"Disabled": func(c *tenancy.MemberChange) { c.Disabled = new(true) },
	})}
}

func (w *versions) catalogue() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	read := func() (etag.Tag, error) { return versionOf(w.Tenancy.Scopes(ctx, w.who, t)) }
	replace := func(own ...scope.Entry) func(etag.Tag) (etag.Tag, error) {
		return func(expected etag.Tag) (etag.Tag, error) {
			return versionOf(w.Tenancy.ReplaceScopes(ctx, w.who, t, own, expected))
		}
	}
	write := scope.Entry{Name: "films:write", Roles: []scope.Role{scope.Admin}}
	both := []scope.Role{scope.Member, scope.Admin}
	return editable{"the scope catalogue", read, nil, []edit{
		{"name", replace(write, scope.Entry{Name: "films:list"})},
		{"description", replace(write, scope.Entry{Name: "films:list", Description: "Of the tests"})},
		{"roles", replace(scope.Entry{Name: "films:read", Roles: both}, write)},
	}}
}

func (w *versions) oneScope() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	read := func() (etag.Tag, error) {
		list, err := w.Tenancy.Scopes(ctx, w.who, t)
		return itemVersion(list, err, func(e scope.Entry) bool { return e.Name == "films:write" })
	}
	put := func(e scope.Entry) func(etag.Tag) (etag.Tag, error) {
		e.Name = "films:write"
		return func(expected etag.Tag) (etag.Tag, error) {
			return versionOf(w.Tenancy.PutScope(ctx, w.who, t, e, expected))
		}
	}
	return editable{"a scope", read, nil, []edit{
		{"description", put(scope.Entry{Description: "Of the tests", Roles: []scope.Role{scope.Admin}})},
		{"roles", put(scope.Entry{Description: "Of the tests", Roles: []scope.Role{scope.Member, scope.Admin}})},
	}}
}

func (w *versions) account() editable {
	ctx, id := w.t.Context(), w.Account.ID
	read := func() (etag.Tag, error) { return versionOf(w.Accounts.Account(ctx, w.who, id)) }
	listed := func() (etag.Tag, error) {
		list, err := w.Accounts.Accounts(ctx, w.who, one)
		return itemVersion(list, err, func(a account.Account) bool { return a.ID == id })
	}
	return editable{"an account", read, listed, []edit{{"name", func(expected etag.Tag) (etag.Tag, error) {
		return versionOf(w.Accounts.RenameAccount(ctx, w.who, id, "Another name", expected))
	}}}}
}

func (w *versions) accountMember() editable {
	ctx, id := w.t.Context(), w.Account.ID
	p := w.AccountMember("An Admin", scope.AccountAdmin)
	read := func() (etag.Tag, error) {
		list, err := w.Accounts.AccountMembers(ctx, w.who, id, one)
		return itemVersion(list, err, func(m account.Member) bool { return m.User.ID == p.ID })
	}
	return editable{"a role in an account", read, nil, []edit{{"role", func(expected etag.Tag) (etag.Tag, error) {
		return versionOf(w.Accounts.SetAccountMember(ctx, w.who, id, p.ID, scope.AccountOwner, expected))
	}}}}
}

func (w *versions) policy() editable {
	ctx, id := w.t.Context(), w.Account.ID
	read := func() (etag.Tag, error) { return versionOf(w.Accounts.Policy(ctx, w.who, id)) }
	type change struct {
		policy.Change
		Expected etag.Tag
	}
	replace := func(c change) (etag.Tag, error) {
		_, previewed := w.Accounts.PreviewPolicy(ctx, w.who, id, c.Change, c.Expected)
		changed, err := versionOf(w.Accounts.ChangePolicy(ctx, w.who, id, c.Change, c.Expected))
		if !errors.Is(previewed, err) {
			w.t.Errorf("the preview: %v, the change: %v", previewed, err)
		}
		return changed, err
	}
	return editable{"the policy of an account", read, nil, edits(w.t, replace, map[string]func(*change){
		"AutoExpiry":           func(c *change) { c.AutoExpiry, c.AcknowledgeRisk = new(false), true },
		"AutoExpiryDays":       func(c *change) { c.AutoExpiry, c.AutoExpiryDays = new(true), new(120) },
		"MaxLifetimeDays":      func(c *change) { c.MaxLifetimeDays = new(365) },
		"SessionIdleMinutes":   func(c *change) { c.SessionIdleMinutes = new(600) },
		"SessionAbsoluteHours": func(c *change) { c.SessionAbsoluteHours = new(100) },
		"SecondFactor":         func(c *change) { c.SecondFactor = new(policy.FactorAdmins) },
	}, "Change", "AcknowledgeRisk")}
}

func (w *versions) me() editable {
	ctx := w.t.Context()
	read := func() (etag.Tag, error) { return versionOf(w.Identity.Me(ctx, w.who)) }
	change := func(c identity.Change) (etag.Tag, error) { return versionOf(w.Identity.ChangeMe(ctx, w.who, c)) }
	return editable{"one's own record", read, nil, edits(w.t, change, map[string]func(*identity.Change){
		"Name": func(c *identity.Change) { c.Name = new("Another Name") },
		"Notices": func(c *identity.Change) {
			c.Notices = map[notice.Kind]bool{notice.NewSignIn: false, notice.KeyCreated: false}
		},
	})}
}

// machines are the objects of package machine.
func (w *versions) machines() []editable {
	robot := testkit.Must[machine.ServiceAccount](w.t)(w.ServiceAccounts.Create(w.t.Context(), w.who, w.tenant.ID,
		machine.NewServiceAccount{Name: "Robot", Role: scope.Member, Stewards: []ident.UserID{w.Owner.ID}}))
	return []editable{w.serviceAccount(robot.ID), w.plan(), w.subject(), w.managementKey(robot.ID)}
}

func (w *versions) serviceAccount(id ident.ServiceAccountID) editable {
	ctx, t := w.t.Context(), w.tenant.ID
	steward := w.Member(w.tenant, "A Steward", scope.Member)
	read := func() (etag.Tag, error) { return versionOf(w.ServiceAccounts.ServiceAccount(ctx, w.who, t, id)) }
	listed := func() (etag.Tag, error) {
		list, err := w.ServiceAccounts.List(ctx, w.who, t, one)
		return itemVersion(list, err, func(a machine.ServiceAccount) bool { return a.ID == id })
	}
	change := func(c machine.ServiceAccountChange) (etag.Tag, error) {
		return versionOf(w.ServiceAccounts.Edit(ctx, w.who, t, id, c))
	}
	type fields = map[string]func(*machine.ServiceAccountChange)
	return editable{"a service account", read, listed, edits(w.t, change, fields{
		"Name":        func(c *machine.ServiceAccountChange) { c.Name = new("Another name") },
		"Description": func(c *machine.ServiceAccountChange) { c.Description = new("Of the tests") },
		"Role":        func(c *machine.ServiceAccountChange) { c.Role = new(scope.Auditor) },
		"Stewards":    func(c *machine.ServiceAccountChange) { c.Stewards = &[]ident.UserID{steward.ID, w.Owner.ID} },
	})}
}

func (w *versions) plan() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	app := string(w.Application(w.tenant, "Planned").ID)
	_, err := w.Plans.Create(ctx, w.who, t, machine.NewPlan{
		Name: "basic", Scopes: []scope.Scope{"films:write", "films:read"}, ApplicationIDs: []string{app},
	})
	testkit.NoError(w.t, err)
	read := func() (etag.Tag, error) { return versionOf(w.Plans.Plan(ctx, w.who, t, "basic")) }
	listed := func() (etag.Tag, error) {
		list, err := w.Plans.List(ctx, w.who, t, one)
		return itemVersion(list, err, func(p machine.Plan) bool { return p.Name == "basic" })
	}
	change := func(c machine.PlanChange) (etag.Tag, error) {
		return versionOf(w.Plans.Edit(ctx, w.who, t, "basic", c))
	}
	return editable{"a plan", read, listed, edits(w.t, change, map[string]func(*machine.PlanChange){
		"Scopes":          func(c *machine.PlanChange) { c.Scopes = []scope.Scope{scope.Every} },
		"AllApplications": func(c *machine.PlanChange) { c.AllApplications = new(true) },
		"ApplicationIDs":  func(c *machine.PlanChange) { c.ApplicationIDs = []string{app} },
	})}
}

func (w *versions) subject() editable {
	ctx, t := w.t.Context(), w.tenant.ID
	note, _ := metadata.Parse("metadata", []byte(`{"b":1,"a":2}`))
	made := testkit.Must[machine.Subject](w.t)(w.Subjects.Create(ctx, w.who, t,
		machine.NewSubject{ExternalID: "customer", Metadata: note}))
	read := func() (etag.Tag, error) { return versionOf(w.Subjects.Subject(ctx, w.who, t, made.ID)) }
	listed := func() (etag.Tag, error) {
		list, err := w.Subjects.List(ctx, w.who, t, machine.SubjectFilter{}, one)
		return itemVersion(list.Subjects, err, func(s machine.Subject) bool { return s.ID == made.ID })
	}
	change := func(c machine.SubjectChange) (etag.Tag, error) {
		return versionOf(w.Subjects.Edit(ctx, w.who, t, made.ID, c))
	}
	patch, _ := metadata.ParsePatch("metadata", []byte(`{"a":null,"c":[1]}`))
	return editable{"a subject", read, listed, edits(w.t, change, map[string]func(*machine.SubjectChange){
		"Name":     func(c *machine.SubjectChange) { c.Name = new("Another name") },
		"Plan":     func(c *machine.SubjectChange) { c.Plan = new("basic") },
		"Metadata": func(c *machine.SubjectChange) { c.Metadata = &patch },
	})}
}

// managementRights are rights of which everything can be narrowed.
func managementRights() policy.ManagementRights {
	networks := func(cidrs ...string) policy.Addresses {
		a, _ := policy.ParseAddresses("", cidrs)
		return a
	}
	return policy.ManagementRights{
		Permissions: []policy.Permission{policy.MayReadKeys, policy.MayCreateKeys},
		Owners:      []ident.PartyType{ident.SubjectParty, ident.ServiceAccountParty},
		Addresses:   networks("203.0.113.0/24", "192.0.2.0/24"),
		Ceilings: policy.Ceilings{
			Scopes: scope.NewSet(scope.Every), Applications: scope.Applications{All: true},
			Plans:           []string{"", "basic"},
			MaxLifetimeDays: 30, CreatesPerHour: 10,
			Addresses: networks("203.0.113.0/24", "192.0.2.0/24"),
		},
	}
}

func (w *versions) managementKey(robot ident.ServiceAccountID) editable {
	ctx, t := w.t.Context(), w.tenant.ID
	soon := w.Clock.Now().Add(time.Hour + 1234567*time.Nanosecond)
	made := testkit.Must[machine.IssuedManagementKey](w.t)(w.ManagementKeys.Create(ctx, principal.Operator(), t, robot,
		machine.ManagementKeySpec{Name: "A program", Rights: managementRights()}))
	read := func() (etag.Tag, error) { return versionOf(w.ManagementKeys.Get(ctx, w.who, t, robot, made.ID)) }
	listed := func() (etag.Tag, error) {
		list, _, err := w.ManagementKeys.List(ctx, w.who, t, robot, machine.ManagementKeyPage{Limit: 10})
		return itemVersion(list, err, func(v machine.ManagementKeyView) bool { return v.ID == made.ID })
	}
	change := func(e machine.ManagementKeyEdit) (etag.Tag, error) {
		return versionOf(w.ManagementKeys.Edit(ctx, w.who, t, robot, made.ID, e))
	}
	type fields = map[string]func(*machine.ManagementKeyEdit)
	return editable{"a management key", read, listed, edits(w.t, change, fields{
		"Name": func(e *machine.ManagementKeyEdit) { e.Name = new("Another name") },
		"Rights": func(e *machine.ManagementKeyEdit) {
			e.Rights = func(r *policy.ManagementRights) { r.Permissions = []policy.Permission{policy.MayReadKeys} }
		},
		"ExpiresAt": func(e *machine.ManagementKeyEdit) { e.ExpiresAt = &soon },
	})}
}

// What a change hands to a function is covered field by field.
func TestTheVersionOfAManagementKeyChangesWithEachOfItsRights(t *testing.T) {
	t.Parallel()
	version := func(r policy.ManagementRights) etag.Tag { return machine.ManagementKey{Rights: r}.Version() }
	expectEveryField(t, managementRights(), version, "Ceilings")
	expectEveryField(t, managementRights().Ceilings, func(c policy.Ceilings) etag.Tag {
		r := managementRights()
		r.Ceilings = c
		return version(r)
	})
}

func TestTheVersionOfATenantChangesWithEachOfItsSettings(t *testing.T) {
	t.Parallel()
	settings := testkit.Must[policy.Settings](t)(policy.Standard.Settings())
	settings.KeysPerServiceAccount, settings.KeysPerSubject = 1, 1
	settings.ClientDomain, settings.TokenAudience = "claviger.example", "films"
	settings.TokenAlgorithm, settings.IdleDays = policy.ES256, 1
	settings.Owners, settings.DefaultScopes = []ident.PartyType{ident.UserParty}, []scope.Scope{"films:read"}
	settings.VerifyRequires = []policy.VerifyField{"ip"}
	settings.RequestsPerMinute, settings.VerifyRequestsPerMinute = 1, 1
	settings.AdminRefresh, settings.LegacyPassword = true, true
	settings.MembersManageApplications = true
	expectEveryField(t, settings, func(s policy.Settings) etag.Tag { return tenancy.Tenant{Settings: s}.Version() })
}

// expectEveryField fails the test unless the version is another one without the value of any field.
func expectEveryField[T any](t *testing.T, whole T, version func(T) etag.Tag, ignored ...string) {
	t.Helper()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		without := whole
		field := reflect.ValueOf(&without).Elem().FieldByIndex(f.Index)
		field.SetZero()
		if !slices.Contains(ignored, f.Name) && version(without) == version(whole) {
			t.Errorf("the version is the same without field %s", f.Name)
		}
	}
}

func TestTheOperatorEditsTheEntryThatTheyRead(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.CreateEntry(t, h, "films", h.Tenant("Main tenant", nil).ID, "any-key")
	operator, path := h.Operator(), "/operator/v1/entries"
	var list api.List[api.Entry]
	testkit.NoError(t, operator.Do(t.Context(), http.MethodGet, path, nil, &list))
	read := list.Items[0].Version
	edit := func(version, otherwise string) (e api.Entry, err error) {
		err = operator.WithIfMatch(version).Do(t.Context(), http.MethodPatch, path+"/films",
			api.UpdateEntryRequest{Otherwise: otherwise}, &e)
		return e, err
	}
	edited, err := edit(read, "refuse")
	if err != nil || edited.Otherwise != "refuse" || edited.Version == read {
		t.Fatalf("%+v, %v", edited, err)
	}
	_, err = edit(read, "any-key")
	now, ok := client.Present[api.Entry](err)
	if !errors.Is(err, api.Conflict) || !ok || now.Version != edited.Version {
		t.Errorf("the version before: %+v, %v", now, err)
	}
	if _, err := edit(`"`, "any-key"); testkit.FieldErrors(t, err) != "If-Match form" {
		t.Errorf("no version: %v", err)
	}
}

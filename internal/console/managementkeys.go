package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	managementKeyPath = serviceAccountPath + "/management-keys/{management_key}"
	// maxPlansListed is how many plans the form lists: all that a tenant has.
	maxPlansListed = 200
)

// managementKeyRoutes are those of the management keys of a service account.
func (c *Console) managementKeyRoutes() []web.Route {
	return slices.Concat(
		c.form(serviceAccountPath+"/management-keys/new", c.showNewManagementKey, c.createManagementKey),
		c.page(managementKeyPath, c.showManagementKey),
		c.form(managementKeyPath+"/edit", c.showEditManagementKey, c.editManagementKey),
		c.form(managementKeyPath+"/regenerate", c.showRefreshManagementKey, c.refreshManagementKey),
		c.ending(managementKeyPath+"/revoke", c.confirmRevokeManagementKey, c.revokeManagementKey),
		c.ending(managementKeyPath+"/delete", c.confirmDeleteManagementKey, c.deleteManagementKey),
		c.reduction(managementKeyPath+"/previous", c.endPreviousManagementSecret),
	)
}

func managementKeyURL(m machine.ManagementKeyView) string {
	return inTenant(m.Tenant, "service-accounts/"+string(m.ServiceAccount.ID)+"/management-keys/"+string(m.ID))
}

// signInAgain asks a person to prove once more who they are. Then they go on at a path, where a
// form is shown as they filled it in.
func (k *call) signInAgain(path string, err error) response {
	return response{page: view.SignIn{
		Again: true, Email: k.session.User.Email, Next: path, Kept: keptFields(k.form),
		Notice: cmp.Or(fault.Message(err), "You signed in more than five minutes ago. Sign in again to go on."),
	}, title: "Sign in again", status: http.StatusUnauthorized}
}

// managementKeysOf returns all management keys of a service account, newest first.
func (k *call) managementKeysOf(a machine.ServiceAccount) (list []machine.ManagementKeyView, err error) {
	page := &machine.ManagementKeyPage{Limit: partLimit}
	for page != nil && len(list) < searchedParts*partLimit {
		var part []machine.ManagementKeyView
		part, page, err = k.console.ManagementKeys.List(k.Context(), k.who, a.Tenant, a.ID, *page)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return list, nil
}

// liveManagementKeys counts the management keys of a service account that are neither revoked nor
// expired.
func (k *call) liveManagementKeys(a machine.ServiceAccount) (n int, err error) {
	list, err := k.managementKeysOf(a)
	for _, m := range list {
		if m.Status == policy.Active {
			n++
		}
	}
	return n, err
}

// managementPanel lists the management keys of a service account.
func (k *call) managementPanel(t tenancy.Tenant, a machine.ServiceAccount) (view.Panel, error) {
	list, err := k.managementKeysOf(a)
	if err != nil {
		return view.Panel{}, err
	}
	live := 0
	table := &view.Table{
		Columns: columns("Key", "Permissions", "Owner types", "Expires", "Last used", "Status"),
		Empty:   "No management key. Create one for a program that manages keys.",
	}
	for _, m := range list {
		if m.Status == policy.Active {
			live++
		}
		table.Rows = append(table.Rows, k.managementRow(m))
	}
	panel := view.Panel{
		ID: "management", Heading: "Management keys", Table: table,
		Note:  fmt.Sprintf("%d of %d", live, machine.MaxManagementKeys),
		Intro: "For programs that manage keys. Accepted by the management API only.",
	}
	if k.isAdmin(t) && !a.Disabled {
		panel.Actions = []view.Action{{
			Text: "New management key", Icon: "plus", Class: "small",
			Path: serviceAccountURL(a) + "/management-keys/new",
		}}
	}
	return panel, nil
}

// managementRow returns a management key as a list shows it.
func (k *call) managementRow(m machine.ManagementKeyView) view.TableRow {
	badge := managementBadge(m)
	var permissions, owners []string
	for _, p := range m.Rights.Permissions {
		permissions = append(permissions, string(p))
	}
	for _, o := range m.Rights.Owners {
		owners = append(owners, ownerPlurals[o])
	}
	return view.TableRow{Ended: m.Status == policy.Revoked, Cells: []view.Cell{
		{Text: m.Name, ID: m.PublicID + " ····" + m.Last4, Path: managementKeyURL(m)},
		{Tags: permissions},
		{Text: strings.Join(owners, ", ")},
		{When: k.in(m.Ends.At), Note: k.date(m.Ends.At)},
		{When: k.ago(m.LastUsedAt), Note: m.LastUsedIP},
		{Badge: &badge},
	}}
}

// ownerPlurals are the types of owners in words.
var ownerPlurals = map[ident.PartyType]string{
	ident.UserParty: "people", ident.ServiceAccountParty: "service accounts", ident.SubjectParty: "subjects",
}

// managementBadge returns the status of a management key, in words.
func managementBadge(m machine.ManagementKeyView) view.Badge {
	if m.Status == policy.Active && !m.Previous.Until.IsZero() {
		return view.Badge{Text: "Two secrets", Icon: "turn", Class: "overlap"}
	}
	return badges[m.Status]
}

func (c *Console) showNewManagementKey(k *call) (response, error) { return k.newManagementForm(nil) }

func (k *call) newManagementForm(faults view.Faults) (response, error) {
	t, a, err := k.changeableServiceAccount()
	if err != nil {
		return response{}, err
	}
	if !k.session.Recent(k.now) {
		return k.signInAgain(k.URL.Path, nil), nil
	}
	live, err := k.liveManagementKeys(a)
	if err != nil {
		return response{}, err
	}
	values := k.form
	if len(values) == 0 {
		values = url.Values{"applications": {accessSome}, "creates_per_hour": {"1000"}}
	}
	own := view.Link{Text: a.Name, Path: serviceAccountURL(a)}
	return k.managementForm(t, a, view.Editor{
		Crumb: own, Cancel: view.Link{Text: "Discard", Path: own.Path}, Heading: "New management key",
		Intro: "For a program that manages keys. Its secret is shown once, on the next page. " +
			fmt.Sprintf("%d of %d are in use.", live, machine.MaxManagementKeys),
		Button: "Generate", Once: rand.Text(),
	}, values, nil, faults)
}

func (c *Console) createManagementKey(k *call) (response, error) {
	tenant, id := k.serviceAccountIDs()
	rights, faults := k.managementRights()
	expires, faults := k.expiryOf(faults)
	for i := range faults {
		faults[i].Field = cmp.Or(managementFields[faults[i].Field], faults[i].Field)
	}
	if len(faults) > 0 {
		return k.newManagementForm(faults)
	}
	var issued machine.IssuedManagementKey
	earlier, err := k.change("new", func(ctx context.Context) (err error) {
		issued, err = c.ManagementKeys.Create(ctx, k.who, tenant, id, machine.ManagementKeySpec{
			Name: k.form.Get("name"), Rights: rights, ExpiresAt: expires,
		})
		return err
	})
	return k.issuedManagementKey("The new management key", issued, earlier, err, k.newManagementForm)
}

// issuedManagementKey shows the secret of a management key, or says that it was shown, or shows the
// form again.
func (k *call) issuedManagementKey(heading string, issued machine.IssuedManagementKey, earlier string, err error,
	form func(view.Faults) (response, error),
) (response, error) {
	if errors.Is(err, fault.SignInAgain) {
		return k.signInAgain(k.URL.Path, err), nil
	}
	if faults := managementFaults(err); faults != nil {
		return form(faults)
	}
	if err != nil {
		return response{}, err
	}
	tenant, account := k.serviceAccountIDs()
	answer := response{narrow: true, current: inTenant(tenant, "service-accounts")}
	if earlier != "" {
		m, err := k.console.ManagementKeys.Get(k.Context(), k.who, tenant, account, ident.ManagementKeyID(earlier))
		if err != nil {
			return response{}, err
		}
		answer.title = "The secret was shown"
		answer.page = view.Secret{
			Heading: answer.title, Name: m.Name, KeyPath: managementKeyURL(m),
			Shown: "when this form was sent the first time",
		}
		return answer, nil
	}
	value, path := issued.Credential.Value.Reveal(), managementKeyURL(issued.ManagementKeyView)
	page := view.Secret{
		Heading: heading, Name: issued.Name, KeyPath: path, Done: path,
		ID: issued.Credential.PublicID, Secret: issued.Credential.Secret.Reveal(), Value: value,
		Values: []view.Value{{Name: "Key", Text: value, Main: true}},
		Examples: []view.Example{{ID: "curl", Name: "curl", Text: fmt.Sprintf(
			"curl %s/api/v1/management/self \\\n  -H 'Authorization: Bearer %s'", k.console.BaseURL, value)}},
	}
	if p := issued.Previous; !p.Until.IsZero() {
		page.Notes = append(page.Notes, "The old secret works until "+k.at(p.Until).Text+".")
	}
	answer.page, answer.title = page, heading
	return answer, nil
}

// shownManagementKey returns the management key in the path, and its tenant, to those who may read
// it.
func (k *call) shownManagementKey() (t tenancy.Tenant, m machine.ManagementKeyView, err error) {
	t, err = k.tenant()
	if err != nil {
		return t, m, err
	}
	tenant, account := k.serviceAccountIDs()
	m, err = k.console.ManagementKeys.Get(k.Context(), k.who, tenant, account,
		ident.ManagementKeyID(k.PathValue("management_key")))
	return t, m, err
}

// changeableManagementKey is shownManagementKey for admins.
func (k *call) changeableManagementKey() (t tenancy.Tenant, m machine.ManagementKeyView, err error) {
	if _, err := k.adminTenant(); err != nil {
		return t, m, err
	}
	return k.shownManagementKey()
}

// showManagementKey shows a management key.
func (c *Console) showManagementKey(k *call) (response, error) {
	t, m, err := k.shownManagementKey()
	if err != nil {
		return response{}, err
	}
	badge := managementBadge(m)
	path := managementKeyURL(m)
	changes := k.isAdmin(t) && m.Status != policy.Revoked
	secret := view.Panel{ID: "secret", Heading: "Secret", Facts: []view.Fact{
		{Name: "Current secret", Value: m.PublicID + " ····" + m.Last4, Mono: true},
		{Name: "Set", When: k.at(m.SecretSetAt)},
		{Name: "Last used", When: k.ago(m.LastUsedAt), Note: m.LastUsedIP},
	}}
	if p := m.Previous; !p.Until.IsZero() {
		secret.Heading = "Two secrets are active"
		secret.Facts = append(secret.Facts,
			view.Fact{Name: "Old secret", Value: p.PublicID + " ····" + p.Last4, Mono: true},
			view.Fact{Name: "It ends", When: k.in(p.Until)})
		if changes {
			secret.Actions = []view.Action{{
				Text: "End the old secret now", Class: "small ends", Path: path + "/previous", Post: true,
			}}
		}
	}
	rights, err := k.rightsPanel(t, m.Rights)
	if err != nil {
		return response{}, err
	}
	history, err := k.historyPanel(t.ID, string(m.ID))
	if err != nil {
		return response{}, err
	}
	life := []view.Fact{{Name: "Created", When: k.at(m.CreatedAt), Note: byParty(m.CreatedBy)}}
	if m.Status == policy.Revoked {
		life = append(life, view.Fact{Name: "Revoked", When: k.at(m.RevokedAt), Note: m.RevokedReason})
	} else {
		life = append(life, view.Fact{Name: "Expires", When: k.at(m.Ends.At), Note: expiryReasons[m.Ends.Reason]})
	}
	life = append(life, view.Fact{Name: "ID", Value: string(m.ID), Mono: true})
	p := view.Overview{
		Crumb:   view.Link{Text: m.ServiceAccount.Name, Path: k.serviceAccountPage()},
		Heading: m.Name, Intro: "A management key: it is accepted by the management API only.", Badge: &badge,
		Panels: []view.Panel{secret, rights, {ID: "life", Heading: "Lifecycle", Facts: life}, history},
	}
	p.Actions = []view.Action{{Text: "Keys it created", Path: tenantPath(t.ID) + "?created_by=" + string(m.ID)}}
	if changes {
		p.Actions = append(p.Actions,
			view.Action{Text: "Regenerate", Path: path + "/regenerate"},
			view.Action{Text: "Edit", Path: path + "/edit"},
			view.Action{Text: "Revoke…", Class: "ends", Path: path + "/revoke"})
	}
	if k.isAdmin(t) {
		p.Actions = append(p.Actions, view.Action{Text: "Delete…", Class: "ends", Path: path + "/delete"})
	}
	return response{page: p, title: m.Name, current: inTenant(t.ID, "service-accounts")}, nil
}

// serviceAccountPage returns the path of the service account in the path.
func (k *call) serviceAccountPage() string {
	tenant, id := k.serviceAccountIDs()
	return inTenant(tenant, "service-accounts/"+string(id))
}

// rightsPanel shows what a management key may do.
func (k *call) rightsPanel(t tenancy.Tenant, r policy.ManagementRights) (view.Panel, error) {
	c := r.Ceilings
	applications, err := k.applicationNames(t)
	if err != nil {
		return view.Panel{}, err
	}
	var owners, plans []string
	for _, o := range r.Owners {
		owners = append(owners, ownerPlurals[o])
	}
	for _, name := range c.Plans {
		plans = append(plans, cmp.Or(name, "no plan"))
	}
	scopes := listWords(c.Scopes.Strings())
	if slices.Contains(c.Scopes, scope.Every) {
		scopes = "all"
	}
	lifetime := "any"
	if c.MaxLifetimeDays > 0 {
		lifetime = count(c.MaxLifetimeDays, "day")
	}
	everywhere := "every address"
	return view.Panel{ID: "rights", Heading: "What it may do", Facts: []view.Fact{
		{Name: "Permissions", Value: listWords(web.TextsAs[string](r.Permissions)), Mono: true},
		{Name: "Keys of", Value: listWords(owners)},
		{Name: "Scopes to assign", Value: scopes},
		{Name: "Applications to assign", Value: named(c.Applications, applications)},
		{Name: "Plans to assign", Value: listWords(plans)},
		{Name: "Lifetime of a secret", Value: lifetime},
		{Name: "Creates per hour", Value: view.Thousands(int64(c.CreatesPerHour))},
		{Name: "Addresses of keys", Value: cmp.Or(strings.Join(c.Addresses.Strings(), ", "), everywhere)},
		{Name: "Used from", Value: cmp.Or(strings.Join(r.Addresses.Strings(), ", "), everywhere)},
	}}, nil
}

// listWords returns a list of words, or that there is none.
func listWords(words []string) string { return cmp.Or(strings.Join(words, ", "), "none") }

func (c *Console) showEditManagementKey(k *call) (response, error) {
	return k.editManagementForm(k.form, nil)
}

func (k *call) editManagementForm(values url.Values, faults view.Faults) (response, error) {
	t, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	a := machine.ServiceAccount{ID: ident.ServiceAccountID(m.ServiceAccount.ID), Role: m.ServiceAccount.Role}
	if len(values) == 0 {
		values = managementValues(m)
	}
	own := view.Link{Text: m.Name, Path: managementKeyURL(m)}
	return k.managementForm(t, a, view.Editor{
		Crumb: own, Cancel: view.Link{Text: "Discard", Path: own.Path}, Heading: "Edit " + m.Name, Button: "Save",
		Intro: "It can be renamed and narrowed, and never widened: create another one for that. Keys that exist are " +
			"not changed.",
		Version: version(values, m.Version()),
	}, values, &m, faults)
}

// managementValues returns the form of a management key as it is.
func managementValues(m machine.ManagementKeyView) url.Values {
	c := m.Rights.Ceilings
	values := url.Values{
		"name": {m.Name}, "expiry": {expiryKeep}, "permissions": web.TextsAs[string](m.Rights.Permissions),
		"owners": web.TextsAs[string](m.Rights.Owners), "access": {accessSome}, "scope": c.Scopes.Strings(),
		"applications": {accessSome}, "application": c.Applications.IDs,
		"creates_per_hour": {strconv.Itoa(c.CreatesPerHour)},
		"key_cidrs":        {strings.Join(c.Addresses.Strings(), "\n")},
		"allowed_cidrs":    {strings.Join(m.Rights.Addresses.Strings(), "\n")},
	}
	if slices.Contains(c.Scopes, scope.Every) {
		values.Set("access", accessAll)
	}
	if c.Applications.All {
		values.Set("applications", accessAll)
	}
	for _, name := range c.Plans {
		values.Add("plans", cmp.Or(name, noPlan))
	}
	if c.MaxLifetimeDays > 0 {
		values.Set("max_lifetime_days", strconv.Itoa(c.MaxLifetimeDays))
	}
	return values
}

func (c *Console) editManagementKey(k *call) (response, error) {
	_, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	rights, faults := k.managementRights()
	name := k.form.Get("name")
	e := machine.ManagementKeyEdit{
		Expected: k.expected(), Name: &name, Rights: func(r *policy.ManagementRights) { *r = rights },
	}
	if k.form.Get("expiry") == expiryDate {
		var wrong view.Faults
		e.ExpiresAt, wrong = k.expiryOf(nil)
		for range wrong {
			faults = append(faults, view.Fault{Field: "date", Message: "Choose a day."})
		}
	}
	if len(faults) > 0 {
		return k.editManagementForm(k.form, faults)
	}
	_, err = c.ManagementKeys.Edit(k.Context(), k.who, m.Tenant, ident.ServiceAccountID(m.ServiceAccount.ID), m.ID, e)
	faults = managementFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("name", "management key")
	}
	if faults != nil {
		return k.editManagementForm(k.form, faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(managementKeyURL(m), "management-key.edit"), nil
}

func (c *Console) showRefreshManagementKey(k *call) (response, error) {
	return k.refreshManagementForm(nil)
}

func (k *call) refreshManagementForm(faults view.Faults) (response, error) {
	t, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	if !k.session.Recent(k.now) {
		return k.signInAgain(k.URL.Path, nil), nil
	}
	for i := range faults {
		if faults[i].Field == "name" || faults[i].Field == "expiry" { // the form has neither
			faults[i].Field = "overlap"
		}
	}
	used := "Not used yet."
	if !m.LastUsedAt.IsZero() {
		used = "Last used " + k.ago(m.LastUsedAt).Text + ", from " + m.LastUsedIP + "."
	}
	p := view.Editor{
		Crumb: view.Link{Text: m.Name, Path: managementKeyURL(m)}, Heading: "Regenerate the secret", Faults: faults,
		Intro:  "The management key gets a new secret, and its expiry moves with it. What it may do stays.",
		Action: k.URL.Path, Once: rand.Text(), Button: "Regenerate",
		Cancel: view.Link{Text: "Keep the old secret", Path: managementKeyURL(m)},
		Parts: []view.Part{{Heading: "The old secret", Intro: used, Controls: []view.Control{{
			Kind: view.KindRadios, Name: "overlap", Label: "It works beside the new one",
			Choices: k.overlapsOf(m.Status, m.Ends.At, m.LastUsedAt),
		}}}},
	}
	if until := m.Previous.Until; !until.IsZero() {
		p.Notices = []view.Message{{
			Tone: "warn", Icon: "info",
			Text: "Two secrets are active. This ends the older one, which works until " + k.at(until).Text + ".",
		}}
	}
	return response{
		page: p, title: "Regenerate " + m.Name, narrow: true, current: inTenant(t.ID, "service-accounts"),
		status: statusOf(faults),
	}, nil
}

func (c *Console) refreshManagementKey(k *call) (response, error) {
	_, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	seconds, err := strconv.Atoi(k.form.Get("overlap"))
	if err != nil || seconds < 0 {
		return k.refreshManagementForm(view.Faults{{
			Field: "overlap", Message: "Choose how long the old secret works.",
		}})
	}
	var issued machine.IssuedManagementKey
	earlier, err := k.change("regenerate", func(ctx context.Context) (err error) {
		issued, err = c.ManagementKeys.Refresh(ctx, k.who, m.Tenant, ident.ServiceAccountID(m.ServiceAccount.ID), m.ID,
			machine.ManagementRefresh{Overlap: seconds})
		return err
	})
	return k.issuedManagementKey("The new secret", issued, earlier, err, k.refreshManagementForm)
}

func (c *Console) confirmRevokeManagementKey(k *call) (response, error) {
	t, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	answer := k.confirmation(view.Confirm{
		Heading: "Revoke “%s”?", Button: "Revoke this management key", Reason: true,
		Lead: "Requests with it are refused from that moment on, and are told `api_key_revoked`. The keys that it " +
			"created stay. This cannot be undone.",
	}, m.Name, managementKeyURL(m), []view.Fact{
		{Name: "Service account", Value: m.ServiceAccount.Name},
		{Name: "Last used", When: k.ago(m.LastUsedAt), Note: m.LastUsedIP},
	})
	answer.current = inTenant(t.ID, "service-accounts")
	return answer, nil
}

func (c *Console) revokeManagementKey(k *call) (response, error) {
	tenant, account := k.serviceAccountIDs()
	m, err := c.ManagementKeys.Revoke(k.Context(), k.who, tenant, account,
		ident.ManagementKeyID(k.PathValue("management_key")), k.form.Get("reason"))
	if err != nil {
		return response{}, err
	}
	return did(managementKeyURL(m), "management-key.revoke"), nil
}

func (c *Console) confirmDeleteManagementKey(k *call) (response, error) {
	t, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	answer := k.confirmation(view.Confirm{
		Heading: "Delete “%s”?", Button: "Delete this management key",
		Lead: "Requests with it are refused from that moment on, like those with a key that never existed. The keys " +
			"that it created stay, and so does its audit trail. This cannot be undone.",
	}, m.Name, managementKeyURL(m), []view.Fact{
		{Name: "Service account", Value: m.ServiceAccount.Name},
		{Name: "Last used", When: k.ago(m.LastUsedAt), Note: m.LastUsedIP},
	})
	answer.current = inTenant(t.ID, "service-accounts")
	return answer, nil
}

func (c *Console) deleteManagementKey(k *call) (response, error) {
	tenant, account := k.serviceAccountIDs()
	err := c.ManagementKeys.Delete(k.Context(), k.who, tenant, account,
		ident.ManagementKeyID(k.PathValue("management_key")))
	if err != nil {
		return response{}, err
	}
	return did(k.serviceAccountPage(), "management-key.delete"), nil
}

func (c *Console) endPreviousManagementSecret(k *call) (response, error) {
	_, m, err := k.changeableManagementKey()
	if err != nil {
		return response{}, err
	}
	err = c.ManagementKeys.EndPrevious(k.Context(), k.who, m.Tenant, ident.ServiceAccountID(m.ServiceAccount.ID), m.ID)
	if err != nil {
		return response{}, err
	}
	return did(managementKeyURL(m), "management-key.previous"), nil
}

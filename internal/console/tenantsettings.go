package console

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// settingsRoutes are those of the settings of a tenant.
func (c *Console) settingsRoutes() []web.Route {
	return slices.Concat(
		c.form("/t/{tenant}/settings", c.showSettings, c.saveSettings),
		c.page("/t/{tenant}/settings/presets", c.comparePresets),
		c.form("/t/{tenant}/settings/presets/{preset}", c.confirmPreset, c.applyPreset),
		c.ending("/t/{tenant}/disable", c.confirmDisableTenant, c.disableTenant),
		c.action("/t/{tenant}/enable", c.enableTenant),
	)
}

// The phrases that a person types before a whole tenant is concerned.
const (
	forgetPhrase  = "delete the copies"
	disablePhrase = "disable this tenant"
)

// ownedTenant returns the tenant in the path to the owners and admins of its account.
func (k *call) ownedTenant() (tenancy.Tenant, error) {
	t, err := k.tenant()
	if err == nil && !k.owns(t) {
		err = account.ErrNotMember
	}
	return t, err
}

// owns reports whether the person is an owner or admin of the account of the tenant.
func (k *call) owns(t tenancy.Tenant) bool { return k.who.AccountRole(t.Account).Valid() }

// readTenant returns the tenant in the path to its admins and auditors.
func (k *call) readTenant() (tenancy.Tenant, error) {
	t, err := k.tenant()
	if err == nil && !slices.Contains(readers, k.who.RoleIn(t.ID, t.Account)) {
		err = fault.New(fault.Forbidden, "Only admins and auditors of the tenant may see this. Ask one of them.")
	}
	return t, err
}

// showSettings shows the settings: as a form to those who may change them, and in words to others.
func (c *Console) showSettings(k *call) (response, error) {
	t, err := k.readTenant()
	if err != nil {
		return response{}, err
	}
	if k.owns(t) {
		return k.settingsForm(t, k.form, nil)
	}
	p := view.Overview{
		Heading: "Tenant settings", Intro: settingsIntro(t) + " The owners and admins of the account change them.",
		Actions: []view.Action{{Text: "Compare with presets", Path: inTenant(t.ID, "settings/presets")}},
	}
	for _, part := range settingsParts {
		panel := view.Panel{ID: part.settings[0].Name, Heading: part.heading, Intro: part.intro}
		for _, w := range part.words(t.Settings) {
			panel.Facts = append(panel.Facts, view.Fact{Name: w.label, Value: w.value})
		}
		p.Panels = append(p.Panels, panel)
	}
	p.Panels = append(p.Panels, view.Panel{ID: "others", Heading: "Others", Facts: otherSettings(t.Settings)})
	return response{page: p, title: "Settings of " + t.Name, current: inTenant(t.ID, "settings")}, nil
}

func settingsIntro(t tenancy.Tenant) string {
	return "Key format, limits and storage for " + t.Name + ", created from the preset " + string(t.Preset) + "."
}

// otherSettings are those that nobody changes here.
func otherSettings(s policy.Settings) []view.Fact {
	password, applications := "not allowed", "by admins"
	if s.LegacyPassword {
		password = "allowed"
	}
	if s.MembersManageApplications {
		applications = "by admins and members"
	}
	return []view.Fact{
		{Name: "Password sign-in to the API", Value: password, Note: "only the operator of the server changes it"},
		{Name: "Applications are managed", Value: applications, Note: "as the preset says"},
	}
}

// settingsForm returns the form for the settings, filled in with values, with what is wrong.
func (k *call) settingsForm(t tenancy.Tenant, values url.Values, faults view.Faults) (response, error) {
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = settingsValues(t.Settings)
		values.Set("name", t.Name)
	}
	path := inTenant(t.ID, "settings")
	p := view.Editor{
		Heading: "Tenant settings", Intro: settingsIntro(t), Action: path, Version: version(values, t.Version()),
		Faults: faults, Button: "Save", Cancel: view.Link{Text: "Discard", Path: path},
		Parts: []view.Part{{Heading: "Name", Controls: []view.Control{nameControl(values.Get("name"))}}},
		Panels: []view.Panel{
			{
				ID: "presets", Heading: "Presets", Text: "How a tenant of another preset is set up, side by side.",
				Actions: []view.Action{{Text: "Compare with presets", Path: inTenant(t.ID, "settings/presets")}},
			},
			{ID: "others", Heading: "Others", Facts: otherSettings(t.Settings)},
			switchPanel(t),
		},
	}
	parts := settingsForm(values, entries)
	if err := k.addTransportUse(t, parts); err != nil {
		return response{}, err
	}
	p.Parts = append(p.Parts, parts...)
	return response{
		page: p, title: "Settings of " + t.Name, narrow: true, current: path, status: statusOf(faults),
	}, nil
}

// switchPanel offers to disable the tenant, or to enable it again.
func switchPanel(t tenancy.Tenant) view.Panel {
	if t.Disabled {
		return view.Panel{
			ID: "switch", Heading: "This tenant is disabled",
			Text:    "All its keys are refused. Enabling brings back exactly what was.",
			Actions: []view.Action{{Text: "Enable this tenant", Path: inTenant(t.ID, "enable"), Post: true}},
		}
	}
	return view.Panel{
		ID: "switch", Heading: "Disable this tenant",
		Text: "All its keys are refused at once, and only the owners and admins of the account see it. It can be " +
			"undone.",
		Actions: []view.Action{{Text: "Disable this tenant…", Class: "ends", Path: inTenant(t.ID, "disable")}},
	}
}

// settingsFaults returns what is wrong with the fields, by their names in the form.
func settingsFaults(err error) (faults view.Faults) {
	for _, f := range fault.Fields(err) {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Name, "settings."), ".")
		faults = append(faults, view.Fault{Field: name, Message: f.Message})
	}
	return faults
}

// saveSettings changes the settings. Where that destroys the copies of secrets, it asks first.
func (c *Console) saveSettings(k *call) (response, error) {
	t, err := k.ownedTenant()
	if err != nil {
		return response{}, err
	}
	after := t.Settings
	if faults := readSettings(&after, k.form); faults != nil {
		return k.settingsForm(t, k.form, faults)
	}
	// What the question says is true of the version that the form was filled in for.
	if k.expected() == t.Version() && forgetsCopies(t.Settings, after) {
		if faults := k.sure(forgetPhrase); faults != nil {
			return k.confirmForget(t, faults), nil
		}
	}
	name := k.form.Get("name")
	_, err = c.Tenancy.ChangeTenant(k.Context(), k.who, t.ID, tenancy.TenantChange{
		Expected: k.expected(), Name: &name, Settings: func(s *policy.Settings) { readSettings(s, k.form) },
	})
	faults := settingsFaults(err)
	if errors.Is(err, etag.ErrChanged) {
		faults = k.changedMeanwhile("name", "tenant")
	}
	if faults != nil {
		return k.settingsForm(t, k.form, faults)
	}
	return k.doneWithTenant("tenant.edit", err)
}

// forgetsCopies reports whether a change destroys the copies of secrets.
func forgetsCopies(before, after policy.Settings) bool {
	return before.Disclosure == policy.Recoverable && after.Disclosure != policy.Recoverable
}

// forgets is the question before copies of secrets are destroyed.
func forgets(faults view.Faults, sent bool) view.Confirm {
	if !sent { // the question was not on the page yet
		faults = nil
	}
	return view.Confirm{
		Heading: "Delete the copies of all secrets?", Button: "Save, and delete the copies",
		Lead: "This tenant keeps a copy of each secret, so that owners can copy their keys again. With this change " +
			"all copies are deleted. The keys go on working. This cannot be undone.",
		Phrase: forgetPhrase, Faults: faults, Keep: view.Link{Text: "Keep the copies"},
	}
}

// confirmForget asks before a saved form destroys the copies of secrets. The form is sent with the
// answer.
func (k *call) confirmForget(t tenancy.Tenant, faults view.Faults) response {
	p := forgets(faults, k.form.Has("sure"))
	for _, name := range slices.Sorted(maps.Keys(k.form)) {
		if name == "sure" {
			continue
		}
		for _, value := range k.form[name] {
			p.Hidden = append(p.Hidden, view.Field{Name: name, Value: value})
		}
	}
	return k.confirmation(p, "", inTenant(t.ID, "settings"), nil)
}

// doneWithTenant goes back to the settings, if the change was made.
func (k *call) doneWithTenant(what string, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	return did(inTenant(ident.TenantID(k.PathValue("tenant")), "settings"), what), nil
}

// comparedPreset is a preset with its settings.
type comparedPreset struct {
	policy.Preset
	settings policy.Settings
}

// presets returns all presets.
func presets() (list []comparedPreset, err error) {
	for _, p := range policy.Presets() {
		s, err := p.Settings()
		if err != nil {
			return nil, err
		}
		list = append(list, comparedPreset{p, s})
	}
	return list, nil
}

// presetTable lists all settings of presets side by side. own are those of a tenant, which come
// first; nil for none.
func presetTable(own *policy.Settings) (*view.Table, error) {
	list, err := presets()
	if err != nil {
		return nil, err
	}
	table := &view.Table{Columns: columns("Setting")}
	var compared []policy.Settings
	if own != nil {
		table.Columns = append(table.Columns, view.Column{Text: "This tenant"})
		compared = append(compared, *own)
	}
	for _, p := range list {
		table.Columns = append(table.Columns, view.Column{Text: string(p.Preset)})
		compared = append(compared, p.settings)
	}
	for _, part := range settingsParts {
		rows := make([]view.TableRow, len(part.settings))
		for _, s := range compared {
			for i, w := range part.words(s) {
				if len(rows[i].Cells) == 0 {
					rows[i].Cells = []view.Cell{{Text: w.label}}
				}
				rows[i].Cells = append(rows[i].Cells, view.Cell{Text: w.value})
			}
		}
		table.Rows = append(table.Rows, rows...)
	}
	return table, nil
}

// comparePresets shows the settings of all presets beside those of the tenant.
func (c *Console) comparePresets(k *call) (response, error) {
	t, err := k.readTenant()
	if err != nil {
		return response{}, err
	}
	table, err := presetTable(&t.Settings)
	if err != nil {
		return response{}, err
	}
	settings := inTenant(t.ID, "settings")
	panel := view.Panel{ID: "presets", Heading: "Settings", Table: table}
	if k.owns(t) {
		for _, p := range policy.Presets() {
			panel.Actions = append(panel.Actions, view.Action{
				Text: "Apply " + string(p) + "…", Path: settings + "/presets/" + string(p),
			})
		}
	}
	return response{page: view.Overview{
		Crumb: view.Link{Text: "Tenant settings", Path: settings}, Heading: "Presets",
		Intro:  "Each preset sets a tenant up as one of the systems that it is named after, or as Claviger recommends.",
		Panels: []view.Panel{panel},
	}, title: "Presets for " + t.Name, current: settings}, nil
}

// chosenPreset returns the tenant and the settings that it would have with the preset in the path.
// Only the operator allows passwords, and members get no rights over applications that they did not
// have.
func (k *call) chosenPreset() (t tenancy.Tenant, after policy.Settings, err error) {
	t, err = k.ownedTenant()
	if err != nil {
		return t, after, err
	}
	name := policy.Preset(k.PathValue("preset"))
	if !slices.Contains(policy.Presets(), name) {
		return t, after, fault.NotFound
	}
	after, err = name.Settings()
	types := after.OwnerTypes()
	after.LegacyPassword = t.Settings.LegacyPassword
	after.MembersManageApplications = t.Settings.MembersManageApplications
	// The types of owners follow from the dialect, but a change of the dialect alone changes none.
	after.Owners = t.Settings.Owners
	if !slices.Equal(types, t.Settings.OwnerTypes()) {
		after.Owners = types
	}
	return t, after, err
}

func (c *Console) confirmPreset(k *call) (response, error) { return k.presetForm(nil) }

// presetForm asks before a preset replaces the settings of a tenant.
func (k *call) presetForm(faults view.Faults) (response, error) {
	t, after, err := k.chosenPreset()
	if err != nil {
		return response{}, err
	}
	p := view.Confirm{
		Heading: "Apply the preset %s?", Button: "Apply this preset", Keep: view.Link{Text: "Keep the settings"},
		Lead: "The settings below are replaced. They bind every key and request from then on; existing keys keep " +
			"their format.",
		Version: version(k.form, t.Version()),
		Faults:  faults, Table: &view.Table{
			Columns: columns("Setting", "Now", "Afterwards"), Empty: "Nothing changes.",
		},
	}
	if forgetsCopies(t.Settings, after) {
		question := forgets(nil, false)
		p.Lead, p.Phrase = p.Lead+" "+question.Lead, question.Phrase
	}
	for _, part := range settingsParts {
		then := part.words(after)
		for i, w := range part.words(t.Settings) {
			if w != then[i] {
				p.Table.Rows = append(p.Table.Rows, view.TableRow{Cells: []view.Cell{
					{Text: w.label}, {Text: w.value}, {Text: then[i].value},
				}})
			}
		}
	}
	answer := k.confirmation(p, k.PathValue("preset"), inTenant(t.ID, "settings/presets"), nil)
	answer.current = inTenant(t.ID, "settings")
	return answer, nil
}

func (c *Console) applyPreset(k *call) (response, error) {
	t, after, err := k.chosenPreset()
	if err != nil {
		return response{}, err
	}
	if forgetsCopies(t.Settings, after) {
		if faults := k.sure(forgetPhrase); faults != nil {
			return k.presetForm(faults)
		}
	}
	_, err = c.Tenancy.ChangeTenant(k.Context(), k.who, t.ID, tenancy.TenantChange{
		Expected: k.expected(), Settings: func(s *policy.Settings) { *s = after },
	})
	if errors.Is(err, etag.ErrChanged) {
		return k.presetForm(k.changedMeanwhile("preset", "tenant"))
	}
	if faults := settingsFaults(err); faults != nil {
		return k.presetForm(faults)
	}
	return k.doneWithTenant("tenant.preset", err)
}

func (c *Console) confirmDisableTenant(k *call) (response, error) { return k.disableTenantForm(nil) }

// disableTenantForm asks before all keys of a tenant stop working.
func (k *call) disableTenantForm(faults view.Faults) (response, error) {
	t, err := k.ownedTenant()
	if err != nil {
		return response{}, err
	}
	health, err := k.console.Keys.HealthSummary(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	members, err := k.console.Tenancy.CountMembers(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	return k.confirmation(view.Confirm{
		Heading: "Disable %s?", Button: "Disable this tenant", Keep: view.Link{Text: "Keep it enabled"},
		Lead: "Requests with its keys are refused from that moment on, and are told `api_key_disabled`. Its members " +
			"no longer see it. Enabling brings back exactly what was.",
		Phrase: disablePhrase, Faults: faults,
	}, t.Name, inTenant(t.ID, "settings"), []view.Fact{
		{Name: "Keys that are refused", Value: count(health.Keys, "key")},
		{Name: "Members", Value: peopleCount(members)},
	}), nil
}

func (c *Console) disableTenant(k *call) (response, error) {
	if faults := k.sure(disablePhrase); faults != nil {
		return k.disableTenantForm(faults)
	}
	return k.setTenantDisabled(true, "tenant.disable")
}

func (c *Console) enableTenant(k *call) (response, error) {
	return k.setTenantDisabled(false, "tenant.enable")
}

func (k *call) setTenantDisabled(disabled bool, what string) (response, error) {
	_, err := k.console.Tenancy.ChangeTenant(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		tenancy.TenantChange{Disabled: &disabled})
	return k.doneWithTenant(what, err)
}

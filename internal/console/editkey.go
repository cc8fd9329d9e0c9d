package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// expiryKeep leaves the expiry of a key as it is, and rightsKeep its scopes or its applications.
const (
	expiryKeep = "keep"
	rightsKeep = "keep"
	// dropField has the scopes that a link to the form proposes to remove.
	dropField = "drop"
)

// showEdit shows the form that changes a key.
func (c *Console) showEdit(k *call) (response, error) { return k.editForm(k.form, nil) }

// withoutScopes returns the path of the form that removes scopes of a key, which it has chosen.
func withoutScopes(k key.Key, drop []scope.Scope) string {
	query := url.Values{}
	for _, s := range drop {
		query.Add(dropField, string(s))
	}
	return pathOf(k) + "/edit?" + query.Encode()
}

// editForm returns the form, filled in with values, or else with what the key has.
func (k *call) editForm(values url.Values, faults view.Faults) (response, error) {
	v, err := k.changeableKey()
	if err != nil {
		return response{}, err
	}
	t, err := k.console.Tenancy.Tenant(k.Context(), k.who, v.Key.Tenant)
	if err != nil {
		return response{}, err
	}
	limit, err := k.lifetimeLimit(t)
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = k.presentValues(v.Key)
	}
	keep := view.Choice{Value: expiryKeep, Text: "As it is", Note: "no date of its own", Checked: true}
	if at := v.Key.ExpiresAt; !at.IsZero() {
		keep.Note = k.date(at)
	}
	choices := k.expiryChoices(values.Get("expiry"), limit)
	if values.Get("expiry") == expiryKeep {
		for i := range choices {
			choices[i].Checked = false
		}
	} else {
		keep.Checked = false
	}
	page := view.EditKey{
		Version: values.Get("version"), Action: pathOf(v.Key) + "/edit", Cancel: pathOf(v.Key), Faults: faults,
		Name:        values.Get("name"),
		Description: values.Get("description"), Addresses: values.Get("allowed_cidrs"), Limit: limit.words,
		DescriptionLeft: maxDescription - utf8.RuneCountInString(values.Get("description")),
		Expiry:          append([]view.Choice{keep}, choices...), Date: values.Get("date"),
		MinDate: k.now.In(k.zone).AddDate(0, 0, 1).Format(time.DateOnly),
	}
	page.Metadata = values.Get("metadata")
	if err := k.fillRights(&page, t, v.Key, values); err != nil {
		return response{}, err
	}
	if limit.days > 0 && !v.Key.SecretSetAt.IsZero() {
		page.MaxDate = v.Key.SecretSetAt.In(k.zone).AddDate(0, 0, limit.days).Format(time.DateOnly)
	}
	return response{
		page: page, title: "Edit " + v.Key.Name, narrow: true, current: "/settings/keys", status: statusOf(faults),
	}, nil
}

// presentValues returns the form of a key as it is. A link from this console may have chosen the
// scopes without some of them.
func (k *call) presentValues(present key.Key) url.Values {
	values := url.Values{
		"version": {string(present.Version())}, "name": {present.Name}, "description": {present.Description},
		"expiry": {expiryKeep}, "access": {rightsKeep}, "applications": {rightsKeep},
		"scope": present.Scopes.Strings(), "application": present.Applications.IDs,
		"allowed_cidrs": {strings.Join(present.Addresses.Strings(), "\n")}, "metadata": {indented(present.Metadata)},
	}
	drop := k.URL.Query()[dropField]
	if len(drop) > 0 && k.isFromHere() {
		values.Set("access", accessSome)
		values["scope"] = slices.DeleteFunc(values["scope"], func(s string) bool { return slices.Contains(drop, s) })
	}
	return values
}

// fillRights fills in which scopes and applications the key can have.
func (k *call) fillRights(page *view.EditKey, t tenancy.Tenant, present key.Key, values url.Values) error {
	owner, err := k.ownerOf(t, present)
	if err != nil {
		return err
	}
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	if err != nil {
		return err
	}
	applications, err := k.console.Applications.Applications(k.Context(), k.who, t.ID,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return err
	}
	keep := view.Choice{Value: rightsKeep, Text: "As they are", Note: strings.Join(present.Scopes.Strings(), ", ")}
	if slices.Contains(present.Scopes, scope.Every) {
		keep.Note = "all scopes that the owner may have"
	}
	chosenAccess := cmp.Or(values.Get("access"), rightsKeep)
	page.Access = chosen(append([]view.Choice{keep}, accessChoices(chosenAccess, t, owner.grants)...), chosenAccess)
	page.Scopes = scopeGroups(entries, owner.grants, values["scope"])
	page.ApplicationChoices, page.Applications = applicationChoices(values, applications)
	names := map[string]string{}
	for _, a := range applications {
		names[string(a.ID)] = a.Name
	}
	keep = view.Choice{Value: rightsKeep, Text: "As they are", Note: named(present.Applications, names)}
	page.ApplicationChoices = chosen(append([]view.Choice{keep}, page.ApplicationChoices...),
		cmp.Or(values.Get("applications"), rightsKeep))
	return nil
}

// ownerOf returns the owner of a key, with the scopes that it may have.
func (k *call) ownerOf(t tenancy.Tenant, present key.Key) (keyOwner, error) {
	if present.Owner.Is(k.session.User.ID) {
		return keyOwner{grants: roleGrants(k.who.RoleIn(t.ID, t.Account), "your")}, nil
	}
	return k.anyOwner(t, present.Owner.ID)
}

// changeRights adds to an edit which scopes and applications the form chooses. What is wrong with
// them is in faults.
func (k *call) changeRights(present key.Key, e *key.Edit) (faults view.Faults, err error) {
	t, err := k.console.Tenancy.Tenant(k.Context(), k.who, present.Tenant)
	if err != nil {
		return nil, err
	}
	owner, err := k.ownerOf(t, present)
	if err != nil {
		return nil, err
	}
	faults, err = k.checkPolicyExpiry(t, nil)
	if err != nil {
		return nil, err
	}
	if chosen := k.form.Get("access"); chosen != "" && chosen != rightsKeep {
		e.Scopes, err = k.scopesOf(t.ID, owner.grants)
		if err == nil && len(e.Scopes) == 0 {
			faults = append(faults, view.Fault{Field: "scopes", Message: "Choose at least one scope."})
		}
	}
	switch k.form.Get("applications") {
	case accessAll:
		all := true
		e.AllApplications = &all
	case accessSome:
		e.ApplicationIDs = k.form["application"]
		if len(e.ApplicationIDs) == 0 {
			faults = append(faults, view.Fault{Field: "application_ids", Message: "Choose at least one application."})
		}
	}
	return faults, err
}

// editKey changes a key as the form says.
func (c *Console) editKey(k *call) (response, error) {
	tenant, id := k.ids()
	name, description := k.form.Get("name"), k.form.Get("description")
	e := key.Edit{
		// A form without a version is no form of this page. It must not overwrite anything unseen.
		Expected: etag.Tag(cmp.Or(k.form.Get("version"), "none")),
		Name:     &name, Description: &description,
		Addresses: key.AddressPatch{
			Given: k.form.Has("allowed_cidrs"), Networks: linesOf(k.form.Get("allowed_cidrs")),
		},
	}
	if k.form.Has("metadata") {
		e.WholeMetadata, e.Metadata = true, json.RawMessage(strings.TrimSpace(k.form.Get("metadata")))
	}
	v, err := k.changeableKey()
	if err != nil {
		return response{}, err
	}
	faults, err := k.changeRights(v.Key, &e)
	if err != nil {
		return response{}, err
	}
	if k.form.Get("expiry") != expiryKeep {
		e.ExpiresAt.Given = true
		e.ExpiresAt.At, faults = k.expiryOf(faults)
	}
	if len(faults) > 0 {
		return k.editForm(k.form, faults)
	}
	if _, err := c.Keys.Edit(k.Context(), k.who, tenant, id, e); err != nil {
		if errors.Is(err, etag.ErrChanged) {
			return k.editAgain()
		}
		if faults := formFaults(err); faults != nil {
			return k.editForm(k.form, faults)
		}
		return response{}, err
	}
	return did(k.keyURL(), "key.edit"), nil
}

// editAgain shows the form again, with the values that were typed, after somebody else changed the
// key. To save it once more replaces what they changed.
func (k *call) editAgain() (response, error) {
	v, err := k.changeableKey()
	if err != nil {
		return response{}, err
	}
	k.form.Set("version", string(v.Key.Version()))
	return k.editForm(k.form, view.Faults{{
		Field:   "name",
		Message: "The key was changed since you opened this form. Compare it with its page, then save again.",
	}})
}

package console

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/key"
)

// expiryKeep leaves the expiry of a key as it is.
const expiryKeep = "keep"

// showEdit shows the form that changes a key.
func (c *Console) showEdit(k *call) (response, error) { return k.editForm(k.form, nil) }

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
		values = url.Values{
			"version": {string(v.Key.Version())}, "name": {v.Key.Name}, "description": {v.Key.Description},
			"expiry":        {expiryKeep},
			"allowed_cidrs": {strings.Join(v.Key.Addresses.Strings(), "\n")},
		}
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
	if limit.days > 0 && !v.Key.SecretSetAt.IsZero() {
		page.MaxDate = v.Key.SecretSetAt.In(k.zone).AddDate(0, 0, limit.days).Format(time.DateOnly)
	}
	return response{
		page: page, title: "Edit " + v.Key.Name, narrow: true, current: "/settings/keys", status: statusOf(faults),
	}, nil
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
	var faults view.Faults
	if k.form.Get("expiry") != expiryKeep {
		e.ExpiresAt.Given = true
		e.ExpiresAt.At, faults = k.expiryOf(nil)
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

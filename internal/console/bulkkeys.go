package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// bulk is what is done with several keys at once.
type bulk struct {
	// page is the last part of its path. verb and done are the words for it: "revoke", "revoked".
	page, verb, done string
	// lead says what it does.
	lead string
	// reason is set if the person may say why.
	reason bool
	change func(k *call, ctx context.Context, tenant ident.TenantID, id ident.KeyID) error
	// holds reports whether a key is as the change left it. gone is whether a key that does not
	// exist is.
	holds func(v key.View) bool
	gone  bool
}

// revokeSeveral returns how several keys of a tenant are revoked.
func revokeSeveral(t tenancy.Tenant) bulk {
	b := bulk{
		page: "revoke", verb: "revoke", done: "revoked", reason: true,
		lead: "Requests with these keys are refused from that moment on, and are told `api_key_revoked`. The keys " +
			"stay in the list as revoked. This cannot be undone.",
		change: func(k *call, ctx context.Context, tenant ident.TenantID, id ident.KeyID) error {
			_, _, err := k.console.Keys.Revoke(ctx, k.who, tenant, id, k.form.Get("reason"))
			return err
		},
		holds: func(v key.View) bool { return v.Status == policy.Revoked }, gone: true,
	}
	if t.Settings.RevokeMode == policy.Delete {
		b.verb, b.done = "delete", "deleted"
		b.lead = "Requests with these keys are refused from that moment on. This tenant keeps no revoked keys: the " +
			"keys are deleted. This cannot be undone."
	}
	return b
}

// disableSeveral returns how several keys are disabled.
func disableSeveral(tenancy.Tenant) bulk {
	return bulk{
		page: "disable", verb: "disable", done: "disabled",
		lead: "Requests with these keys are refused, and are told `api_key_disabled`, until an administrator enables " +
			"the keys again, one by one.",
		change: func(k *call, ctx context.Context, tenant ident.TenantID, id ident.KeyID) error {
			_, err := k.console.Keys.Disable(ctx, k.who, tenant, id)
			return err
		},
		holds: func(v key.View) bool { return v.Status != policy.Revoked && !v.Key.DisabledAt.IsZero() },
	}
}

// bulkActions returns what the list offers to do with selected keys.
func bulkActions(t tenancy.Tenant) []view.Action {
	revoke, disable := revokeSeveral(t), disableSeveral(t)
	return []view.Action{
		{Text: capital(disable.verb) + "…", Path: inTenant(t.ID, "keys/"+disable.page)},
		{Text: capital(revoke.verb) + "…", Path: inTenant(t.ID, "keys/"+revoke.page), Class: "ends"},
	}
}

// capital returns a word with a capital at the beginning.
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// chosenKeys returns the ids of the keys that were selected.
func (k *call) chosenKeys() (ids []ident.KeyID, err error) {
	values := k.form
	if values == nil {
		values = k.URL.Query()
	}
	for _, id := range values["id"] {
		if !slices.Contains(ids, ident.KeyID(id)) {
			ids = append(ids, ident.KeyID(id))
		}
	}
	switch {
	case len(ids) == 0:
		err = fault.New(fault.Malformed, "No key is selected. Select at least one in the list.")
	case len(ids) > key.MaxBulk:
		err = fault.New(fault.Malformed, fmt.Sprintf("At most %d keys can be selected.", key.MaxBulk))
	}
	return ids, err
}

// confirmBulk returns the handler of the page that asks before something is done with several keys.
func (c *Console) confirmBulk(of func(tenancy.Tenant) bulk) handler {
	return func(k *call) (response, error) {
		t, err := k.adminTenant()
		if err != nil {
			return response{}, err
		}
		return k.bulkPage(t, of(t), nil)
	}
}

// bulkPage returns the page that asks, with what is wrong.
func (k *call) bulkPage(t tenancy.Tenant, b bulk, faults view.Faults) (response, error) {
	ids, err := k.chosenKeys()
	if err != nil {
		return response{}, err
	}
	phrase := b.verb + " " + count(len(ids), "key")
	page := view.Confirm{
		Heading: capital(phrase) + "?", Button: capital(phrase), Lead: b.lead, Once: rand.Text(), Phrase: phrase,
		Reason: b.reason, ReasonText: k.form.Get("reason"), Faults: faults, Keep: view.Link{Text: "Keep them"},
		Table: &view.Table{Columns: columns("Key", "Owner", "Last used")},
	}
	used := 0
	for _, id := range ids {
		v, err := k.console.Keys.Get(k.Context(), k.who, t.ID, id)
		if err != nil {
			return response{}, err
		}
		if v.Key.LastUsedAt.After(k.now.Add(-recentUse)) {
			used++
		}
		row := k.row(v)
		owner, kind := ownerWords(v.Key)
		page.Table.Rows = append(page.Table.Rows, view.TableRow{Cells: []view.Cell{
			{Key: &row}, {Text: owner, Note: kind}, {When: row.LastUsed, Note: row.LastUsedNote},
		}})
		page.Hidden = append(page.Hidden, view.Field{Name: "id", Value: string(id)})
	}
	facts := []view.Fact{{
		Name:  "In use",
		Value: fmt.Sprintf("%d of %s used in the last %s", used, count(len(ids), "key"), span(recentUse)),
	}}
	answer := k.confirmation(page, "", tenantPath(t.ID), facts)
	answer.title = capital(phrase)
	return answer, nil
}

// recentUse is how long ago a key was used that is in use.
const recentUse = 30 * day

// changeBulk returns the handler that does something with several keys, each in a change of its
// own: one that cannot be changed does not prevent the others.
func (c *Console) changeBulk(of func(tenancy.Tenant) bulk) handler {
	return func(k *call) (response, error) {
		t, err := k.adminTenant()
		if err != nil {
			return response{}, err
		}
		b := of(t)
		ids, err := k.chosenKeys()
		if err != nil {
			return response{}, err
		}
		if faults := k.sure(b.verb + " " + count(len(ids), "key")); faults != nil {
			return k.bulkPage(t, b, faults)
		}
		return k.changeEach(t, b, ids)
	}
}

// changeEach changes the keys one after the other, and says what became of each. It stops where
// the server fails: what was done until then is shown, and the same form can be sent again for the
// rest.
func (k *call) changeEach(t tenancy.Tenant, b bulk, ids []ident.KeyID) (response, error) {
	answer := response{current: tenantPath(t.ID)}
	table := &view.Table{Columns: columns("Key", "Result")}
	done, intro := 0, ""
	for i, id := range ids {
		row, result, err := k.changeOne(t, b, id)
		if faults := formFaults(err); faults != nil {
			return k.bulkPage(t, b, faults)
		}
		if err != nil && (i == 0 || !isServers(err) || fault.Abandoned(k.Context(), err)) {
			return response{}, err
		}
		if err != nil {
			k.console.Middleware.Log.Error("the change of several keys stopped", "route", k.Pattern, "error", err)
			answer.status, intro = web.NewFailure(err, "").Status, stoppedIntro(len(ids)-i-1)
			table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{row, {
				Text: "Not known", Tone: "bad", Note: "Claviger failed during this change. It may be done or not.",
			}}})
			for _, id := range ids[i+1:] {
				table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
					keyNamed(t, id), {Text: "Not tried", Tone: "warn"},
				}})
			}
			break
		}
		if result.Tone == "" {
			done++
		}
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{row, result}})
	}
	answer.title = count(done, "key") + " " + b.done
	answer.page = view.Overview{
		Crumb: view.Link{Text: "All API keys", Path: tenantPath(t.ID)}, Heading: answer.title,
		Intro:  cmp.Or(intro, bulkIntro(done, len(ids), b.done)),
		Panels: []view.Panel{{ID: "results", Heading: "Results", Table: table}},
	}
	return answer, nil
}

// isServers reports whether the server failed, not the request.
func isServers(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Unavailable || kind == fault.Internal
}

// stoppedIntro says what to do about keys that were not tried.
func stoppedIntro(left int) string {
	return "Claviger failed before all keys were changed: " + count(left, "key") + " not tried. Reload this page to " +
		"send the same form again. Nothing is done twice."
}

// bulkIntro says how many of the keys are not as the change leaves them.
func bulkIntro(done, all int, word string) string {
	switch done {
	case all:
		return "This is in effect now."
	case 0:
		return "The results say why, for each key."
	}
	return fmt.Sprintf("%d of %s not %s. The others are, and this is in effect now.", all-done,
		count(all, "key"), word)
}

// keyNamed names a key by its id.
func keyNamed(t tenancy.Tenant, id ident.KeyID) view.Cell {
	return view.Cell{Text: string(id), Mono: true, Path: tenantPath(t.ID) + "/" + string(id)}
}

// changeOne changes one of several keys. It returns how the page names it and what became of it. An
// error is about the form or the server, not about the key.
func (k *call) changeOne(t tenancy.Tenant, b bulk, id ident.KeyID) (row, result view.Cell, err error) {
	row = keyNamed(t, id)
	v, unread := k.console.Keys.Get(k.Context(), k.who, t.ID, id)
	if unread == nil {
		row = view.Cell{Text: v.Key.Name, ID: cmp.Or(v.Key.PublicID, string(id)), Path: pathOf(v.Key)}
	}
	earlier, err := k.change(b.page+" "+string(id), func(ctx context.Context) error {
		return b.change(k, ctx, t.ID, id)
	})
	if err != nil && !refusesOne(err) {
		return row, result, err
	}
	why := err
	if why != nil || earlier != "" { // the key is what others made of it since
		v, unread = k.console.Keys.Get(k.Context(), k.who, t.ID, id)
		if unread != nil && !refusesOne(unread) {
			return row, result, unread
		}
	} else if b.done == "deleted" {
		unread = fault.NotFound
	}
	if unread != nil {
		row.Path = ""
	}
	if why == nil && earlier == "" {
		return row, view.Cell{Text: capital(b.done)}, nil
	}
	return row, b.notNow(v, unread == nil, why), nil
}

// notNow says what a key is that was not changed now: because the form was sent before, if why is
// nil, or because it was refused.
func (b bulk) notNow(v key.View, exists bool, why error) view.Cell {
	const before = "when the form was sent the first time"
	sent := why == nil || errors.Is(why, errSentOtherwise)
	holds := b.gone
	if exists {
		holds = b.holds(v)
	}
	note := cmp.Or(fault.Message(why), "Not found, or you do not have access to it.")
	result := view.Cell{Text: "Not " + b.done, Note: note, Tone: "bad"}
	switch {
	case holds && sent:
		result = view.Cell{Text: capital(b.done), Note: before}
	case holds && exists:
		result = view.Cell{Text: capital(b.done), Note: note}
	case sent && exists:
		result.Note = "It was " + b.done + " " + before + ". It is " + string(v.Status) + " now, and nothing was done."
	case sent:
		result.Note = "It was " + b.done + " " + before + ". It is not there any more."
	case exists:
		result.Note += " It is " + string(v.Status) + " now."
	}
	return result
}

// refusesOne reports whether an error is about one key, and not about the server.
func refusesOne(err error) bool {
	return errors.Is(err, fault.NotFound) || errors.Is(err, fault.Forbidden) || errors.Is(err, fault.Conflict)
}

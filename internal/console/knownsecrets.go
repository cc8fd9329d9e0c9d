package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// maxKnown is how many keys are listed of which a person knows the secret, and revoked at once.
const maxKnown = 200

// knownSecrets are the usable keys of other owners, and the management keys, of which a person was
// shown a secret that is still valid.
type knownSecrets struct {
	keys       []key.View
	management []key.ManagementHealth
	// more is set if there may be further keys.
	more bool
}

// none reports whether the person certainly knows nothing.
func (s knownSecrets) none() bool { return len(s.keys)+len(s.management) == 0 && !s.more }

// shown says which of the keys the table has; "" for all.
func (s knownSecrets) shown() string {
	switch {
	case !s.more:
		return ""
	case len(s.keys) < maxKnown:
		return notExamined
	}
	return "These are the newest. Further ones are listed once these are revoked."
}

// notExamined is said where a list may lack keys.
const notExamined = "The tenant has too many keys to examine all of them for this page. There may be further ones."

// known returns what a person knows of the tenant, to an admin or auditor of it.
func (k *call) known(t tenancy.Tenant, user ident.UserID) (known knownSecrets, err error) {
	known.keys, known.more, err = k.usableKeys(t.ID, key.Filter{ShownTo: user}, maxKnown)
	if err != nil {
		return known, err
	}
	health, err := k.console.Keys.ManagementHealth(k.Context(), k.who, t.ID)
	if err != nil || health == nil {
		return known, err
	}
	for _, h := range health.Keys {
		if h.SetBy.User() == user || h.Previous.SetBy.User() == user {
			known.management = append(known.management, h)
		}
	}
	return known, nil
}

// table lists what the person knows.
func (s knownSecrets) table(k *call) *view.Table {
	table := k.keyTable(s.keys)
	table.Empty = "The person knows no secret of another's key that is still valid."
	if s.more {
		table.Empty = "None was found among the newest keys."
	}
	for _, h := range s.management {
		badge := badges[policy.Active]
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			{Text: h.Name, ID: h.PublicID, Path: k.console.existing(managementURL(h))},
			{Text: cmp.Or(h.ServiceAccount.Name, string(h.ServiceAccount.ID)), Note: "management key"},
			{When: k.ago(h.LastUsedAt)},
			{Badge: &badge},
		}})
	}
	return table
}

// managementURL returns the path of the page of a management key.
func managementURL(h key.ManagementHealth) string {
	return inTenant(h.Tenant, "service-accounts/"+string(h.ServiceAccount.ID)+"/management-keys/"+string(h.ID))
}

// existing returns a path of the console; "" if it has no such page.
func (c *Console) existing(path string) string {
	if _, _, ok := c.site.at(path); !ok {
		return ""
	}
	return path
}

// panels returns a panel with what the person knows; none if it is nothing.
func (s knownSecrets) panels(k *call, heading, intro string) []view.Panel {
	if s.none() {
		return nil
	}
	return []view.Panel{{ID: "known", Heading: heading, Intro: intro, Table: s.table(k), Shown: s.shown()}}
}

// listKnown lists the secrets that a person knows, who may be no member any more.
func (c *Console) listKnown(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	_, user := k.memberIDs()
	known, err := k.known(t, user)
	if err != nil {
		return response{}, err
	}
	name, err := k.nameOf(t, user)
	if err != nil && (!errors.Is(err, fault.NotFound) || known.none()) {
		return response{}, err
	}
	members := inTenant(t.ID, "members")
	p := view.Overview{
		Crumb: view.Link{Text: "Members", Path: members}, Heading: "Secrets that " + name + " knows",
		Intro: "They were shown these secrets, which are still valid. Regenerate or revoke what they must not use.",
	}
	panel := view.Panel{ID: "known", Heading: "Keys of other owners", Table: known.table(k), Shown: known.shown()}
	if n := len(known.keys); n > 0 && k.isAdmin(t) {
		p.Actions = []view.Action{{
			Text: "Revoke " + count(n, "key") + "…", Class: "ends", Path: k.URL.Path + "/revoke",
		}}
	}
	p.Panels = []view.Panel{panel}
	return response{page: p, title: p.Heading, current: members}, nil
}

// nameOf returns the name of a member; that of nobody for a former one.
func (k *call) nameOf(t tenancy.Tenant, user ident.UserID) (string, error) {
	m, err := k.console.Tenancy.Member(k.Context(), k.who, t.ID, user)
	if err != nil {
		return "a former member", err
	}
	return personName(m), nil
}

func (c *Console) confirmRevokeKnown(k *call) (response, error) { return k.revokeKnownForm(nil) }

// revokeKnownForm asks before the keys are revoked whose secret a person knows.
func (k *call) revokeKnownForm(faults view.Faults) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	_, user := k.memberIDs()
	known, err := k.known(t, user)
	if err != nil {
		return response{}, err
	}
	if len(known.keys) == 0 {
		return response{}, fault.NotFound
	}
	known.management = nil // they are revoked one by one
	p := view.Confirm{
		Heading: "Revoke " + count(len(known.keys), "key") + "?", Button: "Revoke " + count(len(known.keys), "key"),
		Lead: "Requests with the keys below are refused from that moment on, and are told `api_key_revoked`. This " +
			"cannot be undone.",
		Phrase: revokePhrase(len(known.keys)), Table: known.table(k), Faults: faults,
		Keep: view.Link{Text: "Keep them"},
	}
	for _, v := range known.keys {
		p.Hidden = append(p.Hidden, view.Field{Name: "id", Value: string(v.Key.ID)})
	}
	answer := k.confirmation(p, "", inTenant(t.ID, "members/"+string(user)+"/known"), nil)
	answer.current = inTenant(t.ID, "members")
	return answer, nil
}

func revokePhrase(n int) string { return "revoke " + count(n, "key") }

// revokeKnown revokes the keys that the person confirmed, as far as their secret is still known to
// the former admin. Each is a change of its own.
func (c *Console) revokeKnown(k *call) (response, error) {
	t, err := k.adminTenant()
	if err != nil {
		return response{}, err
	}
	_, user := k.memberIDs()
	known, err := k.known(t, user)
	if err != nil {
		return response{}, err
	}
	ids := k.form["id"]
	faults := k.sure(revokePhrase(len(ids)))
	if faults != nil || len(known.keys) == 0 {
		return k.revokeKnownForm(faults)
	}
	for _, v := range known.keys {
		if !slices.Contains(ids, string(v.Key.ID)) {
			continue
		}
		_, _, err := c.Keys.Revoke(k.Context(), k.who, t.ID, v.Key.ID, k.form.Get("reason"))
		if err != nil && !errors.Is(err, fault.NotFound) {
			return response{}, fmt.Errorf("revoke %s: %w", v.Key.ID, err)
		}
	}
	members := inTenant(t.ID, "members")
	if known.more {
		return did(members+"/"+string(user)+"/known", "member.known"), nil
	}
	return did(members, "member.known"), nil
}

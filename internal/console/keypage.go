package console

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// maxHistory is how many changes of a key its page lists.
const maxHistory = 50

// shownKey returns the key in the path.
func (k *call) shownKey() (key.View, error) {
	return k.console.Keys.Get(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		ident.KeyID(k.PathValue("key")))
}

// changeableKey returns the key in the path to a person who may change it. The forms show more of
// the key than others may see.
func (k *call) changeableKey() (key.View, error) {
	v, err := k.shownKey()
	if err == nil && !v.MayChange {
		err = fault.New(fault.Forbidden,
			"Only the owner of this key or an admin of the tenant may change it. Ask one of them.")
	}
	return v, err
}

// refreshableKey is changeableKey for a person who may also get the key's next secret.
func (k *call) refreshableKey() (key.View, error) {
	v, err := k.changeableKey()
	if err == nil && !v.MayRefresh {
		err = fault.New(fault.Forbidden, "Only the owner of this key regenerates it, since they see its new secret.")
	}
	return v, err
}

// showKey shows one key.
func (c *Console) showKey(k *call) (response, error) {
	d, err := c.Keys.Detail(k.Context(), k.who, ident.TenantID(k.PathValue("tenant")),
		ident.KeyID(k.PathValue("key")), maxHistory)
	if err != nil {
		return response{}, err
	}
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	v := d.View
	page := view.Key{
		Row: k.row(v), Back: view.Link{Text: "All API keys of " + t.Name, Path: tenantPath(t.ID)},
		Facts: k.facts(v), Full: v.Full,
	}
	if v.Key.Owner.Is(k.session.User.ID) {
		page.Back = view.Link{Text: "API keys", Path: "/settings/keys"}
	}
	if v.Full {
		page.Uses = k.uses(v)
		if !v.Key.SecretSetAt.IsZero() {
			line := k.lifeline(d)
			page.Lifeline, page.LifeNote = &line, k.lifeNote(d)
		}
		page.Findings, page.Scopes = k.findings(d, k.isAdmin(t)), v.Key.Scopes.Strings()
		page.Usage, err = k.keyUsage(v)
		if err != nil {
			return response{}, err
		}
		page.History = view.Panel{
			ID: "history", Heading: "History", Days: k.history(d.Events),
			Actions: k.pageAction("All in audit", inTenant(t.ID, "audit")+"?target="+string(v.Key.ID)),
		}
		if len(d.Events) == maxHistory {
			page.History.Shown = fmt.Sprintf("The latest %d changes.", maxHistory)
		}
		page.Applies = "All applications, including later ones."
		if !v.Key.Applications.All {
			page.Applies = count(len(v.Key.Applications.IDs), "application") + ". Any other application is refused."
		}
	}
	page.Blocked, page.Blocker = blockerWords[v.BlockedBy], k.blocker(t, v)
	if v.MayChange {
		setActions(&page, v)
	}
	if k.mayReveal(t, v) {
		page.Reveal = pathOf(v.Key) + "/reveal"
	}
	return response{page: page, title: v.Key.Name, current: page.Back.Path}, nil
}

// showKeyMenu is what can be done with a key of a list, for the menu of its row.
func (c *Console) showKeyMenu(k *call) (response, error) {
	v, err := k.shownKey()
	if err != nil {
		return response{}, err
	}
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	page := view.Key{Row: k.row(v)}
	if v.MayChange {
		setActions(&page, v)
	}
	m := view.KeyMenu{Name: v.Key.Name, PublicID: page.Row.PublicID}
	m.Items = []view.Action{{Text: "Open", Path: page.Row.Path, Icon: "key"}}
	if k.mayReveal(t, v) {
		m.Items = append(m.Items, view.Action{
			Text: "Copy key…", Path: page.Row.Path + "/reveal", Icon: "copy", Post: true,
		})
	}
	icons := map[string]string{"Regenerate": "turn", "Edit": "edit", "Disable": "pause", "Enable": "check"}
	for _, a := range page.Actions {
		m.Items = append(m.Items, view.Action{Text: a.Text, Path: a.Path, Icon: icons[a.Text]})
	}
	if page.Renew != nil {
		m.Items = append(m.Items, *page.Renew)
	}
	if toggle := page.Toggle; toggle.Path != "" {
		m.Items = append(m.Items, view.Action{
			Text: toggle.Text, Path: toggle.Path, Icon: icons[toggle.Text], Post: true,
		})
	}
	for _, a := range page.Danger {
		icon := "cross"
		if a.Path == page.Row.Path+"/delete" {
			icon = "bin"
		}
		m.Ends = append(m.Ends, view.Action{Text: a.Text, Path: a.Path, Icon: icon})
	}
	return response{part: m}, nil
}

// blockerWords say what keeps a key from working.
var blockerWords = map[policy.Blocker]string{
	policy.BlockedByOwner:   "Its owner, or their membership in this tenant, is disabled.",
	policy.BlockedByTenant:  "The tenant is disabled.",
	policy.BlockedByAccount: "The account is disabled.",
}

// blocker leads to what keeps a key from working, if the person finds it in the sidebar.
func (k *call) blocker(t tenancy.Tenant, v key.View) view.Link {
	page, text := "", ""
	switch owner := v.Key.Owner; {
	case v.BlockedBy == policy.BlockedByTenant:
		page, text = "settings", "Open the tenant"
	case v.BlockedBy != policy.BlockedByOwner:
		return view.Link{}
	case owner.Type() == ident.ServiceAccountParty:
		page, text = "service-accounts", "Open the service account"
	case owner.Type() == ident.SubjectParty:
		page, text = "subjects", "Open the subject"
	default:
		page, text = "members", "Open the members"
	}
	path := inTenant(t.ID, page)
	if !k.findsInSidebar(path) {
		return view.Link{}
	}
	if page == "service-accounts" || page == "subjects" {
		path += "/" + string(v.Key.Owner.ID)
	}
	return view.Link{Text: text, Path: path}
}

// pageAction returns a link to a page, if there is one that the person finds in the sidebar.
func (k *call) pageAction(text, path string) []view.Action {
	page, _, _ := strings.Cut(path, "?")
	if _, _, exists := k.console.site.at(page); !exists || !k.findsInSidebar(page) {
		return nil
	}
	return []view.Action{{Text: text, Path: path, Class: "small"}}
}

// showUses is the part of the page of a key that asks again and again.
func (c *Console) showUses(k *call) (response, error) {
	v, err := k.shownKey()
	if err == nil && !v.Full {
		err = fault.NotFound
	}
	return response{part: k.uses(v)}, err
}

// uses returns the secrets of a key with their last uses.
func (k *call) uses(v key.View) view.Uses {
	uses := view.Uses{Secrets: k.secrets(v), Poll: pathOf(v.Key) + "/uses"}
	if len(uses.Secrets) == 0 {
		uses.None = k.unclaimed(v)
	}
	return uses
}

// unclaimed says why a key has no secret, who made it, and what became of the link to it.
func (k *call) unclaimed(v key.View) string {
	if v.Status == policy.Revoked {
		return "The key never had a secret: its owner did not claim it."
	}
	owner, _ := ownerWords(v.Key)
	creator := cmp.Or(v.Key.CreatedBy.Name, v.Key.CreatedBy.Email, "An admin")
	text := "Not claimed yet. " + creator + " created the key for " + owner + ". "
	if v.Key.Owner.Is(k.session.User.ID) {
		text = "Not claimed yet. " + creator + " created the key for you. "
		owner = "you"
	}
	open := v.Key.Open
	if open.MailedAt.IsZero() {
		text += "The link to its secret was shown to the admin who created it, to pass on to " + owner + "."
	} else {
		text += "The link to its secret was mailed to " + owner + " on " + k.at(open.MailedAt).Text + "."
	}
	if !open.ExpiresAt.After(k.now) {
		text += " It has run out, and the key will be deleted."
	} else {
		text += " It works once, until " + k.at(open.ExpiresAt).Text + "; then the key is deleted."
	}
	if owner == "you" {
		text += " If you do not have the link, ask an admin of the tenant for a new one."
	}
	return text
}

// finding is what a finding says on the page of its key. %s stands for what the finding is about.
type finding struct {
	tone, icon, title, text string
	// link leads to what people do about it; its path is within that of the key.
	link view.Link
}

var findingWords = map[key.Finding]finding{
	key.NeverUsed: {
		"info", "clock", "Never used.", "Its secret is at least 7 days old. Revoke it if nobody needs it.",
		view.Link{Text: "Revoke…", Path: "/revoke"},
	},
	key.Unused: {
		"warn", "clock", "Not used for 90 days.", "Revoke it if nobody needs it.",
		view.Link{Text: "Revoke…", Path: "/revoke"},
	},
	key.DueForRefresh: {
		"info", "turn", "Its secret is older than 90 days.", "A new secret every 90 days is recommended.",
		view.Link{Text: "Regenerate", Path: "/regenerate"},
	},
	key.TooOld: {
		"bad", "turn", "Its secret is older than 12 months.", "Give it a new one.",
		view.Link{Text: "Regenerate", Path: "/regenerate"},
	},
	key.NeverExpires: {
		"warn", "clock", "It never expires.", "Give it a day on which it expires.",
		view.Link{Text: "Edit", Path: "/edit"},
	},
	key.UnusedScopes: {
		"info", "tag", "Unused scopes.", "No request needed them in 30 days: %s.", view.Link{},
	},
	key.OverlapOpen: {
		"warn", "turn", "Two secrets are active.", "%s Update that client, then end the old secret.",
		view.Link{Text: "Manage secrets", Path: "#secrets"},
	},
	key.NoSteward: {
		"warn", "people", "No steward.", "Admins of the tenant get the notices about it. Name a steward.", view.Link{},
	},
}

// findings returns what people should do about the key. Only those who may change it find links.
func (k *call) findings(d key.Detail, isAdmin bool) (list []view.Finding) {
	for _, f := range d.Findings {
		w := findingWords[f]
		one := view.Finding{Tone: w.tone, Icon: w.icon, Title: w.title, Text: w.text}
		if d.MayChange && w.link.Path != "" {
			one.Link = view.Link{Text: w.link.Text, Path: pathOf(d.Key) + w.link.Path}
		}
		switch f {
		case key.UnusedScopes:
			var names []string
			for _, s := range d.UnusedScopes {
				names = append(names, string(s))
			}
			one.Text = fmt.Sprintf(w.text, strings.Join(names, ", "))
			if d.MayChange && len(names) < len(d.Key.Scopes) {
				one.Link = view.Link{Text: "Remove", Path: withoutScopes(d.Key, d.UnusedScopes)}
			}
		case key.OverlapOpen:
			one.Text = fmt.Sprintf(w.text, k.oldUse(d.View))
		case key.NoSteward:
			if isAdmin {
				one.Link = view.Link{
					Text: "Name a steward",
					Path: inTenant(d.Key.Tenant, "service-accounts/"+string(d.Key.Owner.ID)+"/edit"),
				}
			}
		}
		list = append(list, one)
	}
	return list
}

// oldUse says when the old secret of a key was last used.
func (k *call) oldUse(v key.View) string {
	at := v.Previous.LastUsedAt
	if at.IsZero() {
		return "The old one was not used since it was replaced."
	}
	return "The old one was last used " + k.ago(at).Text + "."
}

// mayReveal reports whether the person may see the secret again. The copy of a secret that was
// issued before the tenant kept copies does not exist; the answer then says so.
func (k *call) mayReveal(t tenancy.Tenant, v key.View) bool {
	return t.Settings.Disclosure == policy.Recoverable && v.Key.Owner.Is(k.session.User.ID) &&
		v.Status != policy.Revoked && !v.Key.SecretSetAt.IsZero()
}

// setActions sets what the person can do with the key.
func setActions(page *view.Key, v key.View) {
	path := pathOf(v.Key)
	page.Danger = []view.Link{{Text: "Delete…", Path: path + "/delete"}}
	if v.Status == policy.Revoked {
		return
	}
	page.Danger = append([]view.Link{{Text: "Revoke…", Path: path + "/revoke"}}, page.Danger...)
	page.Actions = []view.Link{{Text: "Edit", Path: path + "/edit"}}
	if v.MayRenewClaim {
		page.Renew = &view.Action{
			Text: "New claim link", Path: path + "/claim-link", Post: true, Icon: "link",
			Hidden: []view.Field{{Name: "once", Value: rand.Text()}},
		}
	}
	if v.MayRefresh && !v.Key.SecretSetAt.IsZero() {
		page.Actions = append([]view.Link{{Text: "Regenerate", Path: path + "/regenerate"}}, page.Actions...)
	}
	page.Toggle = view.Link{Text: "Disable", Path: path + "/disable"}
	if !v.Key.DisabledAt.IsZero() {
		page.Toggle = view.Link{Text: "Enable", Path: path + "/enable"}
	}
}

// secrets returns the secrets of a key that are valid, or were until it ended.
func (k *call) secrets(v key.View) (list []view.SecretRow) {
	if v.Key.SecretSetAt.IsZero() {
		return nil
	}
	current := view.SecretRow{
		Title: "Current secret", ID: shownID(v.Key.PublicID, v.Key.ID, v.Key.Last4), LastUsed: k.ago(v.Key.LastUsedAt),
		LastUsedNote: v.Key.LastUsedIP, Note: "set " + k.date(v.Key.SecretSetAt),
	}
	list = append(list, current)
	if p := v.Previous; !p.Until.IsZero() {
		old := view.SecretRow{
			Title: "Old secret", ID: shownID(p.PublicID, v.Key.ID, p.Last4), LastUsed: k.ago(p.LastUsedAt),
			Ends: k.in(p.Until),
		}
		if v.MayChange {
			old.End = pathOf(v.Key) + "/previous"
		}
		list = append(list, old)
	}
	return list
}

func shownID(public string, id ident.KeyID, last4 string) string {
	return cmp.Or(public, string(id)) + " ····" + last4
}

// facts returns the lifecycle of a key and how it is used.
func (k *call) facts(v key.View) (list []view.Fact) {
	owner, kind := ownerWords(v.Key)
	list = append(list,
		view.Fact{Name: "Owner", Value: owner, Note: kind}, view.Fact{Name: "Created", When: k.at(v.Key.CreatedAt)})
	if !v.Full {
		return list
	}
	if by := v.Key.CreatedBy; by.ID != v.Key.Owner.ID {
		list = append(list, view.Fact{Name: "Created by", Value: cmp.Or(by.Name, by.Email, string(by.ID))})
	}
	if !v.Key.SecretSetAt.IsZero() {
		list = append(list, view.Fact{Name: "Secret set", When: k.at(v.Key.SecretSetAt)})
	}
	if ends := v.Life.Expiry.At; !ends.IsZero() {
		list = append(list, view.Fact{Name: "Expires", When: k.at(ends), Note: expiryReasons[v.Life.Expiry.Reason]})
	}
	if used := v.Key.LastUsedAt; !used.IsZero() {
		list = append(list, view.Fact{Name: "Last used", When: k.at(used), Note: v.Key.LastUsedIP})
	}
	if at := v.Key.DisabledAt; !at.IsZero() {
		list = append(list, view.Fact{Name: "Disabled", When: k.at(at)})
	}
	if at := v.Key.RevokedAt; !at.IsZero() {
		list = append(list, view.Fact{Name: "Revoked", When: k.at(at), Note: v.Key.RevokedReason})
	}
	if v.Key.Addresses.Restricted() {
		networks := strings.Join(v.Key.Addresses.Strings(), ", ")
		list = append(list, view.Fact{Name: "Addresses", Value: networks, Mono: true})
	}
	if m := v.Key.Metadata.Text(); m != "" {
		list = append(list, view.Fact{Name: "Metadata", Value: m, Mono: true})
	}
	return append(list, view.Fact{Name: "ID", Value: string(v.Key.ID), Mono: true})
}

// expiryReasons say which rule ends a key.
var expiryReasons = map[policy.Reason]string{
	policy.ByKey: "by the key's own date", policy.ByMaxLifetime: "by the account's maximum",
	policy.ByAutoExpiry: "by automatic expiration",
}

package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	// maxOwnKeys is how many keys of a person one page shows.
	maxOwnKeys = 200
	// fewKeys is up to how many keys of a person are found without a search.
	fewKeys = 10
	// soonDays is from how many days before its end on the expiry of a key is a warning, and
	// bannerDays from when on the page begins with it.
	soonDays   = 30
	bannerDays = 7
)

// myKeys lists the person's own keys in all tenants.
func (c *Console) myKeys(k *call) (response, error) {
	tenants, err := k.tenants()
	if err != nil {
		return response{}, err
	}
	const path = "/settings/keys"
	words := k.URL.Query().Get("q")
	listing, err := c.Keys.ListOwn(k.Context(), k.who, key.Filter{Query: words}, key.Page{Limit: maxOwnKeys})
	if err != nil {
		return response{}, err
	}
	page := view.Keys{Heads: plainHeads(), Heading: "API keys", Intro: "Your own keys, in every tenant you belong to."}
	for _, t := range slices.Backward(tenants) {
		if group, ok := k.ownGroup(t, listing.Views); ok {
			page.Groups = append(page.Groups, group)
			if group.New != "" {
				page.New = cmp.Or(page.New, group.New)
			}
		}
	}
	if current := tenantOf(k, tenants); current != nil {
		page.Tabs = keyTabs(*current, false)
		page.Others = k.othersForm(*current)
	}
	page.Soon = k.soon(listing.Views)
	if words != "" || len(listing.Views) > fewKeys {
		page.Search = &view.Search{Path: path, Query: words}
	}
	if words != "" {
		page.Search.Reset = path
		page.Groups = slices.DeleteFunc(page.Groups, func(g view.KeyGroup) bool { return len(g.Rows) == 0 })
		page.None = "No key matches “" + words + "”."
	}
	if listing.Next != nil {
		page.Intro += fmt.Sprintf(" These are the newest %d; each tenant lists the others.", maxOwnKeys)
	}
	return response{page: page, title: "API keys", current: path}, nil
}

// keyTabs are the two lists of keys.
func keyTabs(t tenancy.Tenant, all bool) []view.Tab {
	return []view.Tab{
		{Link: view.Link{Text: "My API keys", Path: "/settings/keys"}, Current: !all},
		{Link: view.Link{Text: "All API keys of " + t.Name, Path: tenantPath(t.ID)}, Current: all},
	}
}

// ownGroup returns the person's keys of one tenant. A tenant in which they have no keys and no
// membership is left out.
func (k *call) ownGroup(t tenancy.Tenant, views []key.View) (group view.KeyGroup, ok bool) {
	group = view.KeyGroup{ID: string(t.ID), Tenant: t.Name}
	held := 0
	for _, v := range views {
		if v.Key.Tenant != t.ID {
			continue
		}
		row := k.row(v)
		if k.mayReveal(t, v) && v.Previous.Until.IsZero() {
			row.Reveal = row.Path + "/reveal"
		}
		group.Rows = append(group.Rows, row)
		if v.Status == policy.Active || v.Status == policy.Disabled {
			held++
		}
	}
	if most := t.Settings.KeysPerUser; most > 0 {
		group.Note = fmt.Sprintf("%d of %d keys in use", held, most)
	} else {
		group.Note = count(held, "key") + ", no limit"
	}
	err := key.MayCreateOwn(k.who, t.ID, t.Account, t.Settings)
	most := t.Settings.KeysPerUser
	switch {
	case err != nil && k.who.RoleIn(t.ID, t.Account) == scope.Auditor:
		group.Why = "Auditors read everything and create no keys"
	case err != nil && !t.Settings.AllowsCreator(policy.BySelf) && t.Settings.AllowsCreator(policy.ByAdmin):
		group.Why = "Only admins create keys here"
	case err != nil:
		group.Why = "You create no keys here"
	case most > 0 && held >= most:
		group.Why = "All in use. Revoke one to create another"
	default:
		group.New = "/settings/keys/new?tenant=" + string(t.ID)
		group.Empty = "A key lets a program call APIs in your name. Create one for each program, and copy its secret " +
			"when it is shown."
	}
	return group, len(group.Rows) > 0 || err == nil || isMember(k, t.ID)
}

// isMember reports whether the person has a membership in the tenant.
func isMember(k *call, id ident.TenantID) bool {
	for _, m := range k.session.Memberships {
		if m.Tenant == id {
			return true
		}
	}
	return false
}

// soon returns the key that stops working next, if it is within a few days.
func (k *call) soon(views []key.View) *view.SoonKey {
	var next *key.View
	for i, v := range views {
		ends := v.Life.Expiry.At
		if v.Status != policy.Active || ends.IsZero() || ends.Sub(k.now) > bannerDays*day {
			continue
		}
		if next == nil || ends.Before(next.Life.Expiry.At) {
			next = &views[i]
		}
	}
	if next == nil {
		return nil
	}
	return &view.SoonKey{
		Name: next.Key.Name, When: k.in(next.Life.Expiry.At).Text, Path: pathOf(next.Key) + "/regenerate",
	}
}

// tenantKeys lists the keys of a tenant that the person may see.
func (c *Console) tenantKeys(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	filter := k.keyFilter()
	page, err := k.keyPosition()
	if err != nil {
		return response{}, err
	}
	page.Order = k.keyOrder()
	listing, err := c.Keys.List(k.Context(), k.who, t.ID, filter, page)
	if err != nil {
		return response{}, err
	}
	group, admin := view.KeyGroup{ID: string(t.ID), Tenant: "All API keys"}, k.isAdmin(t)
	for _, v := range listing.Views {
		row := k.row(v)
		row.Owner, row.OwnerNote = ownerWords(v.Key)
		row.OwnerIcon, row.OwnerType = ownerIcons[v.Key.Owner.Type()], ownerTypeNames[v.Key.Owner.Type()]
		if admin && v.Status != policy.Revoked {
			row.Pick = string(v.Key.ID)
			group.Bulk = bulkActions(t)
		}
		group.Rows = append(group.Rows, row)
	}
	if admin {
		group.Empty = "Make the first one, or invite people who make their own."
	}
	counts := k.counts(t)
	p := view.Keys{
		Heading: "All API keys", Intro: "Every key of " + t.Name + " that you may see, with its owner.",
		Tabs: keyTabs(t, true), Groups: []view.KeyGroup{group},
		Search: k.searchOf(tenantPath(t.ID), counts, !k.seesReduced(t)),
		Shown:  shownKeys(len(group.Rows), counts), Export: k.exportPath(tenantPath(t.ID) + ".csv"),
		Prev: k.previous(), Rows: k.rowChoices(),
	}
	if filter.Query != "" {
		p.None = "No key matches “" + filter.Query + "”."
	}
	k.setOrder(&p, t, page.Order, counts, listing.Unordered)
	p.New = k.newKeyIn(t)
	if next := listing.Next; next != nil {
		p.Next = k.nextAfter(next.BeforeTime, string(next.BeforeID), next.BeforeText)
	}
	return response{page: p, title: "All API keys of " + t.Name, current: tenantPath(t.ID)}, nil
}

// shownKeys says how many keys a page shows, and how many the tenant has.
func shownKeys(n int, counts *tenantCounts) string {
	shown := count(n, "key") + " shown"
	if all := counts.countOf(""); all != "" {
		shown += ", " + all + " in all"
	}
	return shown
}

// keyFilter returns the filter in the address of a list of keys.
func (k *call) keyFilter() key.Filter {
	query := k.URL.Query()
	f := key.Filter{
		Query: query.Get("q"), Status: policy.Status(query.Get("status")),
		OwnerTypes: ownerTypeFilter(query.Get("owner")), CreatedBy: ident.PartyID(query.Get("created_by")),
	}
	switch f.Status {
	case blocked:
		f.Status, f.Blocked = "", true
	case soon:
		f.Status, f.ExpiresBefore = policy.Active, k.now.Add(key.SoonPeriod)
	case notClaimed:
		f.Status, f.NotClaimed = "", true
	case neverUsed:
		f.Status, f.NeverUsed = "", true
	}
	return f
}

// exportColumns are the columns of the list of keys as a file. Those after "status" are empty for
// keys of which the person sees the name alone.
var exportColumns = []string{
	"id", "public_id", "name", "description", "owner_type", "owner_id", "owner", "created_at", "status", "blocked_by",
	"secret_set_at", "expires_at", "last_used_at", "last_used_ip", "scopes", "applications",
}

// exportKeys answers the list of keys as a file, with the filters of the page.
func (c *Console) exportKeys(k *call) (response, error) {
	t, err := k.tenant()
	if err != nil {
		return response{}, err
	}
	filter := k.keyFilter()
	read := func(ctx context.Context, row func(...string), part func() error) error {
		page := &key.Page{Limit: maxOwnKeys, Order: k.keyOrder()}
		for page != nil {
			listing, err := c.Keys.List(ctx, k.who, t.ID, filter, *page)
			if err != nil {
				return err
			}
			for _, v := range listing.Views {
				row(exportRow(v)...)
			}
			if err := part(); err != nil {
				return err
			}
			page = listing.Next
		}
		return nil
	}
	return response{export: &export{name: "keys.csv", columns: exportColumns, read: read}}, nil
}

func exportRow(v key.View) []string {
	k := v.Key
	owner, _ := ownerWords(k)
	row := []string{
		string(k.ID), k.PublicID, k.Name, k.Description, string(k.Owner.Type()), string(k.Owner.ID), owner,
		stamp(k.CreatedAt), string(v.Status),
	}
	if !v.Full {
		return append(row, make([]string, len(exportColumns)-len(row))...)
	}
	applications := "*"
	if !k.Applications.All {
		applications = strings.Join(k.Applications.IDs, " ")
	}
	return append(row, string(v.BlockedBy), stamp(k.SecretSetAt), stamp(v.Life.Expiry.At), stamp(k.LastUsedAt),
		k.LastUsedIP, strings.Join(k.Scopes.Strings(), " "), applications)
}

// newKeyIn returns where the person creates a key in the tenant: admins for anybody, and everybody
// else for themselves; "" if they create none.
func (k *call) newKeyIn(t tenancy.Tenant) string {
	if others := k.othersForm(t); others != "" {
		return others
	}
	if key.MayCreateOwn(k.who, t.ID, t.Account, t.Settings) == nil {
		return "/settings/keys/new?tenant=" + string(t.ID)
	}
	return ""
}

// Filters by what is no status of its own.
const (
	// blocked is the filter for active keys that something keeps from working.
	blocked policy.Status = "blocked"
	// soon is the filter for active keys that expire soon.
	soon policy.Status = "soon"
	// notClaimed is the filter for keys that wait for their owner, neverUsed for those that no
	// request has used.
	notClaimed policy.Status = "unclaimed"
	neverUsed  policy.Status = "unused"
)

// keyChips are the filters above the list of keys, in their order. Those of fullChips are for
// people who see all keys in full.
var (
	keyChips = []policy.Status{
		"", policy.Active, blocked, soon, neverUsed, notClaimed, policy.Disabled, policy.Expired, policy.Revoked,
	}
	fullChips  = []policy.Status{soon, neverUsed, notClaimed}
	chipsWords = map[policy.Status]string{
		"": "All", soon: "Expires soon", neverUsed: "Never used", notClaimed: "Not claimed",
	}
)

// ownerTypeFilter returns the types of owners whose keys are listed; nil for all.
func ownerTypeFilter(chosen string) []ident.PartyType {
	if chosen == "" {
		return nil
	}
	return []ident.PartyType{ident.PartyType(chosen)}
}

// ownerTypeWords are the types of owners in words.
var ownerTypeWords = []view.Choice{
	{Text: "All owners"},
	{Value: string(ident.UserParty), Text: "People"},
	{Value: string(ident.ServiceAccountParty), Text: "Service accounts"},
	{Value: string(ident.SubjectParty), Text: "Subjects"},
}

// searchOf returns the form above the list of keys. full is set for people who see all keys in
// full.
func (k *call) searchOf(path string, counts *tenantCounts, full bool) *view.Search {
	query := k.URL.Query()
	s := &view.Search{Path: path, Query: query.Get("q"), Status: query.Get("status")}
	for _, c := range ownerTypeWords {
		c.Checked = c.Value == query.Get("owner")
		s.Owners = append(s.Owners, c)
	}
	for _, status := range keyChips {
		if !full && slices.Contains(fullChips, status) {
			continue
		}
		to := k.filters()
		to.Del("status")
		if status != "" {
			to.Set("status", string(status))
		}
		text := cmp.Or(chipsWords[status], badges[status].Text)
		tab := view.Tab{
			Link: view.Link{Text: text, Path: path}, Current: string(status) == s.Status, Count: counts.countOf(status),
		}
		tab.Path = withQuery(path, to)
		s.Statuses = append(s.Statuses, tab)
	}
	s.CreatedBy = query.Get("created_by")
	if s.Query != "" || s.Status != "" || query.Get("owner") != "" || s.CreatedBy != "" {
		s.Reset = withQuery(path, k.onlyOrder())
	}
	s.Rows = query.Get("rows")
	return s
}

// exportPath returns where the list is exported, with the filters of the page.
func (k *call) exportPath(path string) string {
	query := k.filters()
	query.Del("rows")
	return withQuery(path, query)
}

// keyPosition returns which part of the list of keys is asked for.
func (k *call) keyPosition() (key.Page, error) {
	at, id, text, err := k.lastPosition()
	return key.Page{BeforeTime: at, BeforeText: text, BeforeID: ident.KeyID(id), Limit: k.rows()}, err
}

// badges are the statuses in words.
var badges = map[policy.Status]view.Badge{
	blocked:         {Text: "Blocked", Icon: "warn", Class: "blocked"},
	policy.Active:   {Text: "Active", Icon: "check", Class: "active"},
	policy.Disabled: {Text: "Disabled", Icon: "pause", Class: "disabled"},
	policy.Expired:  {Text: "Expired", Icon: "warn", Class: "expired"},
	policy.Revoked:  {Text: "Revoked", Icon: "cross", Class: "revoked"},
}

// badgeOf returns the status of a key, in words.
func badgeOf(v key.View) view.Badge {
	switch {
	case v.BlockedBy != "":
		return badges[blocked]
	case v.Status == policy.Active && v.Full && v.Key.SecretSetAt.IsZero():
		return view.Badge{Text: "Not claimed", Icon: "link", Class: "waiting"}
	case v.Status == policy.Active && v.Full && !v.Previous.Until.IsZero():
		return view.Badge{Text: "Two secrets", Icon: "turn", Class: "overlap"}
	}
	return badges[v.Status]
}

func pathOf(k key.Key) string { return tenantPath(k.Tenant) + "/" + string(k.ID) }

// row returns a key as a list shows it.
func (k *call) row(v key.View) view.KeyRow {
	row := view.KeyRow{
		Name: v.Key.Name, Description: v.Key.Description, Path: pathOf(v.Key), Badge: badgeOf(v),
		PublicID: cmp.Or(v.Key.PublicID, string(v.Key.ID)), Created: k.on(v.Key.CreatedAt), Gone: -1,
		Ended: v.Status == policy.Revoked, LastUsed: never("–"), Expires: never("–"),
	}
	row.Blade = row.PublicID
	switch {
	case v.Status == policy.Disabled, v.BlockedBy != "":
		row.Drawn = "off"
	case v.Status == policy.Expired, v.Status == policy.Revoked:
		row.Drawn = "out"
	}
	if !v.Full {
		return row
	}
	row.Last4 = v.Key.Last4
	row.CreatedNote = k.ages(v.Key)
	row.LastUsed, row.LastUsedNote = k.ago(v.Key.LastUsedAt), v.Key.LastUsedIP
	k.setExpiry(&row, v)
	row.Action = actionOf(v)
	return row
}

// ages says how old a key is and, if that differs, its secret: "320 days old · secret 45 days".
func (k *call) ages(of key.Key) string {
	whole := k.age(of.CreatedAt)
	if of.SecretSetAt.Sub(of.CreatedAt) < day {
		return whole
	}
	return whole + " · secret " + strings.TrimSuffix(k.age(of.SecretSetAt), " old")
}

// setExpiry sets what a row says about the end of the key.
func (k *call) setExpiry(row *view.KeyRow, v key.View) {
	ends := v.Life.Expiry.At
	switch {
	case v.Status == policy.Revoked:
		row.Expires, row.ExpiresNote = never("–"), "revoked "+k.date(v.Key.RevokedAt)
		if v.Key.RevokedReason != "" {
			row.ExpiresNote += ": “" + v.Key.RevokedReason + "”"
		}
		return
	case v.Key.SecretSetAt.IsZero():
		row.Drawn, row.Expires = "out", k.on(v.Key.Open.ExpiresAt)
		row.ExpiresNote = "to be claimed by then"
		return
	case ends.IsZero():
		row.Expires = never("never")
		return
	}
	row.Expires, row.ExpiresNote = k.in(ends), k.date(ends)
	if v.Life.Expiry.Reason != policy.ByKey {
		row.ExpiresNote += " · policy"
	}
	if renewable := ends.Add(policy.Grace); v.Status == policy.Expired && renewable.After(k.now) {
		row.ExpiresNote += " · can be renewed until " + k.date(renewable)
	}
	row.Gone = gonePercent(v.Key.SecretSetAt, ends, k.now)
	switch left := ends.Sub(k.now); {
	case left <= 0:
		row.ExpiresTone = "bad"
	case left <= soonDays*day:
		row.ExpiresTone = "warn"
	}
}

// gonePercent returns how much of a span is over.
func gonePercent(from, to, now time.Time) int {
	whole := to.Sub(from)
	if whole <= 0 {
		return 100
	}
	return max(0, min(100, int(100*now.Sub(from).Seconds()/whole.Seconds())))
}

// actionOf returns the one action that fits the state of a key.
func actionOf(v key.View) view.Link {
	switch path := pathOf(v.Key); {
	case !v.MayChange || v.Status == policy.Revoked || v.Key.SecretSetAt.IsZero():
		return view.Link{}
	case !v.Previous.Until.IsZero():
		return view.Link{Text: "Manage secrets", Path: path}
	case v.Status == policy.Disabled || !v.MayRefresh:
		return view.Link{Text: "Open", Path: path}
	default:
		return view.Link{Text: "Regenerate", Path: path + "/regenerate"}
	}
}

// ownerIcons and ownerTypeNames show what kind of owner a key has.
var (
	ownerIcons = map[ident.PartyType]string{
		ident.UserParty: "person", ident.ServiceAccountParty: "machine", ident.SubjectParty: "house",
	}
	ownerTypeNames = map[ident.PartyType]string{
		ident.UserParty: "Person", ident.ServiceAccountParty: "Service account", ident.SubjectParty: "Subject",
	}
)

// ownerWords returns the owner of a key, with what kind of owner it is.
func ownerWords(k key.Key) (name, note string) {
	switch k.Owner.Type() {
	case ident.ServiceAccountParty:
		return cmp.Or(k.Owner.Name, string(k.Owner.ID)), "service account"
	case ident.SubjectParty:
		return cmp.Or(k.Owner.Name, k.Owner.ExternalID), "subject " + k.Owner.ExternalID
	}
	if k.Owner.Name == "" && k.Owner.Email == "" {
		return "Deleted person", string(k.Owner.ID)
	}
	return cmp.Or(k.Owner.Name, k.Owner.Email), k.Owner.Email
}

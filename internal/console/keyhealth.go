package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// healthRoutes are those of the health of the keys of a tenant.
func (c *Console) healthRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/health", c.showHealth),
		c.page("/t/{tenant}/health.csv", c.exportHealth),
	)
}

// expiresSoon stands before the findings: the key ends within a week, while somebody may need it.
const expiresSoon key.Finding = "expires_soon_key"

// healthGroup is a finding as a panel of the page.
type healthGroup struct {
	finding key.Finding
	// heading names the finding, and advice says what to do about it.
	heading, advice, tone string
}

// healthGroups are the findings, the worst first. A key is shown once, under its worst.
var healthGroups = []healthGroup{
	{expiresSoon, "Expire within 7 days", "Regenerate with an overlap, so that nothing breaks.", "warn"},
	{key.TooOld, "Secret older than 12 months", "Regenerate them.", "bad"},
	{key.NoSteward, "Service accounts without a steward", "Name somebody who gets the notices.", "warn"},
	{key.Unused, "Not used for 90 days", "Revoke keys that nobody uses.", "warn"},
	{key.NeverExpires, "Never expire", "Give them a day, or let the policy expire keys.", "warn"},
	{key.OverlapOpen, "Two secrets active", "End the old one when nothing uses it.", "warn"},
	{key.NeverUsed, "Never used", "Their secrets are at least 7 days old. Revoke keys that nobody uses.", ""},
	{key.DueForRefresh, "Secret older than 90 days", "A new secret every 90 days is recommended.", ""},
	{key.UnusedScopes, "Unused scopes", "No request needed them in 30 days.", ""},
}

// managementFindings are what a finding about a management key says, the most urgent first.
var managementFindings = map[key.Finding]string{
	key.ShownToFormerAdmin:     "A former admin knows its secret",
	key.ExpiresSoon:            "Expires within 14 days",
	key.NeverUsed:              "Never used",
	key.Unused:                 "Not used for 90 days",
	key.DueForRefresh:          "Secret older than 90 days",
	key.OverlapOpen:            "Two secrets active",
	key.ServiceAccountDisabled: "Its service account is disabled",
}

// healthPart is how many keys are examined at once.
const healthPart = 200

// healthOf is what the page knows of the keys of a tenant.
type healthOf struct {
	// keys is how many usable keys there are, and attention how many of them have a finding.
	keys, attention int
	// all counts the keys with each finding, and worst those of which it is the worst.
	all, worst map[key.Finding]int
	// shown has the newest keys by their worst finding.
	shown map[key.Finding][]key.Health
}

// showHealth shows what people should do about the keys of a tenant.
func (c *Console) showHealth(k *call) (response, error) {
	t, err := k.readTenant()
	if err != nil {
		return response{}, err
	}
	found, at := k.health(t, true)
	management, err := k.managementHealthPanel(t)
	if err != nil {
		return response{}, err
	}
	path := inTenant(t.ID, "health")
	p := view.Overview{
		Heading: "Key health", Intro: "What people should do about the keys of " + t.Name + ".",
		Actions: []view.Action{{Text: "Export CSV", Icon: "save", Path: path + ".csv"}},
	}
	if found == nil {
		p.Panels = []view.Panel{{
			ID: "none", Heading: "Findings", Text: "The keys are being examined. Open this page again in a moment.",
			Actions: []view.Action{{Text: "Show the findings", Path: path}},
		}}
		if management != nil {
			p.Panels = append(p.Panels, *management)
		}
		return response{page: p, title: "Key health of " + t.Name, current: path}, nil
	}
	p.Intro = fmt.Sprintf("%d of %s need attention. Review weekly. As of %s.", found.attention,
		count(found.keys, "key"), at.In(k.zone).Format(clockForm))
	for _, g := range healthGroups {
		rows, n := k.healthRows(t, found, g.finding), found.all[g.finding]
		tile := view.Tile{Number: strconv.Itoa(n), Text: strings.ToLower(g.heading[:1]) + g.heading[1:]}
		if n > 0 {
			tile.Tone = g.tone
		}
		if len(rows) > 0 {
			tile.Path = "#p-" + string(g.finding)
			p.Panels = append(p.Panels, healthPanel(g, rows, found.worst[g.finding]))
		}
		p.Tiles = append(p.Tiles, tile)
	}
	if management != nil {
		p.Panels = append(p.Panels, *management)
	}
	if len(p.Panels) == 0 {
		p.Panels = []view.Panel{{
			ID: "none", Heading: "Findings", Text: "No key needs attention. " + count(found.keys, "key") + " checked.",
		}}
	}
	return response{page: p, title: "Key health of " + t.Name, current: path}, nil
}

// healthPanel shows the keys whose worst finding is that of the group.
func healthPanel(g healthGroup, rows []view.TableRow, all int) view.Panel {
	panel := view.Panel{
		ID: string(g.finding), Heading: g.heading, Intro: g.advice,
		Table: &view.Table{Columns: columns("Key", "Owner", "Finding"), Same: true},
	}
	if all > len(rows) {
		panel.Shown = fmt.Sprintf("%d of %d shown. The file has all.", len(rows), all)
	}
	panel.Table.Rows = rows
	return panel
}

// health returns the health of the keys of a tenant as the person sees them, and when it was
// computed; nil where it is not known yet.
func (k *call) health(t tenancy.Tenant, waits bool) (*healthOf, time.Time) {
	keys, who := k.console.Keys, k.who
	name := resultName{healthKind, string(t.ID), string(k.session.User.ID)}
	compute := func(ctx context.Context) (any, error) { return computeHealth(ctx, keys, who, t) }
	value, at, ok := k.console.Background.ask(k.Context(), name, healthAge, waits, compute)
	if !ok {
		return nil, at
	}
	return value.(*healthOf), at
}

// attention returns how many keys of a tenant need attention; "" for none, or where that is not
// known yet.
func (k *call) attention(t tenancy.Tenant) string {
	found, _ := k.health(t, false)
	if found == nil || found.attention == 0 {
		return ""
	}
	return capped(found.attention, false)
}

// computeHealth examines all keys of a tenant, and keeps those that a page shows.
func computeHealth(ctx context.Context, keys *key.Service, who principal.Principal,
	t tenancy.Tenant,
) (*healthOf, error) {
	found := &healthOf{all: map[key.Finding]int{}, worst: map[key.Finding]int{}, shown: map[key.Finding][]key.Health{}}
	page := key.Page{Limit: healthPart}
	for {
		part, err := keys.Health(ctx, who, t.ID, page)
		if err != nil {
			return nil, err
		}
		for _, h := range part.Keys {
			found.add(h)
		}
		if part.Next == nil || ctx.Err() != nil {
			return found, ctx.Err()
		}
		page = *part.Next
	}
}

// add counts a key, under its worst finding if it has any.
func (f *healthOf) add(h key.Health) {
	f.keys++
	for _, finding := range h.Findings {
		f.all[finding]++
	}
	soon := h.Status == policy.Active && h.TimeLeft > 0 && h.TimeLeft <= bannerDays*day
	if soon {
		f.all[expiresSoon]++
	}
	for _, g := range healthGroups {
		if g.finding == expiresSoon && soon || slices.Contains(h.Findings, g.finding) {
			f.attention++
			f.worst[g.finding]++
			if len(f.shown[g.finding]) < rowsPerPage {
				f.shown[g.finding] = append(f.shown[g.finding], h)
			}
			return
		}
	}
}

// healthRows returns the keys that are shown under a finding.
func (k *call) healthRows(t tenancy.Tenant, found *healthOf, f key.Finding) (rows []view.TableRow) {
	for _, h := range found.shown[f] {
		rows = append(rows, k.healthRow(t, h, f))
	}
	return rows
}

// healthRow returns a key with what was found, and what to do about it.
func (k *call) healthRow(t tenancy.Tenant, h key.Health, f key.Finding) view.TableRow {
	row := k.row(h.View)
	owner, kind := ownerWords(h.Key)
	text, note := k.healthWords(h, f)
	shown := view.TableRow{Cells: []view.Cell{{Key: &row}, {Text: owner, Note: kind}, {Text: text, Note: note}}}
	action := view.Action{Object: h.Key.Name}
	switch link := k.healthLink(t, h, f); {
	case link.Path != "":
		action.Text, action.Path = link.Text, link.Path
	case h.Key.Owner.Email != "" && !h.Key.Owner.Is(k.session.User.ID):
		action.Text, action.Icon = "Write to the owner", "mail"
		action.Path = "mailto:" + h.Key.Owner.Email + "?subject=" +
			url.PathEscape("Your API key “"+h.Key.Name+"” in "+t.Name+": "+text)
	default:
		return shown
	}
	shown.Actions = []view.Action{action}
	return shown
}

// healthLink leads to what the person can do about a finding; nowhere if they can do nothing.
func (k *call) healthLink(t tenancy.Tenant, h key.Health, f key.Finding) view.Link {
	w := findingWords[f]
	if f == expiresSoon {
		w.link = view.Link{Text: "Regenerate", Path: "/regenerate"}
	}
	switch {
	case f == key.NoSteward && k.isAdmin(t):
		return view.Link{
			Text: "Name a steward", Path: inTenant(t.ID, "service-accounts/"+string(h.Key.Owner.ID)+"/edit"),
		}
	case f == key.UnusedScopes && h.MayChange && len(h.UnusedScopes) < len(h.Key.Scopes):
		return view.Link{Text: "Remove", Path: withoutScopes(h.Key, h.UnusedScopes)}
	case !h.MayChange || w.link.Path == "" || w.link.Path == "/regenerate" && !h.MayRefresh:
		return view.Link{}
	}
	return view.Link{Text: w.link.Text, Path: pathOf(h.Key) + w.link.Path}
}

// healthWords say what was found about a key.
func (k *call) healthWords(h key.Health, f key.Finding) (text, note string) {
	used := "Never used."
	if !h.Key.LastUsedAt.IsZero() {
		used = "Used " + k.ago(h.Key.LastUsedAt).Text + "."
	}
	switch f {
	case expiresSoon:
		return "Expires " + k.in(h.Life.Expiry.At).Text, used
	case key.NeverUsed:
		return "Created " + k.ago(h.Key.CreatedAt).Text, ""
	case key.Unused:
		return "Last used " + k.date(h.Key.LastUsedAt), ""
	case key.DueForRefresh, key.TooOld:
		return "Secret set " + k.date(h.Key.SecretSetAt), used
	case key.UnusedScopes:
		names := make([]string, len(h.UnusedScopes))
		for i, s := range h.UnusedScopes {
			names[i] = string(s)
		}
		return fmt.Sprintf("%d of %s unused", len(names), count(len(h.Key.Scopes), "scope")), strings.Join(names, ", ")
	case key.OverlapOpen:
		return "The old secret ends " + k.in(h.Previous.Until).Text, k.oldUse(h.View)
	case key.NoSteward:
		return "Admins get its notices", used
	}
	return "No expiry", used
}

// managementHealthPanel shows the management keys with a finding; nil for none.
func (k *call) managementHealthPanel(t tenancy.Tenant) (*view.Panel, error) {
	l, err := k.console.Keys.ManagementHealth(k.Context(), k.who, t.ID)
	if err != nil || l == nil {
		return nil, err
	}
	panel := view.Panel{
		ID: "management", Heading: "Management keys", Intro: "What programs use to manage keys.",
		Table: &view.Table{Columns: columns("Management key", "Service account", "Finding"), Same: true},
	}
	for _, h := range l.Keys {
		if len(h.Findings) == 0 {
			continue
		}
		var others []string
		for _, f := range h.Findings[1:] {
			others = append(others, managementFindings[f])
		}
		path := managementURL(h)
		panel.Table.Rows = append(panel.Table.Rows, view.TableRow{
			Cells: []view.Cell{
				{Text: h.Name, ID: h.PublicID, Path: path},
				{Text: cmp.Or(h.ServiceAccount.Name, string(h.ServiceAccount.ID))},
				{Text: managementFindings[h.Findings[0]], Note: strings.Join(others, ", ")},
			},
			Actions: []view.Action{{Text: "Open", Object: h.Name, Path: path}},
		})
	}
	if len(panel.Table.Rows) == 0 {
		return nil, nil
	}
	return &panel, nil
}

// exportHealth answers the health of all keys of a tenant as a file.
func (c *Console) exportHealth(k *call) (response, error) {
	t, err := k.readTenant()
	if err != nil {
		return response{}, err
	}
	return response{export: &export{
		name: "key-health.csv",
		columns: []string{
			"id", "public_id", "name", "owner_type", "owner", "status", "age_days", "days_to_expiry", "last_used_at",
			"findings", "unused_scopes",
		},
		read: func(ctx context.Context, row func(...string), part func() error) error {
			page := key.Page{Limit: healthPart}
			for {
				found, err := c.Keys.Health(ctx, k.who, t.ID, page)
				if err != nil {
					return err
				}
				for _, h := range found.Keys {
					row(healthCells(h)...)
				}
				if err := part(); err != nil || found.Next == nil {
					return err
				}
				page = *found.Next
			}
		},
	}}, nil
}

// healthCells returns the health of a key as a row of a file.
func healthCells(h key.Health) []string {
	left := ""
	if !h.Life.Expiry.At.IsZero() {
		left = strconv.Itoa(int(h.TimeLeft / day))
	}
	return []string{
		string(h.Key.ID), h.Key.PublicID, h.Key.Name, string(h.Key.Owner.Type()), h.Key.Owner.Label(),
		string(h.Status), strconv.Itoa(int(h.Age / day)), left, stamp(h.Key.LastUsedAt),
		strings.Join(texts(h.Findings), " "), strings.Join(texts(h.UnusedScopes), " "),
	}
}

package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
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
	{key.NeverUsed, "Never used", "Revoke keys that nobody uses.", ""},
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

const (
	// healthPart is how many keys one part of the health of a tenant has, and healthParts how many
	// parts the page reads.
	healthPart  = 200
	healthParts = 10
)

// healthOf is what the page knows of the keys of a tenant.
type healthOf struct {
	// rows has the keys by their worst finding.
	rows map[key.Finding][]view.TableRow
	// soon is how many keys expire soon, and attention how many have a finding.
	soon, attention int
	// more is set if only the newest keys were read.
	more bool
}

// showHealth shows what people should do about the keys of a tenant.
func (c *Console) showHealth(k *call) (response, error) {
	t, err := k.readTenant()
	if err != nil {
		return response{}, err
	}
	sum, err := c.Keys.HealthSummary(k.Context(), k.who, t.ID)
	if err != nil {
		return response{}, err
	}
	found, err := k.readHealth(t)
	if err != nil {
		return response{}, err
	}
	management, err := k.managementHealthPanel(t)
	if err != nil {
		return response{}, err
	}
	path := inTenant(t.ID, "health")
	p := view.Overview{
		Heading: "Key health",
		Intro: fmt.Sprintf("%d of %s need attention. Review weekly. As of %s.", found.attention,
			count(sum.Keys, "key"), k.now.In(k.zone).Format(clockForm)),
		Actions: []view.Action{{Text: "Export CSV", Icon: "save", Path: path + ".csv"}},
	}
	if found.more {
		p.Intro = fmt.Sprintf("%s, of which these are the newest %d: %d of them need attention. As of %s.",
			count(sum.Keys, "key"), healthPart*healthParts, found.attention, k.now.In(k.zone).Format(clockForm))
	}
	for _, g := range healthGroups {
		rows, n := found.rows[g.finding], sum.Findings[g.finding]
		if g.finding == expiresSoon {
			n = found.soon
		}
		tile := view.Tile{Number: strconv.Itoa(n), Text: strings.ToLower(g.heading[:1]) + g.heading[1:]}
		if n > 0 {
			tile.Tone = g.tone
		}
		if len(rows) > 0 {
			tile.Path = "#p-" + string(g.finding)
			p.Panels = append(p.Panels, healthPanel(g, rows))
		}
		p.Tiles = append(p.Tiles, tile)
	}
	if management != nil {
		p.Panels = append(p.Panels, *management)
	}
	if len(p.Panels) == 0 {
		p.Panels = []view.Panel{{
			ID: "none", Heading: "Findings", Text: "No key needs attention. " + count(sum.Keys, "key") + " checked.",
		}}
	}
	return response{page: p, title: "Key health of " + t.Name, current: path}, nil
}

// healthPanel shows the keys whose worst finding is that of the group.
func healthPanel(g healthGroup, rows []view.TableRow) view.Panel {
	panel := view.Panel{
		ID: string(g.finding), Heading: g.heading, Intro: g.advice,
		Table: &view.Table{Columns: columns("Key", "Owner", "Finding")},
	}
	if len(rows) > rowsPerPage {
		panel.Shown = fmt.Sprintf("%d of %d shown. The file has all.", rowsPerPage, len(rows))
		rows = rows[:rowsPerPage]
	}
	panel.Table.Rows = rows
	return panel
}

// readHealth reads the health of the newest keys of a tenant.
func (k *call) readHealth(t tenancy.Tenant) (found healthOf, err error) {
	found.rows = map[key.Finding][]view.TableRow{}
	page := key.Page{Limit: healthPart}
	for range healthParts {
		part, err := k.console.Keys.Health(k.Context(), k.who, t.ID, page)
		if err != nil {
			return found, err
		}
		for _, h := range part.Keys {
			k.addHealth(&found, t, h)
		}
		if part.Next == nil {
			return found, nil
		}
		page = *part.Next
	}
	found.more = true
	return found, nil
}

// addHealth adds a key to those of its worst finding, if it has any.
func (k *call) addHealth(found *healthOf, t tenancy.Tenant, h key.Health) {
	soon := h.Status == policy.Active && h.TimeLeft > 0 && h.TimeLeft <= bannerDays*day
	if soon {
		found.soon++
	}
	for _, g := range healthGroups {
		if g.finding == expiresSoon && soon || slices.Contains(h.Findings, g.finding) {
			found.attention++
			found.rows[g.finding] = append(found.rows[g.finding], k.healthRow(t, h, g.finding))
			return
		}
	}
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
		Table: &view.Table{Columns: columns("Management key", "Service account", "Finding")},
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
				{Text: h.Name, Note: h.PublicID, Path: path},
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

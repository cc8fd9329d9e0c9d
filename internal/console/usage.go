package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/web"
)

// usageRoutes are those of the usage of a tenant.
func (c *Console) usageRoutes() []web.Route {
	return slices.Concat(c.page("/t/{tenant}/usage", c.showUsage), c.page("/t/{tenant}/usage.csv", c.exportUsage))
}

// statementRoutes are those of the monthly statement of an account.
func (c *Console) statementRoutes() []web.Route {
	return slices.Concat(
		c.page("/a/{account}/statement", c.showStatement), c.page("/a/{account}/statement.csv", c.exportStatement),
	)
}

// usagePeriods are the times that can be counted, in days.
var usagePeriods = []view.Choice{
	{Value: "1", Text: "Last 24 hours"},
	{Value: "7", Text: "Last 7 days"},
	{Value: "30", Text: "Last 30 days"},
	{Value: "90", Text: "Last 90 days"},
}

// usageCodes say what the codes of refusals mean.
var usageCodes = map[fault.Kind]string{
	"":                         "Accepted",
	fault.KeyInvalid:           "Known ID, wrong secret",
	fault.KeyExpired:           "Past its expiry",
	fault.KeyRevoked:           "Revoked",
	fault.KeyDisabled:          "Disabled",
	fault.TokenExpired:         "Access token past its expiry",
	fault.TokenInvalid:         "Access token revoked",
	fault.TransportForbidden:   "Sent in a way that the tenant does not allow",
	fault.AddressForbidden:     "From an address that the key does not allow",
	fault.SessionRequired:      "For people only",
	fault.InsufficientScope:    "Key lacks the scope",
	fault.ApplicationForbidden: "Restricted to other applications",
	fault.NotFound:             "About another tenant",
	fault.RateLimited:          "Over the limit of its tenant",
	fault.SessionEnded:         "Session ended",
	fault.Forbidden:            "Role does not allow it",
}

const (
	// busiestKeys is how many keys the page lists.
	busiestKeys = 10
	// maxUsageApplications is how many applications the filter lists.
	maxUsageApplications = 200
	// plotDay is how a day in UTC is written below a plot, and plotHour an hour.
	plotDay  = "2 Jan"
	plotHour = "15:04"
)

// usageAsked is what a page about usage is about.
type usageAsked struct {
	tenant tenancy.Tenant
	view   usage.View
	span   usage.Span
	// days is the length of the span, as it is chosen.
	days        string
	application string
	key         ident.KeyID
	// unknown is set if a key was named that the person does not see.
	unknown bool
}

// usageAsked reads what the query string asks for.
func (k *call) usageAsked() (a usageAsked, err error) {
	a.tenant, err = k.tenant()
	if err == nil {
		a.view, err = k.console.Reports.View(k.Context(), k.who, a.tenant.ID)
	}
	if err != nil {
		return a, err
	}
	query := k.URL.Query()
	a.days, err = k.oneOf("period", usagePeriods...)
	if err != nil {
		return a, err
	}
	a.days = cmp.Or(a.days, "30")
	a.span = map[string]usage.Span{
		"1":  usage.NewSpan(usage.Hours, k.now.Add(-day+time.Hour), k.now),
		"7":  usage.NewSpan(usage.Days, k.now.Add(-6*day), k.now),
		"30": usage.NewSpan(usage.Days, k.now.Add(-29*day), k.now),
		"90": usage.NewSpan(usage.Days, k.now.Add(-89*day), k.now),
	}[a.days]
	if text := strings.TrimSpace(query.Get("key")); text != "" {
		a.key, err = k.keyNamed(a.tenant.ID, text)
		a.unknown = errors.Is(err, fault.NotFound)
		if a.unknown {
			err = nil
		}
	}
	if !a.view.Own() && a.key == "" {
		a.application = query.Get("application")
	}
	return a, err
}

// keyNamed returns the key of the tenant with an id, a public id or a name.
func (k *call) keyNamed(tenant ident.TenantID, text string) (ident.KeyID, error) {
	if id, err := ident.Parse[ident.KeyID](text); err == nil {
		return id, nil
	}
	found, err := k.console.Keys.List(k.Context(), k.who, tenant, key.Filter{Query: text}, key.Page{Limit: rowsPerPage})
	if err != nil {
		return "", err
	}
	for _, v := range found.Views {
		if v.Key.PublicID == text || v.Key.Name == text || len(found.Views) == 1 {
			return v.Key.ID, nil
		}
	}
	return "", fault.NotFound
}

// showUsage shows how much the keys of a tenant are used.
func (c *Console) showUsage(k *call) (response, error) {
	a, err := k.usageAsked()
	if err != nil {
		return response{}, err
	}
	var totals usage.Totals
	if !a.unknown {
		totals, err = c.Reports.Totals(k.Context(), a.view, a.span, a.application, a.key)
	}
	if err != nil {
		return response{}, err
	}
	path := inTenant(a.tenant.ID, "usage")
	intro := "Requests checked for " + a.tenant.Name + "."
	if a.view.Own() {
		intro = "Requests with your keys in " + a.tenant.Name + "."
	}
	p := view.Overview{
		Heading: "Usage", Intro: intro + " Counted by the hour in UTC, up to date within a minute.",
		Actions: []view.Action{{Text: "Export CSV", Icon: "save", Path: k.withFilters(path + ".csv")}},
	}
	filter, names, err := k.usageFilter(a, path)
	if err != nil {
		return response{}, err
	}
	plot := view.Panel{ID: "time", Heading: "Each " + string(a.span.Unit), Filter: filter}
	switch {
	case a.unknown:
		plot.Text = "No key of this tenant that you see has this ID or name."
	case totals.All() == 0:
		plot.Text = "No request was checked in this time. Every request with a key counts, for example: `curl -H " +
			"'Authorization: Bearer …' " + c.BaseURL + "/api/v1/whoami`"
	}
	if plot.Text != "" {
		p.Panels = append(p.Panels, plot)
		return response{page: p, title: p.Heading, current: path}, nil
	}
	plot.Plot = k.plot("usage", a.span, totals.Periods)
	p.Tiles, err = k.usageTiles(a, totals)
	if err != nil {
		return response{}, err
	}
	p.Panels = append(p.Panels, plot)
	if !a.view.Own() && a.key == "" {
		p.Panels = append(p.Panels, codesPanel(totals))
	}
	if a.key == "" && a.application == "" {
		busiest, err := k.busiestPanel(a, &p)
		if err != nil {
			return response{}, err
		}
		p.Panels = append(p.Panels, busiest)
	}
	if !a.view.Own() && a.key == "" {
		p.Panels = append(p.Panels, partsPanels(totals, names, a.application == "")...)
	}
	return response{page: p, title: p.Heading, current: path}, nil
}

// usageFilter returns the form above the plot, and the names of the applications of the tenant.
func (k *call) usageFilter(a usageAsked, path string) (*view.Filter, map[string]string, error) {
	f := &view.Filter{Path: path, Selects: []view.Control{
		{Name: "period", Label: "Period", Choices: chosen(usagePeriods, a.days)},
	}}
	names := map[string]string{}
	if !a.view.Own() {
		apps, err := k.console.Applications.Applications(k.Context(), k.who, a.tenant.ID,
			paging.Page{Limit: maxUsageApplications})
		if err != nil {
			return nil, nil, err
		}
		choices := []view.Choice{{Text: "All applications"}}
		for _, app := range apps {
			names[string(app.ID)] = app.Name
			choices = append(choices, view.Choice{Value: string(app.ID), Text: app.Name})
		}
		f.Selects = append(f.Selects, view.Control{
			Name: "application", Label: "Application", Choices: chosen(choices, a.application),
		})
	}
	f.Selects = append(f.Selects, view.Control{Name: "key", Label: "One key", Value: k.URL.Query().Get("key")})
	if len(k.filters()) > 0 {
		f.Reset = path
	}
	return f, names, nil
}

// usageTiles returns the numbers above the plot.
func (k *call) usageTiles(a usageAsked, t usage.Totals) ([]view.Tile, error) {
	share := "refused"
	if a.span.Unit == usage.Days {
		before, err := k.console.Reports.Totals(k.Context(), a.view, a.span.Before(), a.application, a.key)
		if err != nil {
			return nil, err
		}
		if before.All() > 0 {
			share += ", " + percent(before.Refused, before.All()) + " the time before"
		}
	}
	return []view.Tile{
		{Number: view.Short(t.Accepted), Text: "requests accepted"},
		{Number: percent(t.Refused, t.All()), Text: share},
	}, nil
}

// percent returns a share, such as 0.84 %.
func percent(n, of int64) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(of))
}

// plot returns the plot of sums over time.
func (k *call) plot(id string, s usage.Span, periods []usage.PeriodSum) *view.Plot {
	form, unit := plotDay, "Day"
	if s.Unit == usage.Hours {
		form, unit = plotHour, "Hour"
	}
	var most, refused usage.PeriodSum
	for _, p := range periods {
		if p.Accepted > most.Accepted {
			most = p
		}
		if p.Refused > refused.Refused {
			refused = p
		}
	}
	last := s.To.Add(-time.Second)
	v := &view.Plot{
		ID: id, Most: view.Short(most.Accepted), MostRefused: view.Short(refused.Refused), Unit: unit + " (UTC)",
		Title: fmt.Sprintf("Requests checked each %s, %s to %s", s.Unit, s.From.Format(dayForm),
			last.Format(dayForm)),
		Finding: plotFinding(s, most, refused),
	}
	for i, p := range periods {
		v.Bars = append(v.Bars,
			view.NewPlotBar(i, p.Begin.Format(form), p.Accepted, p.Refused, most.Accepted, refused.Refused))
	}
	if n := len(periods); n > plotMarks {
		for i := range plotMarks {
			v.Marks = append(v.Marks, periods[i*(n-1)/(plotMarks-1)].Begin.Format(form))
		}
	}
	return v
}

// plotMarks is how many times are written below a plot.
const plotMarks = 5

// plotFinding returns the sentence that a plot shows.
func plotFinding(s usage.Span, most, refused usage.PeriodSum) string {
	form := "2 January"
	if s.Unit == usage.Hours {
		form = plotHour
	}
	text := "No request was accepted."
	if most.Accepted > 0 {
		text = fmt.Sprintf("At most %s accepted in one %s: %s.", view.Thousands(most.Accepted), s.Unit,
			most.Begin.Format(form))
	}
	if refused.Refused == 0 {
		return text + " None was refused."
	}
	return fmt.Sprintf("%s At most %s refused: %s.", text, view.Thousands(refused.Refused), refused.Begin.Format(form))
}

// codesPanel lists the codes with which requests were answered.
func codesPanel(t usage.Totals) view.Panel {
	table := &view.Table{Columns: columns("Code", "Over time", "Requests", "Share")}
	for _, c := range t.Codes {
		tone, numbers := "bad", []int64(nil)
		if c.Of == "" {
			tone = ""
		}
		for _, p := range c.Periods {
			numbers = append(numbers, p.All())
		}
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			{Text: cmp.Or(string(c.Of), "ok"), Mono: true, Note: usageCodes[c.Of]},
			{Spark: view.Spark(numbers), Tone: tone},
			{Number: view.Thousands(c.All())},
			{Number: percent(c.All(), t.All())},
		}})
	}
	return view.Panel{ID: "codes", Heading: "By answer", Table: table}
}

// busiestPanel lists the keys with the most requests, and adds to the tiles how many were used.
func (k *call) busiestPanel(a usageAsked, p *view.Overview) (view.Panel, error) {
	busy, used, err := k.console.Reports.Busiest(k.Context(), a.view, a.span, busiestKeys)
	if err != nil {
		return view.Panel{}, err
	}
	p.Tiles = append(p.Tiles,
		view.Tile{
			Number: view.Thousands(used.Accepted), Text: nounFor(used.Accepted, "key was used", "keys were used"),
		},
		view.Tile{
			Number: view.Thousands(used.Refused),
			Text:   nounFor(used.Refused, "key was refused at least once", "keys were refused at least once"),
		})
	table := &view.Table{Columns: columns("Key", "Over time", "Accepted", "Refused")}
	for _, b := range busy {
		var numbers []int64
		for _, n := range b.Periods {
			numbers = append(numbers, n.All())
		}
		name, err := k.usageKey(a, b.Key)
		if err != nil {
			return view.Panel{}, err
		}
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			name,
			{Spark: view.Spark(numbers)},
			{Number: view.Thousands(b.Accepted)},
			{Number: view.Thousands(b.Refused)},
		}})
	}
	return view.Panel{
		ID: "keys", Heading: "Busiest keys", Table: table,
		Actions: k.pageAction("All keys", inTenant(a.tenant.ID, "keys")),
	}, nil
}

// usageKey returns the cell of a key. Keys that were counted together have none of their own.
func (k *call) usageKey(a usageAsked, id ident.KeyID) (view.Cell, error) {
	if id == "" {
		return view.Cell{
			Text: "Other keys", Note: fmt.Sprintf("A node counted more than %s keys at once, these together",
				view.Thousands(usage.MaxOpenKeys)),
		}, nil
	}
	v, err := k.console.Keys.Get(k.Context(), k.who, a.tenant.ID, id)
	if errors.Is(err, fault.NotFound) {
		return view.Cell{Text: string(id), Mono: true, Note: "Deleted"}, nil
	}
	if err != nil {
		return view.Cell{}, err
	}
	return view.Cell{Text: v.Key.Name, Path: pathOf(v.Key), ID: v.Key.PublicID}, nil
}

// transportWords name the ways to send a key.
var transportWords = map[policy.Transport]string{
	policy.Bearer: "Authorization: Bearer", policy.Basic: "Basic authentication", policy.Header: "Key header",
	policy.OAuth: "Access token (OAuth)", policy.Session: "Session of a person", "": "Not said by the verifier",
}

// partsPanels list requests by application and by transport.
func partsPanels(t usage.Totals, names map[string]string, byApplication bool) (panels []view.Panel) {
	row := func(name, note string, n usage.Sum) view.TableRow {
		return view.TableRow{Cells: []view.Cell{
			{Text: name, Note: note}, {Number: view.Thousands(n.Accepted)}, {Number: view.Thousands(n.Refused)},
		}}
	}
	if byApplication {
		table := &view.Table{Columns: columns("Application", "Accepted", "Refused")}
		for _, a := range t.Applications {
			name, note := names[a.Of], ""
			switch {
			case a.Of == "":
				name = "No application named"
			case name == "":
				name, note = a.Of, "Deleted"
			}
			table.Rows = append(table.Rows, row(name, note, a.Sum))
		}
		panels = append(panels, view.Panel{ID: "applications", Heading: "By application", Table: table})
	}
	table := &view.Table{Columns: columns("Sent by", "Accepted", "Refused")}
	for _, v := range t.Transports {
		table.Rows = append(table.Rows, row(transportWords[v.Of], "", v.Sum))
	}
	return append(panels, view.Panel{ID: "transports", Heading: "By way of sending", Table: table})
}

// exportUsage returns the page as a file: the days or hours of a key or an application, otherwise
// the sums of all keys.
func (c *Console) exportUsage(k *call) (response, error) {
	a, err := k.usageAsked()
	if err == nil && a.unknown {
		err = fault.NotFound
	}
	if err != nil {
		return response{}, err
	}
	e := &export{name: "usage.csv", columns: []string{"begins_at", "key_id", "owner_id", "accepted", "refused"}}
	number := func(n int64) string { return fmt.Sprint(n) }
	e.read = func(ctx context.Context, row func(...string), part func() error) error {
		if a.key == "" && a.application == "" {
			page := &usage.KeyPage{Limit: exportedEvents}
			for page != nil {
				list, next, err := c.Reports.Keys(ctx, a.view, a.span, *page)
				if err != nil {
					return err
				}
				for _, s := range list {
					row(stamp(a.span.From), string(s.Key), string(s.Owner), number(s.Accepted), number(s.Refused))
				}
				if err := part(); err != nil {
					return err
				}
				page = next
			}
			return nil
		}
		totals, err := c.Reports.Totals(ctx, a.view, a.span, a.application, a.key)
		if err != nil {
			return err
		}
		for _, p := range totals.Periods {
			row(stamp(p.Begin), string(a.key), "", number(p.Accepted), number(p.Refused))
		}
		return part()
	}
	return response{export: e}, nil
}

// keyUsage returns the use of a key in 30 days, for its page; nil if there was none.
func (k *call) keyUsage(v key.View) (*view.Panel, error) {
	seen, err := k.console.Reports.View(k.Context(), k.who, v.Key.Tenant)
	if err != nil {
		return nil, err
	}
	span := usage.NewSpan(usage.Days, k.now.Add(-29*day), k.now)
	totals, err := k.console.Reports.Totals(k.Context(), seen, span, "", v.Key.ID)
	if errors.Is(err, fault.NotFound) { // a key that a member sees, and that is not theirs
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	panel := &view.Panel{ID: "use", Heading: "Use in the last 30 days"}
	if totals.All() == 0 {
		panel.Text = "No request with this key was checked in the last 30 days."
		return panel, nil
	}
	transports, err := k.console.Reports.KeyTransports(k.Context(), v.Key.ID)
	if err != nil {
		return nil, err
	}
	panel.Note = view.Short(totals.Accepted) + " accepted, " + view.Short(totals.Refused) + " refused"
	panel.Plot = k.plot("use-of-key", span, totals.Periods)
	for _, t := range transports {
		panel.Facts = append(panel.Facts, view.Fact{
			Name: transportWords[t.Transport], Value: "last used " + t.On.Format(dayForm),
		})
	}
	return panel, nil
}

// addTransportUse says at each way to send a key how many keys used it, so that nobody switches off
// one that is in use.
func (k *call) addTransportUse(t tenancy.Tenant, parts []view.Part) error {
	seen, err := k.console.Reports.View(k.Context(), k.who, t.ID)
	if err != nil {
		return err
	}
	used, err := k.console.Reports.TransportsUsed(k.Context(), seen)
	if err != nil {
		return err
	}
	keys := map[string]int64{}
	for _, u := range used {
		keys[string(u.Transport)] = u.Keys
	}
	for _, part := range parts {
		for _, control := range part.Controls {
			if control.Name != "transports" {
				continue
			}
			for i := range control.Choices {
				c := &control.Choices[i]
				c.Note += " · " + count(int(keys[c.Value]), "key") + " used it in 30 days"
			}
		}
	}
	return nil
}

// statementMonths is how many months can be chosen.
const statementMonths = 24

// statement returns the statement of the month in the query string, and its choices.
func (k *call) statement() (st usage.Statement, months []view.Choice, err error) {
	a, err := k.account()
	if err != nil {
		return st, nil, err
	}
	now := k.now.UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	chosenMonth := month
	for i := range statementMonths {
		at := month.AddDate(0, -i, 0)
		c := view.Choice{Value: at.Format("2006-01"), Text: at.Format("January 2006")}
		if c.Value == k.URL.Query().Get("month") {
			chosenMonth = at
		}
		months = append(months, c)
	}
	if _, err := k.oneOf("month", months...); err != nil {
		return st, nil, err
	}
	st, err = k.console.Reports.Statement(k.Context(), k.who, a.ID, chosenMonth)
	return st, chosen(months, chosenMonth.Format("2006-01")), err
}

// showStatement shows what the tenants of an account were used in a month.
func (c *Console) showStatement(k *call) (response, error) {
	st, months, err := k.statement()
	if err != nil {
		return response{}, err
	}
	path := inAccount(ident.AccountID(k.PathValue("account")), "statement")
	month := st.Month.From.Format("January 2006")
	table := &view.Table{
		Columns: columns("Tenant", "Accepted", "Refused"), Empty: "The account has no tenant.",
	}
	for _, t := range st.Tenants {
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			{Text: t.Name, ID: string(t.Tenant)},
			{Number: view.Thousands(t.Accepted)},
			{Number: view.Thousands(t.Refused)},
		}})
	}
	panel := view.Panel{
		ID: "tenants", Heading: month, Table: table, Note: "complete",
		Filter: &view.Filter{Path: path, Selects: []view.Control{{Name: "month", Label: "Month", Choices: months}}},
	}
	if !st.Complete {
		panel.Note = "not complete yet"
	}
	return response{page: view.Overview{
		Heading: "Statement",
		Intro:   "Requests with keys that each tenant checked in a calendar month, in UTC.",
		Actions: []view.Action{{Text: "Export CSV", Icon: "save", Path: k.withFilters(path + ".csv")}},
		Tiles: []view.Tile{
			{Number: view.Thousands(st.Accepted), Text: "requests accepted"},
			{Number: view.Thousands(st.Refused), Text: "requests refused"},
		},
		Panels: []view.Panel{panel},
	}, title: "Statement", current: path}, nil
}

func (c *Console) exportStatement(k *call) (response, error) {
	st, _, err := k.statement()
	if err != nil {
		return response{}, err
	}
	return response{export: &export{
		name:    "statement-" + st.Month.From.Format("2006-01") + ".csv",
		columns: []string{"month", "tenant_id", "tenant", "accepted", "refused"},
		read: func(_ context.Context, row func(...string), part func() error) error {
			for _, t := range st.Tenants {
				row(st.Month.From.Format("2006-01"), string(t.Tenant), t.Name, fmt.Sprint(t.Accepted),
					fmt.Sprint(t.Refused))
			}
			return part()
		},
	}}, nil
}

package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/web"
)

// trailRoutes are those of the audit trails of tenants and accounts.
func (c *Console) tenantTrailRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/audit", c.showTenantTrail),
		c.page("/t/{tenant}/audit.csv", c.exportTenantTrail("tenant-audit.csv")),
		c.page("/t/{tenant}/audit.jsonl", c.exportTenantTrail("tenant-audit.jsonl")),
	)
}

// accountTrailRoutes are those of the audit trail of an account.
func (c *Console) accountTrailRoutes() []web.Route {
	return slices.Concat(
		c.page("/a/{account}/audit", c.showAccountTrail),
		c.page("/a/{account}/audit.csv", c.exportAccountTrail("account-audit.csv")),
		c.page("/a/{account}/audit.jsonl", c.exportAccountTrail("account-audit.jsonl")),
	)
}

// trail is an audit trail that the person may read.
type trail struct {
	heading, intro string
	// path is that of its page, without the ending of a file.
	path string
	read func(ctx context.Context, f audit.TrailFilter, page audit.TrailPage) (audit.TrailPart, error)
	// verify verifies the newest part of its chain.
	verify func(ctx context.Context) (audit.Recent, error)
}

// tenantTrail returns the trail of the tenant in the path, for its admins and auditors.
func (k *call) tenantTrail() (trail, error) {
	t, err := k.readTenant()
	return trail{
		heading: "Audit", path: inTenant(t.ID, "audit"),
		intro: "Everything that changed in " + t.Name + ", by whom and from where. It cannot be edited.",
		read: func(ctx context.Context, f audit.TrailFilter, page audit.TrailPage) (audit.TrailPart, error) {
			return k.console.Tenancy.TenantTrail(ctx, k.who, t.ID, f, page)
		},
		verify: func(ctx context.Context) (audit.Recent, error) {
			return k.console.Tenancy.VerifyTenantTrail(ctx, k.who, t.ID)
		},
	}, err
}

// accountTrail returns the trail of the account in the path, for its owners and admins.
func (k *call) accountTrail() (trail, error) {
	a, err := k.account()
	return trail{
		heading: "Account audit", path: inAccount(a.ID, "audit"),
		intro: "Everything that changed in " + a.Name + " and its tenants, by whom and from where. It cannot be " +
			"edited.",
		read: func(ctx context.Context, f audit.TrailFilter, page audit.TrailPage) (audit.TrailPart, error) {
			return k.console.Accounts.AccountTrail(ctx, k.who, a.ID, f, page)
		},
		verify: func(ctx context.Context) (audit.Recent, error) {
			return k.console.Accounts.VerifyAccountTrail(ctx, k.who, a.ID)
		},
	}, err
}

func (c *Console) showTenantTrail(k *call) (response, error) {
	t, err := k.tenantTrail()
	if err != nil {
		return response{}, err
	}
	return k.trailPage(t)
}

func (c *Console) showAccountTrail(k *call) (response, error) {
	t, err := k.accountTrail()
	if err != nil {
		return response{}, err
	}
	return k.trailPage(t)
}

// trailPage shows a part of a trail.
func (k *call) trailPage(t trail) (response, error) {
	at, err := k.position()
	if err != nil {
		return response{}, err
	}
	before, _ := strconv.ParseInt(at.BeforeID, 10, 64) // "" is the first page; any other was sealed here
	filter, err := k.trailFilter()
	if err != nil {
		return response{}, err
	}
	part, err := t.read(k.Context(), filter, audit.TrailPage{Before: before, Limit: k.rows()})
	if err != nil {
		return response{}, err
	}
	panel := view.Panel{ID: "events", Heading: "Events", Filter: k.trailFilterForm(t), Days: k.trailDays(part.Events)}
	if len(part.Events) == 0 {
		panel.Text = "No event matches the filter."
	} else {
		panel.Shown = count(len(part.Events), "event") + " shown"
	}
	panel.Prev = k.previous()
	if part.Next != nil {
		panel.Next = k.next(time.Time{}, strconv.FormatInt(part.Next.Before, 10))
	}
	recent, err := t.verify(k.Context())
	if err != nil {
		return response{}, err
	}
	return response{page: view.Overview{
		Heading: t.heading, Intro: t.intro, Notices: []view.Message{k.verified(recent)}, Panels: []view.Panel{panel},
		Actions: []view.Action{
			{Text: "Export CSV", Icon: "save", Path: k.withFilters(t.path + ".csv")},
			{Text: "Export JSON lines", Icon: "save", Path: k.withFilters(t.path + ".jsonl")},
		},
	}, title: t.heading, current: t.path}, nil
}

// verified says whether the newest records of a trail are those that were written.
func (k *call) verified(r audit.Recent) view.Message {
	if d := r.Damage; d != nil {
		return view.Message{Tone: "bad", Icon: "warn", Text: "The audit log is damaged: " + d.What + ". Tell the " +
			"operator, who finds out more with `claviger audit verify`."}
	}
	now := k.now.In(k.zone).Format(clockForm)
	text := fmt.Sprintf("Audit log verified at %s: %s complete and unaltered.", now, allRecords(r.Of, ""))
	if k.PathValue("account") != "" {
		text = fmt.Sprintf("Audit log verified at %s: %s complete and unaltered. The page of each tenant verifies "+
			"the tenant's.", now, allRecords(r.Of, " of the account itself"))
	}
	if r.Records < r.Of {
		text = fmt.Sprintf("Audit log verified at %s: the newest %d of %d records, since %s, are complete and "+
			"unaltered. The operator verifies older ones with `claviger audit verify`.", now, r.Records, r.Of,
			k.date(r.Since))
	}
	return view.Message{Tone: "ok", Icon: "shield", Text: text}
}

// allRecords says that all records are meant, before "complete".
func allRecords(n int64, of string) string {
	if n == 1 {
		return "the 1 record" + of + " is"
	}
	return fmt.Sprintf("all %d records%s are", n, of)
}

// withFilters returns a path with the filters of the page.
func (k *call) withFilters(path string) string {
	if query := k.filters().Encode(); query != "" {
		return path + "?" + query
	}
	return path
}

// trailGroups are the things whose events can be listed alone: the first word of their actions.
var trailGroups = []view.Choice{
	{Value: "", Text: "Everything"},
	{Value: "key", Text: "Keys"},
	{Value: "management_key", Text: "Management keys"},
	{Value: "member", Text: "Members"},
	{Value: "invitation", Text: "Invitations"},
	{Value: "service_account", Text: "Service accounts"},
	{Value: "subject", Text: "Subjects"},
	{Value: "plan", Text: "Plans"},
	{Value: "application", Text: "Applications"},
	{Value: "scopes", Text: "Scopes"},
	{Value: "tenant", Text: "Tenant settings"},
	{Value: "entry", Text: "Entries for proxies"},
	{Value: "token", Text: "Access tokens"},
}

// accountGroups are those of accounts besides.
var accountGroups = []view.Choice{
	{Value: "policy", Text: "General settings"}, {Value: "account", Text: "Account, owners and admins"},
}

// trailSince are the times since which events can be listed, in days.
var trailSince = []view.Choice{
	{Value: "", Text: "At any time"},
	{Value: "1", Text: "Last 24 hours"},
	{Value: "7", Text: "Last 7 days"},
	{Value: "30", Text: "Last 30 days"},
	{Value: "90", Text: "Last 90 days"},
}

// trailFilter returns the filter in the query string.
func (k *call) trailFilter() (audit.TrailFilter, error) {
	query := k.URL.Query()
	f := audit.TrailFilter{Action: query.Get("action"), Actor: query.Get("actor"), Target: query.Get("target")}
	since, err := k.oneOf("since", trailSince...)
	if since != "" && err == nil {
		var days int
		days, err = strconv.Atoi(since)
		f.Since = k.now.Add(-time.Duration(days) * day)
	}
	return f, err
}

// trailFilterForm is the form above the events.
func (k *call) trailFilterForm(t trail) *view.Filter {
	query := k.URL.Query()
	groups := trailGroups
	if k.PathValue("account") != "" {
		groups = slices.Concat(groups, accountGroups)
	}
	known := slices.ContainsFunc(groups, func(c view.Choice) bool { return c.Value == query.Get("action") })
	if !known {
		groups = append(slices.Clone(groups), view.Choice{Value: query.Get("action"), Text: query.Get("action")})
	}
	f := &view.Filter{Path: t.path, Selects: []view.Control{
		{Name: "action", Label: "What", Choices: chosen(groups, query.Get("action"))},
		{Name: "since", Label: "When", Choices: chosen(trailSince, query.Get("since"))},
	}}
	for _, name := range []string{"actor", "target"} {
		if id := query.Get(name); id != "" {
			f.Hidden = append(f.Hidden, view.Field{Name: name, Value: id})
		}
	}
	if len(k.filters()) > 0 {
		f.Reset = t.path
	}
	return f
}

// trailDays returns the events of a trail by day, the latest first.
func (k *call) trailDays(events []audit.TrailEvent) []view.Day {
	return k.days(events, func(e audit.TrailEvent) view.Event {
		s, known := sentences[e.Action]
		if !known {
			s = sentence{icon: "info", text: string(e.Action)}
		}
		shown := view.Event{
			Icon: s.icon, Who: k.actorWords(e.Event), Text: s.text, Details: trailDetails(e),
			Note: strings.Join(slices.DeleteFunc([]string{s.detail(e.Event), e.IP}, isEmpty), " · "),
		}
		if !s.alone {
			shown.Object = cmp.Or(e.Target.Name, e.Target.ID)
			shown.Path = k.console.existing(targetPath(e.Event))
		}
		return shown
	})
}

func isEmpty(text string) bool { return text == "" }

// targetPath returns the path of the page about what was changed; "" for none.
func targetPath(e audit.Event) string {
	if e.Tenant == "" || strings.HasSuffix(string(e.Action), ".delete") {
		return ""
	}
	pages := map[string]string{"key": "keys/", "service_account": "service-accounts/", "subject": "subjects/"}
	page, known := pages[e.Target.Type]
	if !known {
		return ""
	}
	return inTenant(e.Tenant, page+e.Target.ID)
}

// trailDetails returns an event as JSON, as the API has it.
func trailDetails(e audit.TrailEvent) string {
	text, _ := json.MarshalIndent(struct { // texts can be encoded
		ID        ident.EventID     `json:"id"`
		At        time.Time         `json:"at"`
		Action    audit.Action      `json:"action"`
		Actor     actorJSON         `json:"actor"`
		Target    targetJSON        `json:"target"`
		IP        string            `json:"ip,omitempty"`
		RequestID string            `json:"request_id,omitempty"`
		Details   map[string]string `json:"details,omitempty"`
	}{
		e.ID, e.At.UTC(), e.Action, actorJSON(e.Actor), targetJSON(e.Target), e.IP, e.RequestID, e.Details,
	}, "", "  ")
	return string(text)
}

type actorJSON struct {
	Type  string `json:"type"`
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
}

type targetJSON struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

func (c *Console) exportTenantTrail(name string) handler {
	return func(k *call) (response, error) {
		t, err := k.tenantTrail()
		if err != nil {
			return response{}, err
		}
		e, err := k.trailExport(name, t)
		return response{export: e}, err
	}
}

func (c *Console) exportAccountTrail(name string) handler {
	return func(k *call) (response, error) {
		t, err := k.accountTrail()
		if err != nil {
			return response{}, err
		}
		e, err := k.trailExport(name, t)
		return response{export: e}, err
	}
}

// exportedEvents is how many events of a trail one part of an export has.
const exportedEvents = 200

// trailExport returns a trail as a file, with the filters of the page.
func (k *call) trailExport(name string, t trail) (*export, error) {
	filter, err := k.trailFilter()
	return &export{
		name: name, objects: "details",
		columns: []string{
			"id", "at", "action", "actor_type", "actor_id", "actor_email", "target_type", "target_id", "target_name",
			"tenant_id", "ip", "request_id", "details",
		},
		read: func(ctx context.Context, row func(...string), part func() error) error {
			page := audit.TrailPage{Limit: exportedEvents}
			for {
				found, err := t.read(ctx, filter, page)
				if err != nil {
					return err
				}
				for _, e := range found.Events {
					row(string(e.ID), stamp(e.At), string(e.Action), e.Actor.Type, e.Actor.ID, e.Actor.Email,
						e.Target.Type, e.Target.ID, e.Target.Name, string(e.Tenant), e.IP, e.RequestID,
						detailsJSON(e.Event))
				}
				if err := part(); err != nil || found.Next == nil {
					return err
				}
				page = *found.Next
			}
		},
	}, err
}

// detailsJSON returns the details of an event as a JSON object.
func detailsJSON(e audit.Event) string {
	details := maps.Clone(e.Details)
	if details == nil {
		details = map[string]string{}
	}
	text, _ := json.Marshal(details) // texts can be encoded
	return string(text)
}

package console

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/web"
)

// policyRoutes are those of the policy of an account.
func (c *Console) policyRoutes() []web.Route {
	return c.form("/a/{account}/general", c.showPolicy, c.sendPolicy)
}

// The fields of the form.
const (
	autoField     = "auto_expiry"
	autoDaysField = "auto_expiry_days"
	lifetimeField = "max_lifetime_days"
	idleField     = "session_idle_minutes"
	absoluteField = "session_absolute_hours"
	factorField   = "require_second_factor"
	// previewedField has what the effect on the page was computed for.
	previewedField = "previewed"
	acceptField    = "accept"
)

// lifetimes are the maximum lifetimes that are offered, in days, with their names.
var lifetimes = []view.Choice{
	{Value: "30", Text: "1 month (30 days)"},
	{Value: "90", Text: "3 months (90 days)"},
	{Value: "180", Text: "6 months (180 days)"},
	{Value: "365", Text: "1 year (365 days)"},
	{Value: "3650", Text: "10 years (3,650 days)"},
	{Value: "", Text: "No maximum"},
}

// account returns the account in the path to its owners and admins.
func (k *call) account() (account.Account, error) {
	id := ident.AccountID(k.PathValue("account"))
	a, err := k.console.Accounts.Account(k.Context(), k.who, id)
	if err == nil && !k.who.AccountRole(id).Valid() {
		err = account.ErrNotMember
	}
	return a, err
}

func (c *Console) showPolicy(k *call) (response, error) { return k.policyForm(k.form, nil, nil) }

// policyForm returns the form, filled in with values, with what is wrong, and with the effect of
// the values if it is to be seen.
func (k *call) policyForm(values url.Values, faults view.Faults, effect *view.Effect) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	p, err := k.console.Accounts.Policy(k.Context(), k.who, a.ID)
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = policyValues(p)
	}
	general := inAccount(a.ID, "general")
	page := view.Editor{
		Heading: "General settings", Intro: "For every tenant and every key of " + a.Name + ".",
		Action: general, Version: version(values, p.Version()), Faults: faults, Preview: "Preview effect",
		Parts: k.policyParts(p, values), Effect: effect,
	}
	if effect != nil {
		page.Button, page.Cancel = "Save policy", view.Link{Text: "Discard", Path: general}
		page.Hidden = []view.Field{{Name: previewedField, Value: previewed(values)}}
		if effect.Accept != "" {
			page.Risk = true
			page.Button, page.Cancel.Text = "Switch off automatic expiration", "Keep it on"
		}
	}
	return response{
		page: page, title: "General settings of " + a.Name, narrow: true, current: general, status: statusOf(faults),
	}, nil
}

// policyValues returns the present policy as the fields of the form have it.
func policyValues(p policy.Policy) url.Values {
	values := url.Values{
		autoDaysField: {"90"},
		lifetimeField: {numberOrEmpty(policy.InForce(p.Rules, policy.ByMaxLifetime).Days)},
		idleField:     {numberOrEmpty(int(p.Sessions.Idle / time.Minute))},
		absoluteField: {numberOrEmpty(int(p.Sessions.Absolute / time.Hour))},
		factorField:   {string(p.FactorRule())},
	}
	if days := policy.InForce(p.Rules, policy.ByAutoExpiry).Days; days > 0 {
		values.Set(autoField, "on")
		values.Set(autoDaysField, strconv.Itoa(days))
	}
	return values
}

// numberOrEmpty returns a number as a field has it in which empty stands for no limit.
func numberOrEmpty(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// policyParts are the fields of the form.
func (k *call) policyParts(p policy.Policy, values url.Values) []view.Part {
	auto := policy.InForce(p.Rules, policy.ByAutoExpiry)
	note := "Off now. Every tenant inherits it."
	if auto.Days > 0 {
		note = fmt.Sprintf("%d days, in force since %s. Every tenant inherits it.", auto.Days, k.date(auto.Since))
	}
	days := view.Control{Kind: view.KindSelect, Name: autoDaysField, Label: "Expire after", Width: "short"}
	for n := policy.MinAutoExpiry; n <= policy.MaxAutoExpiry; n += policy.AutoExpiryStep {
		days.Choices = append(days.Choices, view.Choice{Value: strconv.Itoa(n), Text: count(n, "day")})
	}
	days.Choices = chosen(days.Choices, values.Get(autoDaysField))
	return []view.Part{
		{
			Heading: "Automatic expiration",
			Intro: "Secrets expire a fixed number of days after they are set. Owners are notified 30, 7 and 1 days " +
				"before.",
			Controls: []view.Control{
				{
					Kind: view.KindChecks, Name: autoField, Label: "New and existing secrets",
					Choices: chosen([]view.Choice{{Value: "on", Text: "Secrets expire automatically", Note: note}},
						values.Get(autoField)),
				},
				days,
			},
		},
		{
			Heading: "API keys expiration period", Intro: "The latest expiry that anyone may choose for a key.",
			Controls: []view.Control{{
				Kind: view.KindSelect, Name: lifetimeField, Label: "Maximum expiration", Width: "short",
				Choices: lifetimeChoices(policy.InForce(p.Rules, policy.ByMaxLifetime).Days, values.Get(lifetimeField)),
			}},
		},
		{Heading: "Sessions", Intro: "How long people stay signed in.", Controls: []view.Control{
			sessionControl(idleField, "Idle timeout, minutes", values, int(policy.DefaultSessions.Idle/time.Minute),
				policy.MinIdleMinutes, policy.MaxIdleMinutes),
			sessionControl(absoluteField, "Maximum duration, hours", values,
				int(policy.DefaultSessions.Absolute/time.Hour), policy.MinAbsoluteHours, policy.MaxAbsoluteHours),
		}},
		{
			Heading: "Second factor",
			Intro: "From their next request on, people who need a second factor and have none can do nothing before " +
				"they have set one up.",
			Controls: []view.Control{{
				Kind: view.KindSelect, Name: factorField, Label: "Who needs a second factor", Width: "short",
				Choices: factorChoices(values.Get(factorField)),
			}},
		},
	}
}

// lifetimeChoices returns the maximum lifetimes, with the present one and the chosen one.
func lifetimeChoices(present int, value string) []view.Choice {
	list := slices.Clone(lifetimes)
	known := slices.ContainsFunc(list, func(c view.Choice) bool { return c.Value == numberOrEmpty(present) })
	if !known {
		list = slices.Insert(list, len(list)-1, view.Choice{Value: strconv.Itoa(present), Text: count(present, "day")})
	}
	return chosen(list, value)
}

func sessionControl(name, label string, values url.Values, initial, least, most int) view.Control {
	return view.Control{
		Kind: view.KindNumber, Name: name, Label: label, Width: "mini", Value: values.Get(name),
		Min: strconv.Itoa(least), Max: strconv.Itoa(most), Hint: fmt.Sprintf("Empty: the default, %d.", initial),
	}
}

// policyChange returns the change that the form asks for, and what is wrong with it.
func (k *call) policyChange() (c policy.Change, faults view.Faults) {
	on := k.form.Get(autoField) != ""
	c = policy.Change{AutoExpiry: &on, AcknowledgeRisk: k.form.Get(acceptField) != ""}
	for _, field := range []struct {
		name string
		to   **int
	}{
		{autoDaysField, &c.AutoExpiryDays},
		{lifetimeField, &c.MaxLifetimeDays},
		{idleField, &c.SessionIdleMinutes},
		{absoluteField, &c.SessionAbsoluteHours},
	} {
		n, err := number(k.form.Get(field.name))
		if err != nil {
			faults = append(faults, view.Fault{Field: field.name, Message: "Use a whole number, or nothing."})
		}
		*field.to = &n
	}
	if !on {
		c.AutoExpiryDays = nil
	}
	if k.form.Has(factorField) {
		rule := policy.FactorRule(k.form.Get(factorField))
		c.SecondFactor = &rule
	}
	return c, faults
}

// number reads a field in which empty stands for no limit, which is 0. A 0 that somebody typed
// becomes a number that the domain refuses.
func number(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n == 0 {
		n = -1
	}
	return n, err
}

// previewed returns a digest of the values of the form. A policy is saved with the digest of the
// values whose effect was on the page.
func previewed(values url.Values) string {
	sum := sha256.New()
	for _, name := range []string{autoField, autoDaysField, lifetimeField, idleField, absoluteField, factorField} {
		fmt.Fprintf(sum, "%q", values.Get(name))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// sendPolicy shows the effect of the form, or saves the policy if its effect was on the page.
func (c *Console) sendPolicy(k *call) (response, error) {
	change, faults := k.policyChange()
	if faults != nil {
		return k.policyForm(k.form, faults, nil)
	}
	if k.form.Has("preview") || k.form.Get(previewedField) != previewed(k.form) {
		return k.previewPolicy(change, nil)
	}
	_, err := c.Accounts.ChangePolicy(k.Context(), k.who, ident.AccountID(k.PathValue("account")), change, k.expected())
	faults = policyFaults(err)
	switch {
	case errors.Is(err, etag.ErrChanged):
		return k.policyForm(k.form, k.changedMeanwhile(autoField, "policy"), nil)
	case faults.At(acceptField) != "":
		return k.previewPolicy(change, faults)
	case faults != nil:
		return k.policyForm(k.form, faults, nil)
	case err != nil:
		return response{}, err
	}
	return did(inAccount(ident.AccountID(k.PathValue("account")), "general"), "policy.edit"), nil
}

// policyFaults returns what is wrong with the fields, by their names in the form.
func policyFaults(err error) (faults view.Faults) {
	for _, f := range fault.Fields(err) {
		name := f.Name
		switch name {
		case "auto_expiry.enabled":
			name = autoField
		case "auto_expiry.days":
			name = autoDaysField
		case "acknowledge_risk":
			name = acceptField
		}
		faults = append(faults, view.Fault{Field: name, Message: f.Message})
	}
	return faults
}

// previewPolicy shows the form with its effect.
func (k *call) previewPolicy(change policy.Change, faults view.Faults) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	p, err := k.console.Accounts.Policy(k.Context(), k.who, a.ID)
	if err != nil {
		return response{}, err
	}
	preview, err := k.console.Accounts.PreviewPolicy(k.Context(), k.who, a.ID, change, k.expected())
	switch wrong := policyFaults(err); {
	case errors.Is(err, etag.ErrChanged):
		return k.policyForm(k.form, k.changedMeanwhile(autoField, "policy"), nil)
	case wrong != nil:
		return k.policyForm(k.form, wrong, nil)
	case err != nil:
		return response{}, err
	}
	effect, err := k.effect(a, preview)
	if err != nil {
		return response{}, err
	}
	if policy.InForce(p.Rules, policy.ByAutoExpiry).Days > 0 && !*change.AutoExpiry {
		switchOff(effect, a, change)
	}
	return k.policyForm(k.form, faults, effect)
}

// effect returns what a change does to the keys of an account.
func (k *call) effect(a account.Account, p account.Preview) (*view.Effect, error) {
	first := view.Tile{Number: "–", Text: "the first of these"}
	if !p.Impact.First.IsZero() {
		first.Number = k.date(p.Impact.First)
	}
	e := &view.Effect{Heading: "What this change does", Note: "Nothing is saved yet", Tiles: []view.Tile{
		{Number: strconv.Itoa(p.Affected), Text: "keys expire sooner", Tone: toneIf(p.Affected > 0, "warn")},
		first,
		{Number: strconv.Itoa(p.Delayed), Text: "keys expire later, or never"},
		{Number: strconv.Itoa(p.ExpiredNow), Text: "expire when you save", Tone: toneIf(p.ExpiredNow > 0, "bad")},
		mailedTile(p),
	}}
	if p.Later {
		e.Notices = append(e.Notices, view.Message{
			Tone: "info", Icon: "info", Text: "The new time is longer. Secrets that expire automatically get it, " +
				"counted from the day when each was set. Keys keep an earlier date of their own.",
		})
	}
	if p.WithoutFactor > 0 {
		people := "1 person who would need a second factor has none."
		if p.WithoutFactor > 1 {
			people = fmt.Sprintf("%d people who would need a second factor have none.", p.WithoutFactor)
		}
		e.Notices = append(e.Notices, view.Message{
			Tone: "warn", Icon: "warn", Text: people + " From their next request on, the console and the command " +
				"line let them do nothing but set one up. API keys are not affected.",
		})
	}
	if p.ExpiredNow > 0 {
		e.Notices = append(e.Notices, view.Message{
			Tone: "bad", Icon: "warn",
			Text: count(p.ExpiredNow, "key") + " of " + a.Name + " would stop working at once.",
		})
	}
	k.chart(e, p)
	var err error
	e.Table, err = k.changedTable("First to expire", "warn", p.Keys)
	if err != nil {
		return nil, err
	}
	e.More = moreKeys(p.Affected - len(p.Keys))
	e.Later, err = k.changedTable("Expire later", "", p.DelayedKeys)
	e.MoreLater = moreKeys(p.Delayed - len(p.DelayedKeys))
	return e, err
}

// moreKeys says how many keys a table leaves out; "" for none.
func moreKeys(n int) string {
	if n <= 0 {
		return ""
	}
	return "And " + count(n, "more key") + "."
}

// mailedTile says how many people are told that their keys expire.
func mailedTile(p account.Preview) view.Tile {
	tile := view.Tile{Number: strconv.Itoa(p.People), Text: "people are mailed"}
	if p.People == 1 {
		tile.Text = "person is mailed"
	}
	if p.MoreOwners {
		tile.Number += "+"
	}
	if p.ServiceAccounts > 0 {
		tile.Text += ", and the stewards of " + count(p.ServiceAccounts, "service account")
	}
	return tile
}

func toneIf(set bool, tone string) string {
	if set {
		return tone
	}
	return ""
}

// markedWeeks is how many weeks are between the times below a chart.
const markedWeeks = 4

// chart adds the weeks ahead to an effect.
func (k *call) chart(e *view.Effect, p account.Preview) {
	most, highest := 0, p.Weeks[0]
	for _, w := range p.Weeks {
		most = max(most, w.Was, w.Is)
		if w.Is > highest.Is {
			highest = w
		}
	}
	if most == 0 {
		e.Notices = append(e.Notices, view.Message{
			Tone: "info", Icon: "info", Text: "No key expires in the next 13 weeks, with or without this change.",
		})
		return
	}
	switch {
	case p.BusiestKeys > 1 && 2*p.BusiestKeys > p.Affected && p.Affected > 1:
		e.Notices = append(e.Notices, view.Message{
			Tone: "warn", Icon: "warn", Text: count(p.BusiestKeys, "key") + " would expire within the day that " +
				"begins on " + k.at(p.Busiest).Text +
				". Ask their owners to regenerate before it, or choose a longer time.",
		})
	case highest.Is > 1 && 2*highest.Is > p.Affected && p.Affected > 1:
		e.Notices = append(e.Notices, view.Message{
			Tone: "warn", Icon: "warn", Text: "Most of these keys would expire in the same week. Ask their owners to " +
				"regenerate before it, or choose a longer time.",
		})
	}
	e.Chart = &view.Chart{
		Finding: "No key expires in the next 13 weeks with this change", Most: most,
		Series: "Expire that week with this change", Was: "As it is now",
	}
	if highest.Is > 0 {
		e.Chart.Finding = count(highest.Is, "key") + " in the week of " + k.date(highest.From)
	}
	for i, w := range p.Weeks {
		bar := view.Bar{
			X: 10*i + 1, IsX: 10*i + 5, Text: k.date(w.From), Value: w.Is, WasValue: w.Was, Height: 100 * w.Is / most,
			WasHeight: 100 * w.Was / most,
		}
		bar.Top, bar.WasTop = 100-bar.Height, 100-bar.WasHeight
		e.Chart.Bars = append(e.Chart.Bars, bar)
		if i%markedWeeks == 0 {
			e.Chart.Marks = append(e.Chart.Marks, w.From.In(k.zone).Format("2 Jan"))
		}
	}
}

// changedTable lists the first keys that expire at another time; nil for none. tone is that of the
// new time.
func (k *call) changedTable(heading, tone string, keys []account.ChangedKey) (*view.Table, error) {
	table := &view.Table{Columns: columns(heading, "Owner", "Now", "With this change")}
	for _, one := range keys {
		v, err := k.console.Keys.Get(k.Context(), k.who, one.Tenant, one.Key)
		if errors.Is(err, fault.NotFound) { // it was deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := k.console.Tenancy.Tenant(k.Context(), k.who, one.Tenant)
		if err != nil {
			return nil, err
		}
		owner, note := ownerWords(v.Key)
		table.Rows = append(table.Rows, view.TableRow{Cells: []view.Cell{
			{Text: v.Key.Name, Path: pathOf(v.Key), Note: t.Name},
			{Text: owner, Note: note},
			{When: k.onOrNever(one.Was)},
			{When: k.onOrNever(one.Is), Tone: tone},
		}})
	}
	if len(table.Rows) == 0 {
		return nil, nil
	}
	return table, nil
}

// onOrNever returns the day of an expiry.
func (k *call) onOrNever(at time.Time) view.When {
	if at.IsZero() {
		return never("never")
	}
	return k.on(at)
}

// switchOff makes an effect that of switching automatic expiration off.
func switchOff(e *view.Effect, a account.Account, change policy.Change) {
	until := "until its own date, if it has one"
	if days := *change.MaxLifetimeDays; days > 0 {
		until = "for up to " + count(days, "day") + ", the maximum above"
	}
	e.Heading = "Switching off automatic expiration"
	e.Accept = "I am aware of the increased risk and take responsibility for it."
	e.Notices = append([]view.Message{{
		Tone: "bad", Icon: "warn",
		Text: "Keys of " + a.Name + " will no longer expire by themselves. A leaked key that nobody notices keeps " +
			"working " + until + ". Keys that have expired already stay expired.",
	}}, e.Notices...)
}

package console

import (
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
)

// overlaps are how long the old secret can work beside the new one.
var overlaps = []struct {
	time.Duration
	text string
}{{0, "Ends now"}, {time.Hour, "1 hour"}, {day, "1 day"}, {7 * day, "7 days"}}

// idNew asks for another public id.
const idNew = "new"

// showRegenerate shows the form for a new secret.
func (c *Console) showRegenerate(k *call) (response, error) { return k.regenerateForm(nil) }

// regenerateForm returns the form, with what is wrong.
func (k *call) regenerateForm(faults view.Faults) (response, error) {
	v, err := k.refreshableKey()
	if err != nil {
		return response{}, err
	}
	page := view.Regenerate{
		Once: rand.Text(), Action: pathOf(v.Key) + "/regenerate", Cancel: pathOf(v.Key), Faults: faults, Row: k.row(v),
		IDs: []view.Choice{
			{Value: "keep", Text: "Keep the ID", Note: v.Key.PublicID, Checked: k.form.Get("id") != idNew},
			{
				Value: idNew, Text: "A new ID, too", Note: "the old one ends with the old secret",
				Checked: k.form.Get("id") == idNew,
			},
		},
	}
	page.Overlaps = k.overlapChoices(v)
	if p := v.Previous; !p.Until.IsZero() {
		page.Notice = "Two secrets are active. This ends the older one, which works until " + k.at(p.Until).Text + "."
	}
	return response{
		page: page, title: "Regenerate " + v.Key.Name, narrow: true, current: "/settings/keys",
		status: statusOf(faults),
	}, nil
}

// overlapChoices returns how long the old secret of a key can go on.
func (k *call) overlapChoices(v key.View) []view.Choice {
	return k.overlapsOf(v.Status, v.Life.Expiry.At, v.Key.LastUsedAt)
}

// overlapsOf returns how long an old secret can go on. A day is chosen first where it was used
// within the last one.
func (k *call) overlapsOf(status policy.Status, ends, used time.Time) (list []view.Choice) {
	usedToday := !used.IsZero() && k.now.Sub(used) < day
	for _, o := range overlaps {
		d := o.Duration
		c := view.Choice{Value: strconv.Itoa(int(d / time.Second)), Text: o.text, Note: "if it may have leaked"}
		if d > 0 {
			if status != policy.Active || !ends.IsZero() && k.now.Add(d).After(ends) {
				continue
			}
			c.Note = "until " + k.at(k.now.Add(d)).Text
		}
		chosen := k.form.Get("overlap")
		c.Checked = c.Value == chosen || chosen == "" && usedToday && d == day
		list = append(list, c)
	}
	if len(list) == 1 {
		list[0].Checked = true
	}
	return list
}

// regenerate replaces the secret of a key and shows the new one.
func (c *Console) regenerate(k *call) (response, error) {
	tenant, id := k.ids()
	seconds, err := strconv.Atoi(k.form.Get("overlap"))
	if err != nil || seconds < 0 {
		return k.regenerateForm(view.Faults{{
			Field: "overlap_seconds", Message: "Choose how long the old secret works.",
		}})
	}
	ctx, once, err := k.once("regenerate")
	if err != nil {
		return response{}, err
	}
	issued, err := c.Keys.Refresh(ctx, k.who, tenant, id, key.RefreshParams{
		KeepID: k.form.Get("id") != idNew, Overlap: seconds,
	})
	if errors.Is(err, audit.ErrAlreadyReserved) {
		return k.shownBefore(once, tenant)
	}
	if faults := formFaults(err); faults != nil {
		return k.regenerateForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return k.secretPage("The new secret", issued), nil
}

package console

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

// beginWithin bounds how long the page with a secret waits until its key is watched. The secret is
// shown either way.
const beginWithin = 2 * time.Second

// waitFor watches a key whose secret is shown now, and returns what the page says about its first
// request; nil if the key cannot be watched.
func (k *call) waitFor(shown key.Key) *view.Waiting {
	ctx, cancel := context.WithTimeout(k.Context(), beginWithin)
	defer cancel()
	if k.console.Watches.Begin(ctx, shown.ID, shown.Tenant) != nil {
		return nil
	}
	w := k.waiting(shown, usage.Sighting{Watch: usage.Watch{Key: shown.ID, ShownAt: k.now}}, true)
	return &w
}

// showWaiting is the part of the page with a secret that asks again and again.
func (c *Console) showWaiting(k *call) (response, error) {
	v, err := k.shownKey()
	if err != nil {
		return response{}, err
	}
	if !v.Full {
		return response{}, fault.NotFound
	}
	seen, watched, err := c.Watches.Sighting(k.Context(), v.Key.ID)
	return response{part: k.waiting(v.Key, seen, watched)}, err
}

// waiting returns what is known about the first request with the current secret of a key.
func (k *call) waiting(of key.Key, seen usage.Sighting, watched bool) view.Waiting {
	w := view.Waiting{Poll: pathOf(of) + "/waiting", KeyPath: pathOf(of)}
	if r := seen.Refused; !r.At.IsZero() {
		w.Refusal = &view.Refusal{
			When: k.moment(r.At), Code: string(r.Code), Missing: r.Missing, Scope: r.Code == fault.InsufficientScope,
			WrongSecret: r.Code == fault.KeyInvalid, From: fromWords(r.IP, r.Transport),
		}
	}
	used := seen.Used
	if used.At.IsZero() && !watched && of.LastUsedAt.After(of.SecretSetAt) {
		used = usage.Seen{At: of.LastUsedAt, IP: of.LastUsedIP}
	}
	switch {
	case !used.At.IsZero():
		w.Works = true
		w.When, w.From = k.moment(used.At), fromWords(used.IP, used.Transport)
		w.First = watched && seen.ShownAt.Sub(of.SecretSetAt) < time.Minute
		if after := used.At.Sub(of.SecretSetAt); w.First && after >= time.Second {
			w.After = span(after)
		}
	case !watched:
		w.Over = true
	}
	return w
}

// fromWords says where a request came from, as far as it is known: "from 10.20.4.17 by bearer".
func fromWords(ip string, via policy.Transport) (text string) {
	if ip != "" {
		text = " from " + ip
	}
	if via != "" {
		text += " by " + string(via)
	}
	return text
}

// moment returns a time with its seconds, and with its day if that is not today.
func (k *call) moment(at time.Time) view.When {
	text := at.In(k.zone).Format(momentForm)
	if k.date(at) != k.date(k.now) {
		text = k.date(at) + ", " + text
	}
	return when(text, at)
}

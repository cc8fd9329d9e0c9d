package console

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// maxLosses is how many scopes, and how many applications, of those that a plan loses are counted.
const maxLosses = 50

// planPreviewed returns a digest of what the form makes of a plan. A plan that takes something from
// keys is saved with the digest of what was on the page.
func planPreviewed(values url.Values) string {
	sum := sha256.New()
	for _, name := range []string{"access", "scope", "applications", "application", "version"} {
		fmt.Fprintf(sum, "%q", slices.Sorted(slices.Values(values[name])))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// planEffect returns what keys of the plan lose if it gets other scopes and applications; nil if
// none loses anything.
func (k *call) planEffect(t tenancy.Tenant, p machine.Plan, scopes []scope.Scope, all bool,
	applications []string,
) (*view.Effect, error) {
	lost, err := k.lostScopes(t, p, scopes)
	if err != nil {
		return nil, err
	}
	names, err := k.applicationNames(t)
	if err != nil {
		return nil, err
	}
	var groups []key.Group
	for _, name := range lost[:min(len(lost), maxLosses)] {
		groups = append(groups, key.Group{Plan: p.Name, Scope: name})
	}
	if !all {
		gone := lostApplications(p, names, applications)
		for _, id := range gone[:min(len(gone), maxLosses)] {
			groups = append(groups, key.Group{Plan: p.Name, Application: id})
		}
	}
	if len(groups) == 0 {
		return nil, nil
	}
	counts, err := k.console.Keys.CountGroups(k.Context(), k.who, t.ID, maxCount+1, groups...)
	if err != nil {
		return nil, err
	}
	e := &view.Effect{Heading: "What this change takes away", Note: "Nothing is saved yet"}
	for _, g := range groups {
		what := "`" + string(g.Scope) + "`"
		if g.Application != "" {
			what = "the application " + cmp.Or(names[g.Application], g.Application)
		}
		if n := counts[g]; n > 0 {
			e.Notices = append(e.Notices, view.Message{
				Tone: "warn", Icon: "warn", Text: lose(n) + " " + what + " at once.",
			})
		}
	}
	if len(e.Notices) == 0 {
		return nil, nil
	}
	return e, nil
}

// lose says how many keys lose something: "12 keys lose".
func lose(n int) string {
	if n == 1 {
		return "1 key loses"
	}
	return capped(n, false) + " keys lose"
}

// lostScopes returns the scopes that a plan has and would not have.
func (k *call) lostScopes(t tenancy.Tenant, p machine.Plan, next []scope.Scope) (lost []scope.Scope, err error) {
	if slices.Contains(next, scope.Every) {
		return nil, nil
	}
	present := []scope.Scope(p.Scopes)
	if slices.Contains(present, scope.Every) {
		entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
		if err != nil {
			return nil, err
		}
		present = nil
		for _, e := range entries.Own() {
			present = append(present, e.Name)
		}
	}
	for _, name := range present {
		if !slices.Contains(next, name) {
			lost = append(lost, name)
		}
	}
	return lost, nil
}

// lostApplications returns the applications that a plan has and would not have. names are those of
// all applications of the tenant.
func lostApplications(p machine.Plan, names map[string]string, next []string) (lost []string) {
	present := p.Applications.IDs
	if p.Applications.All {
		present = nil
		for id := range names {
			present = append(present, id)
		}
		slices.Sort(present)
	}
	for _, id := range present {
		if !slices.Contains(next, id) {
			lost = append(lost, id)
		}
	}
	return lost
}

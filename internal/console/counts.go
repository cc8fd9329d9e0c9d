package console

import (
	"context"
	"errors"
	"strconv"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// maxCount is the highest number that a page says.
const maxCount = 1000

// tenantCounts are numbers of a tenant, as people with one role see them.
type tenantCounts struct {
	// keys is nil for people who do not see all of them.
	keys *key.Counts
	// pages are the numbers of objects by the page that lists them.
	pages map[string]int
}

// counts returns the numbers of a tenant, at most a minute old; nil where they are not known yet.
func (k *call) counts(t tenancy.Tenant) *tenantCounts { return k.countsOf(t, true) }

// countsOf is counts, which waits a moment for the first numbers if waits is set.
func (k *call) countsOf(t tenancy.Tenant, waits bool) *tenantCounts {
	role := k.who.RoleIn(t.ID, t.Account)
	if role == "" {
		return nil
	}
	c, who := k.console, k.who
	name := resultName{countsKind, string(t.ID), string(role)}
	value, _, ok := c.Background.ask(k.Context(), name, countsAge, waits, func(ctx context.Context) (any, error) {
		n := &tenantCounts{pages: map[string]int{}}
		all, err := c.Keys.Counts(ctx, who, t.ID)
		switch {
		case err == nil:
			n.keys = &all
		case fault.KindOf(err) != fault.Forbidden:
			return nil, err
		}
		n.pages["members"], err = c.Tenancy.CountMembers(ctx, who, t.ID)
		if err != nil || role == scope.Member {
			return n, err
		}
		return n, c.countOwners(ctx, who, t.ID, n.pages)
	})
	if !ok {
		return nil
	}
	return value.(*tenantCounts)
}

// countOwners counts what only admins and auditors see.
func (c *Console) countOwners(ctx context.Context, who principal.Principal, t ident.TenantID,
	pages map[string]int,
) error {
	accounts, err := c.ServiceAccounts.List(ctx, who, t, paging.Page{Limit: maxTenants})
	if err != nil {
		return err
	}
	plans, err := c.Plans.List(ctx, who, t, paging.Page{Limit: maxTenants})
	if err != nil {
		return err
	}
	pages["service-accounts"], pages["plans"] = len(accounts), len(plans)
	pages["subjects"], err = c.Subjects.Count(ctx, who, t, maxCount+1)
	return err
}

// ownCount returns how many keys the person has; ok is false where it is not known yet.
func (k *call) ownCount() (n int, more, ok bool) {
	c, who := k.console, k.who
	type own struct {
		n    int
		more bool
	}
	name := resultName{countsKind, string(k.session.User.ID), ""}
	value, _, ok := c.Background.ask(k.Context(), name, countsAge, true, func(ctx context.Context) (any, error) {
		l, err := c.Keys.ListOwn(ctx, who, key.Filter{}, key.Page{Limit: maxOwnKeys})
		return own{len(l.Views), l.Next != nil}, err
	})
	if !ok {
		return 0, false, false
	}
	return value.(own).n, value.(own).more, true
}

// groupCounts returns numbers of a tenant by what they count, at most a minute old; nil where they
// are not known yet, and for people who do not see the keys of others in full. what names them.
func (k *call) groupCounts(t tenancy.Tenant, what string,
	count func(context.Context) (map[string]int, error),
) map[string]int {
	role := k.who.RoleIn(t.ID, t.Account)
	if role == scope.Member {
		return nil
	}
	name := resultName{countsKind, string(t.ID), string(role) + " " + what}
	value, _, ok := k.console.Background.ask(k.Context(), name, countsAge, true,
		func(ctx context.Context) (any, error) {
			counts, err := count(ctx)
			if errors.Is(err, key.ErrNotYet) {
				return map[string]int(nil), nil
			}
			return counts, err
		})
	if !ok {
		return nil
	}
	return value.(map[string]int)
}

// keysIn counts the keys in groups. name returns what a group is called.
func (k *call) keysIn(t tenancy.Tenant, what string, groups []key.Group, name func(key.Group) string) map[string]int {
	c, who := k.console, k.who
	return k.groupCounts(t, what, func(ctx context.Context) (map[string]int, error) {
		found, err := c.Keys.CountGroups(ctx, who, t.ID, maxCount+1, groups...)
		counts := make(map[string]int, len(found))
		for g, n := range found {
			counts[name(g)] = n
		}
		return counts, err
	})
}

// numberCell is the number of what has a name; empty where it is not known.
func numberCell(counts map[string]int, name string) view.Cell {
	n, known := counts[name]
	if !known {
		return view.Cell{}
	}
	return view.Cell{Number: capped(n, false)}
}

// capped returns a number as pages say it. more is set if it is the least that it can be.
func capped(n int, more bool) string {
	if n >= maxCount && (more || n > maxCount) {
		return "1,000+"
	}
	if more {
		return strconv.Itoa(n) + "+"
	}
	return strconv.Itoa(n)
}

// countOf returns how many keys have the status, of which "" is any, as a chip says it.
func (n *tenantCounts) countOf(status policy.Status) string {
	if n == nil || n.keys == nil {
		return ""
	}
	found := n.keys.ByStatus[status]
	switch status {
	case "":
		found = n.keys.All
	case blocked:
		found = n.keys.Blocked
	case soon:
		found = n.keys.Soon
	case neverUsed:
		found = n.keys.NeverUsed
	case notClaimed:
		found = n.keys.NotClaimed
	}
	return capped(found, n.keys.More)
}

// countOn returns the number beside the page of a tenant in the sidebar; "" for none.
func (n *tenantCounts) countOn(page string) string {
	if n == nil {
		return ""
	}
	if page == "keys" {
		return n.countOf("")
	}
	found, known := n.pages[page]
	if !known {
		return ""
	}
	return capped(found, false)
}

// shownOf says how many objects a page shows, and how many the tenant has: "50 subjects shown, 214
// in all".
func (k *call) shownOf(t tenancy.Tenant, n int, noun, page string) string {
	shown := count(n, noun) + " shown"
	if all := k.counts(t).countOn(page); all != "" {
		shown += ", " + all + " in all"
	}
	return shown
}

// heldKeys returns how many keys that are active or disabled each owner has; "–" for a person who
// does not see the keys of others.
func (k *call) heldKeys(t tenancy.Tenant, owners []ident.PartyID) (func(ident.PartyID) string, error) {
	if k.who.RoleIn(t.ID, t.Account) == scope.Member && t.Settings.Visibility != policy.SeeAll {
		return func(ident.PartyID) string { return "–" }, nil
	}
	held, err := k.console.Keys.Held(k.Context(), k.who, t.ID, owners...)
	return func(o ident.PartyID) string { return strconv.Itoa(held[o].Keys) }, err
}

package console

import (
	"net/url"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// An order is the name of a column in the query string, after "-" if it is from the latest time to
// the earliest, or from the last name to the first. Without it, lists run from the newest key to
// the oldest.

// created is the column of the usual order.
const created = "created"

// keyOrders are the orders of the list of keys in the form that narrow screens show.
var keyOrders = []view.Choice{
	{Text: "Newest first"},
	{Value: created, Text: "Oldest first"},
	{Value: "-used", Text: "Last used first"},
	{Value: "used", Text: "Longest unused first"},
	{Value: "name", Text: "By name"},
	{Value: "owner", Text: "By owner"},
	{Value: "expires", Text: "Expires first"},
}

// keyOrder returns the order in the query string.
func (k *call) keyOrder() key.Order {
	name := k.URL.Query().Get("sort")
	by, down := strings.CutPrefix(name, "-")
	o := key.Order{By: key.Sort(by), Up: name != "" && !down}
	if by == created {
		o.By = key.ByCreation
	}
	return o
}

// onlyOrder returns the query string without filters.
func (k *call) onlyOrder() url.Values {
	only := url.Values{}
	for _, name := range []string{"sort", "rows"} {
		if v := k.URL.Query().Get(name); v != "" {
			only.Set(name, v)
		}
	}
	return only
}

// plainHeads are the heads of a list that cannot be sorted.
func plainHeads() view.KeyHeads {
	return view.KeyHeads{
		Name: view.Column{Text: "Key"}, Owner: view.Column{Text: "Owner"}, Created: view.Column{Text: "Created"},
		LastUsed: view.Column{Text: "Last used"}, Expires: view.Column{Text: "Expires"},
	}
}

// setOrder makes the heads of a list of keys links that sort it. unordered is set if the list could
// not be sorted as asked.
func (k *call) setOrder(p *view.Keys, t tenancy.Tenant, o key.Order, counts *tenantCounts, unordered bool) {
	if unordered {
		o = key.Order{}
	}
	p.Heads = plainHeads()
	sortable := func(head *view.Column, by key.Sort, name string, upFirst bool) {
		up := upFirst
		if o.By == by {
			head.Sorted = "descending"
			if o.Up {
				head.Sorted = "ascending"
			}
			up = !o.Up
		}
		if !up {
			name = "-" + name
		}
		head.Sort = k.sortedBy(name)
	}
	sortable(&p.Heads.Name, key.ByName, "name", true)
	sortable(&p.Heads.Owner, key.ByOwner, "owner", true)
	sortable(&p.Heads.Created, key.ByCreation, created, false)
	orders := keyOrders
	reduced := k.seesReduced(t)
	tooMany := counts != nil && counts.keys != nil && counts.keys.All > key.MaxByExpiry ||
		unordered && k.keyOrder().By == key.ByExpiry
	switch {
	case reduced: // they do not see when keys of others were used or expire
		orders = without(orders, "-used", "used", "expires")
	case tooMany:
		orders = without(orders, "expires")
		p.Unsorted = "Lists of up to 1,000 keys can be sorted by expiry."
	}
	if !reduced {
		sortable(&p.Heads.LastUsed, key.ByUse, "used", false)
	}
	if !reduced && !tooMany {
		sortable(&p.Heads.Expires, key.ByExpiry, "expires", true)
	}
	p.Search.Orders = chosen(orders, k.URL.Query().Get("sort"))
}

// seesReduced reports whether the person sees of the keys of others only names, owners and dates.
func (k *call) seesReduced(t tenancy.Tenant) bool {
	return k.who.RoleIn(t.ID, t.Account) == scope.Member && t.Settings.Visibility == policy.SeeAll
}

// without returns choices without some of them.
func without(choices []view.Choice, values ...string) (list []view.Choice) {
	for _, c := range choices {
		if !slices.Contains(values, c.Value) {
			list = append(list, c)
		}
	}
	return list
}

// sortedBy returns the address of the list in an order.
func (k *call) sortedBy(name string) string {
	query := k.filters()
	query.Set("sort", name)
	if name == "-"+created {
		query.Del("sort")
	}
	return withQuery(k.URL.Path, query)
}

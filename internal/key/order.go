package key

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Sort is what a list of keys is sorted by.
type Sort string

// The sorts.
const (
	ByCreation Sort = ""
	// ByUse sorts by the last use. Keys that were never used come after all others.
	ByUse  Sort = "used"
	ByName Sort = "name"
	// ByOwner sorts by the name of the owner, and the keys of one owner from the newest on.
	ByOwner Sort = "owner"
	// ByExpiry sorts by the effective expiry, which is computed. Lists of more than MaxByExpiry
	// keys are not sorted by it.
	ByExpiry Sort = "expires"
)

// MaxByExpiry is how many keys a tenant may have whose list can be sorted by expiry.
const MaxByExpiry = 1_000

// Order is that of a list of keys. The zero value is from the newest key to the oldest.
type Order struct {
	By Sort
	// Up is the order from the first name to the last, and from the earliest time to the latest.
	Up bool
}

// Position is where a key stands in an order. In an order by creation, At is when the key was
// created; by use, when it was last used, zero for never; by expiry, when it expires, zero for
// never. In an order by name or owner, Text is that name, and At when the key was created.
type Position struct {
	At   time.Time
	Text string
	Key  ident.KeyID
}

// ErrNotYet says that a list cannot be sorted as asked, or a number be counted, until a job has
// written what that needs.
var ErrNotYet = errors.New("what this needs is not written yet")

// After returns the position after which the page begins.
func (p Page) After() Position { return Position{p.BeforeTime, p.BeforeText, p.BeforeID} }

// From returns the part of the same list that begins after a position, of up to limit keys.
func (p Page) From(after Position, limit int) Page {
	return Page{
		BeforeTime: after.At, BeforeText: after.Text, BeforeID: after.Key, Order: p.Order, Limit: limit,
	}
}

// next returns the page after a position; nil for none.
func (p Page) next(after *Position) *Page {
	if after == nil {
		return nil
	}
	next := p.From(*after, p.Limit)
	return &next
}

// position returns where a key stands in the list that returned it.
func (k Key) position() Position {
	if k.Position.Key != "" {
		return k.Position
	}
	return Position{At: k.CreatedAt, Key: k.ID}
}

// checkOrder returns an error for an order that shows more than the list does.
func checkOrder(o Order, sees access) error {
	switch o.By {
	case ByCreation, ByName, ByOwner:
		return nil
	case ByUse, ByExpiry:
		if sees.see && !sees.full {
			return fault.New(fault.Forbidden,
				"Members do not see when keys of others were used or expire. Sort the list by something else.")
		}
		return nil
	}
	return fault.Refuse(fault.Field{
		Name: "sort", Code: "unknown", Message: "Use created, used, name, owner or expires.",
	})
}

// listInOrder lists keys of a tenant, by when they were created if they cannot be sorted as asked.
func (s *Service) listInOrder(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter,
	page Page, full bool,
) (Listing, error) {
	list := s.listAsStored
	if page.Order.By == ByExpiry {
		list = s.listByExpiry
	}
	l, err := list(ctx, who, t, filter, page, full)
	if !errors.Is(err, ErrNotYet) {
		return l, err
	}
	page.Order, page.BeforeText = Order{}, ""
	l, err = s.listAsStored(ctx, who, t, filter, page, full)
	l.Unordered = true
	return l, err
}

// listAsStored lists keys of a tenant in an order that the store has. full is set for a caller who
// sees all of them in full.
func (s *Service) listAsStored(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter,
	page Page, full bool,
) (Listing, error) {
	if full && filter.needsStatesOnly() {
		return s.listByState(ctx, who, t, filter, page)
	}
	fetch := func(p Page) ([]Key, *Position, error) { return s.Store.Keys(ctx, t.ID, filter, p) }
	return scan(filter, page, fetch, s.viewer(who, t))
}

// listByExpiry sorts the keys of a tenant in memory. Only those of the page are read in full, if
// the filter asks for no more.
func (s *Service) listByExpiry(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter,
	page Page, _ bool,
) (Listing, error) {
	states, _, err := s.Store.KeyStates(ctx, t.ID, Order{}, Position{}, MaxByExpiry+1, States{})
	if err != nil {
		return Listing{}, err
	}
	if len(states) > MaxByExpiry {
		return Listing{}, ErrNotYet
	}
	show := s.viewer(who, t)
	places := make([]Position, len(states))
	for i, k := range states {
		v, err := show(k)
		if err != nil {
			return Listing{}, err
		}
		places[i] = Position{At: v.Life.Expiry.At, Key: k.ID}
	}
	inOrder := func(a, b Position) int { return compareExpiry(a, b, page.Order.Up) }
	slices.SortFunc(places, inOrder)
	filter.inMemory = true
	return scan(filter, page, func(p Page) ([]Key, *Position, error) {
		rest := places
		if p.BeforeID != "" {
			rest = places[firstAfter(places, p.After(), inOrder):]
		}
		return s.keysAt(ctx, t.ID, rest[:min(len(rest), p.Limit)], len(rest) > p.Limit)
	}, show)
}

// keysAt returns the keys at the positions. If one was deleted meanwhile and there are more,
// stopped is the last position.
func (s *Service) keysAt(ctx context.Context, tenant ident.TenantID, places []Position, more bool) (
	keys []Key, stopped *Position, err error,
) {
	if len(places) == 0 {
		return nil, nil, nil
	}
	ids := make([]ident.KeyID, len(places))
	at := map[ident.KeyID]Position{}
	for i, p := range places {
		ids[i] = p.Key
		at[p.Key] = p
	}
	keys, err = s.Store.TheseKeys(ctx, tenant, ids)
	for i := range keys {
		keys[i].Position = at[keys[i].ID]
	}
	if more && len(keys) < len(places) {
		stopped = &places[len(places)-1]
	}
	return keys, stopped, err
}

// compareExpiry compares two positions in an order by expiry. Keys that do not expire come last.
func compareExpiry(a, b Position, up bool) int {
	if a.At.IsZero() != b.At.IsZero() {
		if a.At.IsZero() {
			return 1
		}
		return -1
	}
	order := cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	if !up {
		return -order
	}
	return order
}

// firstAfter returns the index of the first of sorted positions that comes after another.
func firstAfter(places []Position, after Position, inOrder func(a, b Position) int) int {
	i, found := slices.BinarySearchFunc(places, after, inOrder)
	if found {
		i++
	}
	return i
}

// finds reports whether the key belongs to an owner whom the filter allows and is found by its
// query, as the store decides it for other orders.
func (f Filter) finds(k Key) bool {
	wanted := text.NewWordQuery(f.Query)
	return (f.Owner == "" || f.Owner == k.Owner.ID) && (len(f.Owners) == 0 || slices.Contains(f.Owners, k.Owner.ID)) &&
		(wanted.Empty() || wanted.Found(k.Name, k.PublicID, k.Owner.Email, k.Owner.ExternalID))
}

package key

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Filter narrows a list of keys; the zero value lists all.
type Filter struct {
	// Owner is the only owner whose keys are listed; "" for all.
	Owner ident.PartyID
	// ExternalID names the only owner by the external id of a subject; "" for all owners.
	ExternalID string
	// CreatedBy is the only party whose keys are listed; "" for all.
	CreatedBy ident.PartyID
	// CreatedAfter and ExpiresBefore bound when the keys were created and when they expire, by
	// their own expiry or the account's policy. They are zero for no bound.
	CreatedAfter, ExpiresBefore time.Time
	// Owners are the only owners whose keys are listed, of which Owner is none; nil for all.
	Owners []ident.PartyID
	// Status is the status at the moment of the request; it is computed and never stored. Active
	// keys that are blocked do not count as active.
	Status policy.Status
	// BlockedBy lists the keys that are blocked by this; "" for no such bound. Blocked lists those
	// that are blocked by anything.
	BlockedBy policy.Blocker
	Blocked   bool
	// Query is compared with the name, the public id and the owner's e-mail address or external id,
	// without regard to case: each of its words must be the beginning of one of theirs. It is ""
	// for no search.
	Query string
	// ShownTo narrows the list to keys of other people of which this person was shown a secret that
	// is still valid, because they created or refreshed the key. It is "" for no such bound.
	ShownTo ident.UserID
	// Usable narrows the list to keys that are active or disabled.
	Usable bool
	// NotClaimed narrows the list to keys that wait for their owner to claim them, and NeverUsed to
	// those that are active or disabled and have a secret which no request has used.
	NotClaimed, NeverUsed bool
	// Scope is a scope that all listed keys have by name; "" for any.
	Scope scope.Scope
	// OwnerTypes are the only types of owners whose keys are listed; nil for all.
	OwnerTypes []ident.PartyType
	// program is set for a management key, which finds no key by what it may not read.
	program bool
	// inMemory is set for a list that the store does not filter by owner and query.
	inMemory bool
	// ExceptAccounts are accounts whose keys a list over all tenants leaves out.
	ExceptAccounts []ident.AccountID
}

// within returns the filter for somebody who sees only the keys of these owners. It names no owner
// if they may see none of the keys.
func (f Filter) within(owners []ident.PartyID) Filter {
	switch {
	case f.Owner != "" && !slices.Contains(owners, f.Owner):
		f.Owner, f.Owners = "", nil
	case f.Owner != "":
	case len(owners) == 1:
		f.Owner = owners[0]
	default:
		f.Owners = owners
	}
	return f
}

// matches reports whether the computed parts of the view pass the filter. The store applies the
// rest of the filter.
func (f Filter) matches(v View) bool {
	switch expires := v.Life.Expiry.At; {
	case f.ShownTo != "" && !v.wasShownTo(f.ShownTo), f.inMemory && !f.finds(v.Key),
		!f.CreatedAfter.IsZero() && !v.Key.CreatedAt.After(f.CreatedAfter):
		return false
	case !v.Full && (f.CreatedBy != "" || !f.ExpiresBefore.IsZero() || f.Scope != "" || f.NotClaimed || f.NeverUsed):
		return false // the caller may not know these
	case f.Scope != "" && !v.Key.Scopes.Has(f.Scope):
		return false
	case f.CreatedBy != "" && f.CreatedBy != v.Key.CreatedBy.ID:
		return false
	case !f.ExpiresBefore.IsZero() && (expires.IsZero() || !expires.Before(f.ExpiresBefore)):
		return false
	}
	if f.OwnerTypes != nil && !slices.Contains(f.OwnerTypes, v.Key.Owner.Type()) {
		return false
	}
	if f.program && !foundForProgram(f.Query, v.Key) {
		return false
	}
	switch {
	case f.BlockedBy != "" && f.BlockedBy != v.BlockedBy, f.Blocked && v.BlockedBy == "":
		return false
	case f.Status == policy.Active && v.BlockedBy != "":
		return false
	case f.NotClaimed && !v.isNotClaimed(), f.NeverUsed && !v.isNeverUsed():
		return false
	case f.Usable && v.Status != policy.Active && v.Status != policy.Disabled:
		return false
	}
	return f.Status == "" || f.Status == v.Status
}

// IsByScope reports whether the store finds the keys by their scope: the filter names neither
// owners nor anything else that the store looks for.
func (f Filter) IsByScope() bool {
	return f.Scope != "" && f.Query == "" && f.ShownTo == "" && f.CreatedBy == "" && f.Owner == "" && f.Owners == nil
}

// examines reports whether the filter is applied to keys after they were read, so that a page can
// cost many keys that are not in it.
func (f Filter) examines() bool {
	return f.Status != "" || f.BlockedBy != "" || f.Blocked || f.ShownTo != "" || f.Usable || f.OwnerTypes != nil ||
		f.CreatedBy != "" || !f.ExpiresBefore.IsZero() || f.Scope != "" ||
		f.NotClaimed || f.NeverUsed || f.inMemory && (f.Query != "" || f.Owner != "" || f.Owners != nil)
}

// wasShownTo reports whether the person was shown the current secret of another's key, or the
// previous one while it is valid. For a secret without a recorded setter, that is the creator of
// the key, unless its owner claimed it by link.
func (v View) wasShownTo(person ident.UserID) bool {
	seen := func(setBy ident.PartyID) bool {
		if setBy == "" && v.Key.Delivery == Direct {
			setBy = v.Key.CreatedBy.ID
		}
		return setBy == ident.PartyID(person)
	}
	if v.Key.Owner.Is(person) || v.Key.SecretSetAt.IsZero() {
		return false
	}
	return seen(v.Key.SetBy) || !v.Previous.Until.IsZero() && seen(v.Key.Previous.SetBy)
}

// maxQuery is the maximum length of a search, in code points.
const maxQuery = 200

// Validate returns what is wrong with the filter.
func (f Filter) Validate() (faults []fault.Field) {
	if f.Status != "" && !slices.Contains(policy.Statuses(), f.Status) {
		faults = append(faults,
			fault.Field{Name: "status", Code: "unknown", Message: "Use active, disabled, expired or revoked."})
	}
	if f.BlockedBy != "" && !slices.Contains(policy.Blockers(), f.BlockedBy) {
		faults = append(faults,
			fault.Field{Name: "blocked_by", Code: "unknown", Message: "Use owner, tenant or account."})
	}
	if by := string(f.CreatedBy); !utf8.ValidString(by) || strings.ContainsRune(by, 0) {
		faults = append(faults, fault.Field{Name: "created_by", Code: "form", Message: "Use an id."})
	}
	switch {
	case !utf8.ValidString(f.Query) || strings.ContainsRune(f.Query, 0):
		faults = append(faults,
			fault.Field{Name: "q", Code: "character", Message: "Use UTF-8 text without NUL characters."})
	case utf8.RuneCountInString(f.Query) > maxQuery:
		faults = append(faults,
			fault.Field{Name: "q", Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxQuery)})
	case f.Query != "" && text.NewWordQuery(f.Query).Empty():
		faults = append(faults,
			fault.Field{Name: "q", Code: "empty", Message: "Use at least one letter, digit or symbol, or leave q out."})
	}
	return faults
}

// Page asks for a part of a list.
type Page struct {
	// BeforeTime, BeforeText and BeforeID are the position of the last key seen; zero for the first
	// page. Before which keys it comes depends on the order.
	BeforeTime time.Time
	BeforeText string
	BeforeID   ident.KeyID
	Order      Order
	Limit      int
}

// Listing is a part of a list. A part can be shorter than asked, even if it is not the last.
type Listing struct {
	Views []View
	// Next asks for the part after this one; nil on the last.
	Next *Page
	// Unordered is set if the list could not be sorted as asked. It is then sorted from the newest
	// key to the oldest.
	Unordered bool
}

// List returns the keys of a tenant that the caller may see, in the order that the page asks for.
func (s *Service) List(ctx context.Context, who principal.Principal, tenant ident.TenantID, filter Filter,
	page Page,
) (Listing, error) {
	if err := fault.Refuse(filter.Validate()...); err != nil {
		return Listing{}, err
	}
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return Listing{}, err
	}
	caller, err := actorOf(who)
	if err != nil {
		return Listing{}, err
	}
	if caller.management != nil {
		return s.listForProgram(ctx, who, t, caller, filter, page)
	}
	others := accessTo(who.RoleIn(t.ID, t.Account), unrelated, t.Settings.Visibility)
	if !others.full && filter.ShownTo != "" && filter.ShownTo != caller.person.ID {
		return Listing{}, fault.New(fault.Forbidden,
			"Only admins and auditors of the tenant may ask which secrets were shown to another person.")
	}
	if err := checkOrder(page.Order, others); err != nil {
		return Listing{}, err
	}
	if !others.see {
		seen, err := s.Store.StewardedBy(ctx, tenant, caller.person.ID)
		if err != nil {
			return Listing{}, err
		}
		filter = filter.within(append(seen, ident.PartyID(caller.person.ID)))
		if filter.Owner == "" && len(filter.Owners) == 0 {
			return Listing{}, nil
		}
	}
	if filter.ExternalID != "" {
		subject, err := s.Store.SubjectID(ctx, tenant, filter.ExternalID)
		if err != nil || subject == "" || filter.Owner != "" {
			return Listing{}, err
		}
		filter.Owner = ident.PartyID(subject)
	}
	leave, err := s.admitSearch(ctx, filter, page.Order, admission.Caller(tenant).Part(caller.id()))
	if err != nil {
		return Listing{}, err
	}
	defer leave()
	return s.listInOrder(ctx, who, t, filter, page, others.full)
}

// needsStatesOnly reports whether the filter examines the states of all keys of a tenant, and
// nothing else of them.
func (f Filter) needsStatesOnly() bool {
	return f.examines() && f.ShownTo == "" && f.CreatedBy == "" && f.Scope == "" && f.Query == "" && f.Owner == "" &&
		f.Owners == nil
}

// states returns which states the filter examines: few keys are disabled, so that the store leaves
// out the others.
func (f Filter) states() States {
	return States{Uses: f.NeverUsed, Disabled: f.Status == policy.Disabled}
}

// listByState lists keys of a tenant by their states, for a caller who sees all of them in full.
// Only the keys of the page are read in full.
func (s *Service) listByState(ctx context.Context, who principal.Principal, t policy.Tenant, filter Filter,
	page Page,
) (l Listing, err error) {
	show := s.viewer(who, t)
	by := paging.Scan[Position, Key, ident.KeyID]{
		Batch: stateBatch, Most: stateLimit,
		Read: func(after Position, limit int) ([]Key, *Position, error) {
			return s.Store.KeyStates(ctx, t.ID, page.Order, after, limit, filter.states())
		},
		Position: Key.position,
		Show: func(k Key) (ident.KeyID, bool, error) {
			v, err := show(k)
			return k.ID, filter.matches(v), err
		},
	}
	if !filter.CreatedAfter.IsZero() && page.Order == (Order{}) {
		by.Ends = func(k Key) bool { return !k.CreatedAt.After(filter.CreatedAfter) }
	}
	ids, next, err := by.Page(page.After(), page.Limit)
	if err != nil {
		return l, err
	}
	l.Next = page.next(next)
	keys, err := s.Store.TheseKeys(ctx, t.ID, ids)
	for _, k := range keys {
		v, err := show(k)
		if err != nil {
			return l, err
		}
		if filter.matches(v) { // it may have changed meanwhile
			l.Views = append(l.Views, v)
		}
	}
	return l, err
}

// listForProgram returns the keys that a management key may read.
func (s *Service) listForProgram(ctx context.Context, who principal.Principal, t policy.Tenant, caller actor,
	filter Filter, page Page,
) (Listing, error) {
	if filter.ShownTo != "" {
		return Listing{}, fault.New(fault.Forbidden, "A management key does not learn who has seen a secret.")
	}
	filter.OwnerTypes, filter.program = caller.management.Rights.Owners, true
	page.Order = Order{}
	leave, err := s.admitSearch(ctx, filter, page.Order, admission.Caller(t.ID).Part(caller.id()))
	if err != nil {
		return Listing{}, err
	}
	defer leave()
	fetch := func(p Page) ([]Key, *Position, error) { return s.Store.Keys(ctx, t.ID, filter, p) }
	return scan(filter, page, fetch, s.viewer(who, t))
}

// ListOwn returns the caller's own keys in every tenant where they are a live member, newest first.
// It ignores the filter's owner.
func (s *Service) ListOwn(ctx context.Context, who principal.Principal, filter Filter, page Page) (Listing, error) {
	caller, err := signedInPerson(who)
	if err != nil {
		return Listing{}, err
	}
	if err := fault.Refuse(filter.Validate()...); err != nil {
		return Listing{}, err
	}
	own, _ := who.Session()
	filter.Owner, filter.ExceptAccounts = ident.PartyID(caller.ID), own.Ended
	page.Order = Order{}
	leave, err := s.admitSearch(ctx, filter, page.Order, admission.Caller(caller.ID))
	if err != nil {
		return Listing{}, err
	}
	defer leave()
	tenants := map[ident.TenantID]policy.Tenant{}
	fetch := func(p Page) ([]Key, *Position, error) { return s.Store.OwnKeys(ctx, filter, p) }
	return scan(filter, page, fetch, func(k Key) (View, error) {
		t, known := tenants[k.Tenant]
		if !known {
			t, err = s.Store.TenantRules(ctx, k.Tenant)
			if err != nil {
				return View{}, err
			}
			tenants[k.Tenant] = t
		}
		return s.view(caller.ID, scope.Member, t, k), nil
	})
}

// admitSearch waits until the caller may search. A list that examines no more keys than it shows
// does not wait, and neither does one of a creator, who has an index, or of a program, whose rights
// always name types of owners. To compare the texts of 5,000 keys, or to read 2,000 in full, takes
// up to a second of a core, which verification needs too. Orders by use, owner and expiry examine
// others than they show as well.
func (s *Service) admitSearch(ctx context.Context, filter Filter, o Order, c admission.Caller) (
	leave func(), err error,
) {
	examined := filter
	examined.CreatedBy = ""
	if filter.program {
		examined.OwnerTypes = nil
	}
	if filter.Query == "" && !examined.examines() && (o.By == ByCreation || o.By == ByName) {
		return func() {}, nil
	}
	pass, err := s.SearchGate.Acquire(ctx, c)
	return pass.Release, err
}

// The bounds of a scan, in keys.
const (
	scanBatch = 200  // read at once
	scanLimit = 2000 // read for one request

	stateBatch = 1_000  // states that are read at once
	stateLimit = 10_000 // for one request
)

// scan reads keys until the page is full, the list ends, or enough was read for one request. The
// status is computed, so the database cannot filter by it.
func scan(filter Filter, page Page, fetch func(Page) ([]Key, *Position, error),
	show func(Key) (View, error),
) (Listing, error) {
	by := paging.Scan[Position, Key, View]{
		Batch: page.Limit + 1, // one more key shows whether this is the last page
		Most:  scanLimit,
		Read: func(after Position, limit int) ([]Key, *Position, error) {
			return fetch(page.From(after, limit))
		},
		Position: Key.position,
		Show: func(k Key) (View, bool, error) {
			v, err := show(k)
			return v, filter.matches(v), err
		},
	}
	if filter.examines() {
		by.Batch = scanBatch
	}
	if !filter.CreatedAfter.IsZero() && page.Order == (Order{}) {
		by.Ends = func(k Key) bool { return !k.CreatedAt.After(filter.CreatedAfter) }
	}
	views, next, err := by.Page(page.After(), page.Limit)
	if err != nil {
		return Listing{}, err
	}
	return Listing{Views: views, Next: page.next(next)}, nil
}

package key

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Filter narrows a list of keys; the zero value lists all.
type Filter struct {
	Owner ident.UserID
	// Status is that of the moment: it is computed, never stored.
	Status policy.Status
	// Query is looked for in name, public id and the owner's e-mail address, without regard to case.
	Query string
}

// maxQuery is the longest text to look for, in code points.
const maxQuery = 200

// Faults says what is wrong with the filter.
func (f Filter) Faults() (faults []fault.Field) {
	if f.Status != "" && !slices.Contains(policy.Statuses(), f.Status) {
		faults = append(faults, fault.Field{Name: "status", Code: "unknown", Message: "Use active, disabled, expired or revoked."})
	}
	switch {
	case !utf8.ValidString(f.Query) || strings.ContainsRune(f.Query, 0):
		faults = append(faults, fault.Field{Name: "q", Code: "character", Message: "Use text in UTF-8 without NUL."})
	case utf8.RuneCountInString(f.Query) > maxQuery:
		faults = append(faults, fault.Field{Name: "q", Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxQuery)})
	}
	return faults
}

// Page asks for a part of a list, newest first.
type Page struct {
	// BeforeTime and BeforeID are the place of the last key seen; zero for the first page.
	BeforeTime time.Time
	BeforeID   ident.KeyID
	Limit      int
}

// Listing is a part of a list. It may be shorter than asked, also where it is not the last.
type Listing struct {
	Views []View
	// Next asks for the part after this one; nil on the last.
	Next *Page
}

// List gives the keys of a tenant that the caller may see, newest first.
func (s *Service) List(ctx context.Context, who principal.Principal, tenant ident.TenantID, filter Filter, page Page) (Listing, error) {
	if err := fault.Refuse(filter.Faults()...); err != nil {
		return Listing{}, err
	}
	t, err := s.visible(ctx, who, tenant)
	if err != nil {
		return Listing{}, err
	}
	caller, err := person(who)
	if err != nil {
		return Listing{}, err
	}
	if who.RoleIn(t.ID, t.Account) == scope.Member && t.Settings.Visibility == policy.SeeOwn {
		if filter.Owner != "" && filter.Owner != caller.ID {
			return Listing{}, nil
		}
		filter.Owner = caller.ID
	}
	fetch := func(p Page) ([]Key, error) { return s.Store.Keys(ctx, tenant, filter, p) }
	return scan(filter, page, fetch, func(k Key) (View, error) { return s.view(who, t, k), nil })
}

// Own gives the caller's own keys in every tenant where they are a live member, newest first. The filter's owner does not count.
func (s *Service) Own(ctx context.Context, who principal.Principal, filter Filter, page Page) (Listing, error) {
	caller, err := person(who)
	if err != nil {
		return Listing{}, err
	}
	if err := fault.Refuse(filter.Faults()...); err != nil {
		return Listing{}, err
	}
	filter.Owner = caller.ID
	tenants := map[ident.TenantID]policy.Tenant{}
	fetch := func(p Page) ([]Key, error) { return s.Store.OwnKeys(ctx, filter, p) }
	return scan(filter, page, fetch, func(k Key) (View, error) {
		t, known := tenants[k.Tenant]
		if !known {
			if t, err = s.Store.TenantRules(ctx, k.Tenant); err != nil {
				return View{}, err
			}
			tenants[k.Tenant] = t
		}
		return s.view(who, t, k), nil
	})
}

// The bounds of a scan: what one read gives, and what one part of a list reads, in keys.
const (
	scanBatch = 200
	scanMost  = 2000
)

// scan reads keys until the page is full, there are no more, or enough was read for one request. The state is computed, so the database cannot look for it.
func scan(filter Filter, page Page, fetch func(Page) ([]Key, error), show func(Key) (View, error)) (Listing, error) {
	var l Listing
	at := page
	at.Limit++ // one more tells whether this is the last
	if filter.Status != "" {
		at.Limit = scanBatch
	}
	for seen := 0; seen < scanMost; seen += at.Limit {
		keys, err := fetch(at)
		if err != nil {
			return Listing{}, err
		}
		for _, k := range keys {
			if len(l.Views) == page.Limit {
				l.Next = &at
				return l, nil
			}
			v, err := show(k)
			if err != nil {
				return Listing{}, err
			}
			if at.BeforeTime, at.BeforeID = k.CreatedAt, k.ID; filter.Status == "" || filter.Status == v.State {
				l.Views = append(l.Views, v)
			}
		}
		if len(keys) < at.Limit {
			return l, nil
		}
	}
	l.Next = &at
	return l, nil
}

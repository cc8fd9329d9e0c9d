package tenancy

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Trail names the records of one tenant, or of an account with all its tenants.
type Trail struct {
	Tenant  ident.TenantID
	Account ident.AccountID
}

// TrailEvent is a record with the place of its change among all changes.
type TrailEvent struct {
	audit.Event
	Number int64
}

// TrailFilter narrows a trail; the zero value lists all.
type TrailFilter struct {
	// Action is whole, as key.create, or a noun, as key, for all that was done to such things.
	Action string
	// Actor and Target are ids.
	Actor, Target string
	// Since is the first moment, Until the first one after.
	Since, Until time.Time
}

var actionPattern = regexp.MustCompile(`^[a-z_]{1,32}(\.[a-z_]{1,32})?$`)

// Faults says what is wrong with the filter.
func (f TrailFilter) Faults() (faults []fault.Field) {
	if f.Action != "" && !actionPattern.MatchString(f.Action) {
		faults = append(faults, fault.Field{Name: "action", Code: "form", Message: "Use an action, such as key.create, or the first word of several."})
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		faults = append(faults, fault.Field{Name: "until", Code: "range", Message: "Use a time after since."})
	}
	return faults
}

// fits reports whether the filter lists the event.
func (f TrailFilter) fits(e TrailEvent) bool {
	action := string(e.Action)
	return (f.Action == "" || f.Action == action || strings.HasPrefix(action, f.Action+".")) &&
		(f.Actor == "" || f.Actor == e.Actor.ID) && (f.Target == "" || f.Target == e.Target.ID) &&
		!e.At.Before(f.Since) && (f.Until.IsZero() || e.At.Before(f.Until))
}

// ends reports whether nothing before the event can fit. The times of a trail rise but for what the clocks of nodes differ in.
func (f TrailFilter) ends(e TrailEvent) bool {
	return !f.Since.IsZero() && e.At.Before(f.Since.Add(-time.Hour))
}

// TrailPage asks for a part of a trail, newest first.
type TrailPage struct {
	// Before is the number of the last event seen; 0 for the first page.
	Before int64
	Limit  int
}

// TrailPart is a part of a trail. It may be shorter than asked, also where it is not the last.
type TrailPart struct {
	Events []TrailEvent
	// Next asks for the part after this one; nil on the last.
	Next *TrailPage
}

// TenantTrail lists the audit trail of a tenant, newest first, for whoever may read it: the way in has judged scope and role.
func (s *Service) TenantTrail(ctx context.Context, who principal.Principal, tenant ident.TenantID, f TrailFilter, page TrailPage) (TrailPart, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return TrailPart{}, err
	}
	return s.scan(ctx, Trail{Tenant: tenant}, f, page)
}

// AccountTrail lists the audit trail of an account and its tenants, newest first, for the owners and admins of the account.
func (s *Service) AccountTrail(ctx context.Context, who principal.Principal, account ident.AccountID, f TrailFilter, page TrailPage) (TrailPart, error) {
	if err := s.seesAll(who, account); err != nil {
		return TrailPart{}, err
	}
	return s.scan(ctx, Trail{Account: account}, f, page)
}

// The bounds of a scan: what one read gives, and what one part of a trail reads, in events.
const (
	scanBatch = 200
	scanMost  = 4000
)

// scan reads events until the page is full, there are no more, or enough was read for one request.
func (s *Service) scan(ctx context.Context, of Trail, f TrailFilter, page TrailPage) (part TrailPart, err error) {
	if err := fault.Refuse(f.Faults()...); err != nil {
		return part, err
	}
	at, batch := page, scanBatch
	if f == (TrailFilter{}) {
		batch = page.Limit + 1 // one more tells whether this is the last
	}
	for seen := 0; seen < scanMost; seen += batch {
		events, err := s.Store.Events(ctx, of, at.Before, batch)
		if err != nil {
			return TrailPart{}, err
		}
		for _, e := range events {
			if f.ends(e) {
				return part, nil
			}
			if len(part.Events) == page.Limit {
				part.Next = &at
				return part, nil
			}
			if at.Before = e.Number; f.fits(e) {
				part.Events = append(part.Events, e)
			}
		}
		if len(events) < batch {
			return part, nil
		}
	}
	part.Next = &at
	return part, nil
}

package audit

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
)

// Trail names the events of one tenant, of an account with all its tenants, or those that one
// person caused.
type Trail struct {
	Tenant  ident.TenantID
	Account ident.AccountID
	// Actor is the person who caused the events; "" for those of a tenant or an account.
	Actor ident.UserID
	// Target is the id of the only thing whose events are meant; "" for all.
	Target string
}

// TrailEvent is an event with the number of its change.
type TrailEvent struct {
	Event
	Number int64
}

// TrailFilter narrows a trail; the zero value lists all events.
type TrailFilter struct {
	// Action is an action, such as key.create, or its noun, such as key, for all actions on such
	// things.
	Action string
	// Actor and Target are ids.
	Actor, Target string
	// Since is the first moment, Until the first one after.
	Since, Until time.Time
}

var actionPattern = regexp.MustCompile(`^[a-z_]{1,32}(\.[a-z_]{1,32})?$`)

// Faults returns what is wrong with the filter.
func (f TrailFilter) Faults() (faults []fault.Field) {
	if f.Action != "" && !actionPattern.MatchString(f.Action) {
		faults = append(faults,
			fault.Field{
				Name: "action", Code: "form",
				Message: "Use an action, such as key.create, or its first word, such as key.",
			})
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		faults = append(faults, fault.Field{Name: "until", Code: "range", Message: "Use a time after since."})
	}
	return faults
}

// matches reports whether the filter lists the event.
func (f TrailFilter) matches(e TrailEvent) bool {
	action := string(e.Action)
	return (f.Action == "" || f.Action == action || strings.HasPrefix(action, f.Action+".")) &&
		(f.Actor == "" || f.Actor == e.Actor.ID) && (f.Target == "" || f.Target == e.Target.ID) &&
		!e.At.Before(f.Since) && (f.Until.IsZero() || e.At.Before(f.Until))
}

// endsAt reports whether neither the event nor any older one can match. Within a trail times rise,
// except for what the clocks of nodes differ by.
func (f TrailFilter) endsAt(e TrailEvent) bool {
	return !f.Since.IsZero() && e.At.Before(f.Since.Add(-time.Hour))
}

// TrailPage asks for a part of a trail, newest first.
type TrailPage struct {
	// Before is the change number of the last event seen; 0 for the first page.
	Before int64
	Limit  int
}

// TrailPart is a part of a trail. It may have fewer events than asked for, also where it is not the
// last.
type TrailPart struct {
	Events []TrailEvent
	// Next asks for the part that follows; nil on the last.
	Next *TrailPage
}

// TrailStore reads events.
type TrailStore interface {
	// Events lists the newest events before a change number; 0 begins at the latest.
	Events(ctx context.Context, of Trail, before int64, limit int) ([]TrailEvent, error)
}

const (
	trailBatch = 200  // events that one read returns
	trailMost  = 4000 // events that one request reads
)

// ReadTrail reads a part of a trail. It decides nothing about who may read it.
func ReadTrail(ctx context.Context, store TrailStore, of Trail, f TrailFilter, page TrailPage) (TrailPart, error) {
	if err := fault.Refuse(f.Faults()...); err != nil {
		return TrailPart{}, err
	}
	of.Target = f.Target
	batch := trailBatch
	if f == (TrailFilter{Target: f.Target}) {
		batch = page.Limit + 1 // the event after the part tells whether another part follows
	}
	scan := paging.Scan[int64, TrailEvent, TrailEvent]{
		Batch: batch, Most: trailMost,
		Read: func(before int64, limit int) (events []TrailEvent, stop *int64, err error) {
			events, err = store.Events(ctx, of, before, limit)
			return events, nil, err
		},
		Position: func(e TrailEvent) int64 { return e.Number },
		Show:     func(e TrailEvent) (TrailEvent, bool, error) { return e, f.matches(e), nil },
		Ends:     f.endsAt,
	}
	events, next, err := scan.Page(page.Before, page.Limit)
	if err != nil {
		return TrailPart{}, err
	}
	part := TrailPart{Events: events}
	if next != nil {
		part.Next = &TrailPage{Before: *next, Limit: page.Limit}
	}
	return part, nil
}

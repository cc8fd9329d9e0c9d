package journal

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/route"
)

// RouteTx reads and changes entries and the route rules of applications.
type RouteTx interface {
	LockEntry(ctx context.Context, name string) (application.Entry, error)
	UpdateEntry(ctx context.Context, e application.Entry) error
	DeleteEntry(ctx context.Context, name string) error
	ApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (string, error)
	SetApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID, routes string,
		at time.Time) error
}

// entryState is the latest state of the entry with a name.
type entryState struct {
	// deleted is when an entry of the name was last deleted.
	deleted changePoint
	// otherwise is what was last set; "" if the journal does not say.
	otherwise route.Otherwise
}

func (s *State) applyEntry(f audit.Effect, l Line) {
	if f.Kind == audit.EffectEntryDeleted {
		s.entries[f.Entry] = entryState{deleted: s.point(l)}
		return
	}
	last := s.entries[f.Entry]
	last.otherwise = route.Otherwise(f.Otherwise)
	s.entries[f.Entry] = last
}

// entry deletes an entry that was deleted after the backup. It makes one refuse that was made to.
func (a applier) entry(ctx context.Context, name string, last entryState) (taken bool, err error) {
	e, err := a.tx.Routes.LockEntry(ctx, name)
	switch {
	case err != nil:
		return false, err
	case a.existedBefore(last.deleted, e.CreatedAt):
		return true, a.tx.Routes.DeleteEntry(ctx, name)
	case last.otherwise != route.Refuse || e.Otherwise == route.Refuse:
		return false, nil
	}
	e.Otherwise, e.UpdatedAt = route.Refuse, a.now
	return true, a.tx.Routes.UpdateEntry(ctx, e)
}

// routes sets the route rules of an application to those that it had last. Of two lists of rules,
// neither is narrower in general. The last one is what its admins wanted to count.
func (a applier) routes(ctx context.Context, id ident.ApplicationID, last applicationState) (taken bool, err error) {
	if last.deleted || last.routes == nil {
		return false, nil
	}
	if _, err := a.tx.Tenants.LockApplication(ctx, last.tenant, id); err != nil {
		return false, err
	}
	restored, err := a.tx.Routes.ApplicationRoutes(ctx, last.tenant, id)
	if err != nil || restored == *last.routes {
		return false, err
	}
	return true, a.tx.Routes.SetApplicationRoutes(ctx, last.tenant, id, *last.routes, a.now)
}

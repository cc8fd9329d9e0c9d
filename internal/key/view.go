package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// View is a key as one person may see it.
type View struct {
	Key  Key
	Life policy.Life
	// Status is computed for the moment of the view; it is never stored.
	Status policy.Status
	// BlockedBy is what keeps an active key from working; "" for nothing. Who does not see the key
	// in full does not learn it.
	BlockedBy policy.Blocker
	// Previous is the secret before the last refresh while it is valid. Its Until is when it really
	// ends. It is zero where no previous secret is valid.
	Previous Previous
	// MayChange is set if the caller may change the key, and MayRefresh if they also get its next
	// secret. The owner's role in the account can still forbid it.
	MayChange, MayRefresh bool
	// MayRenewClaim is set if the key waits for its owner and the caller may make another link.
	MayRenewClaim bool
	// Full is false for a member who sees the key of another. They may see its name, description,
	// owner and dates, and nothing else.
	Full bool
}

// SoonPeriod is how long before its end a key is said to expire soon.
const SoonPeriod = 30 * policy.Day

// Detail is what people see of a key who see it in full. For others it is the view alone.
type Detail struct {
	Health
	// Tenant has the settings and rules that the key follows.
	Tenant policy.Tenant
	// Events are the latest of the key, newest first, without the addresses that they came from.
	Events []audit.TrailEvent
}

// Detail returns a key with its findings, and at most that many of its latest events. Findings are
// about usable keys only.
func (s *Service) Detail(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID,
	events int,
) (Detail, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return Detail{}, err
	}
	k, err := s.Store.Key(ctx, tenant, id)
	if err != nil {
		return Detail{}, err
	}
	v, err := s.show(who, t, k)
	if err != nil || !v.Full {
		return Detail{Health: Health{View: v}, Tenant: t}, err
	}
	d := Detail{Health: Health{View: v}, Tenant: t}
	if v.isUsable() {
		now := s.Now()
		used, err := s.Store.ScopesUsed(ctx, []ident.KeyID{id}, now.Add(-scopeWindow))
		if err != nil {
			return Detail{}, err
		}
		d.Health = ExamineHealth(v, t, used[id], now)
	}
	d.Events, err = s.Store.Events(ctx, audit.Trail{Tenant: tenant, Target: string(id)}, 0, events)
	for i := range d.Events {
		d.Events[i].IP = ""
	}
	return d, err
}

// isUsable reports whether the key is active, or disabled and would be active once it is enabled.
func (v View) isUsable() bool {
	return (v.Status == policy.Active || v.Status == policy.Disabled) && !v.Key.SecretSetAt.IsZero()
}

// isNotClaimed reports whether the key waits for its owner to claim it.
func (v View) isNotClaimed() bool {
	return (v.Status == policy.Active || v.Status == policy.Disabled) && v.Key.unclaimed() && v.Key.Delivery == ByLink
}

// isNeverUsed reports whether no request has used the secret of a key that could be used.
func (v View) isNeverUsed() bool { return v.isUsable() && v.Key.LastUsedAt.IsZero() }

// expiresSoon reports whether the key is active and expires within [SoonPeriod].
func (v View) expiresSoon(now time.Time) bool {
	ends := v.Life.Expiry.At
	return v.Status == policy.Active && v.BlockedBy == "" && !ends.IsZero() && ends.Before(now.Add(SoonPeriod))
}

// Get returns one key that the caller may see.
func (s *Service) Get(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) (View, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return View{}, err
	}
	k, err := s.Store.Key(ctx, tenant, id)
	if err != nil {
		return View{}, err
	}
	return s.show(who, t, k)
}

// maxOfID is how many keys OfID looks at: somebody may see only some of them.
const maxOfID = 100

// OfID returns up to most keys of a tenant whose ids begin so, of those that the caller may see.
func (s *Service) OfID(ctx context.Context, who principal.Principal, tenant ident.TenantID, beginning string,
	most int,
) (views []View, err error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	keys, err := s.Store.KeysOfID(ctx, tenant, beginning, maxOfID)
	for _, k := range keys {
		v, err := s.show(who, t, k)
		if err == nil && len(views) < most {
			views = append(views, v)
		}
	}
	return views, err
}

// ByNumber returns the key of a tenant with the number, if the caller may see it.
func (s *Service) ByNumber(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	number int64,
) (View, error) {
	t, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return View{}, err
	}
	k, err := s.Store.KeyByNumber(ctx, tenant, number)
	if err != nil {
		return View{}, err
	}
	return s.show(who, t, k)
}

// show returns the key as the caller sees it. It returns fault.NotFound if the caller may not see
// the key.
func (s *Service) show(who principal.Principal, t policy.Tenant, k Key) (View, error) {
	caller, _ := actorOf(who)
	role := who.RoleIn(t.ID, t.Account)
	if caller.management != nil {
		if !caller.sees(k.Owner.Type()) {
			return View{}, fault.NotFound
		}
	} else if !accessTo(role, relationTo(k, caller.person.ID, role), t.Settings.Visibility).see {
		return View{}, fault.NotFound
	}
	return caller.viewFor(s.view(caller.person.ID, role, t, k)), nil
}

// view shows a key to a person who acts with the role. It does not check whether they may see it.
func (s *Service) view(person ident.UserID, role scope.Role, t policy.Tenant, k Key) View {
	life, now := k.Life(t.Rules), s.Now()
	to := relationTo(k, person, role)
	access := accessTo(role, to, t.Settings.Visibility)
	v := View{
		Key: k, Life: life, Status: life.Status(now), Previous: k.validPrevious(life, t.Rules, now),
		Full: access.full, MayChange: access.change,
		MayRefresh:    access.change && (to == isOwner || t.Settings.AdminRefresh),
		MayRenewClaim: life.Status(now) != policy.Expired && mayRenewClaim(t, k, person, role),
	}
	if v.Full && v.Status == policy.Active {
		v.BlockedBy = t.Blocks(k.OwnerDisabled)
	}
	return v
}

// viewer returns a function that shows keys of the tenant to the caller.
func (s *Service) viewer(who principal.Principal, t policy.Tenant) func(Key) (View, error) {
	caller, _ := actorOf(who)
	role := who.RoleIn(t.ID, t.Account)
	return func(k Key) (View, error) { return caller.viewFor(s.view(caller.person.ID, role, t, k)), nil }
}

// visibleTenant returns the settings and rules of a tenant to a person who has a role in it. It
// returns fault.NotFound to anyone else.
func (s *Service) visibleTenant(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (policy.Tenant, error) {
	t, err := s.Store.TenantRules(ctx, tenant)
	if err != nil {
		return policy.Tenant{}, err
	}
	if err := who.RequireSessionIn(t.Account); err != nil {
		return policy.Tenant{}, err
	}
	m, program := who.ManagementKey()
	if program && m.Tenant != t.ID || !program && who.RoleIn(t.ID, t.Account) == "" {
		return policy.Tenant{}, fault.NotFound
	}
	return t, nil
}

package application

import (
	"context"
	"fmt"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// MaxRules is how many route rules an application has at most.
const MaxRules = 200

// Routes are the route rules of an application, in their order.
type Routes []route.Rule

// Version returns the version of the rules.
func (r Routes) Version() etag.Tag { return etag.Of(route.Encode(r)) }

// Routes returns the route rules of an application to a caller who may see it, as
// [Service.Application] does.
func (s *Service) Routes(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID,
) (Routes, error) {
	if _, err := s.Application(ctx, who, tenant, id); err != nil {
		return nil, err
	}
	text, err := s.Store.ApplicationRoutes(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return route.Decode(text, routesOf(id))
}

// routesOf says to people which rules are meant.
func routesOf(id ident.ApplicationID) string { return "application " + string(id) }

// SetRoutes replaces the route rules of an application, for admins of the tenant, and returns them.
// Once it returns, requests are decided by the new rules. expected is the version that the rules
// must have before; "" for any. With [etag.ErrChanged] it returns the rules as they are.
func (s *Service) SetRoutes(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID, rules Routes, expected etag.Tag,
) (Routes, error) {
	if _, ok := who.Session(); !ok {
		return nil, fault.SessionRequired
	}
	if err := checkRules(rules); err != nil {
		return nil, err
	}
	text, present := route.Encode(rules), rules
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t tenancy.Tenant) (audit.Event, error) {
		a, err := s.authorized(ctx, tx, who, t, scope.ApplicationsUpdate, id)
		if err != nil {
			return audit.Event{}, err
		}
		before, err := tx.ApplicationRoutes(ctx, tenant, id)
		if err != nil {
			return audit.Event{}, err
		}
		if expected != "" { // otherwise they are not read: those that cannot be read can be replaced, too
			present, err = route.Decode(before, routesOf(id))
			if err == nil {
				err = expected.Check(present.Version())
			}
			if err != nil {
				return audit.Event{}, err
			}
		}
		present = rules
		effect := a.effect(audit.EffectRoutesSet)
		effect.Routes = text
		e := a.event(who, audit.ActionApplicationRoutes).InvalidatesTenants(tenant).WithEffects(effect).
			With("rules", fmt.Sprint(len(rules)))
		if before == text {
			return e, audit.ErrNothing
		}
		if err := tx.RequireUpgrade(ctx); err != nil {
			return audit.Event{}, err
		}
		return e, tx.SetApplicationRoutes(ctx, tenant, id, text, s.Now())
	})
	return present, err
}

// checkRules refuses rules that contradict themselves, and those that can never apply. The fields
// are named items.3.path.
func checkRules(rules []route.Rule) error {
	if len(rules) > MaxRules {
		return fault.Refuse(fault.Field{
			Name: "items", Code: "too_many", Message: fmt.Sprintf("An application has at most %d rules.", MaxRules),
		})
	}
	_, problems := route.Compile(rules)
	var fields []fault.Field
	for _, p := range problems {
		p.Name = fmt.Sprintf("items.%d.%s", p.Rule, p.Name)
		fields = append(fields, p.Field)
	}
	return fault.Refuse(fields...)
}

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

// SetRoutes replaces the route rules of an application, for admins of the tenant. Once it returns,
// requests are decided by the new rules. expected is the version that the rules must have before;
// "" for any.
func (s *Service) SetRoutes(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID, rules Routes, expected etag.Tag,
) error {
	if _, ok := who.Session(); !ok {
		return fault.SessionRequired
	}
	if err := checkRules(rules); err != nil {
		return err
	}
	text := route.Encode(rules)
	return s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t tenancy.Tenant) (audit.Event, error) {
		a, err := s.authorized(ctx, tx, who, t, scope.ApplicationsUpdate, id)
		if err != nil {
			return audit.Event{}, err
		}
		before, err := tx.ApplicationRoutes(ctx, tenant, id)
		if err == nil {
			err = checkVersion(expected, before, id)
		}
		if err != nil {
			return audit.Event{}, err
		}
		effect := a.effect(audit.EffectRoutesSet)
		effect.Routes = text
		e := a.event(who, audit.ActionApplicationRoutes).WithEffects(effect).With("rules", fmt.Sprint(len(rules)))
		if before == text {
			return e, audit.ErrNothing
		}
		if err := tx.RequireUpgrade(ctx); err != nil {
			return audit.Event{}, err
		}
		return e, tx.SetApplicationRoutes(ctx, tenant, id, text, s.Now())
	})
}

// checkVersion refuses stored rules that have another version than expected. Without an expectation
// they are not read, so that also rules which cannot be read can be replaced.
func checkVersion(expected etag.Tag, stored string, id ident.ApplicationID) error {
	if expected == "" {
		return nil
	}
	rules, err := route.Decode(stored, routesOf(id))
	if err != nil {
		return err
	}
	return expected.Check(Routes(rules).Version())
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

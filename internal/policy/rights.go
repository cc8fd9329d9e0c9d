package policy

import "github.com/claviger-dev/claviger/internal/scope"

// Plan is a named ceiling for the keys of subjects.
type Plan struct {
	Name string
	// Scopes are scopes that the tenant added, or only scope.Every.
	Scopes       scope.Set
	Applications scope.Applications
}

// OwnerRights are what an owner of keys may do now. Its keys may do no more. The zero value is no
// right at all.
type OwnerRights struct {
	// Role is the effective role of a user, or the role of a service account; "" for a subject.
	Role scope.Role
	// Subject is set for a subject. Plan is the subject's plan; nil for none.
	Subject bool
	Plan    *Plan
}

// GrantFault returns the code of the fault if a key of the owner must not be given the scope; ""
// otherwise. Every is always allowed: it means what the owner may do at the time of a request.
func (r OwnerRights) GrantFault(c scope.Catalogue, name scope.Scope) (code string) {
	switch {
	case name == scope.Every:
		return ""
	case !c.Knows(name):
		return "unknown"
	case !r.Subject && !c.Holds(r.Role, name):
		return "beyond_role"
	case r.Subject && c.BuiltIn(name):
		return "built_in"
	case r.Subject && !r.subjectScopes(c).Has(name):
		return "beyond_plan"
	}
	return ""
}

// Effective returns those of a key's own scopes that the owner may use now. It replaces Every by
// all of them.
func (r OwnerRights) Effective(c scope.Catalogue, own scope.Set) scope.Set {
	if !r.Subject {
		return c.Effective(own, r.Role)
	}
	return own.Narrowed(r.subjectScopes(c))
}

// Reaches returns those of a key's own applications that the owner may use now.
func (r OwnerRights) Reaches(own scope.Applications) scope.Applications {
	if r.Plan == nil {
		return own
	}
	return own.Narrowed(r.Plan.Applications)
}

// subjectScopes returns all scopes that a subject may use: those of its plan or, without a plan or
// with a plan that has Every, those that the tenant added and that members may hold.
func (r OwnerRights) subjectScopes(c scope.Catalogue) scope.Set {
	if r.Plan == nil || len(r.Plan.Scopes) == 1 && r.Plan.Scopes[0] == scope.Every {
		return c.TenantScopes(scope.Member)
	}
	var known scope.Set
	for _, name := range r.Plan.Scopes {
		if c.Knows(name) && !c.BuiltIn(name) {
			known = append(known, name)
		}
	}
	return known
}

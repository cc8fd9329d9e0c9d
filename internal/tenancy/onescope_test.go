package tenancy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// ownScopes returns what the tenant added to its catalogue, one line a scope.
func ownScopes(t *testing.T, h *testkit.Server, tenant ident.TenantID) (lines []string) {
	t.Helper()
	list := testkit.Must[api.List[api.Scope]](t)(h.As(h.Owner).Scopes(t.Context(), string(tenant)))
	for _, s := range list.Items {
		if !s.BuiltIn {
			lines = append(lines, fmt.Sprintf("%s %q %v", s.Name, s.Description, s.Roles))
		}
	}
	return lines
}

func TestAScopeIsAddedReplacedAndRemovedWithoutTheOthers(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		ctx, id := t.Context(), h.Tenant("Main tenant", nil).ID
		operator := principal.Operator()
		put := func(e scope.Entry) error {
			_, err := h.Tenancy.PutScope(ctx, operator, id, e, "")
			return err
		}
		for _, step := range []struct {
			name string
			do   func() error
			want []string
		}{
			{
				"add", func() error { return put(scope.Entry{Name: "films:write", Description: " To write. "}) },
				[]string{`films:write "To write." [admin member]`},
			},
			{
				"add another",
				func() error { return put(scope.Entry{Name: "films:read", Roles: []scope.Role{"auditor"}}) },
				[]string{`films:read "" [auditor]`, `films:write "To write." [admin member]`},
			},
			{
				"replace",
				func() error { return put(scope.Entry{Name: "films:write", Roles: []scope.Role{"member", "admin"}}) },
				[]string{`films:read "" [auditor]`, `films:write "" [admin member]`},
			},
			{
				"remove", func() error { return h.Tenancy.RemoveScope(ctx, operator, id, "films:read") },
				[]string{`films:write "" [admin member]`},
			},
			{"remove the last", func() error { return h.Tenancy.RemoveScope(ctx, operator, id, "films:write") }, nil},
		} {
			testkit.NoError(t, step.do())
			if diff := cmp.Diff(step.want, ownScopes(t, h, id)); diff != "" {
				t.Errorf("%s: %s", step.name, diff)
			}
		}
	})
}

func TestAnAddedScopeReplacesNone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, id := t.Context(), h.Tenant("Main tenant", nil).ID
	add := func(name scope.Scope) error {
		e := scope.Entry{Name: name, Roles: []scope.Role{"auditor"}}
		return h.Tenancy.AddScope(ctx, principal.Operator(), id, e)
	}
	testkit.NoError(t, add("films:read"))
	for name, code := range map[scope.Scope]string{
		"films:read": "duplicate", "audit:read": "built_in", "Films": "form",
	} {
		err := add(name)
		if faults := fault.Fields(err); len(faults) != 1 || faults[0].Name != "name" || faults[0].Code != code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff([]string{`films:read "" [auditor]`}, ownScopes(t, h, id)); diff != "" {
		t.Error(diff)
	}
}

// To replace the whole catalogue, both would have to read it first, and one would lose its scope.
func TestScopesThatAreAddedAtTheSameTimeAllStay(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		id := h.Tenant("Main tenant", nil).ID
		var acts []func() error
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			acts = append(acts, func() error {
				_, err := h.Tenancy.PutScope(t.Context(), principal.Operator(), id,
					scope.Entry{Name: scope.Scope("films:" + name)}, "")
				return err
			})
		}
		if got := testkit.Concurrently(t, acts...); got[""] != len(acts) {
			t.Errorf("the additions: %v", got)
		}
		if got := ownScopes(t, h, id); len(got) != len(acts) {
			t.Errorf("the tenant has %q", got)
		}
	})
}

// The reader of the trail, or of a journal, need not know how many scopes a request named.
func TestOneScopeLeavesTheSameEventAsTheWholeCatalogue(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, operator := t.Context(), principal.Operator()
	read, write := scope.Entry{Name: "films:read"}, scope.Entry{Name: "films:write"}
	whole, single := h.Tenant("Whole", nil), h.Tenant("Single", nil)
	for _, own := range [][]scope.Entry{{write}, {read, write}, {read}} {
		_, err := h.Tenancy.ReplaceScopes(ctx, operator, whole.ID, own, "")
		testkit.NoError(t, err)
	}
	for _, e := range []scope.Entry{write, read, read} { // the third changes nothing
		_, err := h.Tenancy.PutScope(ctx, operator, single.ID, e, "")
		testkit.NoError(t, err)
	}
	testkit.NoError(t, h.Tenancy.RemoveScope(ctx, operator, single.ID, write.Name))
	want := testkit.TenantRecords(t, h, whole, "scopes.replace")
	got := testkit.TenantRecords(t, h, single, "scopes.replace")
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		effects := func(r audit.Record) []audit.Effect {
			list := slices.Clone(r.Effects)
			for i := range list {
				list[i].Tenant = ""
			}
			return list
		}
		if diff := cmp.Diff(want[i].Details, got[i].Details) + cmp.Diff(effects(want[i]), effects(got[i])); diff != "" {
			t.Errorf("event %d: %s", i, diff)
		}
	}
}

func TestOneScopeIsRefusedAsInTheWholeCatalogue(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, id := t.Context(), h.Tenant("Main tenant", nil).ID
	operator := principal.Operator()
	full := make([]scope.Entry, 500)
	for i := range full {
		full[i].Name = scope.Scope(fmt.Sprintf("films:a%d", i))
	}
	_, err := h.Tenancy.ReplaceScopes(ctx, operator, id, full, "")
	testkit.NoError(t, err)
	path := testkit.TenantPath(id)
	check := testkit.ExpectUnchanged(t, h.As(h.Owner), path+"/scopes", path+"/audit")
	put := func(e scope.Entry, expected etag.Tag) error {
		_, err := h.Tenancy.PutScope(ctx, operator, id, e, expected)
		return err
	}
	withRoles := func(roles ...scope.Role) scope.Entry {
		return scope.Entry{Name: "films:a1", Roles: append([]scope.Role{}, roles...)}
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a built-in one":            {put(scope.Entry{Name: "keys:verify"}, ""), "name (built_in)"},
		"a name of another form":    {put(scope.Entry{Name: "Films:read"}, ""), "name (form)"},
		"every scope":               {put(scope.Entry{Name: scope.Every}, ""), "name (form)"},
		"no role":                   {put(withRoles(), ""), "roles (required)"},
		"a role of the account":     {put(withRoles("owner"), ""), "roles.0 (unknown)"},
		"one too many":              {put(scope.Entry{Name: "films:b"}, ""), "500 of 500 scopes"},
		"a version of a new one":    {put(scope.Entry{Name: "films:b"}, etag.Of("read")), "changed since you read it"},
		"to remove a built-in one":  {h.Tenancy.RemoveScope(ctx, operator, id, "keys:verify"), "name (built_in)"},
		"to remove one that is not": {h.Tenancy.RemoveScope(ctx, operator, id, "films:b"), "not_found"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	check()
	if err := put(withRoles("auditor"), ""); err != nil {
		t.Errorf("to replace one of the 500: %v", err)
	}
}

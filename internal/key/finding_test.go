package key

import (
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

func TestTheFindingsAboutAKey(t *testing.T) {
	const every = scope.Every
	for name, c := range map[string]struct {
		change   func(v *View)
		defaults []scope.Scope
		want     []Finding
	}{
		"a good key": {func(*View) {}, nil, nil},
		"never used": {func(v *View) { v.Key.LastUsedAt = time.Time{} }, nil, []Finding{NeverUsed}},
		"never used, and 7 days old": {
			func(v *View) { v.Key.SecretSetAt, v.Key.LastUsedAt = testNow.Add(-7*policy.Day), time.Time{} }, nil,
			[]Finding{NeverUsed},
		},
		"never used, and new": {
			func(v *View) {
				v.Key.SecretSetAt, v.Key.LastUsedAt = testNow.Add(-7*policy.Day+time.Second), time.Time{}
			}, nil, nil,
		},
		"used long ago": {func(v *View) { v.Key.LastUsedAt = testNow.Add(-90 * policy.Day) }, nil, []Finding{Unused}},
		"90 days old": {
			func(v *View) { v.Key.SecretSetAt = testNow.Add(-90 * policy.Day) }, nil,
			[]Finding{DueForRefresh},
		},
		"a year old":    {func(v *View) { v.Key.SecretSetAt = testNow.Add(-365 * policy.Day) }, nil, []Finding{TooOld}},
		"endless":       {func(v *View) { v.Life.Expiry.At = time.Time{} }, nil, []Finding{NeverExpires}},
		"in an overlap": {func(v *View) { v.Previous.Until = testNow.Add(time.Hour) }, nil, []Finding{OverlapOpen}},
		"with a scope that it does not need": {
			func(v *View) { v.Key.Scopes = scope.NewSet("films:read", "films:write") }, nil, []Finding{UnusedScopes},
		},
		"with every scope": {
			func(v *View) { v.Key.Scopes = scope.NewSet(every) }, nil, []Finding{UnusedScopes},
		},
		"with every scope by default": {
			func(v *View) { v.Key.Scopes = scope.NewSet(every) }, []scope.Scope{every}, nil,
		},
		"with a scope that it does not need, but young": {
			func(v *View) {
				v.Key.Scopes = scope.NewSet("films:write")
				v.Key.CreatedAt = testNow.Add(-29 * policy.Day)
			}, nil, nil,
		},
		"several": {
			func(v *View) { v.Key.LastUsedAt, v.Life.Expiry.At = time.Time{}, time.Time{} }, nil,
			[]Finding{NeverUsed, NeverExpires},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Status: policy.Active, Key: Key{
				CreatedAt: testNow.Add(-400 * policy.Day), SecretSetAt: testNow.Add(-89 * policy.Day),
				LastUsedAt: testNow.Add(-89 * policy.Day), Scopes: scope.NewSet("films:read"),
			}}
			v.Life.Expiry.At = testNow.Add(policy.Day)
			c.change(&v)
			tenant := policy.Tenant{Settings: policy.Settings{DefaultScopes: c.defaults}}
			h := ExamineHealth(v, tenant, scope.NewSet("films:read"), testNow)
			if !slices.Equal(h.Findings, c.want) {
				t.Errorf("%v, want %v", h.Findings, c.want)
			}
		})
	}
}

func TestEveryFindingHasAdvice(t *testing.T) {
	for _, f := range Findings() {
		if f.Advice() == "" {
			t.Errorf("%s has no advice", f)
		}
	}
	if got := Finding("").Advice(); got != "" {
		t.Errorf("no finding has the advice %q", got)
	}
}

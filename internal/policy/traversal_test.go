package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

func TestEveryTenantHasItsTurnInPassesOfBoundedLength(t *testing.T) {
	sizes := map[ident.TenantID]int{"ten_1": 3, "ten_2": 45, "ten_3": 1} // in parts
	tenants := []ident.TenantID{"ten_1", "ten_2", "ten_3"}
	for n := range 300 { // that have next to no keys
		id := ident.TenantID(fmt.Sprintf("ten_4%03d", n))
		tenants, sizes[id] = append(tenants, id), 1
	}
	var r policy.Traversal[int]
	var done []string
	broken := false
	pass := func() (parts int) {
		err := r.RunPass(tenants, func(tenant ident.TenantID, after int) (*int, error) {
			if tenant == "ten_2" && after == 5 && !broken {
				broken = true
				return nil, errors.New("the database is away")
			}
			parts++
			done = append(done, fmt.Sprint(tenant, " ", after))
			if after+1 == sizes[tenant] {
				return nil, nil
			}
			return new(after + 1), nil
		})
		if err != nil && parts == 0 {
			t.Error(err)
		}
		return parts
	}
	passes := 0
	for len(done) == 0 || done[len(done)-1] != "ten_4299 0" {
		if parts := pass(); parts == 0 || parts > 400 || passes > 10 {
			t.Fatalf("pass %d did %d parts", passes, parts)
		}
		passes++
	}
	if passes < 4 {
		t.Errorf("all was done in %d passes", passes)
	}
	var want []string
	for _, tenant := range tenants {
		for after := range sizes[tenant] {
			want = append(want, fmt.Sprint(tenant, " ", after))
		}
	}
	if !slices.Equal(done, want) {
		t.Errorf("done was %v", done)
	}
	pass()
	if !slices.Contains(done[len(want):], "ten_1 0") {
		t.Error("the next round does not begin with the first tenant")
	}
}

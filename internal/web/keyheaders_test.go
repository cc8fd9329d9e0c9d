package web_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// knows reports whether the header of the name carries a key.
func knows(a *web.Authenticator, name string) bool {
	return a.ReadCredential(context.Background(),
		http.Header{http.CanonicalHeaderKey(name): {key}}).Kind() == verify.APIKey
}

func TestAKeyHeaderIsKnownWhileATenantHasItInWhicheverOrderChangesAreHeardOf(t *testing.T) {
	a := &web.Authenticator{KeyHeaders: new(web.KeyHeaders)}
	set := func(tenant ident.TenantID, name string, version int64) {
		a.KeyHeaders.Set(web.KeyHeader{Tenant: tenant, Name: name, Version: version})
	}
	check := func(when string, one, two bool) {
		t.Helper()
		if knows(a, "X-One-Key") != one || knows(a, "X-Two-Key") != two {
			t.Errorf("%s: X-One-Key %t, X-Two-Key %t", when, knows(a, "X-One-Key"), knows(a, "X-Two-Key"))
		}
	}
	check("at first", false, false)
	set("ten_1", "x-one-key", 1)
	set("ten_1", "X-One-Key", 1) // the same change again, in another case
	set("ten_2", "X-ONE-KEY", 5)
	check("two tenants have it", true, false)
	set("ten_1", "X-Two-Key", 3)
	set("ten_1", "", 2) // older
	check("one has another", true, true)
	set("ten_2", "", 6)
	check("nobody has it", false, true)
	set("ten_2", "X-One-Key", 5) // older
	check("nobody has it still", false, true)
	set("ten_1", "", 4)
	check("nobody has any", false, false)
	set("ten_1", "X-One-Key", 7)
	check("one has it again", true, false)
	set("ten_1", "", 8)
	set("ten_3", "", 5) // the first that is heard of this tenant
	set("ten_3", "X-One-Key", 4)
	check("one had it before anything was heard of it", false, false)
}

// The cost of a request depends on its own headers and not on the number of names.
func TestReadingACredentialCostsTheSameHoweverManyKeyHeadersThereAre(t *testing.T) {
	h := http.Header{"Authorization": {"Bearer " + key}, "Accept": {"*/*"}, "User-Agent": {"x"}, "X-Csrf-Token": {"y"}}
	cost := func(names int) time.Duration {
		a := &web.Authenticator{KeyHeaders: new(web.KeyHeaders)}
		list := make([]web.KeyHeader, names)
		for i := range list {
			list[i] = web.KeyHeader{Tenant: ident.TenantID(fmt.Sprint("ten_", i)), Name: fmt.Sprintf("X-N%d-Key", i)}
		}
		a.KeyHeaders.Set(list...)
		read := func() {
			if a.ReadCredential(context.Background(), h).Kind() != verify.APIKey {
				t.Fatal("no key")
			}
		}
		if n := testing.AllocsPerRun(100, read); n > 0 {
			t.Errorf("%d names: %v allocations", names, n)
		}
		var took []time.Duration
		for range 20 {
			start := time.Now()
			for range 50 {
				read()
			}
			took = append(took, time.Since(start))
		}
		return slices.Min(took)
	}
	few, many := cost(1), cost(100_000)
	t.Logf("with 1 name %s, with 100000 names %s, for 50 requests", few, many)
	if many > 100*few {
		t.Errorf("with 1 name %s, with 100000 names %s", few, many)
	}
}

// A value of many separators costs no more than any other one: nothing is split before its length
// is known.
func TestJunkInHeadersIsReadWithoutAnAllocation(t *testing.T) {
	a := authenticator()
	for _, c := range "_:.-=;, a" {
		much := strings.Repeat(string(c), 30<<10)
		for name, h := range map[string]http.Header{
			"bearer": {"Authorization": {"Bearer " + much}}, "basic": {"Authorization": {"Basic " + much}},
			"a scheme":     {"Authorization": {much}},
			"a key header": {"X-Api-Key": {much}}, "cookies": {"Cookie": {much}},
			"cookies of our name": {"Cookie": {strings.Repeat("claviger"+string(c), 3000)}},
		} {
			if n := testing.AllocsPerRun(20, func() { a.ReadCredential(context.Background(), h) }); n > 0 {
				t.Errorf("%s of %q: %v allocations", name, c, n)
			}
		}
	}
}

func TestTheFirstCookieOfTheNameIsTheSession(t *testing.T) {
	for line, want := range map[string]bool{
		"claviger=abc": true, "a=b; claviger=abc": true, " claviger=abc ;x": true,
		"a=b;claviger=abc; claviger=def": true, "a;\tclaviger=abc": true,
		"xclaviger=abc": false, "a=claviger=abc": false, "claviger": false, "clavigerclaviger=abc": false,
		"claviger x=abc": false, "a b claviger=abc": false, "claviger=": false,
	} {
		p := authenticator().ReadCredential(context.Background(), http.Header{"Cookie": {line}})
		if got := p.Kind() == verify.SessionToken; got != want {
			t.Errorf("%q: %t, want %t", line, got, want)
		}
	}
}

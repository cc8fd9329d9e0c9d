package verify_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// BenchmarkDecideFor measures a warm decision for a person, about a key without a limit and about a
// key with one.
func BenchmarkDecideFor(b *testing.B) {
	for name, perMinute := range map[string]int64{"unlimited": 0, "limited": 1_000_000_000} {
		b.Run(name, func(b *testing.B) {
			l := newLimitFixture(b, perMinute)
			_, p := l.fixture.key(b)
			l.newEngine(verify.NewCache(1 << 20))
			b.ReportAllocs()
			for b.Loop() {
				d, err := l.engine.DecideFor(b.Context(), l.verifier, verify.PresentKey(p, policy.Location{}),
					verify.Request{})
				if err != nil || d.Code != "" {
					b.Fatal(d.Code, err)
				}
			}
		})
	}
}

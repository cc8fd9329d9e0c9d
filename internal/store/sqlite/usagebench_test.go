package sqlite_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

// keysInBench is how many keys are used between two flushes.
const keysInBench = 10_000

// BenchmarkUsesOfKeys reports what the last uses and the counts of a key that is used between two
// flushes cost: all of it is outside of the requests.
func BenchmarkUsesOfKeys(b *testing.B) {
	backend := open(b, testkit.MigratedFile(b))
	defer backend.Close()
	now := time.Now()
	s := store.New(backend, store.Options{Now: func() time.Time { return now }, Rand: rand.Reader})
	var keys []ident.KeyID
	for range keysInBench {
		keys = append(keys, ident.New[ident.KeyID](now, rand.Reader))
	}
	perKey := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/keysInBench, "µs/key")
	}
	b.Run("last uses", func(b *testing.B) {
		var recorder usage.Recorder
		for n := range b.N {
			for _, id := range keys {
				at := now.Add(time.Duration(n) * time.Second)
				recorder.Record(usage.Use{Key: id, Tenant: "ten_1", At: at, IP: "192.0.2.1"})
			}
			if err := recorder.Flush(b.Context(), s); err != nil {
				b.Fatal(err)
			}
		}
		perKey(b)
	})
	b.Run("counts", func(b *testing.B) {
		counters := &usage.Counters{
			Store: s, Run: fmt.Sprint("run ", b.N), Node: func() string { return "node" },
			Now: func() time.Time { return now },
		}
		counting := make([]usage.KeyCounter, len(keys))
		for i, id := range keys {
			counting[i].Init(counters, "ten_1", "usr_1", id)
		}
		for range b.N {
			for i := range counting {
				counting[i].Count(now, true, policy.Bearer)
			}
			if err := counters.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		perKey(b)
	})
}

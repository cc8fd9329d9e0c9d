package telemetry_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/telemetry"
)

func TestASamplerLetsAFewThroughEachSecondHoweverManyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := telemetry.NewSampler(5)
		for range 3 {
			var through atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 1000 {
						if s.Allow() {
							through.Add(1)
						}
					}
				})
			}
			all.Wait()
			if got := through.Load(); got != 5 {
				t.Errorf("%d in a second, want 5", got)
			}
			<-time.After(time.Second)
		}
	})
}

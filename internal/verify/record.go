package verify

import (
	"time"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
)

// recordUse records the use of the key if the decision passed steps 1 to 4b.
func (e *Engine) recordUse(d *Decision, ip string) {
	if d.Code != "" || d.Facts == nil {
		return
	}
	use := usage.Use{Key: d.Facts.Key.ID, Tenant: d.Facts.Key.Tenant, At: d.at, IP: ip}
	if d.credential.life.Previous {
		use.PreviousAt, use.PreviousSerial = d.at, d.credential.serial
	}
	d.Facts.uses.Record(e.recorder, use)
}

// recordScopes records the use of those required scopes that the key has.
func (e *Engine) recordScopes(f *Facts, required []scope.Scope, at time.Time) {
	for _, name := range required {
		i, found := f.Key.Scopes.Index(name)
		if !found {
			continue
		}
		if on, due := f.uses.ScopeDue(i, at); due {
			// Not name, which may be part of the request's buffer.
			e.recorder.RecordScope(usage.ScopeUse{Key: f.Key.ID, Scope: f.Key.Scopes[i], On: on})
		}
	}
}

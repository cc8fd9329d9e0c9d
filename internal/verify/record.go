package verify

import (
	"strings"

	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
)

// Recorder records the last uses of keys and of their scopes. The engine calls it only for uses
// that are due, so at most once a second for each secret.
type Recorder interface {
	Record(usage.Use)
	RecordScope(usage.ScopeUse)
}

// recordUse records the use of the key if the decision passed steps 1 to 4b.
func (e *Engine) recordUse(d Decision, ip string) {
	if d.Code != "" || d.Facts == nil {
		return
	}
	previous := d.credential.life.Previous
	if !d.Facts.uses.Due(d.at, previous) {
		return
	}
	use := usage.Use{Key: d.Facts.Key.ID, Tenant: d.Facts.Key.Tenant, At: d.at}
	use.IP = strings.Clone(ip) // it may be part of the request's buffer
	if previous {
		use.PreviousAt, use.PreviousSerial = d.at, d.credential.serial
	}
	e.recorder.Record(use)
}

// recordScopes records the use of those required scopes that the key has.
func (e *Engine) recordScopes(f *Facts, required []scope.Scope) {
	for _, name := range required {
		i, found := f.Key.Scopes.Index(name)
		if !found {
			continue
		}
		if on, due := f.uses.ScopeDue(i); due {
			// Not name, which may be part of the request's buffer.
			e.recorder.RecordScope(usage.ScopeUse{Key: f.Key.ID, Scope: f.Key.Scopes[i], On: on})
		}
	}
}

package principal

import (
	"cmp"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// ManagementAuthority is what a management key may do at this moment. A transaction reads it and
// locks its row and that of its service account.
type ManagementAuthority struct {
	// ManagementKey has the serial of the current secret.
	ManagementKey
	// Role is that of the service account.
	Role scope.Role
	// Owner says whether the service account is active. It says nothing about the tenant.
	Owner policy.Dependencies
	Dates policy.KeyDates
	// Previous is the secret before the current one; its Until is zero where there is none.
	Previous policy.SecretDates
	// Hour counts what creates_per_hour bounds.
	Hour HourlyCount
}

// Refusal returns the code with which a request with the secret of this serial is refused; "" for
// none. ip is the address that the request came from.
func (a ManagementAuthority) Refusal(serial int, ip string, t policy.Tenant, now time.Time) fault.Kind {
	var secret policy.SecretDates
	if serial != a.Serial {
		if serial != a.Serial-1 || a.Previous.Until.IsZero() {
			return fault.KeyInvalid
		}
		secret = a.Previous
	}
	on := a.Owner
	on.Member, on.Tenant = true, t.Active
	status := policy.KeyStatus(a.Dates.Under(t.Rules), secret.Under(t.Rules), on, now)
	return cmp.Or(status.Refusal(), policy.RequireAddress(a.Rights.Addresses, ip))
}

// Has reports whether the management key has the permission and its service account's role still
// includes it.
func (a ManagementAuthority) Has(p policy.Permission) bool {
	return a.Rights.Has(p) && p.WithinRole(a.Role)
}

// HourlyCount counts changes from the first one on for an hour; the next one after that begins
// another hour.
type HourlyCount struct {
	Began time.Time
	Count int
}

// Next returns the count with one more change. wait is not 0 if there were as many as the limit
// already, and says when the next hour begins. The clock of the node that counted first may be
// ahead, so an hour that begins in the future counts.
func (h HourlyCount) Next(limit int, now time.Time) (next HourlyCount, wait time.Duration) {
	ends := h.Began.Add(time.Hour)
	if h.Began.IsZero() || !now.Before(ends) {
		return HourlyCount{Began: now, Count: 1}, 0
	}
	if h.Count >= limit {
		return h, ends.Sub(now)
	}
	h.Count++
	return h, 0
}

package verify

import (
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
)

// count counts a request in the usage of its key and of its tenant. A request whose secret was
// wrong belongs to the key whose id it had; one without a known id belongs to nobody. It allocates
// nothing and writes nothing.
func (d *Decision) count(application string, via policy.Transport) {
	f, tenant := d.Facts, d.tenant
	switch {
	case f != nil:
		tenant = f.tenant
	case d.entry != nil && len(d.entry.credentials) > 0:
		f = d.entry.credentials[0].facts
		tenant = f.tenant
	case tenant == nil:
		return
	}
	if f != nil {
		f.counter.Count(d.at, d.Code == "", via)
	}
	tenant.counter.Count(d.at, d.Code, application, via)
}

// count counts a request to one of Claviger's own routes, which was accepted with the code "" or
// refused.
func (c *Caller) count(at time.Time, code fault.Kind, application string) {
	if c.Facts == nil {
		return
	}
	if code == fault.ValidationFailed { // what was asked is wrong, not the key
		code = ""
	}
	d := Decision{Code: code, Facts: c.Facts, at: at}
	d.count(application, c.Transport)
}

// countAsking counts the request by which a verifier asks about another one. It is counted for the
// key of the verifier alone: for the tenant, the request that it asks about counts.
func (c *Caller) countAsking(at time.Time) {
	if c.Facts != nil {
		c.Facts.counter.Count(at, true, c.Transport)
	}
}

package web

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
)

// errForeignHost refuses a request to a name that is none of the listener's, see [Router].
var errForeignHost = fault.New(fault.Forbidden,
	"This listener does not answer to that name. Use its IP address, or add the name to `server.metrics_hosts`.")

// errUnknownHost refuses a request to a name that is none of a surface's, see [Surface.Hosts].
var errUnknownHost = fault.New(fault.Forbidden,
	"This server does not answer here to that name. Use the name in `server.base_url`, or an IP address.")

// ownHost reports whether a Host header names this listener: by an IP address, by a name without a
// dot, or by one of names.
func ownHost(sent string, names []string) bool {
	name := strings.ToLower(withoutPort(sent))
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		return true
	}
	name = strings.TrimSuffix(name, ".")
	return !strings.Contains(name, ".") || slices.Contains(names, name)
}

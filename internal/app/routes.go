package app

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
)

// routes finds the entries of the operator's file and those of the database, and the rules about
// requests. Of two entries with one name, that of the file counts.
type routes struct {
	file *routeFile
}

// Entry returns the entry with the name. Without a name, it returns the entry that has the host or,
// if none has it, the entry "default". It returns fault.RouteUnknown if there is no such entry.
func (r *routes) Entry(ctx context.Context, name, host string) (*route.Entry, error) {
	entries := r.file.entries()
	if name == "" {
		host = canonicalHost(host)
		for i := range entries {
			if slices.Contains(entries[i].Hosts, host) {
				return &entries[i], nil
			}
		}
		name = route.DefaultEntry
	}
	for i := range entries {
		if entries[i].Name == name {
			return &entries[i], nil
		}
	}
	return nil, fault.New(fault.RouteUnknown, "There is no such entry. Ask the operator to create it.")
}

// canonicalHost returns a host name in lower case, without a port and without a dot at the end.
func canonicalHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// Match returns the first rule that matches a request: of the entry's own rules, then of the rules
// of the tenant that the entry is bound to.
func (r *routes) Match(ctx context.Context, e *route.Entry, method string, target route.Target,
	headers route.Headers,
) (route.Match, bool, error) {
	return e.Match(method, target, headers)
}

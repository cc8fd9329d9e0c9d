package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
)

// MaxNetworks is how many networks a list of allowed addresses has at most. Only the intersection
// of two lists can have more.
const MaxNetworks = 64

// Addresses say from which addresses a credential may be used: from everywhere, or from the listed
// networks only. The zero value allows every address. A list without networks allows none: it is
// what two lists without a common address have in common.
//
// An IPv4 address in IPv6 notation (::ffff:192.0.2.1) is the IPv4 address. So no IPv6 network
// contains it, not even ::/0.
type Addresses struct {
	// restricted is set if only the networks are allowed.
	restricted bool
	networks   []netip.Prefix // in the order of compareNetworks, each once
}

// ParseAddresses reads a list of networks in CIDR notation, as somebody sent it under the given
// field. nil allows every address. It returns what is wrong with the list; an empty list is wrong,
// because a reader could take it for either everything or nothing.
func ParseAddresses(field string, cidrs []string) (Addresses, []fault.Field) {
	if cidrs == nil {
		return Addresses{}, nil
	}
	if len(cidrs) == 0 || len(cidrs) > MaxNetworks {
		return Addresses{}, []fault.Field{{
			Name: field, Code: "length",
			Message: fmt.Sprintf("List 1 to %d networks, or use null to allow every address.", MaxNetworks),
		}}
	}
	var faults []fault.Field
	networks := make([]netip.Prefix, 0, len(cidrs))
	for i, cidr := range cidrs {
		network, code := parseNetwork(cidr)
		switch {
		case code != "":
			faults = append(faults, fault.Field{
				Name: fmt.Sprintf("%s.%d", field, i), Code: code, Message: networkMessage(code),
			})
		case slices.Contains(networks, network):
			faults = append(faults, duplicate(field, i))
		default:
			networks = append(networks, network)
		}
	}
	if len(faults) > 0 {
		return Addresses{}, faults
	}
	return listed(networks), nil
}

// The codes of what is wrong with a network.
const (
	networkForm     = "form"
	networkZone     = "zone"
	networkHostBits = "host_bits"
)

// parseNetwork reads a network. The code says what is wrong with it; "" if nothing is.
func parseNetwork(cidr string) (network netip.Prefix, code string) {
	text, _, _ := strings.Cut(cidr, "/")
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() != "" {
		return network, networkZone
	}
	network, err := netip.ParsePrefix(cidr)
	if err != nil {
		return network, networkForm
	}
	if network != network.Masked() {
		return network, networkHostBits
	}
	if network.Addr().Is4In6() { // then it has at least 96 bits, since some of the first 96 are 1
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mappedBits)
	}
	return network, ""
}

// mappedBits is the length of the prefix of the IPv4 addresses in IPv6 notation (RFC 4291 section
// 2.5.5.2).
const mappedBits = 96

// networkMessage says what would be valid instead of a network with this code.
func networkMessage(code string) string {
	switch code {
	case networkZone:
		return "Leave out the zone, which is % and what follows it."
	case networkHostBits:
		return "Use the first address of the network: every bit behind the prefix length must be 0."
	}
	return "Use CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32. " +
		"For a single address add /32 (IPv4) or /128 (IPv6)."
}

// listed returns the list of the networks.
func listed(networks []netip.Prefix) Addresses {
	networks = slices.SortedFunc(slices.Values(networks), compareNetworks)
	return Addresses{restricted: true, networks: slices.Compact(networks)}
}

// compareNetworks puts IPv4 before IPv6, lower addresses first, and wider networks before narrower
// ones.
func compareNetworks(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Restricted reports whether there is a list.
func (a Addresses) Restricted() bool { return a.restricted }

// Len returns the number of listed networks.
func (a Addresses) Len() int { return len(a.networks) }

// Strings returns the networks in canonical form and in order. It returns nil if every address is
// allowed, and an empty list if none is.
func (a Addresses) Strings() []string {
	if !a.restricted {
		return nil
	}
	texts := make([]string, len(a.networks))
	for i, network := range a.networks {
		texts[i] = network.String()
	}
	return texts
}

// Equal reports whether both have the same networks.
func (a Addresses) Equal(b Addresses) bool {
	return a.restricted == b.restricted && slices.Equal(a.networks, b.networks)
}

// Contains reports whether the address is allowed. A list contains no invalid address. The zone of
// an address does not count, because networks have none.
func (a Addresses) Contains(address netip.Addr) bool {
	if !a.restricted {
		return true
	}
	address = address.Unmap().WithZone("")
	for _, network := range a.networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// Allows is Contains for the text of an address. A list does not allow a text that is no address,
// or "" for an address that is not known.
func (a Addresses) Allows(ip string) bool {
	if !a.restricted {
		return true
	}
	if ip == "" { // which ParseAddr would refuse with an error on the heap
		return false
	}
	address, err := netip.ParseAddr(ip)
	return err == nil && a.Contains(address)
}

// Within reports whether the ceiling allows every address that a allows, as the lists are written:
// each network of a lies in one network of the ceiling.
func (a Addresses) Within(ceiling Addresses) bool {
	if !ceiling.restricted {
		return true
	}
	return a.restricted && !slices.ContainsFunc(a.networks, func(n netip.Prefix) bool {
		return !ceiling.covers(n)
	})
}

// covers reports whether one network of the list contains the whole network.
func (a Addresses) covers(network netip.Prefix) bool {
	return slices.ContainsFunc(a.networks, func(wide netip.Prefix) bool {
		return wide.Bits() <= network.Bits() && wide.Contains(network.Addr())
	})
}

// Narrowed returns the addresses that both a and to allow. Of two nested networks it has the
// narrower one. If no address is common to both, the result allows none.
func (a Addresses) Narrowed(to Addresses) Addresses {
	switch {
	case !to.restricted:
		return a
	case !a.restricted:
		return to
	}
	var both []netip.Prefix
	for _, n := range a.networks {
		if to.covers(n) {
			both = append(both, n)
		}
	}
	for _, n := range to.networks {
		if a.covers(n) {
			both = append(both, n)
		}
	}
	return listed(both)
}

// MarshalJSON writes the list as it is stored: null if every address is allowed.
func (a Addresses) MarshalJSON() ([]byte, error) { return json.Marshal(a.Strings()) }

// UnmarshalJSON reads what MarshalJSON wrote, and refuses everything else.
func (a *Addresses) UnmarshalJSON(text []byte) error {
	var cidrs []string
	if err := json.Unmarshal(text, &cidrs); err != nil {
		return err
	}
	read := Addresses{restricted: cidrs != nil}
	for _, cidr := range cidrs {
		network, code := parseNetwork(cidr)
		if code != "" {
			return errStoredAddresses
		}
		read.networks = append(read.networks, network)
	}
	if written, _ := read.MarshalJSON(); !bytes.Equal(written, text) || !read.inOrder() {
		return errStoredAddresses
	}
	*a = read
	return nil
}

// inOrder reports whether the networks are in order, each once.
func (a Addresses) inOrder() bool {
	for i := 1; i < len(a.networks); i++ {
		if compareNetworks(a.networks[i-1], a.networks[i]) >= 0 {
			return false
		}
	}
	return true
}

var errStoredAddresses = errors.New("a stored list of addresses is not one that this program writes")

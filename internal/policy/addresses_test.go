package policy_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
)

func networks(t *testing.T, cidrs ...string) policy.Addresses {
	t.Helper()
	a, faults := policy.ParseAddresses("allowed_cidrs", cidrs)
	if len(faults) > 0 {
		t.Fatalf("%v: %v", cidrs, faults)
	}
	return a
}

// hosts returns n networks of one address each.
func hosts(n int) (cidrs []string) {
	for i := range n {
		cidrs = append(cidrs, fmt.Sprintf("192.0.2.%d/32", i))
	}
	return cidrs
}

func TestNetworksAreKeptInCanonicalFormAndInOrder(t *testing.T) {
	for _, c := range []struct{ cidrs, want []string }{
		{nil, nil},
		{[]string{"192.0.2.0/24"}, []string{"192.0.2.0/24"}},
		{
			[]string{"2001:DB8:0:0::/32", "198.51.100.7/32", "10.0.0.0/8"},
			[]string{"10.0.0.0/8", "198.51.100.7/32", "2001:db8::/32"},
		},
		{[]string{"10.1.0.0/16", "10.0.0.0/16", "10.0.0.0/8"}, []string{"10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16"}},
		{[]string{"::ffff:10.0.0.0/104", "::/0"}, []string{"10.0.0.0/8", "::/0"}},
		{[]string{"::ffff:0:0/96"}, []string{"0.0.0.0/0"}},
		{[]string{"::ffff:192.0.2.1/128"}, []string{"192.0.2.1/32"}},
		{[]string{"0.0.0.0/0"}, []string{"0.0.0.0/0"}},
		{hosts(policy.MaxNetworks)[:3], []string{"192.0.2.0/32", "192.0.2.1/32", "192.0.2.2/32"}},
	} {
		got := networks(t, c.cidrs...)
		if diff := cmp.Diff(c.want, got.Strings()); diff != "" {
			t.Errorf("%q:\n%s", c.cidrs, diff)
		}
		if got.Restricted() != (c.want != nil) {
			t.Errorf("%q: restricted is %t", c.cidrs, got.Restricted())
		}
	}
}

func TestAListOfNetworksIsRefusedWithTheFieldTheCodeAndTheLimit(t *testing.T) {
	for _, c := range []struct {
		what  string
		cidrs []string
		want  string // name, code and a part of the message of each fault
	}{
		{"no network", []string{}, "allowed_cidrs length 1 to 64 networks, or use null"},
		{"too many", hosts(65), "allowed_cidrs length 1 to 64 networks"},
		{"an address", []string{"10.0.0.0/8", "192.0.2.1"}, "allowed_cidrs.1 form add /32 (IPv4) or /128 (IPv6)"},
		{"an IPv6 address", []string{"2001:db8::1"}, "allowed_cidrs.0 form add /32 (IPv4) or /128 (IPv6)"},
		{"nothing", []string{""}, "allowed_cidrs.0 form CIDR notation"},
		{"a name", []string{"example.com/24"}, "allowed_cidrs.0 form CIDR notation"},
		{"white space", []string{" 10.0.0.0/8"}, "allowed_cidrs.0 form CIDR notation"},
		{"an octal part", []string{"010.0.0.0/8"}, "allowed_cidrs.0 form CIDR notation"},
		{"a leading zero", []string{"10.0.0.0/08"}, "allowed_cidrs.0 form CIDR notation"},
		{"a sign", []string{"10.0.0.0/+8"}, "allowed_cidrs.0 form CIDR notation"},
		{"a short address", []string{"10/8"}, "allowed_cidrs.0 form CIDR notation"},
		{"a netmask", []string{"10.0.0.0/255.0.0.0"}, "allowed_cidrs.0 form CIDR notation"},
		{"too long a prefix", []string{"10.0.0.0/33"}, "allowed_cidrs.0 form CIDR notation"},
		{"too long an IPv6 prefix", []string{"::/129"}, "allowed_cidrs.0 form CIDR notation"},
		{"a port", []string{"[2001:db8::1]:443/128"}, "allowed_cidrs.0 form CIDR notation"},
		{"host bits", []string{"10.0.0.1/8"}, "allowed_cidrs.0 host_bits must be 0"},
		{"host bits of IPv6", []string{"2001:db8::1/64"}, "allowed_cidrs.0 host_bits must be 0"},
		{"host bits of IPv4 in IPv6", []string{"::ffff:10.0.0.1/104"}, "allowed_cidrs.0 host_bits must be 0"},
		{"more than all of IPv4 in IPv6", []string{"::ffff:0:0/95"}, "allowed_cidrs.0 host_bits must be 0"},
		{"a zone", []string{"fe80::%eth0/64"}, "allowed_cidrs.0 zone Leave out the zone"},
		{"an address with a zone", []string{"fe80::1%eth0"}, "allowed_cidrs.0 zone Leave out the zone"},
		{"a duplicate", []string{"10.0.0.0/8", "10.0.0.0/8"}, "allowed_cidrs.1 duplicate Remove"},
		{"the same", []string{"10.0.0.0/8", "::ffff:10.0.0.0/104"}, "allowed_cidrs.1 duplicate Remove"},
		{
			"two faults",
			[]string{"x", "10.0.0.0/8", "10.0.0.9/8"},
			"allowed_cidrs.0 form CIDR notation; allowed_cidrs.2 host_bits must be 0",
		},
	} {
		a, faults := policy.ParseAddresses("allowed_cidrs", c.cidrs)
		if a.Restricted() {
			t.Errorf("%s: a list with faults is %v", c.what, a.Strings())
		}
		wants := strings.Split(c.want, "; ")
		if len(faults) != len(wants) {
			t.Errorf("%s: %v, want %q", c.what, faults, c.want)
			continue
		}
		for i, f := range faults {
			want := strings.SplitN(wants[i], " ", 3)
			if f.Name != want[0] || f.Code != want[1] || !strings.Contains(f.Message, want[2]) {
				t.Errorf("%s: %+v, want %q", c.what, f, wants[i])
			}
		}
	}
}

func TestAListAllowsTheAddressesOfItsNetworksOnly(t *testing.T) {
	list := networks(t, "10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "fe80::/64")
	for ip, want := range map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "11.0.0.0": false, "9.255.255.255": false,
		"192.0.2.7": true, "192.0.2.8": false,
		"::ffff:10.1.2.3": true, "::ffff:192.0.2.8": false, "::ffff:a01:203": true,
		"2001:db8::1": true, "2001:DB8:ffff::": true, "2001:db9::": false,
		"fe80::1": true, "fe80::1%eth0": true, "fe80:0:0:1::1%eth0": false,
		"": false, "localhost": false, "10.0.0.1:80": false, "10.0.0.1/8": false, "010.0.0.1": false,
		" 10.0.0.1": false,
		"::a00:1":   false, // the address 10.0.0.1 in a form that was never used
	} {
		if got := list.Allows(ip); got != want {
			t.Errorf("%q: %t, want %t", ip, got, want)
		}
		if !(policy.Addresses{}).Allows(ip) {
			t.Errorf("%q is refused without a list", ip)
		}
	}
	every := networks(t, "::/0")
	if every.Allows("192.0.2.7") || every.Allows("::ffff:192.0.2.7") || !every.Allows("::1") {
		t.Error("::/0 is not all of IPv6 alone")
	}
	if list.Contains(netip.Addr{}) {
		t.Error("an address that is not known is allowed")
	}
}

func TestNoCommonAddressMeansNowhere(t *testing.T) {
	nowhere := networks(t, "10.0.0.0/8").Narrowed(networks(t, "192.0.2.0/24"))
	if !nowhere.Restricted() || nowhere.Allows("10.0.0.1") || nowhere.Allows("") || nowhere.Equal(policy.Addresses{}) {
		t.Errorf("%v allows something", nowhere)
	}
	text := marshal(t, nowhere)
	var read policy.Addresses
	if err := json.Unmarshal([]byte(text), &read); err != nil || text != "[]" || !read.Equal(nowhere) {
		t.Errorf("%s is read as %v, %v", text, read, err)
	}
	for _, other := range []policy.Addresses{{}, networks(t, "10.0.0.0/8"), nowhere} {
		if got := nowhere.Narrowed(other); !got.Equal(nowhere) {
			t.Errorf("nowhere, narrowed to %v, is %v", other.Strings(), got.Strings())
		}
		if got := other.Narrowed(nowhere); !got.Equal(nowhere) {
			t.Errorf("%v, narrowed to nowhere, is %v", other.Strings(), got.Strings())
		}
		if !nowhere.Within(other) {
			t.Errorf("nowhere is not within %v", other.Strings())
		}
	}
	if (policy.Addresses{}).Within(nowhere) {
		t.Error("every address is within none")
	}
}

func TestNestedNetworksNarrowToTheNarrowerOne(t *testing.T) {
	nested := []string{"10.0.0.0/8", "10.1.0.0/16"}
	parts := []string{"10.1.0.0/16", "10.2.0.0/16"}
	for _, c := range []struct{ a, b, want []string }{
		{nil, nil, nil},
		{nil, []string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}},
		{[]string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, []string{"10.1.0.0/16"}},
		{[]string{"10.0.0.0/8", "192.0.2.0/24"}, parts, parts},
		{
			[]string{"10.0.0.0/8", "192.0.2.4/32"},
			[]string{"10.1.0.0/16", "192.0.2.0/24"},
			[]string{"10.1.0.0/16", "192.0.2.4/32"},
		},
		{[]string{"0.0.0.0/0"}, []string{"::/0"}, []string{}},
		{nested, nested, nested},
	} {
		a, b := networks(t, c.a...), networks(t, c.b...)
		for _, got := range []policy.Addresses{a.Narrowed(b), b.Narrowed(a)} {
			if diff := cmp.Diff(c.want, got.Strings()); diff != "" {
				t.Errorf("%v and %v:\n%s", c.a, c.b, diff)
			}
		}
	}
}

func TestAListIsWithinACeilingIfEachNetworkLiesInOneOfIts(t *testing.T) {
	for _, c := range []struct {
		list, ceiling []string
		want          bool
	}{
		{nil, nil, true},
		{nil, []string{"0.0.0.0/0", "::/0"}, false},
		{[]string{"10.0.0.0/8"}, nil, true},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}, true},
		{[]string{"10.1.0.0/16", "10.2.0.0/16"}, []string{"10.0.0.0/8"}, true},
		{[]string{"10.1.0.0/16", "192.0.2.0/24"}, []string{"10.0.0.0/8"}, false},
		{[]string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, false},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "10.128.0.0/9"}, false}, // in no single network
		{[]string{"2001:db8::/48"}, []string{"0.0.0.0/0"}, false},
		{[]string{"::ffff:10.0.0.0/104"}, []string{"0.0.0.0/0"}, true},
		{[]string{"::ffff:10.0.0.0/104"}, []string{"::/0"}, false},
	} {
		if got := networks(t, c.list...).Within(networks(t, c.ceiling...)); got != c.want {
			t.Errorf("%v within %v: %t", c.list, c.ceiling, got)
		}
	}
}

func TestAStoredListIsReadOnlyAsItWasWritten(t *testing.T) {
	for _, text := range []string{`null`, `[]`, `["10.0.0.0/8","2001:db8::/32"]`} {
		var read policy.Addresses
		if err := json.Unmarshal([]byte(text), &read); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := marshal(t, read); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{
		`""`, `{}`, `[1]`, `["10.0.0.0"]`, `["10.0.0.1/8"]`, `["2001:DB8::/32"]`, `["::ffff:10.0.0.0/104"]`,
		`["10.0.0.0/8","10.0.0.0/8"]`, `["192.0.2.0/24","10.0.0.0/8"]`, `["10.0.0.0/8", "192.0.2.0/24"]`, `[null]`,
	} {
		read := networks(t, "10.0.0.0/8")
		if err := json.Unmarshal([]byte(text), &read); err == nil {
			t.Errorf("%s is read as %v", text, read.Strings())
		}
	}
}

func TestAnAddressIsComparedWithoutAllocation(t *testing.T) {
	list := networks(t, append(hosts(policy.MaxNetworks-1), "2001:db8::/32")...)
	for _, ip := range []string{"203.0.113.9", "2001:db8::1", "::ffff:192.0.2.9", "", "none"} {
		if n := testing.AllocsPerRun(100, func() { list.Allows(ip) }); n != 0 && ip != "none" {
			t.Errorf("%q: %v allocations", ip, n)
		}
	}
}

func marshal(t testing.TB, a policy.Addresses) string {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anyNetwork draws a network of a few small ranges, so that networks often nest.
func anyNetwork(t *rapid.T) netip.Prefix {
	bytes := []byte{10, rapid.SampledFrom([]byte{0, 1, 128}).Draw(t, "second"), 0, rapid.Byte().Draw(t, "last")}
	address, _ := netip.AddrFromSlice(bytes)
	bits := rapid.SampledFrom([]int{0, 7, 8, 9, 16, 24, 30, 31, 32}).Draw(t, "bits")
	switch rapid.IntRange(0, 2).Draw(t, "family") {
	case 0:
		mapped := netip.AddrFrom16(address.As16())
		return netip.PrefixFrom(mapped, bits+96).Masked()
	case 1:
		wide := [16]byte{0x20, 1, 0xd, 0xb8, bytes[1], bytes[3]}
		return netip.PrefixFrom(netip.AddrFrom16(wide), bits+16).Masked()
	}
	return netip.PrefixFrom(address, bits).Masked()
}

func anyAddresses(t *rapid.T, label string) policy.Addresses {
	if rapid.IntRange(0, 9).Draw(t, label+" is anywhere") == 0 {
		return policy.Addresses{}
	}
	drawn := rapid.SliceOfN(rapid.Custom(anyNetwork), 1, 8).Draw(t, label)
	var cidrs []string
	for _, network := range drawn {
		// Without the ones that are the same in canonical form.
		if a, faults := policy.ParseAddresses(label, append(cidrs, network.String())); len(faults) == 0 {
			cidrs = a.Strings()
		}
	}
	a, faults := policy.ParseAddresses(label, cidrs)
	if len(faults) > 0 {
		t.Fatalf("%v: %v", cidrs, faults)
	}
	return a
}

func anyAddress(t *rapid.T) netip.Addr {
	network := anyNetwork(t)
	if rapid.Bool().Draw(t, "next") {
		return network.Addr().Next()
	}
	return network.Addr()
}

func TestNarrowedAddressesAreExactlyThoseThatBothAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAddresses(t, "a"), anyAddresses(t, "b")
		both := a.Narrowed(b)
		for range 20 {
			ip := anyAddress(t)
			want := a.Contains(ip) && b.Contains(ip)
			if both.Contains(ip) != want || both.Allows(ip.String()) != want {
				t.Fatalf("%s: %v and %v give %v, want %t", ip, a.Strings(), b.Strings(), both.Strings(), want)
			}
		}
		switch {
		case !both.Equal(b.Narrowed(a)):
			t.Fatal("the order counts")
		case !both.Narrowed(b).Equal(both) || !both.Narrowed(a).Equal(both) || !a.Narrowed(a).Equal(a):
			t.Fatal("narrowing again changes something")
		case !both.Within(a) || !both.Within(b):
			t.Fatalf("%v is not within %v and %v", both.Strings(), a.Strings(), b.Strings())
		case a.Within(b) && !a.Narrowed(b).Within(a):
			t.Fatal("a list within another narrows to more than itself")
		}
	})
}

func TestAListWithinACeilingAllowsNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, ceiling := anyAddresses(t, "list"), anyAddresses(t, "ceiling")
		if !list.Within(ceiling) {
			return
		}
		for range 20 {
			if ip := anyAddress(t); list.Contains(ip) && !ceiling.Contains(ip) {
				t.Fatalf("%s is in %v and not in %v", ip, list.Strings(), ceiling.Strings())
			}
		}
	})
}

func TestAnIntersectionOfLongListsIsReadAgain(t *testing.T) {
	a, b := []string{"10.0.0.0/8"}, []string{"192.0.2.0/24"}
	for i := range policy.MaxNetworks - 1 {
		a = append(a, fmt.Sprintf("192.0.2.%d/32", i))
		b = append(b, fmt.Sprintf("10.0.0.%d/32", i))
	}
	both := networks(t, a...).Narrowed(networks(t, b...))
	if n := len(both.Strings()); n != 2*(policy.MaxNetworks-1) {
		t.Fatalf("%d networks", n)
	}
	var read policy.Addresses
	if err := json.Unmarshal([]byte(marshal(t, both)), &read); err != nil || !read.Equal(both) {
		t.Errorf("%v, %v", read.Strings(), err)
	}
}

// What is accepted is the same after it was written and read again, as a list and as it is stored.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{
		"10.0.0.0/8", "10.0.0.0/8\n2001:db8::/32", "::ffff:10.0.0.0/104", "fe80::%eth0/64", "10.0.0.1/8",
		"::/0\n0.0.0.0/0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cidrs := strings.Split(text, "\n")
		a, faults := policy.ParseAddresses("allowed_cidrs", cidrs)
		if (len(faults) == 0) != a.Restricted() {
			t.Fatalf("%q: %v with faults %v", cidrs, a.Strings(), faults)
		}
		if len(faults) > 0 {
			checkFaults(t, faults, len(cidrs))
			return
		}
		again, faults := policy.ParseAddresses("allowed_cidrs", a.Strings())
		if len(faults) > 0 || !again.Equal(a) || !slices.Equal(again.Strings(), a.Strings()) {
			t.Fatalf("%q is written as %v and read as %v, %v", cidrs, a.Strings(), again.Strings(), faults)
		}
		var stored policy.Addresses
		if err := json.Unmarshal([]byte(marshal(t, a)), &stored); err != nil || !stored.Equal(a) {
			t.Fatalf("%q is stored as %s and read as %v, %v", cidrs, marshal(t, a), stored.Strings(), err)
		}
	})
}

// checkFaults checks that each fault names the list or one of its items.
func checkFaults(t *testing.T, faults []fault.Field, items int) {
	t.Helper()
	for _, field := range faults {
		var i int
		_, err := fmt.Sscanf(field.Name, "allowed_cidrs.%d", &i)
		known := field.Name == "allowed_cidrs" || err == nil && i >= 0 && i < items
		if !known || field.Code == "" || field.Message == "" {
			t.Fatalf("a fault of %d items is %+v", items, field)
		}
	}
}

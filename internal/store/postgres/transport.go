package postgres

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Plaintext returns the remote hosts that a database URL connects to without TLS because it says
// `sslmode=disable`. Hosts on this machine and Unix sockets are not listed.
func Plaintext(url credential.Secret) ([]string, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	never, _ := withoutTLS(&config.ConnConfig.Config)
	return never, nil
}

// errOptionalTLS refuses a URL with which an attacker in the network decides whether TLS is used.
func errOptionalTLS(host string) error {
	return fmt.Errorf("database.url does not demand TLS of %s, so keys and passwords could cross the network "+
		"in the clear: "+
		"add sslmode=verify-full (and sslrootcert=FILE for a certificate of your own), "+
		"or sslmode=disable if you trust the network in between", host)
}

// withoutTLS returns the remote hosts that are never reached by TLS, and those that are reached
// with or without it (`sslmode=prefer`, pgx's default, and `allow`). For the latter, an attacker in
// the network decides whether TLS is used.
func withoutTLS(c *pgconn.Config) (never, optional []string) {
	plain, encrypted := map[string]bool{}, map[string]bool{}
	attempt := func(host string, over *tls.Config) {
		switch {
		case onThisMachine(host):
		case over == nil:
			plain[host] = true
		default:
			encrypted[host] = true
		}
	}
	attempt(c.Host, c.TLSConfig)
	for _, f := range c.Fallbacks {
		attempt(f.Host, f.TLSConfig)
	}
	for host := range plain {
		if encrypted[host] {
			optional = append(optional, host)
		} else {
			never = append(never, host)
		}
	}
	slices.Sort(never)
	slices.Sort(optional)
	return never, optional
}

// onThisMachine reports whether a host is a Unix socket, a loopback address or localhost. Any other
// name may be another machine.
func onThisMachine(host string) bool {
	if network, _ := pgconn.NetworkAddress(host, 0); network == "unix" {
		return true
	}
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return address.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

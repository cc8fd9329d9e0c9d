package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/proxy"
)

// parse parses the text of a setting into its field. Its errors say what is valid, and do not
// contain the text.
func parse(text string, into any) error {
	switch into := into.(type) {
	case *string:
		*into = text
	case *credential.Secret:
		*into = credential.NewSecret(text)
	case encoding.TextUnmarshaler:
		return into.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: no setting can be a %T", into))
	}
	return nil
}

// Address is a host and a port. Without a host, it means all addresses of the machine.
type Address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("give an address and a port, such as 127.0.0.1:8080")
	}
	*a = Address(text)
	return nil
}

// BaseURL is a scheme, a host and a port, without a slash at the end.
type BaseURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *BaseURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errBaseURL
	}
	plain := u.Scheme + "://" + u.Host
	if strings.TrimSuffix(string(text), "/") != plain {
		return errBaseURL
	}
	*b = BaseURL(plain)
	return nil
}

var errBaseURL = errors.New("give a scheme and a host without a path, such as https://keys.example.com")

// TLS reports whether clients connect with TLS.
func (b BaseURL) TLS() bool { return strings.HasPrefix(string(b), "https:") }

// Proxies are the networks of trusted proxies.
type Proxies proxy.Networks

// UnmarshalText implements encoding.TextUnmarshaler. Networks are separated by commas.
func (p *Proxies) UnmarshalText(text []byte) error {
	networks, err := proxy.Parse(string(text))
	if err != nil {
		return err
	}
	*p = Proxies(networks)
	return nil
}

// Loopback returns the networks of this machine, without a kind.
func Loopback() Proxies {
	return Proxies{
		{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
		{Prefix: netip.MustParsePrefix("::1/128")},
	}
}

// Hosts are host names in lower case.
type Hosts []string

// hostName matches a name of letters, digits and hyphens, in labels separated by dots.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// UnmarshalText implements encoding.TextUnmarshaler. Names are separated by commas.
func (h *Hosts) UnmarshalText(text []byte) error {
	*h = nil
	for item := range strings.SplitSeq(string(text), ",") {
		name := strings.ToLower(strings.TrimSpace(item))
		if _, err := netip.ParseAddr(name); err == nil || !hostName.MatchString(name) {
			return errors.New("give names of hosts without a port, such as keys.example.com,node1.example.com")
		}
		*h = append(*h, name)
	}
	return nil
}

// Size is a number of bytes.
type Size int

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1<<10 || n > 1<<20 {
		return errors.New("give a number of bytes from 1024 to 1048576")
	}
	*s = Size(n)
	return nil
}

// Timeout is a maximum duration.
type Timeout time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Timeout) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t <= 0 || t > time.Hour {
		return errors.New("give a time of at most an hour, such as 20s or 2m")
	}
	*d = Timeout(t)
	return nil
}

// Staleness is the maximum age of cached data.
type Staleness time.Duration

// MaxStaleness is the maximum value of a Staleness.
const MaxStaleness = time.Minute

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Staleness) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t < time.Second || t > MaxStaleness {
		return errors.New("give a time between 1s and 1m")
	}
	*d = Staleness(t)
	return nil
}

// Connections is a maximum number of connections to the database.
type Connections int

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Connections) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 16 || n > 200 {
		return errors.New("give a number of connections from 16 to 200")
	}
	*c = Connections(n)
	return nil
}

// Date is a date such as 2026-01-31; "" for none.
type Date string

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil {
		return errors.New("give a day, such as 2026-01-31")
	}
	*d = Date(text)
	return nil
}

// Begin returns the start of the day in UTC, and the zero time for "".
func (d Date) Begin() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d)) // UnmarshalText has checked it
	return t
}

// Retention is a number of days to keep something.
type Retention int

// UnmarshalText implements encoding.TextUnmarshaler. An expired key can be refreshed for 30 days.
func (r *Retention) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 30 || n > 3650 {
		return errors.New("give a number of days from 30 to 3650")
	}
	*r = Retention(n)
	return nil
}

// Changes is a maximum number of changes or requests per minute.
type Changes int

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Changes) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > 1_000_000 {
		return errors.New("give a number from 1 to 1000000")
	}
	*c = Changes(n)
	return nil
}

// Duration returns the retention as a duration.
func (r Retention) Duration() time.Duration { return time.Duration(r) * 24 * time.Hour }

// Level is a minimum log level.
type Level string

var levels = map[Level]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
	"error": slog.LevelError,
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	return oneOf(l, Level(text), slices.Collect(maps.Keys(levels)))
}

// Format is a format of the log.
type Format string

// Values of Format.
const (
	Text Format = "text"
	JSON Format = "json"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Format) UnmarshalText(text []byte) error {
	return oneOf(f, Format(text), []Format{Text, JSON})
}

func oneOf[T ~string](into *T, value T, all []T) error {
	if !slices.Contains(all, value) {
		slices.Sort(all)
		return fmt.Errorf("give one of %v", all)
	}
	*into = value
	return nil
}

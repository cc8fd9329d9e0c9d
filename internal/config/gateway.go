package config

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Upstream is the URL of a protected API, without a slash at the end.
type Upstream string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Upstream) UnmarshalText(text []byte) error {
	parsed, err := url.Parse(string(text))
	if err != nil || parsed.Hostname() == "" || parsed.Scheme != "https" && parsed.Scheme != "http" ||
		parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.ForceQuery {
		return errors.New("give a scheme and a host, and a path if the API has one, such as http://127.0.0.1:9001")
	}
	*u = Upstream(strings.TrimSuffix(parsed.String(), "/"))
	return nil
}

// URL returns the upstream as a URL; nil for "".
func (u Upstream) URL() *url.URL {
	if u == "" {
		return nil
	}
	parsed, _ := url.Parse(string(u)) // UnmarshalText has checked it
	return parsed
}

// NamedUpstream is the upstream of an application or a host.
type NamedUpstream struct {
	// Name is the id of an application, or a host name.
	Name     string
	Upstream Upstream
}

// String returns the upstream as UnmarshalText reads it.
func (u NamedUpstream) String() string { return u.Name + "=" + string(u.Upstream) }

// OfApplication reports whether the name is the id of an application.
func (u NamedUpstream) OfApplication() bool { return applicationID.MatchString(u.Name) }

// Upstreams are the upstreams of applications and hosts.
type Upstreams []NamedUpstream

// applicationID matches the id of an application.
var applicationID = regexp.MustCompile(`^app_[a-z0-9]{10,40}$`)

// UnmarshalText implements encoding.TextUnmarshaler. Upstreams are separated by commas.
func (u *Upstreams) UnmarshalText(text []byte) error {
	*u = nil
	seen := map[string]bool{}
	for item := range strings.SplitSeq(string(text), ",") {
		name, to, _ := strings.Cut(strings.TrimSpace(item), "=")
		name = strings.ToLower(name)
		if !applicationID.MatchString(name) && !hostName.MatchString(name) {
			return errors.New("give the id of an application or a host, and its URL, such as " +
				"app_01m8k6w12gk3m4np=http://127.0.0.1:9002,api.example.com=http://127.0.0.1:9003")
		}
		if seen[name] {
			return errors.New("give each application and host once")
		}
		seen[name] = true
		var upstream Upstream
		if err := upstream.UnmarshalText([]byte(to)); err != nil {
			return err
		}
		*u = append(*u, NamedUpstream{name, upstream})
	}
	return nil
}

// GatewayHost is a host that the gateway answers.
type GatewayHost struct {
	Name string
	// Entry is the name of the entry of its requests.
	Entry string
}

// String returns the host as UnmarshalText reads it.
func (h GatewayHost) String() string { return h.Name + "=" + h.Entry }

// GatewayHosts are the hosts that the gateway answers.
type GatewayHosts []GatewayHost

var entryName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// UnmarshalText implements encoding.TextUnmarshaler. Hosts are separated by commas.
func (h *GatewayHosts) UnmarshalText(text []byte) error {
	*h = nil
	seen := map[string]bool{}
	for item := range strings.SplitSeq(string(text), ",") {
		name, entry, _ := strings.Cut(strings.TrimSpace(item), "=")
		name = strings.ToLower(name)
		if !hostName.MatchString(name) || !entryName.MatchString(entry) {
			return errors.New("give host names without a port, each with the name of its entry, such as " +
				"api.example.com=default,eu.example.com=eu")
		}
		if seen[name] {
			return errors.New("give each host once")
		}
		seen[name] = true
		*h = append(*h, GatewayHost{name, entry})
	}
	return nil
}

// SessionPath is a path, or NoSessionPath.
type SessionPath string

// NoSessionPath is the value for no path.
const NoSessionPath SessionPath = "none"

var sessionPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *SessionPath) UnmarshalText(text []byte) error {
	if string(text) != string(NoSessionPath) && !sessionPath.Match(text) || strings.Contains(string(text), "/.") {
		return errors.New("give a path such as /api/v1/session, or none")
	}
	*p = SessionPath(text)
	return nil
}

// BodySize is the largest size of a body, in bytes.
type BodySize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *BodySize) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1<<10 || n > 1<<40 {
		return errors.New("give a number of bytes from 1024 to 1099511627776")
	}
	*b = BodySize(n)
	return nil
}

// Enabled reports whether there is a gateway.
func (g Gateway) Enabled() bool { return g.Listen != "" || len(g.Hosts) > 0 }

// check returns what contradicts in the settings of the gateway. base is the URL of the server; ""
// if it follows from the address.
func (g Gateway) check(base BaseURL) error {
	switch {
	case !g.Enabled() && (g.Upstream != "" || len(g.Upstreams) > 0 || g.BaseURL != ""):
		return errors.New("gateway.listen: give the address of the gateway, or gateway.hosts, or remove the other " +
			"settings of the gateway")
	case g.Enabled() && g.Upstream == "" && len(g.Upstreams) == 0:
		return errors.New("gateway.upstream: give the URL of the protected API, because there is a gateway")
	case g.BaseURL != "" && g.BaseURL.SameOrigin(base):
		return errors.New("gateway.base_url: must differ from server.base_url. Browsers would give the pages of the " +
			"API access to Claviger")
	}
	if g.Listen == "" && g.HasHost(base) {
		return errors.New("gateway.hosts: must not have the host of server.base_url, because both would answer it")
	}
	return nil
}

// HasHost reports whether the gateway answers the host of a URL.
func (g Gateway) HasHost(base BaseURL) bool {
	return slices.ContainsFunc(g.Hosts, func(h GatewayHost) bool { return h.Name == base.host() })
}

// host returns the host name of the URL in lower case, without the port.
func (b BaseURL) host() string {
	u, err := url.Parse(string(b))
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// SameOrigin reports whether browsers take two URLs for one origin (RFC 6454).
func (b BaseURL) SameOrigin(other BaseURL) bool {
	u, err := url.Parse(string(b))
	if err != nil {
		return false
	}
	v, err := url.Parse(string(other))
	return err == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Hostname(), v.Hostname()) && portOf(u) == portOf(v)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

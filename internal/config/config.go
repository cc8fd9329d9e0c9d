// Package config defines the configuration of the server, [Config], and loads it from flags,
// environment and file.
//
// A setting is a field of Config. Its comment is its description in help and reference. Its tags
// are its name in the file and its default. The other names follow from the name in the file:
//
//	server.base_url             in the file, nested at its dots
//	CLAVIGER_SERVER_BASE_URL    in the environment
//	--base-url                  on the command line, without "server"
//
// [Load] takes each setting from the first source that has it: command line, environment, file,
// default. It returns an error for an unknown name, with the nearest known one, and for an invalid
// value. The error does not contain a name or value that could be a secret.
//
// Secrets come from the environment or from a file, never from an argument, which every process of
// the machine could read. Each secret has a second setting for a file that contains it:
// CLAVIGER_ROOT_SECRET_FILE for CLAVIGER_ROOT_SECRET.
package config

import (
	"log/slog"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Config is the whole configuration. A zero field has its default, see [Config.Resolve].
type Config struct {
	Server Server `key:"server"`
	// The data directory. The first start creates it. Only Claviger may use it.
	Data     string   `key:"data" default:"./claviger-data"`
	Database Database `key:"database"`
	// The root secret, from which every server key is derived: 32 bytes in unpadded base64url.
	// Without it, Claviger uses the file `root.key` in the data directory, which the first start
	// creates. Store a copy in another place than the backups of the database. Without the root
	// secret, no key can be verified. Anybody who has both can test guesses at keys.
	RootSecret credential.Secret `key:"root_secret"`
	// The date, such as `2026-01-31` (UTC), before which a tenant must have been created for
	// `claviger tenant allow-password`, which allows passwords on its API. Without it, no tenant is
	// old enough.
	LegacyPasswordBefore Date         `key:"legacy_password_before"`
	Gateway              Gateway      `key:"gateway"`
	Keys                 Keys         `key:"keys"`
	Limits               PersonLimits `key:"limits"`
	Log                  Log          `key:"log"`
	Mail                 Mail         `key:"mail"`
	Uses                 Uses         `key:"uses"`
}

// Server is how clients and operators connect to Claviger.
type Server struct {
	// The address and port to listen on. Without an address (`:8080`), Claviger listens on all
	// addresses of the machine. Port 0 selects a free port.
	Listen Address `key:"listen" default:"127.0.0.1:8080"`
	// The path of a Unix socket, such as `/run/claviger/api.sock`, on which Claviger also answers
	// services of the same machine, without TLS and without the gateway. Its directory must exist
	// outside the data directory. The server creates the socket with mode 0660 and removes it when
	// it stops; it replaces a socket on which nobody listens. Requests over the socket have no
	// client address: keys that are restricted to addresses are refused there (an `ip` in a request
	// to verify counts as usual), `X-Forwarded-For` is ignored, and nobody may use `/api/v1/authz`.
	// Without this setting, there is no such socket.
	Socket string `key:"socket"`
	// The group, by name or number, whose members may connect to `server.socket`. The server must
	// be a member of it. Without it, the socket has the group of the server or, in a directory with
	// the set-group-ID bit, of the directory.
	SocketGroup string `key:"socket_group"`
	// The public URL of this server, such as `https://keys.example.com`. It is used in links and
	// examples. With `https`, browsers send cookies only over TLS, even if a proxy terminates TLS.
	// Browsers may sign in from pages of this URL, whatever host name a proxy forwards. Without it,
	// the URL follows from the listen address.
	BaseURL BaseURL `key:"base_url"`
	TLS     TLS     `key:"tls"`
	// The networks or addresses of trusted proxies, each with the kind of proxy behind `=`:
	// `10.0.0.0/8=nginx,192.0.2.1=caddy`. The kinds are `nginx`, `ingress-nginx`, `caddy`,
	// `traefik`, `haproxy`, `apisix`, `envoy` (also for the Gateway API) and `istio`. Only these
	// proxies may send requests to `/api/v1/authz`. Of those, Claviger reads only the headers that
	// the kind of proxy sets. Without a kind, all headers with the original method or path must
	// agree. If several networks have an address, the smallest one counts. The header
	// `X-Forwarded-For` of a trusted proxy is trusted: the client address is the last address in it
	// that does not belong to a trusted proxy. Without this setting, the header is ignored and
	// nobody may use `/api/v1/authz`. `claviger dev` trusts the machine that it runs on.
	TrustedProxies Proxies `key:"trusted_proxies"`
	// The file of entries and route rules, for reverse proxies that ask Claviger about requests.
	// Only it can make routes public. Check it with `claviger routes check FILE`. A file with a
	// fault stops the start. Claviger reads the file again when it changes. If the new content has
	// a fault, the old rules stay in use, and the log has the line and the column. Group and others
	// must not be able to write the file.
	Routes string `key:"routes"`
	Limits Limits `key:"limits"`
	// The address and port of a listener for operators, with `/metrics`, `/healthz` and `/readyz`.
	// It does not authenticate requests, so use a loopback address (`127.0.0.1:9180`) or a separate
	// network. Port 0 selects a free port. Without this setting, there is no such listener.
	MetricsListen Address `key:"metrics_listen"`
	// The host names of the listener for operators, such as `keys.example.com`, separated by
	// commas. The listener also accepts IP addresses, `localhost`, names without a dot, the name of
	// the machine and the host of `server.metrics_listen`. It rejects other host names, so that no
	// web page can read it through a browser in your network (DNS rebinding).
	MetricsHosts Hosts `key:"metrics_hosts"`
}

// Gateway forwards requests to protected APIs, after it has decided about them.
type Gateway struct {
	// The address and port of the gateway, such as `127.0.0.1:8081`. Port 0 selects a free port.
	// Requests to it need an entry and a rule, as requests of forward-auth do: the file
	// `server.routes` has them, and `claviger entries create` creates an entry. With
	// `server.tls.cert`, the gateway uses TLS with the same certificate. Without an address, the
	// gateway answers on `server.listen` for the hosts in `gateway.hosts`.
	Listen Address `key:"listen"`
	// The public URL of the gateway, such as `https://api.example.com`. With `https`, the cookie of
	// its sessions is sent only over TLS, even if a proxy terminates TLS. It must differ from
	// `server.base_url`, because browsers would otherwise give the pages of the API access to
	// Claviger. Without it, the URL follows from the address of the gateway.
	BaseURL BaseURL `key:"base_url"`
	// The URL of the protected API, such as `http://127.0.0.1:9001`. A path in it is put before the
	// path of each request.
	Upstream Upstream `key:"upstream" flag:"upstream"`
	// Further protected APIs, separated by commas: the id of an application or the name of a host,
	// and behind `=` the URL: `app_01m8k6w12gk3m4np=http://127.0.0.1:9002`. An application counts
	// if the rule of a request names it, and before the host.
	Upstreams Upstreams `key:"upstreams"`
	// The host names that the gateway answers, separated by commas, each with the entry behind `=`:
	// `api.example.com=default`. On its own listener, the gateway also answers the hosts of the
	// entries in `server.routes`. Without either, it answers every host by the entry `default`.
	Hosts GatewayHosts `key:"hosts"`
	// The file that contains the CA certificates for upstreams with `https`, in PEM. Without it,
	// Claviger uses the CA certificates of the machine.
	CA string `key:"ca"`
	// The path at which people sign in to and out of the gateway, for tenants that accept sessions.
	// `none` forwards requests to every path to the API.
	SessionPath SessionPath `key:"session_path" default:"/api/v1/session"`
	// Maximum size of the body of a request, in bytes.
	BodyBytes BodySize `key:"body_bytes" default:"67108864"`
	// Maximum number of requests of one key, one session or one client address without either that
	// the gateway forwards at the same time, open WebSocket connections included. Further requests
	// are rejected with `rate_limited`.
	ConcurrentRequests Changes `key:"concurrent_requests" default:"1000"`
	// Maximum time until the API begins its response. After that, the gateway answers 504.
	ResponseTimeout Timeout `key:"response_timeout" default:"1m"`
	// Maximum time without progress while a body is received from the client, or a response is sent
	// to it. WebSocket connections have no such limit.
	StallTimeout Timeout `key:"stall_timeout" default:"1m"`
}

// TLS is the server's certificate.
type TLS struct {
	// The file that contains the certificate with its chain, in PEM. With it, Claviger accepts only
	// TLS. Claviger reads the file again when it changes.
	Cert string `key:"cert"`
	// The file that contains the private key of the certificate, in PEM. Claviger reads the file
	// again when it changes.
	Key string `key:"key"`
}

// Limits are the limits of a request and a connection. The limit of a body is always 64 KiB.
type Limits struct {
	// Maximum size of the headers of a request, in bytes.
	HeaderBytes Size `key:"header_bytes" default:"32768"`
	// Maximum time to receive the headers of a request. It also limits the time to receive the body
	// of a request that needs no credential.
	HeaderTimeout Timeout `key:"header_timeout" default:"5s"`
	// Maximum time to receive a request, including its body. If the headers contain no valid
	// credential, Claviger does not wait for the body.
	ReadTimeout Timeout `key:"read_timeout" default:"20s"`
	// Maximum time to send a response, from the end of the request headers.
	WriteTimeout Timeout `key:"write_timeout" default:"30s"`
	// Maximum time that a connection waits for the next request.
	IdleTimeout Timeout `key:"idle_timeout" default:"2m"`
}

// Database is the database.
type Database struct {
	// The URL of a PostgreSQL database (13 or later):
	// `postgres://user:password@host:port/database`, with user and password percent-encoded (`@` as
	// `%40`, `/` as `%2F`). Without it, Claviger uses the embedded SQLite in the data directory.
	// For another machine, the URL must say how the connection is protected: `?sslmode=verify-full`
	// (with `&sslrootcert=FILE` for your own certificate), or `?sslmode=disable` for a trusted
	// network, which logs a warning. Claviger rejects a URL without `sslmode`, or with `prefer` or
	// `allow`.
	URL credential.Secret `key:"url"`
	// Maximum time that a node may decide with cached data while it cannot read the changes of
	// other nodes in the same PostgreSQL database. After that, it answers 503 until it can read
	// them. So a node rejects a key that another node revoked after this time at the latest, and
	// usually within milliseconds while the database answers.
	MaxStaleness Staleness `key:"max_staleness" default:"2s"`
	// Maximum number of connections from this node to PostgreSQL, from 16 to 200. Seven are for the
	// change feed, readiness, backups and announcements. Of the others, a quarter is for
	// verification, two fifths are for changes, and the rest is for other reads. A node that starts
	// opens up to two more, for migrations.
	MaxConnections Connections `key:"max_connections" default:"24"`
}

// Keys holds settings of API keys.
type Keys struct {
	// The number of days after the expiry of a key in which clients with this key are told that it
	// expired. After that, the digest of its secret is removed, and the key is unknown.
	ExpiredRetentionDays Retention `key:"expired_retention_days" default:"90"`
}

// Uses is how the last uses of keys are written.
type Uses struct {
	// Maximum number of last uses of keys that this node writes per second. 2,000 rows take about
	// 5 % of a processor core. A node knows the last use of each key that it has seen, and shows it
	// at once. It writes the first use of a key since a minute at once, and further ones once a
	// minute; other nodes see them then. If more are due than it may write, the oldest are written
	// first, and the metric `claviger_uses_unwritten_age_seconds` says how late they are. A node
	// that stops writes all of them. The uses that a killed process has not written are lost.
	RowsPerSecond Changes `key:"rows_per_second" default:"2000"`
}

// PersonLimits are the rate limits of one person, and of one client without a credential.
type PersonLimits struct {
	// Maximum number of changes per minute by one person, over all their sessions, keys and
	// tenants. It is also the maximum burst. Further changes are rejected with `limit_of_changes`.
	// Requests that only remove permissions (revoke, disable, delete, sign out, change the
	// password) have a separate limit, which is ten times as high and applies to each session, and
	// to all keys of the person together. Each node has its own counters.
	ChangesPerMinute Changes `key:"changes_per_minute" default:"120"`
	// Maximum number of requests per minute from one client address (for IPv6, one /56 network) to
	// the endpoints that need no credential: sign-in, set-up, accept an invitation, reset a
	// password. It is also the maximum burst. Further requests are rejected with `rate_limited`.
	// Behind a proxy that is not in `server.trusted_proxies`, all clients have the same address.
	// Each node has its own counters.
	AnonymousPerMinute Changes `key:"anonymous_per_minute" default:"600"`
}

// Log is the log on standard error.
type Log struct {
	// Minimum log level: `debug`, `info`, `warn` or `error`.
	Level Level `key:"level" default:"info"`
	// Format of the log: `text` or `json`.
	Format Format `key:"format" default:"text"`
}

// Mail is how Claviger sends e-mail.
type Mail struct {
	// The host and port of the mail server, such as `mail.example.com:587`. Without it, Claviger
	// sends no e-mail: it writes each notice to a file (`.eml`) in the directory `mail` in the data
	// directory, and shows links (invitations, keys to claim) to the person who creates them. With
	// it, Claviger sends links to the person that they are for, and shows them to nobody else.
	SMTP MailServer `key:"smtp"`
	// Encryption of the connection to the mail server: `starttls` (TLS after the greeting, usually
	// port 587), `tls` (TLS from the start, usually port 465), or `none` (only for a mail server on
	// the same machine).
	TLS MailTLS `key:"tls" default:"starttls"`
	// The file that contains the CA certificates for the mail server, in PEM. Without it, Claviger
	// uses the CA certificates of the machine.
	CA string `key:"ca"`
	// The user name for the mail server. Without it, Claviger does not sign in.
	Username string `key:"username"`
	// The password for the mail server.
	Password credential.Secret `key:"password"`
	// The sender of notices, such as `Claviger <keys@example.com>`, or only an address. The mail
	// server must allow Claviger to send from this address.
	From Sender `key:"from" default:"Claviger <claviger@localhost>"`
	// The host name in the greeting to the mail server. Without it, the name of the machine.
	Helo string `key:"helo"`
	// Maximum time to deliver a notice to the mail server, including the time to connect.
	Timeout Timeout `key:"timeout" default:"1m"`
}

// Slog returns the level of log/slog.
func (l Level) Slog() slog.Level { return levels[l] }

// Default returns the configuration with all defaults.
func Default() Config {
	c, err := Config{}.Resolve()
	if err != nil {
		panic("config: " + err.Error()) // the defaults are constants of this package
	}
	return c
}

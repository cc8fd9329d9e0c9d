// Package config is how Claviger is set up: one documented [Config], and where its settings come from.
//
// A setting is a field of Config. Its comment is its description wherever it is described, its tags are its name in the file and its
// default, and from the name follow the others:
//
//	server.base_url             in the file, nested at its dots
//	CLAVIGER_SERVER_BASE_URL    in the environment
//	--base-url                  on the command line, without "server"
//
// [Load] takes each setting from the first that has it: command line, environment, file, default. A name that is none of ours is refused
// with the nearest one that is; so is a value that is not what it should be, and neither is ever repeated where it may be a secret.
//
// Secrets come from the environment or from a file, never from an argument, where every process of the machine could read them. Beside
// each secret stands a name for the file that holds it: CLAVIGER_ROOT_SECRET_FILE for CLAVIGER_ROOT_SECRET.
package config

import (
	"log/slog"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Config is the whole set-up. A field that is zero has its default, see [Config.Resolve].
type Config struct {
	Server Server `key:"server"`
	// The directory of everything that Claviger keeps. It is made at first start and belongs to Claviger alone.
	Data     string   `key:"data" default:"./claviger-data"`
	Database Database `key:"database"`
	// The root secret, from which every server key is derived: 32 bytes in unpadded base64url. Without it, the file `root.key` in the data
	// directory, made at first start. Keep it apart from backups of the database: without it no key can be verified, with both they can be tested.
	RootSecret credential.Secret `key:"root_secret"`
	// The day, as `2026-01-31`, before which (UTC) a tenant must have been made for `claviger tenant allow-password` to let its people come to the API with e-mail address and
	// password. Without it, no tenant is old enough.
	LegacyPasswordBefore Date         `key:"legacy_password_before"`
	Keys                 Keys         `key:"keys"`
	Limits               PersonLimits `key:"limits"`
	Log                  Log          `key:"log"`
	Mail                 Mail         `key:"mail"`
}

// Server is how clients and operators reach Claviger.
type Server struct {
	// The address and port to answer at. Without an address (`:8080`) it is every one that the machine has; port 0 takes a free one.
	Listen Address `key:"listen" default:"127.0.0.1:8080"`
	// What clients reach Claviger by, such as `https://keys.example.com`, for links and examples. With https, cookies are for TLS alone, also where a
	// proxy in front ends the TLS. Without it, what follows from the address and port.
	BaseURL BaseURL `key:"base_url"`
	TLS     TLS     `key:"tls"`
	// The proxies in front, as networks (`10.0.0.0/8`) or addresses, whose `X-Forwarded-For` is believed: the client is the last of its
	// addresses that is none of theirs. Without any, nobody's is.
	TrustedProxies Proxies `key:"trusted_proxies"`
	Limits         Limits  `key:"limits"`
	// The address and port of a listener for operators: `/metrics`, `/healthz` and `/readyz`. Nothing there asks who they are, so keep it on loopback
	// (`127.0.0.1:9180`) or in a network of its own; port 0 takes a free one. Without it, there is no such listener.
	MetricsListen Address `key:"metrics_listen"`
}

// TLS is the server's certificate.
type TLS struct {
	// The file of the certificate with its chain, in PEM. With it, Claviger speaks TLS alone. It is read again when it changes.
	Cert string `key:"cert"`
	// The file of the certificate's private key, in PEM. It is read again when it changes.
	Key string `key:"key"`
}

// Limits end what a client may take of the server. Bodies end at 64 KiB always.
type Limits struct {
	// The bytes that the headers of a request may take.
	HeaderBytes Size `key:"header_bytes" default:"32768"`
	// The time in which the headers of a request must have come, and the bodies of those that need no credential at all.
	HeaderTimeout Timeout `key:"header_timeout" default:"5s"`
	// The time in which a request must have come, body and all. The body of a request whose headers show no good credential is not waited for.
	ReadTimeout Timeout `key:"read_timeout" default:"20s"`
	// The time in which an answer must have been taken, from the end of the request's headers.
	WriteTimeout Timeout `key:"write_timeout" default:"30s"`
	// The time that a connection may wait for its next request.
	IdleTimeout Timeout `key:"idle_timeout" default:"2m"`
}

// Database is where everything is kept that is not a file.
type Database struct {
	// The PostgreSQL (13 or later) to use, as `postgres://user:password@host:port/database`. Without it, the embedded SQLite in the data directory.
	URL credential.Secret `key:"url"`
	// How long a node that shares PostgreSQL with others may go on deciding from memory while it cannot see what they changed; then it answers 503 until it can. So a key that another
	// node revoked is refused after this time at the latest, and within milliseconds as long as the database answers.
	MaxStaleness Staleness `key:"max_staleness" default:"2s"`
	// The most connections that this node opens to PostgreSQL, from 16 to 200. Seven serve the follower, readiness, backups and announcements; of the others, verification
	// gets a quarter, changes two fifths and all other reads the rest. While a node starts it opens up to two more, to migrate.
	MaxConnections Connections `key:"max_connections" default:"24"`
}

// Keys is what becomes of API keys.
type Keys struct {
	// How long after its expiry the holder of a key is told that it expired, in days. Then what proves it is removed, and they are told what a stranger is.
	ExpiredRetentionDays Retention `key:"expired_retention_days" default:"90"`
}

// PersonLimits bound what one person can ask of the server and make it keep.
type PersonLimits struct {
	// How many requests a minute one person may send that change something, over all their sessions, keys and tenants; then they are refused with
	// `limit_of_changes`. So many may come at once. Requests that only take authority away (revoke, disable, delete, sign out) are counted apart, and ten times
	// as many are allowed. Each node counts for itself.
	ChangesPerMinute Changes `key:"changes_per_minute" default:"120"`
}

// Log is what Claviger says of itself, on standard error.
type Log struct {
	// The least that is logged: `debug`, `info`, `warn` or `error`.
	Level Level `key:"level" default:"info"`
	// How a line is written: `text` or `json`.
	Format Format `key:"format" default:"text"`
}

// Mail is how notices reach people.
type Mail struct {
	// The mail server, as host and port, such as `mail.example.com:587`. Without it nobody is sent anything: each notice becomes a file (`.eml`) in the
	// directory `mail` below the data directory.
	SMTP MailServer `key:"smtp"`
	// How the mail server is spoken to: `starttls` (TLS after the greeting, usually port 587), `tls` (from the start, usually port 465), or `none`, which is for a mail server on
	// the same machine alone.
	TLS MailTLS `key:"tls" default:"starttls"`
	// The file of certificates, in PEM, that the mail server's is signed by. Without it, those that the machine trusts.
	CA string `key:"ca"`
	// The name to sign in to the mail server with. Without it, Claviger does not sign in.
	Username string `key:"username"`
	// The password to sign in to the mail server with.
	Password credential.Secret `key:"password"`
	// Who notices are from, as `Claviger <keys@example.com>` or an address alone. A mail server needs one that it lets Claviger send from.
	From Sender `key:"from" default:"Claviger <claviger@localhost>"`
	// The name by which Claviger greets the mail server. Without it, the machine's.
	Helo string `key:"helo"`
	// The time in which the mail server must have taken a notice, from the connection on.
	Timeout Timeout `key:"timeout" default:"1m"`
}

// Slog gives the level as log/slog has it.
func (l Level) Slog() slog.Level { return levels[l] }

// Default set-up.
func Default() Config {
	c, err := Config{}.Resolve()
	if err != nil {
		panic("config: " + err.Error()) // the defaults are ours
	}
	return c
}

package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// altered returns the URL after a change.
func altered(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// statement returns what an error says to run; "" where it does not.
func statement(err error, begin string) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if at := strings.Index(text, begin); at >= 0 {
		return text[at:]
	}
	return ""
}

func TestAServerWithoutTLSIsToldFromOneThatIsAway(t *testing.T) {
	t.Parallel()
	address := testkit.NewDatabase(t)
	refused(t, altered(t, address, func(u *url.URL) { u.RawQuery = "sslmode=require" }),
		"the server does not support TLS")
	refused(t, altered(t, address, func(u *url.URL) { u.RawQuery = "sslmode=verify-full" }),
		"sslmode=disable in database.url")
	refused(t, altered(t, address, func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"cannot be reached at 127.0.0.1:1: nothing listens")
	refused(t, altered(t, address, func(u *url.URL) { u.Host = "host.invalid:5432" }),
		"the host name cannot be resolved")
	refused(t, "postgres:///x?host="+t.TempDir()+"&user=u", "there is no such socket")
}

func TestWhatDoesNotAnswerIsToldFromWhatRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it accepts and is silent
	refused(t, "postgres://u:p@"+l.Addr().String()+"/x?sslmode=disable&connect_timeout=1", "did not answer in time")
}

func TestAnUnknownDatabaseIsRefusedWithTheStatementThatMakesIt(t *testing.T) {
	t.Parallel()
	name := "test_" + strings.ToLower(rand.Text())
	address := altered(t, testkit.NewDatabase(t), func(u *url.URL) { u.Path = "/" + name })
	_, err := postgres.Open(t.Context(), credential.NewSecret(address))
	makes := statement(err, "CREATE DATABASE")
	if !strings.Contains(makes, `"`+name+`"`) {
		t.Fatalf("Open says %v", err)
	}
	testkit.OnServer(t, makes)
	defer testkit.OnServer(t, "DROP DATABASE "+name+" WITH (FORCE)")
	closeBackend(t, open(t, address))
}

func TestADatabaseThatIsNotUTF8IsRefusedWithTheStatementThatMakesOne(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"SQL_ASCII", "LATIN1"} {
		name := "test_" + strings.ToLower(rand.Text())
		testkit.OnServer(t,
			"CREATE DATABASE "+name+" TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER libc ENCODING '"+encoding+"'")
		defer testkit.OnServer(t, "DROP DATABASE "+name+" WITH (FORCE)")
		address := altered(t, testkit.NewDatabase(t), func(u *url.URL) { u.Path = "/" + name })
		refused(t, address, "has the encoding "+encoding+", and UTF8 is needed")
		_, err := postgres.Open(t.Context(), credential.NewSecret(address))
		makes := statement(err, "CREATE DATABASE")
		if makes == "" {
			t.Fatalf("Open says %v", err)
		}
		testkit.OnServer(t, makes)
		defer testkit.OnServer(t, "DROP DATABASE "+name+"_utf8 WITH (FORCE)")
		closeBackend(t, open(t, altered(t, address, func(u *url.URL) { u.Path += "_utf8" })))
		if names := tables(t, address); len(names) > 0 {
			t.Errorf("%s: the database that was refused has %q", encoding, names)
		}
	}
}

// tables lists the tables of a database that are not PostgreSQL's own.
func tables(t *testing.T, address string) (names []string) {
	t.Helper()
	rows, err := raw(t, address).Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMissingRightsAreRefusedWithTheGrantThatIsNeeded(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]string{
		"to create, as since PostgreSQL 15": "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
		"to the schema":                     "REVOKE ALL ON SCHEMA public FROM PUBLIC",
		"to the database": "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM " +
			"PUBLIC', current_database()); END $$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := testkit.NewDatabase(t)
			owner := raw(t, address)
			exec(t, owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
			exec(t, owner, takes)
			asRole := roleOf(t, address, "Role "+strings.ToLower(rand.Text())) // a name that has to be quoted
			// one right may be missing behind another
			for range 2 {
				b, err := postgres.Open(t.Context(), credential.NewSecret(asRole))
				if err == nil {
					closeBackend(t, b)
					return
				}
				grant := statement(err, "GRANT ")
				if grant == "" || !strings.Contains(err.Error(), "42501") && !strings.Contains(err.Error(),
					"may not use the schema") {
					t.Fatalf("Open says %v", err)
				}
				exec(t, owner, grant)
			}
			closeBackend(t, open(t, asRole))
		})
	}
}

func TestTooFewConnectionsAreRefusedWithTheNumberThatIsNeeded(t *testing.T) {
	t.Parallel()
	address := testkit.NewDatabase(t)
	role := "role_" + strings.ToLower(rand.Text())
	asRole := roleOf(t, address, role)
	owner := raw(t, address)
	exec(t, owner, "GRANT ALL ON SCHEMA public TO "+role)
	exec(t, owner, "ALTER ROLE "+role+" CONNECTION LIMIT 20")
	refused(t, asRole, "needs up to 24 connections")
	refused(t, asRole, `ALTER ROLE "`+role+`" CONNECTION LIMIT 24`)
	b, err := postgres.OpenSized(t.Context(), credential.NewSecret(asRole), 20)
	if err != nil {
		t.Fatal(err)
	}
	closeBackend(t, b)
	_, err = postgres.Open(t.Context(), credential.NewSecret(asRole))
	exec(t, owner, statement(err, "ALTER ROLE")[:len(`ALTER ROLE "" CONNECTION LIMIT 24`)+len(role)])
	closeBackend(t, open(t, asRole))
	exec(t, owner, "ALTER ROLE "+role+" CONNECTION LIMIT 0")
	refused(t, asRole, "too many connections for role")
	refused(t, asRole, "at least 16")
}

func TestAServerOfItsOwnIsRefusedWithItsCause(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.write("server.key", "")
	key, certificate := selfSigned(t, "claviger.example", time.Now().Add(time.Hour))
	s.write("server.key", key)
	s.write("server.crt", certificate)
	s.write("pg_hba.conf", "host all postgres 127.0.0.1/32 trust\n"+
		"hostnossl all secured 127.0.0.1/32 reject\n"+
		"host all all 127.0.0.1/32 scram-sha-256\n")
	s.start("ssl = on", "max_connections = 20")
	const password = `p/w?#@:%41+ ü`
	super := raw(t, s.url("postgres", "sslmode=disable"))
	exec(t, super, `CREATE ROLE app LOGIN PASSWORD '`+password+`'`)
	exec(t, super, `CREATE ROLE secured LOGIN`)
	exec(t, super, `GRANT ALL ON SCHEMA public TO app`)

	trusted := filepath.Join(t.TempDir(), "authority.crt")
	if err := os.WriteFile(trusted, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s.url("postgres", "sslmode=verify-ca"), "certificate of the server is not trusted")
	refused(t, s.url("postgres", "sslmode=verify-ca&sslrootcert="+trusted+".none"),
		"a file that database.url names, such as sslrootcert, cannot be read: open "+trusted+".none")
	garbage := filepath.Join(t.TempDir(), "garbage.crt")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s.url("postgres", "sslmode=verify-ca&sslrootcert="+garbage), "TLS cannot be used as database.url says")
	refused(t, s.url("postgres", "sslmode=verify-full&sslrootcert="+trusted),
		"certificate of the server is not for this name")
	refused(t, s.url("secured", "sslmode=disable"), "pg_hba.conf")
	refused(t, s.url("nobody_known", "sslmode=disable"), "check user and password")

	// Twenty connections, three of them the superuser's, are too few.
	encoded := url.QueryEscape(password)
	encoded = strings.ReplaceAll(encoded, "+", "%20")
	refused(t, s.url("app:"+encoded, "sslmode=disable"),
		"17 connections for it (max_connections = 20, 3 of them reserved)")
	refused(t, s.url("app:"+encoded, "sslmode=disable"), "set max_connections = 27 or more")
	b, err := postgres.OpenSized(t.Context(),
		credential.NewSecret(s.url("app:"+encoded, "sslmode=verify-ca&sslrootcert="+trusted)), 17)
	if err != nil {
		t.Fatal(err)
	}
	closeBackend(t, b)

	refused(t, s.url("app:wrong", "sslmode=disable"), "(28P01): check user and password")
	refused(t, s.url("app:wrong", "sslmode=disable"), "percent-encoded: % is %25")
	for _, written := range []string{password, "12/34", "12?34", "12#34", "a/b", "p%zz", "a b", "[x"} {
		refused(t, s.url("app:"+written, "sslmode=disable"), "percent-encoded")
	}

	key, certificate = selfSigned(t, "claviger.example", time.Now().Add(-time.Hour))
	s.stop()
	s.write("server.key", key)
	s.write("server.crt", certificate)
	if err := os.WriteFile(trusted, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start("ssl = on")
	refused(t, s.url("postgres", "sslmode=verify-ca&sslrootcert="+trusted), "has expired")

	s.stop()
	s.write("standby.signal", "")
	s.start("ssl = on", "hot_standby = on")
	refused(t, s.url("postgres", "sslmode=disable"), "is a standby, which only reads: name the primary server")
	refused(t, s.url("postgres", "sslmode=disable&target_session_attrs=any"),
		"is a standby, which only reads: name the primary server")
	refused(t, s.url("postgres", "sslmode=disable&target_session_attrs=read-write"), "is a standby, which only reads")
}

// selfSigned makes a certificate and its key, in PEM.
func selfSigned(t *testing.T, name string, end time.Time) (key, certificate string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: end.Add(-24 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	in := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return in("PRIVATE KEY", secret), in("CERTIFICATE", der)
}

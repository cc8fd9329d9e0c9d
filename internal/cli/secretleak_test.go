package cli_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAnIssuedSecretIsNowhereButInTheAnswerThatShowsIt(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		began := time.Now()
		s, first := newInstallation(t, e), newInstallation(t, e)
		f := &traffic{t: t}
		f.guardDatabase(s)
		defer f.keepWriteAhead(s)()
		f.guardDatabase(first)
		places := f.setUp(first)
		f.search("after the set-up", places)

		file := filepath.Join(t.TempDir(), "keys")
		traces := newRecorder(t)
		s.env = append(s.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL, "TMPDIR="+s.dir)
		p := s.dev(t, "--debug", "--metrics-listen", "127.0.0.1:0", "--sample-keys", "2", "--sample-file", file)
		known := f.everything(s, p, file)
		f.requireAllUsed()
		f.awaitLetter(s)

		running := s.haystacks(t, p, f)
		running["the metrics"] = scrape(t, p)
		saved := s.requireBackUp(t)
		running["a backup"], running["an encrypted backup"] = decrypted(t, saved), []byte(readFile(t, saved))
		f.search("while it runs", running)
		f.searchWriteAhead(s, began, known)
		p.term()
		stopped := s.haystacks(t, p, f)
		stopped["the traces"] = []byte(traces.String())
		f.search("when it has stopped", stopped)
		stopped[setUpLog] = places[setUpLog]
		f.control(s, known, running, stopped)
	})
}

// guardDatabase adds a password to the URL of PostgreSQL. The server of the tests does not check
// it.
func (f *traffic) guardDatabase(s *installation) {
	if s.url == "" {
		return
	}
	u, err := url.Parse(s.url)
	must(f.t, err)
	c := newCanary("the database's password", "open/sesame?of@database+%")
	u.User = url.UserPassword(u.User.Username(), c.text)
	s.url = u.String()
	f.guard(c)
}

// everything sends valid and invalid requests to a healthy process, and to one whose database
// fails.
func (f *traffic) everything(s *installation, p *process, sampleFile string) (known public) {
	f.t.Helper()
	line := p.ready()
	f.base = line.URL
	f.guardSample(s, line, sampleFile)
	mistyped := newCanary("a mistyped password", "correct-horse-battery-stapel")
	f.guard(mistyped)
	session := f.signIn(line.Email, line.Password)
	tenant := session.Memberships[len(session.Memberships)-1].TenantID // the tenant without a key limit
	kept := f.create(tenant, "the key")
	f.lifeOfKeys(tenant, kept, line.Verifier)
	beside := newCanary("a text that is in no place of its own", `wr"ng/pl+ce?of=a%20canary&m<o>re~1`)
	f.guard(beside)
	f.useEverything(line, beside.text)
	f.resetPassword(s, line.People[0].Email, beside.text)
	f.misplace(beside.text, kept.Credential.Value)

	secrets := []string{
		kept.Credential.Secret, kept.Credential.Value, secretOf(line.Verifier), f.token,
		line.Password + "x", mistyped.text, f.names["access_token"],
	}
	f.misuse(secrets, line.Verifier)
	f.say("GET /" + secrets[1] + " HTTP/1.1\r\nHost: x\r\nAuthorization Bearer " + secrets[1] + "\r\n\r\n")
	f.say("POST /api/v1/verify HTTP/1.1\r\nHost: x\r\n" + bearer(line.Verifier) +
		"\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{\"credential\":\"" + secrets[1])
	f.say(secrets[0] + "\r\n\r\n")
	f.say(secrets[1] + " /api/v1/session HTTP/1.1\r\nHost: x\r\n\r\n")

	s.exec(f.t, `ALTER TABLE tenants RENAME TO tenants_away`)
	f.misuse(secrets, line.Verifier)
	logged := f.ask(500, f.get("/api/v1/tenants/"+tenant+"/keys"))
	s.exec(f.t, `ALTER TABLE tenants_away RENAME TO tenants`)
	f.ask(204, f.signedIn("DELETE", "/api/v1/session", ""))
	return public{key: []string{kept.Key.PublicID, kept.Key.Last4}, logged: logged}
}

// resetPassword sets the password of a user with a link of the operator.
func (f *traffic) resetPassword(s *installation, email, beside string) {
	f.t.Helper()
	var made api.PasswordResetLink
	must(f.t, json.Unmarshal(s.output(f.t, "user", "password", email, "--data", s.data, "--output", "json"), &made))
	next := newCanary("the password that was set by a link", `by "link" / horse & staple`)
	f.names["token"], f.names["next"] = made.URL[strings.LastIndex(made.URL, "/")+1:], quotedJSON(next.text, false)
	f.guard(next, canary{name: "the link to set a password", text: f.names["token"]})
	f.do(use{operation: "POST /api/v1/password-resets/{token}", body: `{"password":"{next}"}`, begins: true}, beside)
}

// public is what is not secret, and must be found.
type public struct {
	key    []string // properties of a key in database and answers
	logged string   // id of a failed request
}

// lifeOfKeys uses an active key, a revoked key, a deleted key and both secrets of a refreshed key.
func (f *traffic) lifeOfKeys(tenant string, kept api.IssuedKey, verifier string) {
	f.t.Helper()
	revoked, deleted := f.create(tenant, "the revoked key"), f.create(tenant, "the deleted key")
	keys := "/api/v1/tenants/" + tenant + "/keys"
	for _, k := range []api.IssuedKey{kept, revoked, deleted} {
		f.use(200, k, verifier)
	}
	f.ask(200, f.signedIn("POST", keys+"/"+revoked.Key.ID+"/revoke", `{}`))
	f.ask(204, f.signedIn("DELETE", keys+"/"+deleted.Key.ID, ""))
	f.use(401, revoked, verifier)
	f.use(401, deleted, verifier)
	old := f.create(tenant, "the key before its refresh")
	fresh := f.issued(200, f.signedIn("POST", keys+"/"+old.Key.ID+"/refresh", `{"overlap_seconds":600}`),
		"the refreshed key")
	f.use(200, old, verifier)
	f.use(200, fresh, verifier)
	for _, path := range []string{
		keys + "/" + kept.Key.ID, keys, "/api/v1/whoami", "/api/v1/session",
		"/api/v1/tenants/" + tenant + "/applications",
	} {
		f.ask(200, f.get(path))
	}
}

func (f *traffic) misuse(secrets []string, verifier string) {
	f.t.Helper()
	for _, secret := range secrets {
		for _, r := range f.misuses(secret, verifier) {
			f.ask(anyRefusal, r)
		}
	}
}

// guardSample guards the secrets of the first start: those in dev.json, the keys for load tests,
// and the root secret.
func (f *traffic) guardSample(s *installation, line sample.Sample, file string) {
	f.t.Helper()
	f.guardLine(line)
	root := newCanary("the root secret", strings.TrimSpace(readFile(f.t, filepath.Join(s.data, "root.key"))))
	root.home = "root.key"
	f.guard(root)
	for _, value := range strings.Fields(readFile(f.t, file)) {
		f.guardKey("a key for load tests", "", value, "")
	}
}

// guardLine guards the secrets in dev.json.
func (f *traffic) guardLine(line sample.Sample) {
	f.t.Helper()
	for _, t := range line.Tenants {
		f.guardKey("the sample key of "+t.Preset, t.Key.ID, t.Key.Value, "dev.json")
	}
	for _, p := range line.People {
		secret := newCanary("the password of the "+string(p.Role), p.Password)
		secret.home = "dev.json"
		f.guard(secret)
	}
	f.guardKey("the verifier", "", line.Verifier, "dev.json")
	secret := newCanary("the sample password", line.Password)
	secret.home = "dev.json"
	f.guard(secret)
}

// haystacks returns everything that could contain a secret: the files of the data directory (with
// e-mail and journal) and of the working directory, all tables, the log, and the answers.
func (s *installation) haystacks(t testing.TB, p *process, f *traffic) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"the tables": []byte(strings.Join(s.rows(t), "\n")), "the log": []byte(p.stderr.String()),
		"the answers": f.answers.Bytes(),
	}
	for _, dir := range []string{s.data, s.dir} {
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				all[d.Name()], err = os.ReadFile(path)
			}
			return err
		}))
	}
	return all
}

// search searches for every canary in every encoding, except in its home.
func (f *traffic) search(when string, places map[string][]byte) {
	f.t.Helper()
	n := newTrawl(f.canaries...)
	for place, text := range places {
		seen := map[string]bool{}
		n.find(text, func(m mark, at int) {
			if place != m.home && !seen[m.name] {
				seen[m.name] = true
				f.t.Errorf("%s, %s: %s is there: %s", when, place, m.name, m.at(text, at))
			}
		})
	}
}

// awaitLetter waits until there is a message in the mail directory. It polls, because the directory
// sends no events.
func (f *traffic) awaitLetter(s *installation) {
	f.t.Helper()
	deadline, again := time.After(waitTimeout), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for {
		if letters, _ := filepath.Glob(filepath.Join(s.data, "mail", "*.eml")); len(letters) > 0 {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			f.t.Fatal("there is no letter")
		}
	}
}

// keepWriteAhead prevents PostgreSQL from recycling its write-ahead log, whatever other tests
// write. The returned function releases it.
func (f *traffic) keepWriteAhead(s *installation) (release func()) {
	f.t.Helper()
	if s.engine == testkit.SQLite {
		return func() {}
	}
	slot := "canary_" + strings.ToLower(rand.Text())
	run := func(statement string) {
		s.withDB(f.t, func(db *sql.DB) { eachRow(f.t, db, statement, func([]any) {}) })
	}
	run(`SELECT pg_create_physical_replication_slot('` + slot + `', true)`)
	return func() { run(`SELECT pg_drop_replication_slot('` + slot + `')`) }
}

// searchWriteAhead searches for every canary in the write-ahead log of PostgreSQL since began.
func (f *traffic) searchWriteAhead(s *installation, began time.Time, known public) {
	f.t.Helper()
	if s.engine == testkit.SQLite {
		return // SQLite: the log is a file in the data directory
	}
	seen := false
	s.withDB(f.t, func(db *sql.DB) {
		eachRow(f.t, db, `SELECT pg_switch_wal()`, func([]any) {}) // writes the log to disk
		segments := `SELECT name, pg_read_binary_file('pg_wal/' || name) FROM pg_ls_waldir()
			WHERE modification >= to_timestamp(` + strconv.FormatInt(began.Unix(), 10) + `)`
		eachRow(f.t, db, segments, func(row []any) {
			text := row[1].([]byte)
			seen = seen || bytes.Contains(text, []byte(known.key[0]))
			f.search("while it runs", map[string][]byte{"PostgreSQL's log " + row[0].(string): text})
		})
	})
	if !seen {
		f.t.Error("the search is blind: what PostgreSQL has written ahead does not hold a public id")
	}
}

// recorder is an HTTP server that stores the requests.
type recorder struct {
	*httptest.Server
	outputBuffer
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(&r.outputBuffer, req.Body) // a truncated body fails the search
	}))
	t.Cleanup(r.Close)
	return r
}

// scrape returns the metrics from the address in the log.
func scrape(t testing.TB, p *process) []byte {
	t.Helper()
	found := regexp.MustCompile(`msg="metrics for operators" url=(\S+)`).FindStringSubmatch(p.stderr.String())
	if found == nil {
		t.Fatal("the log does not say where the metrics are")
	}
	resp, err := http.Get(found[1])
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return text
}

// control checks that the search works: the public properties of a key are found, and every canary
// is found in its home.
func (f *traffic) control(s *installation, known public, running, stopped map[string][]byte) {
	f.t.Helper()
	demand := func(place string, text []byte, want string) {
		if !bytes.Contains(text, []byte(want)) {
			f.t.Errorf("the search is blind: %s does not hold %q", place, want)
		}
	}
	for _, text := range known.key {
		demand("a table", running["the tables"], text)
		demand("an answer", running["the answers"], text)
		demand("a backup", running["a backup"], text)
		if s.engine == testkit.SQLite {
			// The WAL loses what a checkpoint has moved, ten seconds later.
			demand("the database with its WAL", slices.Concat(running["claviger.db"], running["claviger.db-wal"]), text)
			demand("the database", stopped["claviger.db"], text)
		}
	}
	for place := range running {
		if strings.HasSuffix(place, ".eml") {
			demand("a letter", running[place], "@claviger.example")
		}
	}
	demand("the log", running["the log"], known.logged)
	demand("the log", running["the log"], "msg=request ")
	demand("the traces", stopped["the traces"], "POST /api/v1/tenants/{tenant}/keys")
	demand("the metrics", running["the metrics"],
		`claviger_http_requests_total{class="4xx",method="GET",route="/api/v1/tenants/{tenant}/keys/{key}"}`)
	for _, c := range f.canaries {
		if c.home != "" && c.find(stopped[c.home]) == "" {
			f.t.Errorf("the search is blind: %s does not hold %s", c.home, c.name)
		}
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

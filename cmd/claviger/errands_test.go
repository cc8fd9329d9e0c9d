package main_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// errand is a run of a command, with the {names} of what is there.
type errand struct {
	line string
	// given is the name of what stands on its standard input, and env what is added to its environment.
	given, env string
	// code is its exit code.
	code int
	// takes are names for texts in the JSON that it prints: "key=key.id".
	takes string
	// shows is where in that JSON a secret is meant to stand, and saves the file that it goes into instead.
	shows, saves string
}

// Every command has an errand, or TestNoCommandTellsASecretButWhereItIsMeantTo fails. serve, dev and restore are run by the test itself.
var (
	// errands of people and programs, at a server.
	errands = []errand{
		{line: "version"},
		{line: "reference"},
		{line: "config"},
		{line: "config reference"},
		{line: "health --listen {listen}"},
		{line: "login --context owner --server {url} --email {email}", given: "mistyped", code: 3},
		{line: "login --context owner --server {url} --email {email} --tenant {tenant} --password-file {secrets}/password"},
		{line: "login --context member --server {url} --email {member} --tenant {tenant}", given: "member's password"},
		{line: "whoami -o json", takes: "user=user.id"},
		{line: "contexts list -o json"},
		{line: "contexts list"},
		{line: "contexts use owner"},
		{line: "whoami"},
		{line: "keys create Link --owner {user} --scope applications:read --all-applications --link -o json", takes: "key=key.id link=link.url", shows: "link.url"},
		{line: "keys claim {link}", code: 2},
		{line: "keys claim --context member --save {secrets}/claimed.json", given: "link", saves: "claimed.json"},
		{line: "keys claim --context member", given: "link", code: 5},
		{line: "tenants list"},
		{line: "tenants show {tenant}"},
		{line: "tenants create Workshop --preset standard -o json", takes: "workshop=id"},
		{line: "tenants edit {workshop} --set keys_per_user=null --set disclosure=recoverable"},
		{line: "policy set --max-lifetime 3650d"},
		{line: "policy show"},
		{line: "scopes list"},
		{line: "scopes set -", given: "scopes"},
		{line: "apps create Orders -o json", takes: "app=id"},
		{line: "apps edit {app} --name Billing"},
		{line: "apps show {app}"},
		{line: "apps list"},
		{line: "apps delete {app}"},
		{line: "keys create Shown --tenant {workshop} --scope applications:read --all-applications -o json", takes: "key=key.id value=credential.value", shows: "credential.value"},
		{line: "keys create Saved --tenant {workshop} --scope applications:read --all-applications --save {secrets}/made.json", saves: "made.json"},
		{line: "keys refresh {key} --tenant {workshop} --overlap 1h --save {secrets}/refreshed.json", saves: "refreshed.json"},
		{line: "keys refresh {key} --tenant {workshop} -o json", takes: "value=credential.value", shows: "credential.value"},
		{line: "keys refresh {key} --tenant {workshop} --overlap 1h --save {secrets}/again.json", saves: "again.json"},
		{line: "keys end-overlap {key} --tenant {workshop}"},
		{line: "keys reveal {key} --tenant {workshop} -o json", takes: "value=credential.value", shows: "credential.value"},
		{line: "keys reveal {key} --tenant {workshop} --save {secrets}/revealed.json", saves: "revealed.json"},
		{line: "keys list --tenant {workshop}"},
		{line: "keys show {key} --tenant {workshop}"},
		{line: "keys health --tenant {workshop}"},
		{line: "keys edit {key} --tenant {workshop} --name Other"},
		{line: "keys disable {key} --tenant {workshop}"},
		{line: "keys enable {key} --tenant {workshop}"},
		{line: "verify", given: "value", env: "CLAVIGER_KEY_FILE={secrets}/verifier"},
		{line: "verify --headers-file -", given: "headers", env: "CLAVIGER_KEY={verifier}"},
		{line: "verify", given: "mistyped", env: "CLAVIGER_KEY={verifier}", code: 10},
		{line: "verify {value}", code: 2},
		{line: "{value}", code: 2},
		{line: "keys list --{value}", code: 2},
		{line: "audit --limit {value}", code: 2},
		{line: "whoami", env: "CLAVIGER_KEY={value}"},
		{line: "whoami", env: "CLAVIGER_KEY={mistyped}", code: 3},
		{line: "keys revoke {key} --tenant {workshop}"},
		{line: "keys delete {key} --tenant {workshop}"},
		{line: "members list"},
		{line: "members edit {user} --role auditor"},
		{line: "members invite --email guest@claviger.example -o json", shows: "url"},
		{line: "members remove {user}"},
		{line: "audit"},
		{line: "audit export"},
		{line: "rootkey rotate"},
		{line: "contexts remove member"},
		{line: "logout"},
	}
	// errandsOfOperators are run with a server and without.
	errandsOfOperators = []errand{
		{line: "account create Example --owner-email ann@claviger.example -o json", shows: "invitation.url"},
		{line: "account list"},
		{line: "audit verify"},
		{line: "user disable {member}"},
		{line: "user enable {member}"},
		{line: "tenant allow-password {tenant}", code: 6},
		{line: "tenant refuse-password {tenant}"},
		{line: "notices list"},
		{line: "notices retry --dead"},
		{line: "rootkey status"},
		{line: "clock status"},
		{line: "clock repair --time 2026-01-31T12:00:00Z", code: 6},
		{line: "rootkey retire 9", code: 5},
		{line: "backup {work}/backup.age --force --passphrase-file {secrets}/passphrase"},
		{line: "backup {work}/backup.age --force --passphrase-file -", given: "passphrase"},
		{line: "migrate status"},
	}
	errandsWithoutServer = []errand{{line: "migrate up"}}
)

// runner runs errands at a site, and keeps what they print.
type runner struct {
	*traffic
	*site
	secrets string // the folder of files with secrets, which is not searched
	printed map[string][]byte
	ran     map[string]bool
}

func TestNoCommandTellsASecretButWhereItIsMeantTo(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		mail, came := testkit.StartMailServer(t), make(chan struct{}, 100)
		mail.OnMessage = func(net.Conn, testkit.Mail) error { came <- struct{}{}; return nil }
		r := newRunner(t, e, mail)
		p := r.dev(t)
		line := p.ready()
		p.term()
		r.furnish(line)
		p = r.serve(t)
		r.names["url"], r.names["listen"] = p.logged(readyLine), p.logged(listenLine)

		r.run(errands...)
		r.run(errandsOfOperators...)
		select {
		case <-came:
		case <-time.After(patience):
			t.Error("nobody was told anything by mail")
		}
		p.term()
		r.run(errandsOfOperators...)
		r.run(errandsWithoutServer...)
		next := r.restore(t)
		r.demandAllRun()

		r.search("of what it prints", r.printed)
		r.search("when all is done", r.haystacks(t, p, r.traffic))
		r.search("when it is restored", next.haystacks(t, p, r.traffic))
		for _, m := range mail.Taken() {
			r.search("by mail", map[string][]byte{"a letter to " + m.To: []byte(m.Content)})
		}
		if !strings.Contains(string(r.printed["stdout of version"]), "go1.") || !strings.Contains(p.stderr.String(), "msg=request ") {
			t.Error("the search is blind")
		}
	})
}

// newRunner makes a site whose secrets come from the environment and from files.
func newRunner(t *testing.T, e testkit.Engine, mail *testkit.MailServer) *runner {
	t.Helper()
	r := &runner{&traffic{t: t, names: map[string]string{}}, newSite(t, e), t.TempDir(), map[string][]byte{}, map[string]bool{}}
	r.guardDatabase(r.site)
	root := otherRoot()
	r.guard(newCanary("the root secret", root), newCanary("the mail server's password", testkit.MailPassword))
	r.keep("mail", testkit.MailPassword)
	r.env = []string{
		"CLAVIGER_ROOT_SECRET=" + root, "CLAVIGER_LOG_LEVEL=debug", "CLAVIGER_DATA=" + r.data, "TMPDIR=" + r.dir,
		"CLAVIGER_MAIL_SMTP=" + mail.Address, "CLAVIGER_MAIL_CA=" + mail.CA, "CLAVIGER_MAIL_USERNAME=" + testkit.MailUser, "CLAVIGER_MAIL_PASSWORD_FILE=" + filepath.Join(r.secrets, "mail"),
	}
	return r
}

// furnish gives the errands what they name, and guards what is secret of it.
func (r *runner) furnish(line sample.Sample) {
	r.t.Helper()
	r.guardLine(line)
	mistyped, passphrase := newCanary("a mistyped password", "correct-horse-battery-stapel"), newCanary("the passphrase", "a phrase that is / passed \"on\"")
	r.guard(mistyped, passphrase)
	r.names = map[string]string{
		"secrets": r.secrets, "work": r.dir, "tenant": line.Tenants[0].ID, "email": line.Email, "member": line.People[0].Email, "member's password": line.People[0].Password,
		"verifier": line.Verifier, "mistyped": mistyped.text, "passphrase": passphrase.text, "headers": *line.Tenants[0].Key.Header, "scopes": `{"items":[{"name":"reports:export"}]}`,
	}
	r.keep("password", line.Password)
	r.keep("verifier", line.Verifier)
	r.keep("passphrase", passphrase.text)
}

// keep writes a secret into a file.
func (r *runner) keep(name, text string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.secrets, name), []byte(text+"\n"), 0o600))
}

// run does errands, and keeps what they print but where a secret is meant to stand.
func (r *runner) run(all ...errand) {
	r.t.Helper()
	named := func(name string) string { return r.names[name] }
	for _, e := range all {
		cmd := r.command(strings.Fields(fill(e.line, named))...)
		cmd.Stdin = strings.NewReader(r.names[e.given])
		if e.env != "" {
			cmd.Env = append(cmd.Env, fill(e.env, named))
		}
		p := launch(r.t, cmd)
		if code := p.exit(patience); code != e.code {
			r.t.Fatalf("%s: exit code %d, not %d: %s", e.line, code, e.code, p.stderr.String())
		}
		r.ran[e.line] = true
		r.printed["stderr of "+e.line] = []byte(p.stderr.String())
		r.take(e, p.stdout.String())
		r.guardSessions()
	}
}

// take guards what an errand shows or saves, and keeps what it prints else.
func (r *runner) take(e errand, out string) {
	r.t.Helper()
	for pair := range strings.FieldsSeq(e.takes) {
		name, path, _ := strings.Cut(pair, "=")
		r.names[name] = textAt(r.t, out, path)
	}
	switch {
	case e.shows != "":
		secret := textAt(r.t, out, e.shows)
		if strings.HasSuffix(e.shows, "url") {
			r.guard(canary{name: "the link of " + e.line, text: secret[strings.LastIndex(secret, "/")+1:]})
			return
		}
		r.guardKey("the key of "+e.line, r.names["key"], secret, "")
		return
	case e.saves != "":
		saved := readFile(r.t, filepath.Join(r.secrets, e.saves))
		r.guard(newCanary("the secret in "+e.saves, textAt(r.t, saved, "secret")))
	}
	r.printed["stdout of "+e.line] = []byte(out)
}

// textAt gives the text at a dotted path in JSON.
func textAt(t testing.TB, text, path string) string {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		var members map[string]json.RawMessage
		must(t, json.Unmarshal([]byte(text), &members))
		text = string(members[name])
	}
	var value string
	must(t, json.Unmarshal([]byte(text), &value))
	return value
}

// guardSessions guards the cookies of all contexts.
func (r *runner) guardSessions() {
	text, err := os.ReadFile(filepath.Join(r.dir, ".config", "claviger", "contexts.json"))
	if err != nil {
		return // nobody has signed in yet
	}
	var book struct {
		Contexts map[string]struct{ Session string }
	}
	must(r.t, json.Unmarshal(text, &book))
	for name, c := range book.Contexts {
		_, token, _ := strings.Cut(c.Session, "=")
		guarded := slices.ContainsFunc(r.canaries, func(c canary) bool { return c.text == token })
		if token != "" && !guarded {
			r.guard(canary{name: "the session of " + name, text: token, home: "contexts.json"})
		}
	}
}

// restore brings the backup back at another site, and gives that.
func (r *runner) restore(t *testing.T) *site {
	t.Helper()
	next := newSite(t, r.engine)
	r.guardDatabase(next)
	next.env = r.env
	must(t, os.Mkdir(next.data, 0o700))
	args := []string{"restore", filepath.Join(r.dir, "backup.age"), "--data", next.data, "--passphrase-file", filepath.Join(r.secrets, "passphrase"), "--journal", r.journal()}
	p := next.launch(t, args...)
	if code := p.exit(patience); code != 0 {
		t.Fatalf("restore: exit code %d: %s", code, p.stderr.String())
	}
	r.ran["restore"], r.ran["serve"], r.ran["dev"] = true, true, true
	r.printed["stdout of restore"], r.printed["stderr of restore"] = []byte(p.stdout.String()), []byte(p.stderr.String())
	return next
}

// usageLine is how the reference shows how a command is called.
var usageLine = regexp.MustCompile("(?m)^```text\nclaviger ([a-z -]*[a-z])")

// demandAllRun demands an errand for each command of the reference.
func (r *runner) demandAllRun() {
	r.t.Helper()
	commands := usageLine.FindAllStringSubmatch(string(r.printed["stdout of reference"]), -1)
	for _, c := range commands {
		found := false
		for line := range r.ran {
			found = found || strings.HasPrefix(line+" ", c[1]+" ")
		}
		if !found {
			r.t.Errorf("no errand runs claviger %s", c[1])
		}
	}
	if len(commands) < 50 {
		r.t.Errorf("the reference has no more than %d commands", len(commands))
	}
}

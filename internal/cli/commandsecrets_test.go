package cli_test

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

// commandCase is a run of a command. A {name} in the line stands for a value of runner.names.
type commandCase struct {
	line string
	// stdin is the name of the text on standard input. env is added to the environment.
	stdin, env string
	// code is the expected exit code.
	code int
	// captures are names for texts in the JSON output, as in "key=key.id".
	captures string
	// secretAt is the path in the JSON output that contains a secret. secretFile is the file that
	// contains it instead.
	secretAt, secretFile string
	// mailedLink is the name for a link that the server sends by e-mail. linkPath is the path of
	// the link, before its token.
	mailedLink, linkPath string
}

// Every command needs a commandCase, or TestNoCommandTellsASecretButWhereItIsMeantTo fails. The
// test itself runs serve, dev and restore.
var (
	versionCase = commandCase{line: "version"}
	// ownerCases run against a server, before all others.
	ownerCases = []commandCase{
		{
			line: "login --context owner --server {url} --email {email} --tenant {tenant}" +
				" --password-file {secrets}/password",
		},
		{line: "service-accounts create Operated --tenant {tenant} -o json", captures: "operated=id"},
	}
	// commandCases run against a server.
	commandCases = []commandCase{
		{line: "scan {secrets}", code: 10},
		{line: "reference"},
		{line: "config"},
		{line: "config reference"},
		{line: "health --listen {listen}"},
		{
			line: "setup --server {url} --account Nobody --email nobody@claviger.example --name Nobody" +
				" --password-file {secrets}/password",
			stdin: "mistyped", code: 5,
		},
		{line: "login --context owner --server {url} --email {email}", stdin: "mistyped", code: 3},
		{line: "login --context member --server {url} --email {member} --tenant {tenant}", stdin: "member's password"},
		{line: "whoami -o json", captures: "user=user.id"},
		{line: "contexts list -o json"},
		{line: "contexts list"},
		{line: "contexts use owner"},
		{line: "whoami"},
		{
			line:     "keys create Link --owner {user} --scope applications:read --all-applications --link -o json",
			captures: "key=key.id", mailedLink: "link", linkPath: "/claims/",
		},
		{line: "keys claim {link}", code: 2},
		{line: "keys claim --context member --save {secrets}/claimed.json", stdin: "link", secretFile: "claimed.json"},
		{line: "keys claim --context member", stdin: "link", code: 5},
		{line: "keys claim-link {key}", code: 6},
		{line: "tenants list"},
		{line: "tenants show {tenant}"},
		{line: "tenants create Workshop --preset standard -o json", captures: "workshop=id"},
		{line: "tenants edit {workshop} --set keys_per_user=null --set disclosure=recoverable"},
		{line: "policy set --max-lifetime 3650d"},
		{line: "policy show"},
		{line: "scopes list"},
		{line: "scopes set -", stdin: "scopes"},
		{line: "scopes add reports:read"},
		{line: "scopes remove reports:read"},
		{line: "apps create Orders -o json", captures: "app=id"},
		{line: "apps edit {app} --name Billing"},
		{line: "apps show {app}"},
		{line: "apps list"},
		{line: "apps routes set {app} --file {work}/rules.yaml"},
		{line: "apps routes show {app}"},
		{line: "routes check {work}/routes.yaml"},
		{line: "routes check {secrets}/password", code: 7},
		{line: "routes test {work}/routes.yaml"},
		{line: "routes explain GET /orders/1?key={verifier} --file {work}/routes.yaml"},
		{line: "apps delete {app} --yes"},
		{line: "service-accounts create Build --tenant {workshop} -o json", captures: "account=id"},
		{line: "service-accounts edit {account} --tenant {workshop} --name Builder"},
		{line: "service-accounts list --tenant {workshop}"},
		{line: "service-accounts show {account} --tenant {workshop}"},
		{
			line: "keys create Robot --owner service_account:Builder --tenant {workshop} --scope applications:read" +
				" --all-applications --save {secrets}/robot.json",
			secretFile: "robot.json",
		},
		{
			line: "management-keys create {account} Shown --tenant {workshop} --permission keys:read" +
				" --owner-type service_account --scope applications:read --all-applications -o json",
			captures: "key=id value=value", secretAt: "value",
		},
		{
			line: "management-keys create {account} Saved --tenant {workshop} --permission keys:read" +
				" --owner-type service_account --save {secrets}/management.json",
			secretFile: "management.json",
		},
		{
			line:       "management-keys refresh {account} {key} --tenant {workshop} --save {secrets}/next.json",
			secretFile: "next.json",
		},
		{line: "management-keys list {account} --tenant {workshop}"},
		{line: "keys list --tenant {workshop}", env: "CLAVIGER_MANAGEMENT_KEY_FILE={secrets}/next.json"},
		{line: "management-keys revoke {account} {key} --tenant {workshop} --yes"},
		{line: "service-accounts disable {account} --tenant {workshop}"},
		{line: "service-accounts enable {account} --tenant {workshop}"},
		{line: "service-accounts delete {account} --tenant {workshop} --yes"},
		{line: "plans create free --tenant {workshop} --scope * --all-applications"},
		{line: "plans list --tenant {workshop}"},
		{line: "plans show free --tenant {workshop}"},
		{line: "plans edit free --tenant {workshop} --all-applications"},
		{line: "subjects create cus_1 --tenant {workshop} --plan free"},
		{line: "subjects list --tenant {workshop}"},
		{line: "subjects show cus_1 --tenant {workshop}"},
		{line: "subjects edit cus_1 --tenant {workshop} --clear-plan"},
		{line: "subjects disable cus_1 --tenant {workshop} --yes"},
		{line: "subjects enable cus_1 --tenant {workshop}"},
		{line: "subjects delete cus_1 --tenant {workshop} --yes"},
		{line: "plans delete free --tenant {workshop} --yes"},
		{
			line:     "keys create Shown --tenant {workshop} --scope applications:read --all-applications -o json",
			captures: "key=key.id value=credential.value", secretAt: "credential.value",
		},
		{
			line: "keys create Saved --tenant {workshop} --scope applications:read --all-applications" +
				" --save {secrets}/made.json",
			secretFile: "made.json",
		},
		{
			line:       "keys refresh {key} --tenant {workshop} --overlap 1h --save {secrets}/refreshed.json",
			secretFile: "refreshed.json",
		},
		{
			line: "keys refresh {key} --tenant {workshop} --yes -o json", captures: "value=credential.value",
			secretAt: "credential.value",
		},
		{
			line:       "keys refresh {key} --tenant {workshop} --overlap 1h --save {secrets}/again.json",
			secretFile: "again.json",
		},
		{line: "keys end-overlap {key} --tenant {workshop} --yes"},
		{
			line: "keys reveal {key} --tenant {workshop} -o json", captures: "value=credential.value",
			secretAt: "credential.value",
		},
		{line: "keys reveal {key} --tenant {workshop} --save {secrets}/revealed.json", secretFile: "revealed.json"},
		{line: "keys list --tenant {workshop}"},
		{line: "keys show {key} --tenant {workshop}"},
		{line: "keys health --tenant {workshop}"},
		{line: "usage --tenant {workshop}"},
		{line: "usage statement"},
		{line: "mcp --tenant {workshop}", stdin: "messages"},
		{line: "mcp", stdin: "messages", env: "CLAVIGER_KEY={value}"},
		{line: "keys show {value} --tenant {workshop}", code: 2},
		{line: "keys edit {key} --tenant {workshop} --name Other"},
		{line: "keys disable {key} --tenant {workshop}"},
		{line: "keys enable {key} --tenant {workshop}"},
		{line: "verify", stdin: "value", env: "CLAVIGER_KEY_FILE={secrets}/verifier"},
		{line: "verify --headers-file -", stdin: "headers", env: "CLAVIGER_KEY={verifier}"},
		{line: "verify", stdin: "mistyped", env: "CLAVIGER_KEY={verifier}", code: 10},
		{line: "scan -", stdin: "value", code: 10},
		{line: "scan --json -", stdin: "headers", code: 10},
		{line: "verify {value}", code: 2},
		{line: "{value}", code: 2},
		{line: "keys list --{value}", code: 2},
		{line: "audit --limit {value}", code: 2},
		{line: "whoami", env: "CLAVIGER_KEY={value}"},
		{line: "whoami", env: "CLAVIGER_KEY={mistyped}", code: 3},
		{line: "keys revoke {key} --tenant {workshop} --yes"},
		{line: "keys delete {key} --tenant {workshop} --yes"},
		{line: "members list"},
		{line: "members edit {user} --role auditor"},
		{line: "members invite --email guest@claviger.example -o json", captures: "invitation=id"},
		{line: "members invitations"},
		{line: "members resend-invitation {invitation}"},
		{line: "members cancel-invitation {invitation}"},
		{line: "members remove {user} --yes"},
		{line: "audit"},
		{line: "audit export"},
		{line: "rootkey rotate"},
		{line: "password request --server {url} --email guest@claviger.example"},
		{line: "password reset --server {url} --password-file {secrets}/passphrase", stdin: "mistyped", code: 5},
		{line: "contexts remove member"},
		{line: "logout"},
	}
	// operatorCases run with a server and without one.
	operatorCases = []commandCase{
		{line: "account create Example --owner-email ann@claviger.example -o json", secretAt: "invitation.url"},
		{line: "account list"},
		{line: "audit verify"},
		{line: "audit archive {work}/audit.jsonl --force"},
		{line: "audit verify --file {work}/audit.jsonl"},
		{line: "user disable {member}"},
		{line: "user enable {member}"},
		{line: "user password {member} -o json", secretAt: "url"},
		{line: "user email {member} {member}"},
		{line: "user remove-factor {member}", code: 6},
		{line: "tenant allow-password {tenant}", code: 6},
		{line: "tenant refuse-password {tenant}"},
		{
			line: "tenant create-management-key {tenant} {operated} Shown --permission keys:read --owner-type user" +
				" -o json",
			captures: "key=id", secretAt: "value",
		},
		{
			line:       "tenant refresh-management-key {tenant} Operated {key} --save {secrets}/operated.json --force",
			secretFile: "operated.json",
		},
		{line: "tenant list-management-keys {tenant} Operated"},
		{line: "tenant revoke-management-key {tenant} {operated} {key} --yes"},
		{line: "entries create shop --tenant {tenant} --otherwise any-key"},
		{line: "entries update shop --otherwise refuse"},
		{line: "entries list"},
		{line: "routes explain GET /orders/1?key={verifier} --entry shop"},
		{line: "entries delete shop --yes"},
		{line: "notices list"},
		{line: "notices retry --dead"},
		{line: "rootkey status"},
		{line: "clock status"},
		{line: "clock repair --time 2026-01-31T12:00:00Z", code: 6},
		{line: "rootkey retire 9", code: 5},
		{line: "backup {work}/backup.age --force --passphrase-file {secrets}/passphrase"},
		{line: "backup {work}/backup.age --force --passphrase-file -", stdin: "passphrase"},
		{line: "migrate status"},
		{line: "migrate finish"},
	}
	// offlineCases run only without a server.
	offlineCases = []commandCase{{line: "migrate up"}, {line: "compact"}}
)

// toolCalls are the messages of an assistant that calls each tool.
const toolCalls = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami"}}
{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"list_keys"}}
{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"key_health"}}
{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"usage"}}
`

// runner runs command cases on an installation, and stores their output.
type runner struct {
	*traffic
	*installation
	secrets   string // directory of files with secrets, which is not searched
	mail      *testkit.MailServer
	arrived   chan testkit.Mail // all messages
	readMails []testkit.Mail    // the messages that were read
	printed   map[string][]byte
	ran       map[string]bool
}

func TestNoCommandTellsASecretButWhereItIsMeantTo(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		mail, came := testkit.StartMailServer(t), make(chan testkit.Mail, 100)
		mail.OnMessage = func(_ net.Conn, m testkit.Mail) error { came <- m; return nil }
		r := newRunner(t, e, mail)
		r.mail, r.arrived = mail, came
		p := r.dev(t)
		line := p.ready()
		p.term()
		r.prepareNames(line)
		p = r.serve(t)
		r.names["url"], r.names["listen"] = p.logged(readyLine), p.logged(listenLine)

		r.run(versionCase)
		r.run(ownerCases...)
		if e == testkit.SQLite { // these commands use only the API, which is the same on both engines
			r.run(commandCases...)
		}
		r.run(operatorCases...)
		p.term()
		r.run(operatorCases...)
		r.run(offlineCases...)
		next := r.restore(t)
		if e == testkit.SQLite {
			r.requireAllRun()
		}

		r.search("of what it prints", r.printed)
		r.search("when all is done", r.haystacks(t, p, r.traffic))
		r.search("when it is restored", next.haystacks(t, p, r.traffic))
		for _, m := range mail.Received() {
			r.search("by mail", map[string][]byte{mailTo(m): []byte(m.Content)})
		}
		if !strings.Contains(string(r.printed["stdout of version"]), "go1.") || !strings.Contains(p.stderr.String(),
			"msg=request ") {
			t.Error("the search is blind")
		}
	})
}

// newRunner returns a runner on an installation that gets its secrets from environment and files.
func newRunner(t *testing.T, e testkit.Engine, mail *testkit.MailServer) *runner {
	t.Helper()
	r := &runner{
		traffic: &traffic{t: t, names: map[string]string{}}, installation: newInstallation(t, e), secrets: t.TempDir(),
		printed: map[string][]byte{}, ran: map[string]bool{},
	}
	r.guardDatabase(r.installation)
	root := otherRoot()
	r.guard(newCanary("the root secret", root), newCanary("the mail server's password", testkit.MailPassword))
	r.writeSecretFile("mail", testkit.MailPassword)
	r.env = []string{
		"CLAVIGER_ROOT_SECRET=" + root, "CLAVIGER_LOG_LEVEL=debug", "CLAVIGER_DATA=" + r.data, "TMPDIR=" + r.dir,
		"CLAVIGER_MAIL_SMTP=" + mail.Address, "CLAVIGER_MAIL_CA=" + mail.CA,
		"CLAVIGER_MAIL_USERNAME=" + testkit.MailUser, "CLAVIGER_MAIL_PASSWORD_FILE=" + filepath.Join(r.secrets, "mail"),
	}
	return r
}

// prepareNames sets the names for the command cases, and guards the secrets among them.
func (r *runner) prepareNames(line sample.Sample) {
	r.t.Helper()
	r.guardLine(line)
	mistyped, passphrase := newCanary("a mistyped password", "correct-horse-battery-stapel"),
		newCanary("the passphrase", "a phrase that is / passed \"on\"")
	r.guard(mistyped, passphrase)
	r.names = map[string]string{
		"secrets": r.secrets, "work": r.dir, "tenant": line.Tenants[0].ID, "email": line.Email,
		"member": line.People[0].Email, "member's password": line.People[0].Password,
		"verifier": line.Verifier, "mistyped": mistyped.text, "passphrase": passphrase.text,
		"messages": toolCalls,
		"headers":  *line.Tenants[0].Key.Header, "scopes": `{"items":[{"name":"reports:export"}]}`,
	}
	r.writeSecretFile("password", line.Password)
	r.writeSecretFile("verifier", line.Verifier)
	r.writeSecretFile("passphrase", passphrase.text)
	for name, text := range map[string]string{
		"rules.yaml": "rules:\n  - path: /orders/{id}\n",
		"routes.yaml": "entries:\n  - name: default\n    rules:\n      - path: /orders/{id}\n        public: true\n" +
			"tests:\n  - request: GET /orders/1\n    expect: {public: true}\n",
	} {
		must(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600))
	}
}

// writeSecretFile writes a secret to a file.
func (r *runner) writeSecretFile(name, text string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.secrets, name), []byte(text+"\n"), 0o600))
}

// run runs command cases and stores their output, except output that may contain a secret.
func (r *runner) run(all ...commandCase) {
	r.t.Helper()
	named := func(name string) string { return r.names[name] }
	for _, e := range all {
		cmd := r.command(strings.Fields(fill(e.line, named))...)
		cmd.Stdin = strings.NewReader(r.names[e.stdin])
		if e.env != "" {
			cmd.Env = append(cmd.Env, fill(e.env, named))
		}
		p := launch(r.t, cmd)
		if code := p.exit(waitTimeout); code != e.code {
			r.t.Fatalf("%s: exit code %d, not %d: %s", e.line, code, e.code, p.stderr.String())
		}
		r.ran[e.line] = true
		r.printed["stderr of "+e.line] = []byte(p.stderr.String())
		r.capture(e, p.stdout.String())
		if e.mailedLink != "" {
			r.names[e.mailedLink] = r.awaitLink(e)
		}
		r.guardSessions()
	}
}

// capture guards the secret that a command case shows or saves, and stores the other output.
func (r *runner) capture(e commandCase, out string) {
	r.t.Helper()
	for pair := range strings.FieldsSeq(e.captures) {
		name, path, _ := strings.Cut(pair, "=")
		r.names[name] = textAt(r.t, out, path)
	}
	switch {
	case e.secretAt != "":
		secret := textAt(r.t, out, e.secretAt)
		if strings.HasSuffix(e.secretAt, "url") {
			r.guard(canary{name: "the link of " + e.line, text: secret[strings.LastIndex(secret, "/")+1:]})
			return
		}
		r.guardKey("the key of "+e.line, r.names["key"], secret, "")
		return
	case e.secretFile != "":
		saved := readFile(r.t, filepath.Join(r.secrets, e.secretFile))
		r.guard(newCanary("the secret in "+e.secretFile, textAt(r.t, saved, "secret")))
	}
	r.printed["stdout of "+e.line] = []byte(out)
}

// awaitLink waits for the message with the link, and guards the link everywhere else.
func (r *runner) awaitLink(e commandCase) string {
	r.t.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(r.names["url"]+e.linkPath) + `([\w-]+)`)
	for {
		for _, m := range r.readMails {
			if found := link.FindStringSubmatch(strings.ReplaceAll(m.Content, "=\r\n", "")); found != nil {
				r.guard(canary{name: "the link of " + e.line, text: found[1], home: mailTo(m)})
				return found[0]
			}
		}
		select {
		case m := <-r.arrived:
			r.readMails = append(r.readMails, m)
		case <-time.After(waitTimeout):
			r.t.Fatalf("%s: nothing was awaitLink", e.line)
		}
	}
}

func mailTo(m testkit.Mail) string { return "a letter to " + m.To }

// textAt returns the string at a dotted path in JSON.
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
		return // no sign-in yet
	}
	var contexts struct {
		Contexts map[string]struct{ Session string }
	}
	must(r.t, json.Unmarshal(text, &contexts))
	for name, c := range contexts.Contexts {
		_, token, _ := strings.Cut(c.Session, "=")
		guarded := slices.ContainsFunc(r.canaries, func(c canary) bool { return c.text == token })
		if token != "" && !guarded {
			r.guard(canary{name: "the session of " + name, text: token, home: "contexts.json"})
		}
	}
}

// restore restores the backup on another installation, and returns that.
func (r *runner) restore(t *testing.T) *installation {
	t.Helper()
	next := newInstallation(t, r.engine)
	r.guardDatabase(next)
	next.env = r.env
	must(t, os.Mkdir(next.data, 0o700))
	args := []string{
		"restore", filepath.Join(r.dir, "backup.age"), "--data", next.data, "--passphrase-file",
		filepath.Join(r.secrets, "passphrase"), "--journal", r.journal(),
	}
	p := next.launch(t, args...)
	if code := p.exit(waitTimeout); code != 0 {
		t.Fatalf("restore: exit code %d: %s", code, p.stderr.String())
	}
	r.ran["restore"] = true
	r.ran["serve"] = true
	r.ran["dev"] = true
	r.printed["stdout of restore"], r.printed["stderr of restore"] = []byte(p.stdout.String()),
		[]byte(p.stderr.String())
	return next
}

// usageLine matches the usage of a command in the reference.
var usageLine = regexp.MustCompile("(?m)^```text\nclaviger ([a-z -]*[a-z])")

// requireAllRun requires a command case for each command in the reference.
func (r *runner) requireAllRun() {
	r.t.Helper()
	commands := usageLine.FindAllStringSubmatch(string(r.printed["stdout of reference"]), -1)
	for _, c := range commands {
		found := false
		for line := range r.ran {
			found = found || strings.HasPrefix(line+" ", c[1]+" ")
		}
		if !found {
			r.t.Errorf("no command case runs claviger %s", c[1])
		}
	}
	if len(commands) < 50 {
		r.t.Errorf("the reference has only %d commands", len(commands))
	}
}

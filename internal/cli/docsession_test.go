package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// session runs the commands of a document in a shell.
type session struct {
	*installation
	// values of this run that replace those of the document
	values
	// serving is the server that the document started last.
	serving *process
	// asked is the standard input of every command: examples only prompt for a password.
	asked string
	// caches is the environment for the go command.
	caches []string
	// exported is the environment that the document exported.
	exported []string
}

// starts matches the commands that do not end. The session continues when they have printed the
// output in the document.
var starts = regexp.MustCompile(`^(make run|(\S+/)?claviger (serve|dev))\b`)

// restores matches the commands that restore a backup.
var restores = regexp.MustCompile(`\bclaviger restore\b`)

// asks matches the commands that prompt.
var asks = regexp.MustCompile(`\bclaviger (login|setup)\b`)

// exports matches the commands that set a variable for the commands after them.
var exports = regexp.MustCompile(`^export ([A-Z_]+)=(?:'([^']*)'|([^' ]*))$`)

// The addresses of the server, of its gateway and of the protected API in documents.
const (
	defaultAddress = "127.0.0.1:8080"
	gatewayAddress = "127.0.0.1:8081"
	apiAddress     = "127.0.0.1:9001"
)

// newSession returns a session for a document. For the README, its directory contains the sources.
// Unless the document starts a server itself, the session has a server with the sample, and its
// owner is signed in.
func newSession(t *testing.T, document string, first step) *session {
	t.Helper()
	s := bareSession(t)
	s.values[gatewayAddress], s.values[apiAddress] = testkit.FreeAddress(t), startEcho(t)
	if filepath.Base(document) == "README.md" {
		testkit.CopyTree(t, "../..", s.dir, func(string) bool { return true })
		s.do(t, step{command: "git init --quiet && git add --all && git -c user.name=Test" +
			" -c user.email=test@claviger.example commit --quiet --message All && git tag v1.0.0"})
	}
	if starts.MatchString(first.command) {
		return s
	}
	if slices.Contains(vendorPages, document) {
		s.startSample(t)
		s.signIn(t)
		s.prepareVendor(t)
	} else {
		s.copyExamples(t)
	}
	if restores.MatchString(first.command) {
		s.do(t, step{command: "claviger backup --passphrase-file /root/passphrase /backups/monday.age" +
			" && mkdir -m 700 /var/lib/claviger.new && cp /mnt/safe/root.key /var/lib/claviger.new"})
	}
	return s
}

// bareSession returns a session in an empty directory.
func bareSession(t *testing.T) *session {
	t.Helper()
	s := &session{installation: newInstallation(t, testkit.SQLite), values: values{}, caches: goCaches(t)}
	s.data = filepath.Join(s.dir, "claviger-data")
	s.env = append(s.caches, "CLAVIGER_SERVER_LISTEN=127.0.0.1:0")
	s.writeFile(t, ".curlrc", "silent\nshow-error\n") // like curl at a terminal
	return s
}

// startSample starts a server with the sample.
func (s *session) startSample(t *testing.T) {
	t.Helper()
	s.do(t, step{
		command: "claviger dev",
		shown: []string{
			"Claviger runs at http://" + defaultAddress + " with sample data.", "…",
			"Press Ctrl-C to stop the server. …",
		},
	})
}

// examples is a session that prepareExamples has prepared, after its server has stopped. It is made
// once: it takes 15 commands, and about 50 sessions need it.
var examples struct {
	once  sync.Once
	saved savedTree
	values
	asked string
}

// copyExamples makes the session one that prepareExamples has prepared: it copies its directory,
// starts the server, and replaces the address of the server in all files of the user.
func (s *session) copyExamples(t *testing.T) {
	t.Helper()
	examples.once.Do(func() {
		first := bareSession(t)
		first.startSample(t)
		first.signIn(t)
		first.prepareExamples(t)
		first.interrupt()
		examples.values, examples.asked = first.values, first.asked
		examples.saved = saveTree(t, first.dir)
	})
	if examples.saved == nil {
		t.Fatal("there is no prepared session to copy: see the first document that failed")
	}
	examples.saved.writeTo(t, s.dir)
	s.startSample(t)
	moved := strings.NewReplacer(examples.values[defaultAddress], s.values[defaultAddress])
	for name, file := range examples.saved {
		if file.content != nil && !strings.HasPrefix(name, "/claviger-data/") {
			must(t, os.WriteFile(s.dir+name, []byte(moved.Replace(string(file.content))), file.mode.Perm()))
		}
	}
	for name, value := range examples.values {
		s.values[name] = moved.Replace(value)
	}
	s.asked = examples.asked
}

// goCaches returns an environment with which the go command uses the caches of this machine,
// although the session has its own home directory.
func goCaches(t testing.TB) []string {
	t.Helper()
	env := []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-trimpath"}
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	must(t, err)
	for i, value := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		env = append(env, names[i]+"="+value)
	}
	return env
}

// signIn signs the owner of the sample in, with the standard tenant.
func (s *session) signIn(t *testing.T) {
	t.Helper()
	made := s.sample(t)
	s.do(t, step{
		command: "claviger login --email " + made.Email + " --tenant " + made.Tenants[0].ID,
		typed:   made.Password,
	})
}

// prepareExamples creates the objects and files that the examples in docs/cli.md name. Another user
// claims the key, because links are for others.
func (s *session) prepareExamples(t *testing.T) {
	t.Helper()
	made := s.sample(t)
	standard, member := made.Tenants[0], made.People[0]
	recoverable := made.Tenants[slices.IndexFunc(made.Tenants,
		func(t sample.Tenant) bool { return t.Preset == string(policy.Blancco) })]
	s.writeFile(t, "member", member.Password)
	s.do(t, step{command: "claviger login --context member --server http://" + defaultAddress +
		" --password-file member --tenant " + standard.ID + " --email " + member.Email})
	var other struct{ User struct{ ID string } }
	must(t, json.Unmarshal([]byte(s.answer(t, "claviger whoami --output json")), &other))
	s.do(t, step{command: "claviger contexts use " + s.substitute(defaultAddress)})
	s.writeFile(t, "scopes", `{"items":[{"name":"films:read"},{"name":"films:write"}]}`)
	s.do(t, step{command: "claviger scopes set scopes"})
	s.writeFile(t, "rules.yaml", "rules:\n  - path: /orders/{id}\n    scopes: [films:read]\n")
	s.writeFile(t, "routes.yaml", "entries:\n  - name: default\n    rules:\n      - path: /reports\n"+
		"        public: true\ntests:\n  - request: GET /reports\n    expect: {public: true}\n")
	s.do(t, step{command: "claviger plans create basic --scope films:read --all-applications"})
	s.do(t, step{command: "claviger service-accounts create Terraform"})
	s.do(t, step{command: "claviger subjects create cus_1031"})
	var handed, waiting struct {
		Key  struct{ ID string }
		Link struct{ URL string }
	}
	byLink := " --owner " + other.User.ID + " --scope applications:read --all-applications --link --output json"
	must(t, json.Unmarshal([]byte(s.answer(t, "claviger keys create 'By link'"+byLink)), &handed))
	must(t, json.Unmarshal([]byte(s.answer(t, "claviger keys create 'Link is lost'"+byLink)), &waiting))
	var reset struct{ URL string }
	must(t, json.Unmarshal([]byte(s.answer(t,
		"claviger user password "+made.People[1].Email+" --data claviger-data --output json")), &reset))
	withFactor, _, err := testkit.Client(t, made.URL).SignIn(t.Context(), made.People[1].Email, made.People[1].Password)
	must(t, err)
	setUpFactor(t, withFactor)
	for name, text := range map[string]string{
		"reset.txt": reset.URL, "password": made.Password, "key.txt": standard.Key.Value,
		"request.txt": *standard.Key.Header, "link.txt": handed.Link.URL,
	} {
		s.writeFile(t, name, text)
	}
	for name, here := range map[string]string{
		"usr_…": other.User.ID, "app_…": standard.ApplicationIDs[0], "key_…": standard.Key.ID, "ten_…": standard.ID,
		"https://claviger.example.com": made.URL,
		"/run/secrets/password":        "password", "you@example.com": made.Email,
		"user password ann@example.com":      "user password " + made.People[1].Email,
		"user remove-factor ann@example.com": "user remove-factor " + made.People[1].Email,
		"claviger keys claim --save":         "claviger keys claim --context member --save",
		"keys claim-link key_…":              "keys claim-link " + waiting.Key.ID,
		"keys reveal key_…":                  "keys reveal --tenant " + recoverable.ID + " " + recoverable.Key.ID,
	} {
		s.values[name] = here
	}
	s.values["user email ann@example.com ann@example.org"] = "user email" + strings.Repeat(" "+made.People[1].Email, 2)
	s.asked = made.Password
	s.prepareOperatorExamples(t)
}

// prepareOperatorExamples creates the files that the examples of operator commands name.
func (s *session) prepareOperatorExamples(t *testing.T) {
	t.Helper()
	recipient, err := age.GenerateX25519Identity()
	must(t, err)
	for _, dir := range []string{"backups", "safe", "src"} {
		must(t, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	s.writeFile(t, "passphrase", passphrase)
	s.writeFile(t, "safe/root.key", readFile(t, filepath.Join(s.dir, "claviger-data", "root.key")))
	for name, here := range map[string]string{
		"/var/lib/claviger": "claviger-data", "/root/passphrase": "passphrase", "/backups/": "backups/",
		"/mnt/safe/": "safe/", "age1…": recipient.Recipient().String(),
	} {
		s.values[name] = here
	}
}

// writeFile writes a file.
func (s *session) writeFile(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// answer runs a line that must succeed, and returns its standard output.
func (s *session) answer(t *testing.T, line string) string {
	t.Helper()
	out, err := s.line(line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

// do runs one step, and requires the output in the document.
func (s *session) do(t *testing.T, st step) {
	t.Helper()
	st.command, st.typed = s.substitute(st.command), s.substitute(st.typed)
	if starts.MatchString(st.command) {
		s.start(t, st)
		return
	}
	if m := exports.FindStringSubmatch(st.command); m != nil {
		s.exported = append(s.exported, m[1]+"="+m[2]+m[3])
		return
	}
	out, err := s.shell(t, st)
	if err != nil {
		t.Fatalf("%s: %v\n%s", st.command, err, out)
	}
	out = strings.ReplaceAll(out, "\r\n", "\n") // HTTP headers
	if !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	if st.shown != nil && !s.match(append(st.shown, endOfOutput), out+endOfOutput+"\n") {
		t.Fatalf("%s prints\n%sand the document shows\n%s", st.command, out, strings.Join(st.shown, "\n"))
	}
}

// endOfOutput makes a pattern match to the end.
const endOfOutput = "(end)"

// shell runs a line to its end, and returns what a terminal would show.
func (s *session) shell(t *testing.T, st step) (string, error) {
	t.Helper()
	cmd := s.line(st.command)
	if st.typed == "" || !asks.MatchString(st.command) {
		cmd.Stdin = strings.NewReader(s.asked)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	tm := newTerminal(t)
	cmd.Stdin = tm.claviger
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	tm.awaitSilence(t)
	_, err := tm.person.WriteString(strings.ReplaceAll(st.typed, `\n`, "\n") + "\n")
	must(t, err)
	err = cmd.Wait()
	return out.String(), err
}

// line returns a shell command that runs a line.
func (s *session) line(text string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", text)
	cmd.Dir = s.dir
	cmd.Env = append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + s.dir}, s.env...)
	cmd.Env = append(cmd.Env, s.exported...)
	return cmd
}

// start starts a server on a free port, after it has stopped the previous one. It returns when the
// server has printed the output in the document.
func (s *session) start(t *testing.T, st step) {
	t.Helper()
	s.interrupt()
	cmd := s.line("exec 2>&1; " + st.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.serving = launch(t, cmd)
	t.Cleanup(s.interrupt)
	s.serving.await(strings.Join(st.shown, "\n"), func(out string) bool { return s.match(st.shown, out) })
	at := s.values[defaultAddress]
	s.env = append(s.caches, "CLAVIGER_SERVER_LISTEN="+at, "CLAVIGER_SERVER=http://"+at)
}

// interrupt stops the server and all processes of its line, like Ctrl-C.
func (s *session) interrupt() {
	if s.serving != nil {
		_ = syscall.Kill(-s.serving.cmd.Process.Pid, syscall.SIGINT) // it may have ended already
		<-s.serving.ended
	}
}

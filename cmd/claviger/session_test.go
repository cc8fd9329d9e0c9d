package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// session is somebody at a shell who does what a document says.
type session struct {
	*site
	// values of this run in the place of the document's.
	values
	// serving is the server that the document has started last.
	serving *process
	// asked is on the standard input of every command: of the examples, the only thing that is asked for is a password.
	asked string
	// caches is the environment of go.
	caches []string
}

// starts are the commands that do not end: the session goes on when they have printed what is shown.
var starts = regexp.MustCompile(`^(make run|(\S+/)?claviger (serve|dev))\b`)

// restores are the commands that bring a backup back.
var restores = regexp.MustCompile(`\bclaviger restore\b`)

// asks are the commands that wait for what a person types.
var asks = regexp.MustCompile(`\bclaviger login\b`)

// defaultAddress is where documents have the server.
const defaultAddress = "127.0.0.1:8080"

// newSession begins a document in a folder with the sources, if it is the README, or beside a server with the sample, as its owner.
// A document that starts a server itself gets none.
func newSession(t *testing.T, document string, first step) *session {
	t.Helper()
	s := &session{site: newSite(t, testkit.SQLite), values: values{}, caches: goCaches(t)}
	s.env = append(s.caches, "CLAVIGER_SERVER_LISTEN=127.0.0.1:0")
	s.keep(t, ".curlrc", "silent\nshow-error\n") // as curl is at a terminal
	if filepath.Base(document) == "README.md" {
		testkit.CopyTree(t, "../..", s.dir, func(string) bool { return true })
		s.do(t, step{command: "git init --quiet && git add --all && git -c user.name=Test -c user.email=test@claviger.example commit --quiet --message All && git tag v1.0.0"})
	}
	if !starts.MatchString(first.command) {
		s.do(t, step{command: "claviger dev", shown: []string{"Claviger runs at http://" + defaultAddress + " with sample data.", "…", "Ctrl-C ends it. …"}})
		s.signIn(t)
		s.furnish(t)
	}
	if restores.MatchString(first.command) {
		s.do(t, step{command: "claviger backup --passphrase-file /root/passphrase /backups/monday.age && mkdir -m 700 /var/lib/claviger.new && cp /mnt/safe/root.key /var/lib/claviger.new"})
	}
	return s
}

// goCaches lets go find what is compiled already, with a home of the session's own.
func goCaches(t testing.TB) []string {
	t.Helper()
	env := []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-trimpath"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
		out, err := exec.Command("go", "env", name).Output()
		must(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env
}

// signIn signs the owner of the sample in, in the standard tenant.
func (s *session) signIn(t *testing.T) {
	t.Helper()
	made := s.sample(t)
	s.do(t, step{command: "claviger login --email " + made.Email + " --tenant " + made.Tenants[0].ID, typed: made.Password})
}

// furnish gives what the examples of docs/cli.md name. Links are for others, so that another claims.
func (s *session) furnish(t *testing.T) {
	t.Helper()
	made := s.sample(t)
	standard, member := made.Tenants[0], made.People[0]
	recoverable := made.Tenants[slices.IndexFunc(made.Tenants, func(t sample.Tenant) bool { return t.Preset == string(policy.Blancco) })]
	s.keep(t, "member", member.Password)
	s.do(t, step{command: "claviger login --context member --server http://" + defaultAddress + " --password-file member --tenant " + standard.ID + " --email " + member.Email})
	var other struct{ User struct{ ID string } }
	must(t, json.Unmarshal([]byte(s.answer(t, "claviger whoami --output json")), &other))
	s.do(t, step{command: "claviger contexts use " + s.here(defaultAddress)})
	var handed struct{ Link struct{ URL string } }
	must(t, json.Unmarshal([]byte(s.answer(t, "claviger keys create 'By link' --owner "+other.User.ID+" --scope applications:read --all-applications --link --output json")), &handed))
	for name, text := range map[string]string{
		"password": made.Password, "key.txt": standard.Key.Value, "request.txt": *standard.Key.Header, "link.txt": handed.Link.URL,
	} {
		s.keep(t, name, text)
	}
	for name, here := range map[string]string{
		"usr_…": other.User.ID, "app_…": standard.ApplicationIDs[0], "key_…": standard.Key.ID, "ten_…": standard.ID, "https://claviger.example.com": made.URL,
		"/run/secrets/password": "password", "you@example.com": made.Email, "claviger keys claim": "claviger keys claim --context member",
		"keys reveal key_…": "keys reveal --tenant " + recoverable.ID + " " + recoverable.Key.ID,
	} {
		s.values[name] = here
	}
	s.asked = made.Password
	s.furnishMachine(t)
}

// furnishMachine gives what the examples of commands for operators have on their machine.
func (s *session) furnishMachine(t *testing.T) {
	t.Helper()
	recipient, err := age.GenerateX25519Identity()
	must(t, err)
	for _, dir := range []string{"backups", "safe"} {
		must(t, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	s.keep(t, "passphrase", passphrase)
	s.keep(t, "safe/root.key", readFile(t, filepath.Join(s.dir, "claviger-data", "root.key")))
	for name, here := range map[string]string{
		"/var/lib/claviger": "claviger-data", "/root/passphrase": "passphrase", "/backups/": "backups/", "/mnt/safe/": "safe/", "age1…": recipient.Recipient().String(),
	} {
		s.values[name] = here
	}
}

// keep writes a file.
func (s *session) keep(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// answer runs a line that must succeed, and gives its standard output.
func (s *session) answer(t *testing.T, line string) string {
	t.Helper()
	out, err := s.line(line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

// sample is what the server of the session was started with.
func (s *session) sample(t testing.TB) (made sample.Sample) {
	t.Helper()
	must(t, json.Unmarshal([]byte(readFile(t, filepath.Join(s.dir, "claviger-data", "dev.json"))), &made))
	return made
}

// do does one step and demands that it prints what is shown.
func (s *session) do(t *testing.T, st step) {
	t.Helper()
	st.command, st.typed = s.here(st.command), s.here(st.typed)
	if starts.MatchString(st.command) {
		s.start(t, st)
		return
	}
	out, err := s.shell(t, st)
	if err != nil {
		t.Fatalf("%s: %v\n%s", st.command, err, out)
	}
	if !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	if st.shown != nil && !s.learn(append(st.shown, endOfOutput), out+endOfOutput+"\n") {
		t.Fatalf("%s prints\n%sand the document shows\n%s", st.command, out, strings.Join(st.shown, "\n"))
	}
}

// endOfOutput makes a pattern reach the end.
const endOfOutput = "(end)"

// shell runs a line to its end and gives what a terminal would show.
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
	_, err := tm.person.WriteString(st.typed + "\n")
	must(t, err)
	err = cmd.Wait()
	return out.String(), err
}

// line is a shell with a line to run.
func (s *session) line(text string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", text)
	cmd.Dir = s.dir
	cmd.Env = append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + s.dir}, s.env...)
	return cmd
}

// start starts a server on a free port, ends the one before, and goes on when it has printed what is shown.
func (s *session) start(t *testing.T, st step) {
	t.Helper()
	s.interrupt()
	cmd := s.line("exec 2>&1; " + st.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.serving = launch(t, cmd)
	t.Cleanup(s.interrupt)
	s.serving.await(strings.Join(st.shown, "\n"), func(out string) bool { return s.learn(st.shown, out) })
	at := s.values[defaultAddress]
	s.env = append(s.caches, "CLAVIGER_SERVER_LISTEN="+at, "CLAVIGER_SERVER=http://"+at)
}

// interrupt ends the server and all that the line has started with it, as Ctrl-C does.
func (s *session) interrupt() {
	if s.serving != nil {
		_ = syscall.Kill(-s.serving.cmd.Process.Pid, syscall.SIGINT) // it may have ended
		<-s.serving.ended
	}
}

package cli_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Each script in testdata/script is a shell session with its own server, which has the sample data.
// It can use
//
//	$URL $ALIAS          the server, by two names
//	$DATA                its data directory
//	$EMAIL               the e-mail address of the owner
//	$TENANT $ACCOUNT     the standard tenant and its account
//	password             a file with the password of the owner
//	key verifier         files with a key of the tenant, and a key with the scope keys:verify
//	request              a file with the headers of a request with the key
//	$MEMBER member       the e-mail address of a member, and a file with the password
func TestTheCommandLineDoesWhatTheScriptsSay(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	must(t, err)
	if len(scripts) == 0 {
		t.Fatal("there are no scripts")
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := newSample(t, testkit.SQLite)
			line := s.dev(t).ready()
			testscript.Run(t,
				testscript.Params{
					Files: []string{script}, RequireUniqueNames: true, Cmds: scriptCommands,
					Setup: func(e *testscript.Env) error {
						e.Vars = append(e.Vars, "DATA="+s.data)
						return scriptFixtures(e, line)
					},
				})
		})
	}
}

func TestAListHasAllItsPages(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	const keys = 250 // a page has at most 200
	line := s.dev(t, "--sample-keys", strconv.Itoa(keys), "--sample-file", filepath.Join(s.dir, "values")).ready()
	must(t, os.WriteFile(filepath.Join(s.dir, "password"), []byte(line.Password), 0o600))
	s.output(t, "login", "--server", line.URL, "--email", line.Email, "--password-file", "password")
	var tenants api.List[api.Tenant]
	must(t, json.Unmarshal(s.output(t, "tenants", "list", "--output", "json"), &tenants))
	newest := tenants.Items[0].ID
	for want, args := range map[int][]string{keys: {"keys", "list"}, 210: {"audit", "--limit", "210"}} {
		var list api.List[struct{ ID string }]
		must(t, json.Unmarshal(s.output(t, append(args, "--tenant", newest, "--output", "json")...), &list))
		ids := map[string]bool{}
		for _, item := range list.Items {
			ids[item.ID] = true
		}
		if len(list.Items) != want || len(ids) != want || (list.NextCursor == nil) != (want == keys) {
			t.Errorf("%v: %d lines of %d things, not %d", args, len(list.Items), len(ids), want)
		}
	}
}

// output runs claviger, which must succeed, and returns its standard output.
func (s *installation) output(t testing.TB, args ...string) []byte {
	t.Helper()
	out, err := s.command(args...).Output()
	must(t, err)
	return out
}

// scriptFixtures sets the variables and creates the files of a script.
func scriptFixtures(e *testscript.Env, line sample.Sample) error {
	standard, member := line.Tenants[0], line.People[0]
	e.Vars = append(e.Vars, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+e.WorkDir+"/config",
		"URL="+line.URL,
		"ALIAS="+strings.Replace(line.URL, "127.0.0.1", "localhost", 1),
		"EMAIL="+line.Email, "MEMBER="+member.Email, "TENANT="+standard.ID, "ACCOUNT="+line.AccountID,
		"APPLICATION="+standard.ApplicationIDs[0])
	var failed error
	for name, secret := range map[string]string{
		"password": line.Password, "member": member.Password,
		"key": standard.Key.Value, "verifier": line.Verifier,
		"request": "X-Request-Id: 1\n\nX-API-Key: " + standard.Key.Value,
	} {
		failed = errors.Join(failed, os.WriteFile(filepath.Join(e.WorkDir, name), []byte(secret+"\n"), 0o600))
	}
	return failed
}

// scriptCommands are the commands of scripts in addition to those of testscript.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits": exits, "mode": mode, "take": take, "hides": hides, "answers": answers, "write": write,
}

// exits CODE ARGUMENTS runs claviger and requires the exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("claviger", args[1:]...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

// mode PERMISSIONS FILE requires the mode of a file.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := "0" + strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], got, args[0])
	}
}

// write FILE TEXT writes a file.
func write(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+"\n"), 0o600))
}

// take VARIABLE PATH sets a variable to the string at the dotted path in the last standard output,
// which is JSON.
func take(ts *testscript.TestScript, _ bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for name := range strings.SplitSeq(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			ts.Check(err)
			value = v[i]
		}
	}
	text, ok := value.(string)
	if !ok {
		ts.Fatalf("no text at %s", args[1])
	}
	ts.Setenv(args[0], text)
}

// hides FILES requires that the last output contains no secret of the files: their text, or the
// secret in {"id","secret"}.
func hides(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		text := strings.TrimSpace(ts.ReadFile(file))
		var saved struct{ Secret string }
		if json.Unmarshal([]byte(text), &saved) == nil {
			text = saved.Secret
		}
		if len(text) < pieceLength {
			ts.Fatalf("%s holds no secret", file)
		}
		for _, stream := range []string{"stdout", "stderr"} {
			if found := newCanary(file, text).find([]byte(ts.ReadFile(stream))); found != "" {
				ts.Fatalf("%s shows the secret of %s: %s", stream, file, found)
			}
		}
	}
}

// answers PATH requires that the last standard output is the JSON answer of the API to GET PATH.
func answers(ts *testscript.TestScript, _ bool, args []string) {
	var contexts struct {
		Current  string
		Contexts map[string]struct{ Server, Session string }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("config/claviger/contexts.json")), &contexts))
	here := contexts.Contexts[contexts.Current]
	req, err := http.NewRequest(http.MethodGet, here.Server+args[0], nil)
	ts.Check(err)
	req.Header.Set("Cookie", here.Session)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var want, got any
	ts.Check(json.Unmarshal(body, &want))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &got))
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("it prints other JSON than the API's:\n%s", diff)
	}
}

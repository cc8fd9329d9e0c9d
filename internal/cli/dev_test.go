package cli_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// members are the members of the output of `claviger dev --output json`. Programs rely on them.
var members = []string{
	"account_id", "email", "password", "people[].email", "people[].password", "people[].role",
	"tenants[].application_ids[]", "tenants[].id", "tenants[].key.header", "tenants[].key.id",
	"tenants[].key.public_id", "tenants[].key.value", "tenants[].name", "tenants[].number", "tenants[].preset", "url",
	"verifier",
}

func TestDevPrintsOneJSONObjectAndNothingElse(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(signal.String(), func(t *testing.T) {
				s := newInstallation(t, e)
				p := s.dev(t)
				line := p.ready()
				requireWorking(t, line)
				p.stop(signal)
				requireOneObject(t, p.stdout.String())
				for line := range strings.Lines(p.stderr.String()) {
					if !strings.HasPrefix(line, "time=") {
						t.Errorf("standard error holds what is no log: %s", line)
					}
				}
			})
		}
	})
}

func requireOneObject(t testing.TB, out string) {
	t.Helper()
	if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "}\n") {
		t.Errorf("standard output is not one line:\n%s", out)
	}
	var object any
	must(t, json.Unmarshal([]byte(out), &object))
	if diff := cmp.Diff(members, outline("", object)); diff != "" {
		t.Errorf("the members are not those agreed:\n%s", diff)
	}
}

// outline returns the paths of all leaves of a JSON value, sorted and without duplicates.
func outline(path string, value any) []string {
	var paths []string
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			paths = append(paths, outline(strings.TrimPrefix(path+"."+name, "."), inner)...)
		}
	case []any:
		for _, inner := range v {
			paths = append(paths, outline(path+"[]", inner)...)
		}
	default:
		paths = []string{path}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// requireWorking requires that everything works that a start printed: address, users, verifier, and
// the key and header of each tenant.
func requireWorking(t testing.TB, line sample.Sample) {
	t.Helper()
	_, session, err := testkit.Client(t, line.URL).SignIn(t.Context(), line.Email, line.Password)
	must(t, err)
	if !slices.Contains(session.Accounts, api.AccountMembership{AccountID: line.AccountID, Role: "owner"}) {
		t.Errorf("the person does not own account %s: %v", line.AccountID, session.Accounts)
	}
	var presets []string
	for _, tenant := range line.Tenants {
		presets = append(presets, tenant.Preset)
		if i := slices.IndexFunc(session.Memberships,
			func(m api.Membership) bool { return m.TenantID == tenant.ID }); i < 0 {
			t.Errorf("the person is no member of tenant %s", tenant.Name)
		}
		requireActive(t, line, tenant.Key.Value, tenant.Key.ID, tenant.ID)
		if tenant.Key.Header == nil {
			continue // only OAuth
		}
		name, value, _ := strings.Cut(*tenant.Key.Header, ": ")
		list, err := testkit.Client(t, line.URL).WithHeader(name, value).Applications(t.Context(), tenant.ID,
			client.Page{})
		must(t, err)
		var listed []string
		for _, a := range slices.Backward(list.Items) {
			listed = append(listed, a.ID)
		}
		if diff := cmp.Diff(tenant.ApplicationIDs, listed); diff != "" {
			t.Errorf("the applications are not those printed:\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"standard", "blazemeter", "loadrunner", "blazeauth", "blancco"}, presets); diff != "" {
		t.Errorf("the presets are others:\n%s", diff)
	}
	for _, person := range line.People {
		_, session, err := testkit.Client(t, line.URL).SignIn(t.Context(), person.Email, person.Password)
		must(t, err)
		for _, tenant := range line.Tenants {
			want := api.Membership{TenantID: tenant.ID, AccountID: line.AccountID, Role: api.Role(person.Role)}
			if !slices.Contains(session.Memberships, want) { // a first start that was killed may have created others
				t.Errorf("the sample %s is none of tenant %s: %v", person.Role, tenant.Name, session.Memberships)
			}
		}
	}
}

// requireActive requires that the verifier finds a key of the tenant active.
func requireActive(t testing.TB, line sample.Sample, value, key, tenant string) {
	t.Helper()
	d, err := testkit.Client(t, line.URL).WithKey(line.Verifier).Verify(t.Context(),
		api.VerifyRequest{Credential: value})
	must(t, err)
	if !d.Active || d.KeyID != key || d.TenantID != tenant {
		t.Errorf("the key %s of tenant %s is %s, as key %s of tenant %s", key, tenant, d.Code, d.KeyID, d.TenantID)
	}
}

func TestTheSampleSurvivesARestart(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		first := s.dev(t)
		printed := first.ready()
		first.term()
		for range 2 {
			again := s.dev(t)
			line := again.ready()
			requireWorking(t, line)
			line.URL = printed.URL
			if diff := cmp.Diff(printed, line); diff != "" {
				t.Errorf("a later start prints another sample:\n%s", diff)
			}
			again.term()
		}
	})
}

func TestThePrintedCurlLinesWork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("this test runs the printed lines and needs curl: install it")
	}
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		p := s.launch(t, "dev", "--listen", "127.0.0.1:0", "--data", s.data)
		page := p.await("its last line",
			func(out string) bool { return strings.HasSuffix(out, "The data and these keys stay.\n") })
		var made sample.Sample
		must(t, json.Unmarshal([]byte(readFile(t, filepath.Join(s.data, "dev.json"))), &made))
		for _, shown := range []string{made.URL, made.Email, made.Password, made.Tenants[0].Key.Value} {
			if !strings.Contains(page, shown) {
				t.Errorf("the page does not show %q:\n%s", shown, page)
			}
		}
		requireAnswers(t, s.dir, curlLines(page), []string{
			`"transport":"bearer"`, `"transport":"basic"`, `"access_token":"clv_at_`, `"transport":"bearer"`,
			`"transport":"header"`,
			`"id":"` + made.Tenants[0].ApplicationIDs[0] + `"`,
			`{"active":true,"code":"ok","key_id":"` + made.Tenants[0].Key.ID + `"`,
			`"email":"` + made.Email + `"`,
			`"value":"clv_ak_`,
		})
		p.term()
	})
}

// requireAnswers runs each line, and requires that its output contains the text with the same
// index.
func requireAnswers(t testing.TB, dir string, lines, want []string) {
	t.Helper()
	if len(lines) != len(want) {
		t.Fatalf("%d lines, not %d: %q", len(lines), len(want), lines)
	}
	for i, line := range lines {
		if answer := runLine(t, dir, line); !strings.Contains(answer, want[i]) {
			t.Errorf("%s\nanswers without %s:\n%s", line, want[i], answer)
		}
	}
}

// curlLines returns the commands of a page, with continued lines joined.
func curlLines(page string) (lines []string) {
	for line := range strings.Lines(strings.ReplaceAll(page, "\\\n", "")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// runLine runs a line in a shell, and returns its output.
func runLine(t testing.TB, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return string(out)
}

func TestSampleKeysAreAsManyWorkingKeysInATenantOfTheirOwn(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		file := filepath.Join(t.TempDir(), "keys")
		p := s.dev(t, "--sample-keys", "25", "--sample-file", file)
		line := p.ready()
		values := strings.Split(strings.TrimSuffix(readFile(t, file), "\n"), "\n")
		verifier := testkit.Client(t, line.URL).WithKey(line.Verifier)
		keys, tenants := map[string]bool{}, map[string]bool{}
		for _, value := range values {
			d, err := verifier.Verify(t.Context(),
				api.VerifyRequest{Credential: value, Scopes: []string{"applications:read"}})
			must(t, err)
			if !d.Active {
				t.Errorf("a sample key is %s", d.Code)
			}
			keys[d.KeyID], tenants[d.TenantID] = true, true
		}
		if len(values) != 25 || len(keys) != 25 || len(tenants) != 1 || tenants[line.Tenants[0].ID] {
			t.Errorf("%d values of %d keys in tenants %v", len(values), len(keys), tenants)
		}
		requireWorking(t, line)
		p.term()
	})
}

package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/cli"
)

// runInProcess runs a command line without a process of its own.
func runInProcess(t testing.TB, env []string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	stdio := cli.Stdio{In: strings.NewReader(stdin), Out: &out, Err: &errOut}
	code = cli.Run(t.Context(), append([]string{"claviger"}, args...), env, stdio)
	return code, out.String(), errOut.String()
}

func TestRunReturnsTheExitCodeAndWritesToItsStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stdin    string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"an answer", "", []string{"version"}, 0, "claviger  dev", ""},
		{"help", "", []string{"keys", "--help"}, 0, "claviger keys [command]", ""},
		{"an unknown command", "", []string{"kyes"}, 2, "", "claviger: unknown command"},
		{"an unknown flag", "", []string{"version", "--jsno"}, 2, "", "did you mean --json?"},
		{"standard input", "nothing that looks like a key", []string{"scan", "-"}, 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runInProcess(t, nil, c.stdin, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout, stderr)
			}
		})
	}
}

func TestRunReadsOnlyTheEnvironmentThatItIsGiven(t *testing.T) {
	t.Setenv("CLAVIGER_SERVER", "no address")
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"no server is named", []string{"HOME=/nonexistent"}, "not signed in to http://127.0.0.1:8080"},
		{
			"a server is named",
			[]string{"HOME=/nonexistent", "CLAVIGER_SERVER=https://claviger.example.com"},
			"not signed in to https://claviger.example.com",
		},
		{"no directory for contexts", nil, "not signed in to http://127.0.0.1:8080"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := runInProcess(t, c.env, "", "whoami")
			if code != 3 || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, want 3 and %q\nstderr: %s", code, c.want, stderr)
			}
		})
	}
}

package guide_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
)

// issuedKeys returns a new key of each style that a scanner can recognise. The first is a token.
// masked is its masked form.
func issuedKeys(t *testing.T) (values []string, masked string) {
	t.Helper()
	k, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader, time.Now)
	must(t, err)
	for _, shape := range []credential.Shape{
		{Style: credential.Token, Prefix: "blz_mgmt", Label: "bak"},
		{Style: credential.Pair},
		{Style: credential.Client, Domain: "microfocus.com"},
	} {
		m := k.Issue(shape)
		values = append(values, m.Value.Reveal())
		if shape.Style == credential.Token {
			masked = strings.TrimSuffix(m.Value.Reveal(), m.Secret.Reveal()) + "…"
			values = append(values, m.PublicID+":"+m.Secret.Reveal())
		}
	}
	return values, masked
}

// changed returns a token whose checksum is wrong.
func changed(token string) string {
	last := token[len(token)-1]
	return token[:len(token)-1] + string("01"[(last-'0'+1)%2])
}

func TestThePythonExampleFindsTokensByTheirChecksum(t *testing.T) {
	t.Parallel()
	values, masked := issuedKeys(t)
	program := onlyBlock(t, "scanners.md", "python", "sys.stdin")
	cmd := exec.Command("python3", "-c", program)
	cmd.Stdin = strings.NewReader(strings.Join([]string{
		"nothing", "KEY=" + values[0], `{"log":"one\n` + values[0] + `\ntwo"}`, changed(values[0]), values[2],
		values[0] + " and " + values[0],
	}, "\n"))
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	want := fmt.Sprintf("2: %s\n3: %[1]s\n6: %[1]s\n6: %[1]s\n", masked)
	if diff := cmp.Diff(want, run(t, cmd)); diff != "" {
		t.Errorf("unexpected output:\n%s", diff)
	}
	sum := exec.Command("python3", "-c", program+`
print(checksum("clv_ak_" + "0" * 16 + "_" + "0" * 42))`)
	if got := run(t, sum); got != "0hMbE1\n" { // the document shows the same result
		t.Errorf("the checksum of the example is %q", got)
	}
	if lines := strings.Count(program, "\n"); lines > 22 {
		t.Errorf("the example has %d lines", lines)
	}
}

// The test runs the plugin without detect-secrets, of which the plugin uses only the base class.
// detect-secrets needs only the keys that the plugin yields for each line.
func TestThePluginForDetectSecretsYieldsEachKeyOfALine(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(folder, "detect_secrets", "plugins"), 0o700))
	write(t, folder, filepath.Join("detect_secrets", "plugins", "base.py"), "class BasePlugin:\n    pass\n")
	write(t, folder, "claviger_detector.py", onlyBlock(t, "scanners.md", "python", "detect_secrets"))
	write(t, folder, "lines.py", `
import sys
from claviger_detector import ClavigerDetector
for line in sys.stdin:
    print("|".join(ClavigerDetector().analyze_string(line)))
`)
	values, _ := issuedKeys(t)
	lines := []string{"nothing", changed(values[0]), "é" + values[0] + "é", `"\n` + values[0] + `"`}
	want := []string{"", "", values[0], values[0]}
	for _, value := range values {
		lines, want = append(lines, "é"+value+"é", "KEY="+value+" "), append(want, value, value)
	}
	cmd := exec.Command("python3", filepath.Join(folder, "lines.py"))
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+folder, "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", run(t, cmd)); diff != "" {
		t.Errorf("unexpected keys:\n%s", diff)
	}
}

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// Kubernetes mounts a secret as file → ..data/file → ..2026_…/file, with mode 0644 and owner root.
func TestASecretThatKubernetesMountsIsReadWithAWarning(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	mount := filepath.Join(s.dir, "mount")
	must(t, os.MkdirAll(filepath.Join(mount, "..2026_11_29"), 0o755))
	must(t, os.WriteFile(filepath.Join(mount, "..2026_11_29", "root-secret"), []byte(otherRoot()+"\n"), 0o644))
	must(t, os.Symlink("..2026_11_29", filepath.Join(mount, "..data")))
	must(t, os.Symlink(filepath.Join("..data", "root-secret"), filepath.Join(mount, "root-secret")))
	s.with("CLAVIGER_ROOT_SECRET_FILE=" + filepath.Join(mount, "root-secret"))
	p := s.serve(t)
	warning := `level=(WARN) msg="other users can read a secret file[^\n]*CLAVIGER_ROOT_SECRET_FILE`
	p.logged(regexp.MustCompile(warning))
	p.readyThenStopped()
	if _, err := os.Stat(filepath.Join(s.data, "root.key")); err == nil {
		t.Error("another root secret was made")
	}
	must(t, os.Chmod(filepath.Join(mount, "..2026_11_29", "root-secret"), 0o664))
	requireOneLine(t, s.serve(t), 1, "group or others can write the file (mode 0664)")
}

// The files of secrets that commands read are those of people and programs on shared machines, too.
func TestACommandWarnsOfAFileOfASecretThatOthersCanRead(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	p := s.dev(t)
	line := p.ready()
	defer p.term()
	file := filepath.Join(s.dir, "key")
	must(t, os.WriteFile(file, []byte(line.Verifier+"\n"), 0o600))
	s.env = append(s.env, "CLAVIGER_KEY_FILE="+file, "CLAVIGER_SERVER="+line.URL)
	for mode, want := range map[os.FileMode]string{0o600: "", 0o640: "", 0o644: "Warning: " + file} {
		must(t, os.Chmod(file, mode))
		whoami := s.launch(t, "whoami")
		code := whoami.exit(waitTimeout)
		if said := whoami.stderr.String(); code != 0 || !strings.HasPrefix(said, want) || want == "" && said != "" {
			t.Errorf("mode %04o: exit code %d, %s", mode, code, said)
		}
	}
	must(t, os.Chmod(file, 0o660))
	if whoami := s.launch(t, "whoami"); whoami.exit(waitTimeout) == 0 {
		t.Error("a file that others can write is taken")
	}
}

// A machine that manages keys has this variable, and may run the server as well.
func TestVariablesOfTheClientAreNoSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	for _, name := range []string{"KEY", "KEY_FILE", "MANAGEMENT_KEY_FILE", "SERVER", "CONTEXT", "TENANT"} {
		s.env = append(s.env, "CLAVIGER_"+name+"=x")
	}
	p := s.launch(t, "config")
	if code := p.exit(waitTimeout); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}

// The secrets in the compose file are those that its script creates, mounted at /run/secrets.
func TestTheSecretsOfTheComposeFileAreRead(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	script := filepath.Join(s.dir, "make-secrets")
	must(t, os.WriteFile(script, []byte(readFile(t, "../../deploy/compose/make-secrets")), 0o700))
	if out, err := exec.Command(script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	compose := readFile(t, "../../deploy/compose/compose.yaml")
	for _, m := range regexp.MustCompile(`(CLAVIGER_\w+_FILE): /run/secrets/(\w+)`).FindAllStringSubmatch(compose, -1) {
		s.env = append(s.env, m[1]+"="+filepath.Join(s.dir, "secrets", m[2]))
	}
	if len(s.env) != 2 {
		t.Fatalf("compose.yaml names the files %v", s.env)
	}
	p := s.launch(t, "config")
	if code := p.exit(waitTimeout); code != 0 || strings.Count(p.stdout.String(), "[redacted]") != 2 {
		t.Errorf("exit code %d\n%s%s", code, p.stdout.String(), p.stderr.String())
	}
	s.env = s.env[1:]
	if !strings.Contains(s.env[0], "ROOT_SECRET") { // without the database, which runs in another container
		t.Fatalf("the first is not the database's: %v", s.env)
	}
	s.serve(t).readyThenStopped()
}

func TestAPrivateKeyThatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	pair := filepath.Join(s.dir, "tls.pem")
	must(t, os.WriteFile(pair, nil, 0o600))
	must(t, os.Chmod(pair, 0o620))
	s.with("CLAVIGER_SERVER_TLS_CERT="+pair, "CLAVIGER_SERVER_TLS_KEY="+pair)
	requireOneLine(t, s.serve(t), 1, "tls.pem: group or others can write the file (mode 0620)")
}

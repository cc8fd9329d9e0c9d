package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	variable   = regexp.MustCompile(`\bCLAVIGER_[A-Z_]+\b`)
	secretFile = regexp.MustCompile(`file: secrets/(\w+)`)
)

func TestDeploymentFilesSetOnlyExistingSettings(t *testing.T) {
	settings := read(t, "docs/configuration.md")
	for _, file := range []string{"Dockerfile", "deploy/compose/compose.yaml", "deploy/systemd/claviger.service"} {
		names := variable.FindAllString(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s sets no setting", file)
		}
		for _, name := range names {
			if !strings.Contains(settings, "`"+name+"`") {
				t.Errorf("%s sets %s, which is not a setting", file, name)
			}
		}
	}
}

func TestTheSecretsOfTheComposeFileAreCreatedOnce(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "make-secrets")
	must(t, os.WriteFile(script, []byte(read(t, "deploy/compose/make-secrets")), 0o755))
	_, err := output(t.Context(), folder, nil, script)
	must(t, err)
	first := readSecrets(t, folder)
	if _, err := output(t.Context(), folder, nil, script); err == nil {
		t.Error("a second run does not fail")
	}
	second := readSecrets(t, folder)
	for name, text := range first {
		if len(text) < 43 || second[name] != text { // 32 bytes in base64url
			t.Errorf("%s is too short, or the second run changed it", name)
		}
	}
	if want := fmt.Sprintf("postgres://claviger:%s@database:5432/claviger?sslmode=disable",
		first["database_password"]); first["database_url"] != want {
		t.Error("the URL of the database does not have the password of the database")
	}
	config, err := output(t.Context(), root, []string{
		"CLAVIGER_DATABASE_URL_FILE=" + filepath.Join(folder, "secrets", "database_url"),
		"CLAVIGER_ROOT_SECRET_FILE=" + filepath.Join(folder, "secrets", "root_secret"),
	}, "go", "run", "./cmd/claviger", "config")
	must(t, err)
	if strings.Contains(config, first["root_secret"]) || strings.Contains(config, first["database_password"]) {
		t.Error("the settings show a secret")
	}
}

// readSecrets returns the secrets that compose.yaml names. It checks that only their owner can read
// them.
func readSecrets(t *testing.T, folder string) map[string]string {
	t.Helper()
	info, err := os.Stat(filepath.Join(folder, "secrets"))
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the secrets has mode %v", info.Mode())
	}
	secrets := map[string]string{}
	for _, m := range secretFile.FindAllStringSubmatch(read(t, "deploy/compose/compose.yaml"), -1) {
		text, err := os.ReadFile(filepath.Join(folder, "secrets", m[1]))
		must(t, err)
		secrets[m[1]] = string(text)
	}
	if len(secrets) != 3 {
		t.Errorf("the compose file names %d secrets", len(secrets))
	}
	return secrets
}

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/totp"
)

func TestAPersonWithASecondFactorSignsInByItsCodeUntilTheOperatorRemovesIt(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	c, _, err := testkit.Client(t, line.URL).SignIn(t.Context(), line.Email, line.Password)
	must(t, err)
	recovery := setUpFactor(t, c)
	password := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(password, []byte(line.Password), 0o600))
	login := []string{"login", "--server", line.URL, "--email", line.Email, "--password-file", password}
	for _, step := range []struct {
		args []string
		code int
		says string
	}{
		{login, 3, "second_factor_required"},
		{append(login, "--code", "000000"), 3, "sign_in_failed"},
		{append(login, "--code", recovery[0]), 0, "Signed in"},
		{[]string{"user", "remove-factor", line.Email, "--data", s.data}, 0, "Removed the second factor"},
		{[]string{"whoami"}, 3, ""},
		{login, 0, "Signed in"},
	} {
		p := s.launch(t, step.args...)
		code := p.exit(waitTimeout)
		said := p.stdout.String() + p.stderr.String()
		if code != step.code || !strings.Contains(said, step.says) {
			t.Errorf("%q: exit code %d: %s", step.args, code, said)
		}
	}
}

// setUpFactor sets up the second factor of the signed-in person, and returns their recovery codes.
func setUpFactor(t *testing.T, c *client.Client) []string {
	t.Helper()
	started, err := c.StartTwoFactor(t.Context())
	must(t, err)
	set, err := c.ConfirmTwoFactor(t.Context(), *started.Setup, totp.Code(*started.Secret, time.Now()))
	must(t, err)
	return set.RecoveryCodes
}

package config_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/credential"
)

// secretForms are forms in which editors, shells and container systems store a secret in a file or
// variable.
var secretForms = map[string]string{
	"alone": "a b", "with a line end": "a b\n", "with a line end of Windows": "a b\r\n",
	"with white space around":  " \t\n a b \n\n",
	"behind a byte-order mark": "\ufeffa b\r\n",
}

func TestASecretIsReadTheSameWhereverItStands(t *testing.T) {
	for name, text := range secretForms {
		for _, key := range []string{"root_secret", "database.url", "mail.password"} {
			variable := "CLAVIGER_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
			for form, m := range map[string]machine{
				"a file":     {env: []string{variable + "_FILE=secret"}, files: map[string]string{"secret": text}},
				"a variable": {env: []string{variable + "=" + text}},
			} {
				if key == "mail.password" {
					m.env = append(m.env, "CLAVIGER_MAIL_USERNAME=x")
				}
				got, err := m.load()
				if err != nil {
					t.Errorf("%s %s, in %s: %v", key, name, form, err)
					continue
				}
				for _, secret := range []credential.Secret{got.RootSecret, got.Database.URL, got.Mail.Password} {
					if secret.Reveal() != "a b" && !secret.IsZero() {
						t.Errorf("%s %s, in %s, is %q", key, name, form, secret.Reveal())
					}
				}
			}
		}
	}
}

func TestWhatIsNotOneSecretIsRefusedByTheNameOfItsPlaceAlone(t *testing.T) {
	for text, says := range map[string]string{
		never + "\n" + never: "more than one line", "\xff\xfe" + never: "UTF-16", never + "\x00": "control characters",
		never + "\xff": "not UTF-8", " \n": "it is empty", "\ufeff": "it is empty",
		strings.Repeat(never, 64<<10): "longer than",
	} {
		file := machine{
			env:   []string{"CLAVIGER_ROOT_SECRET_FILE=name-of-file"},
			files: map[string]string{"name-of-file": text},
		}
		_, err := file.load()
		if err == nil || !strings.Contains(err.Error(), "CLAVIGER_ROOT_SECRET_FILE: name-of-file: ") ||
			!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), never) {
			t.Errorf("in a file: %v, want one that says %q", err, says)
		}
		if len(text) > 64<<10 {
			continue
		}
		_, err = machine{env: []string{"CLAVIGER_ROOT_SECRET=" + text}}.load()
		if err == nil || !strings.Contains(err.Error(), "CLAVIGER_ROOT_SECRET: ") || !strings.Contains(err.Error(),
			says) ||
			strings.Contains(err.Error(), never) {
			t.Errorf("in a variable: %v, want one that says %q", err, says)
		}
	}
}

func TestAFileOfASecretIsRefusedWhereOthersCanWriteItAndToldWhereTheyCanRead(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o400: "", 0o600: "", 0o440: "", 0o640: "", 0o644: "exposed", 0o444: "exposed", 0o604: "exposed",
		0o660: "refused", 0o602: "refused", 0o666: "refused",
	} {
		got, err := machine{
			env:   []string{"CLAVIGER_DATABASE_URL_FILE=url"},
			files: map[string]string{"url": never}, modes: map[string]fs.FileMode{"url": mode},
		}.load()
		outcome := ""
		switch {
		case err != nil && strings.Contains(err.Error(), "chmod 600") && !strings.Contains(err.Error(), never):
			outcome = "refused"
		case err != nil:
			outcome = err.Error()
		case len(got.Exposed) > 0:
			outcome = "exposed"
			if want := (config.ExposedFile{
				Setting: "CLAVIGER_DATABASE_URL_FILE",
				File:    "url",
			}); got.Exposed[0] != want {
				t.Errorf("exposed is %+v, not %+v", got.Exposed[0], want)
			}
		}
		if outcome != want {
			t.Errorf("mode %04o: %q, want %q", mode, outcome, want)
		}
	}
}

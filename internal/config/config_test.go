package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/config"
)

func TestASecretComesFromItsVariableOrFromTheFileItNames(t *testing.T) {
	files := map[string]string{"/run/url": "postgres://from-file\n", "/run/empty": " \n"}
	cases := []struct {
		name  string
		env   map[string]string
		want  string
		fault string
	}{
		{"neither", nil, "", ""},
		{"the variable", map[string]string{"CLAVIGER_DATABASE_URL": "postgres://direct"}, "postgres://direct", ""},
		{"the file", map[string]string{"CLAVIGER_DATABASE_URL_FILE": "/run/url"}, "postgres://from-file", ""},
		{"an empty variable", map[string]string{"CLAVIGER_DATABASE_URL": ""}, "", "empty"},
		{"both", map[string]string{"CLAVIGER_DATABASE_URL": "x", "CLAVIGER_DATABASE_URL_FILE": "/run/url"}, "", "both set"},
		{"no such file", map[string]string{"CLAVIGER_DATABASE_URL_FILE": "/run/none"}, "", "CLAVIGER_DATABASE_URL_FILE"},
		{"an empty file", map[string]string{"CLAVIGER_DATABASE_URL_FILE": "/run/empty"}, "", "empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := config.Default()
			err := got.Load(config.Environment{
				Lookup: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok },
				ReadFile: func(path string) ([]byte, error) {
					text, ok := files[path]
					if !ok {
						return nil, errors.New("no such file")
					}
					return []byte(text), nil
				},
			})
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("error %v, want one that says %q", err, c.fault)
				}
				return
			}
			if err != nil || got.DatabaseURL.Reveal() != c.want {
				t.Errorf("%q, %v; want %q", got.DatabaseURL.Reveal(), err, c.want)
			}
		})
	}
}

func TestTheListenerForOperatorsIsTheFlagsElseTheEnvironments(t *testing.T) {
	env := config.Environment{Lookup: func(name string) (string, bool) { return "127.0.0.1:2", name == "CLAVIGER_METRICS" }}
	for flag, want := range map[string]string{"": "127.0.0.1:2", "127.0.0.1:1": "127.0.0.1:1"} {
		c := config.Default()
		c.Metrics = flag
		if err := c.Load(env); err != nil || c.Metrics != want {
			t.Errorf("flag %q: %q, %v; want %q", flag, c.Metrics, err, want)
		}
	}
}

package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store/postgres"
)

func TestADatabaseOnAnotherMachineIsNotReachedWithoutTLSUnasked(t *testing.T) {
	for url, want := range map[string]string{ // "refused", or the hosts that are reached in the clear
		"postgres://u:hunter2@db.example/d":                                  "refused",
		"postgres://u:hunter2@db.example/d?sslmode=prefer":                   "refused",
		"postgres://u:hunter2@db.example/d?sslmode=allow":                    "refused",
		"postgres://u:hunter2@database:5432/d":                               "refused",
		"postgres://u:hunter2@10.0.0.5/d":                                    "refused",
		"postgres://u:hunter2@[2001:db8::1]/d":                               "refused",
		"postgres://u:hunter2@localhost.db.example/d":                        "refused",
		"postgres://u:hunter2@127.0.0.1,db.example/d":                        "refused",
		"host=db.example user=u password=hunter2":                            "refused",
		"host=db.example user=u password=hunter2 sslmode=prefer":             "refused",
		"postgres://u:hunter2@db.example/d?sslmode=require":                  "",
		"postgres://u:hunter2@db.example/d?sslmode=verify-ca":                "",
		"postgres://u:hunter2@db.example/d?sslmode=verify-full":              "",
		"postgres://u:hunter2@db.example/d?sslmode=disable":                  "db.example",
		"postgres://u:hunter2@127.0.0.1,database,10.1.1.1/d?sslmode=disable": "10.1.1.1 database",
		"postgres://u:hunter2@127.0.0.1/d":                                   "",
		"postgres://u:hunter2@127.9.9.9/d?sslmode=prefer":                    "",
		"postgres://u:hunter2@[::1]/d?sslmode=disable":                       "",
		"postgres://u:hunter2@LocalHost/d?sslmode=allow":                     "",
		"host=/var/run/postgresql user=u":                                    "",
		"postgres:///d?host=/var/run/postgresql&user=u":                      "",
		"host=/var/run/postgresql,db.example user=u":                         "refused",
	} {
		hosts, err := postgres.Plaintext(credential.NewSecret(url))
		got := strings.Join(slices.Sorted(slices.Values(hosts)), " ")
		if err != nil {
			got = "refused"
			if text := err.Error(); !strings.Contains(text, "sslmode=verify-full") || strings.Contains(text,
				"hunter2") {
				t.Errorf("%s: %s", url, text)
			}
			refused(t, url, "sslmode=disable if you trust the network")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestTheEnvironmentMayDemandTLSOrDoWithout(t *testing.T) {
	const url = "postgres://u:p@db.example/d"
	for mode, accepted := range map[string]bool{"": false, "prefer": false, "disable": true, "verify-full": true} {
		t.Setenv("PGSSLMODE", mode)
		if _, err := postgres.Plaintext(credential.NewSecret(url)); (err == nil) != accepted {
			t.Errorf("PGSSLMODE=%s: %v", mode, err)
		}
	}
}

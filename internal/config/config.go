// Package config is how Claviger is set up: settings, defaults and their sources.
//
// Every setting has a default that works. Secrets come from the environment or from a file, never from an argument, where every
// process of the machine could read them.
package config

import (
	"fmt"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Config is the whole set-up.
type Config struct {
	// Listen is the address and port of the API; port 0 takes a free one.
	Listen string
	// Metrics is the address and port of the listener for operators: /metrics, /healthz and /readyz, without a credential, so best on loopback. Empty for none;
	// port 0 takes a free one. CLAVIGER_METRICS.
	Metrics string
	// Data is the directory of everything Claviger keeps.
	Data string
	// DatabaseURL of PostgreSQL; empty for the embedded SQLite in Data. CLAVIGER_DATABASE_URL or CLAVIGER_DATABASE_URL_FILE.
	DatabaseURL credential.Secret
	// RootSecret; empty for the file root.key in Data, made at first start. CLAVIGER_ROOT_SECRET or CLAVIGER_ROOT_SECRET_FILE.
	RootSecret credential.Secret
}

// Default set-up.
func Default() Config {
	return Config{Listen: "127.0.0.1:8080", Data: "./claviger-data"}
}

// Environment is where variables and the files they name come from.
type Environment struct {
	Lookup   func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
}

// Load adds what the environment says and nothing else has said.
func (c *Config) Load(e Environment) error {
	if c.Metrics == "" {
		c.Metrics, _ = e.Lookup("CLAVIGER_METRICS")
	}
	for name, into := range map[string]*credential.Secret{
		"CLAVIGER_DATABASE_URL": &c.DatabaseURL,
		"CLAVIGER_ROOT_SECRET":  &c.RootSecret,
	} {
		if err := e.secret(name, into); err != nil {
			return err
		}
	}
	return nil
}

// secret reads a variable, or the file that the variable of the same name with _FILE names.
func (e Environment) secret(name string, into *credential.Secret) error {
	text, direct := e.Lookup(name)
	path, byFile := e.Lookup(name + "_FILE")
	switch {
	case direct && byFile:
		return fmt.Errorf("%s and %s_FILE are both set: keep one", name, name)
	case byFile:
		content, err := e.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", name, err)
		}
		text = strings.TrimSpace(string(content))
		if text == "" {
			return fmt.Errorf("%s_FILE: %s is empty", name, path)
		}
	case !direct:
		return nil
	case text == "":
		return fmt.Errorf("%s is set but empty: give it a value, or unset it", name)
	}
	*into = credential.NewSecret(text)
	return nil
}

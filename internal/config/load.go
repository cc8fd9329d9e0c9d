package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// DefaultFile is the configuration file that is read if no other file is named, and if it exists.
const DefaultFile = "claviger.yaml"

// ConfigFlag is the flag that names the configuration file. Its variable is CLAVIGER_CONFIG.
const ConfigFlag = "config"

// Sources are the sources of settings.
type Sources struct {
	// Flags are the flags that were given, by name.
	Flags map[string]string
	// Environ is the environment, each entry as NAME=value.
	Environ []string
	// Open opens a file, like os.Open.
	Open func(path string) (fs.File, error)
	// Check returns an error if the file of a secret is in the data directory and must not be used.
	// Nil checks nothing.
	Check func(data, file string) error
	// NoFile is set for commands that read no configuration file.
	NoFile bool
}

// Loaded is a Config with the source of each setting.
type Loaded struct {
	Config
	// File is the configuration file that was read; "" for none.
	File string
	// Exposed are the files of secrets that others can read.
	Exposed []ExposedFile

	from map[string]given
}

// ExposedWarning is what the log says about an ExposedFile.
const ExposedWarning = "other users can read a secret file: run chmod 600 on it, unless a container runtime mounts it"

// ExposedFile is the file of a secret that users other than its owner and group can read.
type ExposedFile struct{ Setting, File string }

// given is the text of a setting, with its source.
type given struct {
	text string
	// source is the flag, the variable, or the file and line.
	source string
	// name is the name of the setting, if source does not contain it.
	name string
}

// String returns the name of the setting in its source.
func (g given) String() string { return strings.TrimSuffix(g.source+": "+g.name, ": ") }

func (g given) fault(err error) error {
	return fmt.Errorf("%s: %w", g, err)
}

// texts are the settings of one source, by their names in the file.
type texts map[string]given

// Load returns the settings of the sources.
func Load(s Sources) (*Loaded, error) {
	environment, err := s.environment()
	if err != nil {
		return nil, err
	}
	l := &Loaded{from: map[string]given{}}
	var file texts
	l.File, file, err = s.file(environment)
	if err != nil {
		return nil, err
	}
	for _, secret := range []bool{false, true} { // the data directory must be known before the file of a secret is read
		for _, setting := range Settings() {
			if setting.Secret != secret {
				continue
			}
			if err := l.set(s, setting, s.flags(), environment, file); err != nil {
				return nil, err
			}
		}
	}
	l.Config, err = l.Resolve()
	return l, err
}

// Resolve returns a Config in which every setting has a value. It returns an error if settings
// contradict each other.
func (c Config) Resolve() (Config, error) {
	for _, s := range Settings() {
		if field := s.field(&c); s.Default != "" && field.IsZero() {
			if err := parse(s.Default, field.Addr().Interface()); err != nil {
				return c, given{source: s.Key}.fault(err)
			}
		}
	}
	t, m := c.Server.TLS, c.Mail
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return c, errors.New("server.tls.cert and server.tls.key: set both or neither")
	case t.Cert != "" && c.Server.BaseURL != "" && !c.Server.BaseURL.TLS():
		return c, errors.New("server.base_url: must begin with https://, because server.tls.cert is set")
	case (m.Username == "") != m.Password.IsZero():
		return c, errors.New("mail.username and mail.password: set both or neither")
	case m.TLS == NoMailTLS && m.SMTP != "" && !m.SMTP.loopback():
		return c, errors.New("mail.tls: none is only allowed for a mail server at a loopback address: " +
			"use starttls or tls")
	}
	return c, c.Gateway.check(c.Server.BaseURL)
}

// set sets a setting from the first source that has it.
func (l *Loaded) set(s Sources, setting Setting, sources ...texts) error {
	for _, source := range sources {
		g, direct := source[setting.Key]
		holder, byFile := source[setting.FileKey()]
		switch {
		case direct && byFile:
			return fmt.Errorf("%s and %s are both set: remove one", g, holder)
		case byFile:
			var err error
			g, err = l.content(s, holder)
			if err != nil {
				return holder.fault(err)
			}
		case !direct:
			continue
		case g.text == "":
			return fmt.Errorf("%s is set but empty: give a value, or remove it", g)
		case setting.Secret:
			var err error
			g.text, err = OneSecret(g.text)
			if err != nil {
				return g.fault(err)
			}
		}
		l.from[setting.Key] = g
		if err := parse(g.text, setting.field(&l.Config).Addr().Interface()); err != nil {
			return g.fault(err)
		}
		return nil
	}
	return nil
}

// content reads a secret from the file that holder names.
func (l *Loaded) content(s Sources, holder given) (given, error) {
	if s.Check != nil {
		if err := s.Check(cmp.Or(l.Data, Default().Data), holder.text); err != nil {
			return holder, err
		}
	}
	file, err := s.Open(holder.text)
	if err != nil {
		return holder, err
	}
	defer file.Close()
	content := holder
	var exposed bool
	content.text, exposed, err = ReadSecretText(file)
	if err != nil {
		return holder, fmt.Errorf("%s: %w", holder.text, err)
	}
	if exposed {
		l.Exposed = append(l.Exposed, ExposedFile{Setting: holder.String(), File: holder.text})
	}
	content.text, err = OneSecret(content.text)
	if err != nil {
		return holder, fmt.Errorf("%s: %w", holder.text, err)
	}
	return content, nil
}

// names returns the names of all settings in a source, each with its name in the file.
func names(call func(key string) string) map[string]string {
	all := map[string]string{}
	for _, s := range Settings() {
		all[call(s.Key)] = s.Key
		if s.Secret {
			all[call(s.FileKey())] = s.FileKey()
		}
	}
	return all
}

func (s Sources) flags() texts {
	all := texts{}
	add := func(name, key string) {
		if text, ok := s.Flags[name]; ok {
			all[key] = given{text: text, source: "--" + name}
		}
	}
	for _, setting := range Settings() {
		add(setting.Flag(), setting.Key)
		if setting.Secret {
			add(flagName(setting.FileKey()), setting.FileKey())
		}
	}
	return all
}

// environment reads the variables that begin with CLAVIGER_.
func (s Sources) environment() (texts, error) {
	known := names(envName)
	known[envName(ConfigFlag)] = ConfigFlag
	all := texts{}
	for _, entry := range s.Environ {
		name, text, _ := strings.Cut(entry, "=")
		key, ours := known[name]
		switch {
		case ours:
			all[key] = given{text: text, source: name}
		case strings.HasPrefix(name, envPrefix) && !linked(name, text):
			return nil, fmt.Errorf("%s: unknown setting: %s", name, nearest(name, known))
		}
	}
	return all, nil
}

// links matches variables that are not settings: those that Kubernetes and Docker set in every
// container next to a service with a name like claviger, those of our tests, and those of the
// client.
var links = regexp.MustCompile(`^CLAVIGER_TEST_|^CLAVIGER_(KEY|KEY_FILE|MANAGEMENT_KEY_FILE|SERVER|CONTEXT|TENANT)$|` +
	`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

func linked(name, text string) bool {
	return links.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(text, "://")
}

// nearest suggests the nearest known name. Of several, it suggests one of the section "server".
func nearest[V any](name string, known map[string]V) string {
	names := slices.SortedFunc(maps.Keys(known), func(a, b string) int {
		return cmp.Or(-cmp.Compare(ofServer(a), ofServer(b)), cmp.Compare(a, b))
	})
	return "did you mean " + Nearest(name, names) + "?"
}

// ofServer returns 1 for the name of a setting of the section "server", and 0 for every other.
func ofServer(name string) int {
	if strings.HasPrefix(name, "server.") || strings.HasPrefix(name, envName("server.")) {
		return 1
	}
	return 0
}

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// DefaultFile is read where no other file is named, if it is there.
const DefaultFile = "claviger.yaml"

// ConfigFlag is the flag that names the file of settings. In the environment it is called like a setting, CLAVIGER_CONFIG.
const ConfigFlag = "config"

// Sources of settings.
type Sources struct {
	// Flags that were given, by their names.
	Flags map[string]string
	// Environ is the environment, each entry as NAME=value.
	Environ []string
	// Open opens a file, such as os.Open.
	Open func(path string) (fs.File, error)
	// NoFile is set for commands that read no file of settings.
	NoFile bool
}

// Loaded is a Config and where each of its settings comes from.
type Loaded struct {
	Config
	// File that was read; "" for none.
	File string

	from map[string]given
}

// given is the text of a setting.
type given struct {
	text string
	// place is the flag or the variable, or file and line.
	place string
	// name is that of the setting where the place does not say it.
	name string
}

// String names the setting as its source does.
func (g given) String() string { return strings.TrimSuffix(g.place+": "+g.name, ": ") }

func (g given) fault(err error) error {
	return fmt.Errorf("%s: %w", g, err)
}

// texts of one source, by the names of the file.
type texts map[string]given

// Load gives the settings of the sources.
func Load(s Sources) (*Loaded, error) {
	environment, err := s.environment()
	if err != nil {
		return nil, err
	}
	l := &Loaded{from: map[string]given{}}
	var file texts
	if l.File, file, err = s.file(environment); err != nil {
		return nil, err
	}
	for _, setting := range Settings() {
		if err := l.set(s, setting, s.flags(), environment, file); err != nil {
			return nil, err
		}
	}
	l.Config, err = l.Resolve()
	return l, err
}

// Resolve gives a Config in which every setting has its value, and refuses settings that contradict each other.
func (c Config) Resolve() (Config, error) {
	for _, s := range Settings() {
		if field := s.field(&c); s.Default != "" && field.IsZero() {
			if err := parse(s.Default, field.Addr().Interface()); err != nil {
				return c, given{place: s.Key}.fault(err)
			}
		}
	}
	t, m := c.Server.TLS, c.Mail
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return c, errors.New("server.tls.cert and server.tls.key go together: set both or neither")
	case t.Cert != "" && c.Server.BaseURL != "" && !c.Server.BaseURL.TLS():
		return c, errors.New("server.base_url: with server.tls.cert it begins with https://")
	case (m.Username == "") != m.Password.IsZero():
		return c, errors.New("mail.username and mail.password go together: set both or neither")
	case m.TLS == NoMailTLS && m.SMTP != "" && !m.SMTP.loopback():
		return c, errors.New("mail.tls: none is for a mail server on this machine, at a loopback address: use starttls or tls")
	}
	return c, nil
}

// set gives a setting what the first source that has it says.
func (l *Loaded) set(s Sources, setting Setting, sources ...texts) error {
	for _, source := range sources {
		g, direct := source[setting.Key]
		holder, byFile := source[setting.FileKey()]
		switch {
		case direct && byFile:
			return fmt.Errorf("%s and %s are both set: keep one", g, holder)
		case byFile:
			var err error
			if g, err = s.content(holder); err != nil {
				return holder.fault(err)
			}
		case !direct:
			continue
		case g.text == "":
			return fmt.Errorf("%s is set but empty: give it a value, or take it away", g)
		}
		l.from[setting.Key] = g
		if err := parse(g.text, setting.field(&l.Config).Addr().Interface()); err != nil {
			return g.fault(err)
		}
		return nil
	}
	return nil
}

// content gives a secret from the file that holds it.
func (s Sources) content(holder given) (given, error) {
	file, err := s.Open(holder.text)
	if err != nil {
		return holder, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return holder, err
	}
	content := holder
	if content.text = strings.TrimSpace(string(text)); content.text == "" {
		return holder, fmt.Errorf("%s is empty", holder.text)
	}
	return content, nil
}

// names gives what settings can be called, each beside its name in the file.
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
	for name, key := range names(flagName) {
		if text, ok := s.Flags[name]; ok {
			all[key] = given{text: text, place: "--" + name}
		}
	}
	return all
}

// environment reads the variables that are for Claviger.
func (s Sources) environment() (texts, error) {
	known := names(envName)
	known[envName(ConfigFlag)] = ConfigFlag
	all := texts{}
	for _, entry := range s.Environ {
		name, text, _ := strings.Cut(entry, "=")
		key, ours := known[name]
		switch {
		case ours:
			all[key] = given{text: text, place: name}
		case strings.HasPrefix(name, envPrefix) && !linked(name, text):
			return nil, fmt.Errorf("%s: no such setting: %s", name, nearest(name, known))
		}
	}
	return all, nil
}

// links are the variables that Kubernetes and Docker set in every container beside a service that is called claviger-something, what our own tests are told,
// and what the command line as a client reads.
var links = regexp.MustCompile(`^CLAVIGER_TEST_|^CLAVIGER_(KEY|KEY_FILE|SERVER|CONTEXT|TENANT)$|_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

func linked(name, text string) bool {
	return links.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(text, "://")
}

// nearest says which of the names might be meant.
func nearest[V any](name string, known map[string]V) string {
	return "did you mean " + Nearest(name, slices.Sorted(maps.Keys(known))) + "?"
}

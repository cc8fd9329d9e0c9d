package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file reads the configuration file: the one that is named, else DefaultFile if it exists.
func (s Sources) file(environment texts) (string, texts, error) {
	name, named := s.Flags[ConfigFlag]
	if g, ok := environment[ConfigFlag]; ok && !named {
		if s.NoFile {
			return "", nil, g.fault(errors.New("this command reads no configuration file: unset the variable"))
		}
		name, named = g.text, true
	}
	if s.NoFile {
		return "", nil, nil
	}
	switch {
	case !named:
		name = DefaultFile
	case name == "":
		return "", nil, errors.New("the name of the configuration file is empty: give a name, or remove the setting")
	}
	file, err := s.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("configuration file: %w", err)
	}
	defer file.Close()
	settings, err := readFile(name, file)
	return name, settings, err
}

func readFile(name string, file fs.File) (texts, error) {
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	r := reading{file: name, settings: texts{}, seen: map[string]bool{}}
	if err := r.read(text); err != nil {
		return nil, err
	}
	return r.settings, r.private(info.Mode())
}

// reading is the state while a configuration file is read.
type reading struct {
	file     string
	settings texts
	seen     map[string]bool
}

// private returns an error if the file contains a secret and others can read it.
func (r *reading) private(mode fs.FileMode) error {
	for _, s := range Settings() {
		if g, ok := r.settings[s.Key]; ok && s.Secret && mode.Perm()&0o077 != 0 {
			return g.fault(fmt.Errorf("other users can read the secret in this file: run chmod 600 %s, "+
				"or name a separate file for the secret in %s", r.file, s.FileKey()))
		}
	}
	return nil
}

// read reads the one document of a YAML file.
func (r *reading) read(text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing in it
		return nil
	case err != nil:
		return r.malformed(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: only one document is allowed: remove what follows the ---", r.file)
	}
	return r.section("", document.Content[0])
}

// quoted matches what the parser repeats of the file.
var quoted = regexp.MustCompile(`'[^']*'`)

// malformed returns the error of the parser without text of the file, which could be part of a
// secret.
func (r *reading) malformed(err error) error {
	return fmt.Errorf("%s: %s", r.file, quoted.ReplaceAllString(err.Error(), "'…'"))
}

// section reads a mapping. The full names of its settings begin with prefix.
func (r *reading) section(prefix string, n *yaml.Node) error {
	if isNull(n) { // all of it is commented out
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return r.at(n,
			strings.TrimSuffix(prefix,
				".")).fault(errors.New("expected names and values, such as `listen: 127.0.0.1:8080`"))
	}
	for i := 0; i < len(n.Content); i += 2 {
		if err := r.entry(prefix+n.Content[i].Value, n.Content[i], n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) entry(name string, key, value *yaml.Node) error {
	at := r.at(key, name)
	if r.seen[name] {
		return at.fault(errors.New("the name occurs twice: remove one"))
	}
	r.seen[name] = true
	known := fileNames()
	setting, ours := known[name]
	switch {
	case !ours && shown.MatchString(name):
		return at.fault(errors.New("unknown setting: " + nearest(name, known)))
	case !ours:
		return r.at(key, "").fault(errors.New("unknown setting"))
	case setting == nil:
		return r.section(name+".", value)
	}
	text, err := textOf(value, setting.list)
	if err != nil {
		return at.fault(err)
	}
	at.text = text
	r.settings[name] = at
	return nil
}

// shown matches a name that may be shown, because it is too short to be a misplaced secret.
var shown = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)

func (r *reading) at(n *yaml.Node, name string) given {
	return given{source: fmt.Sprintf("%s:%d", r.file, n.Line), name: name}
}

// textOf returns the text of a value. It separates the items of a list by commas.
func textOf(n *yaml.Node, list bool) (string, error) {
	switch {
	case isNull(n):
		return "", nil
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind != yaml.SequenceNode || !list:
		return "", errors.New("expected a single value")
	}
	items := make([]string, len(n.Content))
	for i, item := range n.Content {
		text, err := textOf(item, false)
		if err != nil {
			return "", err
		}
		items[i] = text
	}
	return strings.Join(items, ","), nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// fileNames returns all names that the file may contain: settings, and sections with nil.
func fileNames() map[string]*Setting {
	all := map[string]*Setting{}
	for _, s := range Settings() {
		all[s.Key] = &s
		if s.Secret {
			all[s.FileKey()] = &s
		}
		for dot := strings.LastIndexByte(s.Key, '.'); dot > 0; dot = strings.LastIndexByte(s.Key[:dot], '.') {
			all[s.Key[:dot]] = nil
		}
	}
	return all
}

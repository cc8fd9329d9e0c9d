package config

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes the effective settings in the form of a configuration file, with the source of each
// setting in a comment. It does not write secrets.
func (l *Loaded) Print(w io.Writer) error {
	var page strings.Builder
	section := ""
	for _, s := range Settings() {
		indent := openSections(&page, section, s.Key)
		section = s.Key
		line, err := l.line(s)
		if err != nil {
			return err
		}
		fmt.Fprintf(&page, "%s%s\n", indent, line)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// line returns the line of a setting.
func (l *Loaded) line(s Setting) (string, error) {
	name := s.Key[strings.LastIndexByte(s.Key, '.')+1:]
	g, ok := l.from[s.Key]
	if !ok {
		g = given{text: s.Default, source: "default"}
	}
	switch {
	case g.text == "":
		return "# " + name + " is not set", nil
	case s.Secret:
		g.text = "[redacted]"
	}
	value, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Value: g.text})
	return fmt.Sprintf("%s: %s # %s", name, strings.TrimSuffix(string(value), "\n"), g.source), err
}

// openSections writes the names of the sections that contain the setting key, but not the setting
// before it. It returns the indentation of the setting.
func openSections(page *strings.Builder, before, key string) string {
	sections := strings.Split(key, ".")
	depth := len(sections) - 1
	for i, name := range sections[:depth] {
		prefix := strings.Join(sections[:i+1], ".") + "."
		if !strings.HasPrefix(before, prefix) {
			fmt.Fprintf(page, "%s%s:\n", strings.Repeat("  ", i), name)
		}
	}
	return strings.Repeat("  ", depth)
}

package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// writeManual writes claviger(1) and a page for each command below it into a directory. date is the
// date on the pages, as 2026-01-31.
func writeManual(folder, date string, root *cobra.Command) error {
	made, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return usage("give --date, as 2026-01-31")
	}
	pages := map[string]string{"claviger": mainPage(root, made)}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			pages[pageName(c)] = commandPage(c, made)
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name+".1"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pageName returns "claviger-keys" for `claviger keys`.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// mainPage returns claviger(1): the list of commands, and what applies to all commands.
func mainPage(root *cobra.Command, made time.Time) string {
	m := newRoff(root, made)
	m.section("DESCRIPTION")
	m.paragraphs(root.Short +
		". The binary contains the server, its tools and its client. Each command has its own page.")
	m.section("COMMANDS")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			m.item(pageName(c)+"(1)", "", c.Short+".")
		}
	}
	m.section("ENVIRONMENT")
	for _, v := range environmentVariables {
		m.item(v.name, "", v.meaning)
	}
	m.macro(".PP")
	m.paragraphs("Each setting of the server has a variable too. See docs/configuration.md.")
	m.section("EXIT STATUS")
	for _, e := range exitCodes {
		m.item(strconv.Itoa(e.code), "", e.meaning)
	}
	return m.String()
}

// commandPage returns the page of a command below the root, with the commands below it.
func commandPage(cmd *cobra.Command, made time.Time) string {
	m := newRoff(cmd, made)
	m.section("DESCRIPTION")
	m.command(cmd)
	if cmd.HasAvailableSubCommands() && cmd.Name() != completion {
		m.section("COMMANDS")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				m.macro(".SS", c.UseLine())
				m.command(c)
			}
		}
	}
	m.section("SEE ALSO")
	m.macro(".BR", "claviger", "(1)")
	return m.String()
}

// roff builds a manual page in the format man(7).
type roff struct{ strings.Builder }

func newRoff(cmd *cobra.Command, made time.Time) *roff {
	m, name := &roff{}, pageName(cmd)
	fmt.Fprintf(m, ".TH %s 1 %s %q Claviger\n", escape(strings.ToUpper(name)), made.Format(time.DateOnly),
		"claviger "+version)
	m.section("NAME")
	fmt.Fprintf(m, "%s \\- %s\n", escape(name), escape(cmd.Short))
	m.section("SYNOPSIS")
	m.macro(".B", cmd.UseLine())
	return m
}

// command writes the description, the flags and the examples of a command.
func (m *roff) command(cmd *cobra.Command) {
	m.paragraphs(cmp.Or(strings.TrimSpace(cmd.Long), cmd.Short+"."))
	forEachFlag(cmd, m.item)
	if cmd.Example != "" {
		fmt.Fprintf(m, ".PP\n.RS\n.nf\n%s\n.fi\n.RE\n", escape(plainExample(cmd)))
	}
}

func (m *roff) section(name string) { m.macro(".SH", name) }

// item writes a name and its meaning.
func (m *roff) item(name, kind, meaning string) {
	fmt.Fprintf(m, ".TP\n\\fB%s\\fR", escape(name))
	if kind != "" {
		fmt.Fprintf(m, " \\fI%s\\fR", escape(kind))
	}
	fmt.Fprintf(m, "\n%s\n", escape(meaning))
}

func (m *roff) paragraphs(text string) {
	m.WriteString(strings.ReplaceAll(escape(text), "\n\n", "\n.PP\n") + "\n")
}

// macro writes a line with a macro and its arguments in quotes.
func (m *roff) macro(name string, arguments ...string) {
	m.WriteString(name)
	for _, a := range arguments {
		m.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	m.WriteByte('\n')
}

var (
	roffText = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`)
	// codeSpan is text between backticks. controlLine matches the characters that begin a macro.
	codeSpan    = regexp.MustCompile("`([^`]*)`")
	controlLine = regexp.MustCompile(`(?m)^[.']`)
)

// escape returns text in the form that man(7) prints unchanged.
func escape(text string) string {
	return controlLine.ReplaceAllString(codeSpan.ReplaceAllString(roffText.Replace(text), `\fB$1\fR`), `\&$0`)
}

package main

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

// writeManual writes claviger(1) and a page for each command below it into a folder.
func writeManual(folder string, root *cobra.Command) error {
	made, err := manualDate()
	if err != nil {
		return err
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

// manualDate is the date of the pages: SOURCE_DATE_EPOCH, in seconds, as builds that can be repeated set it; else today.
func manualDate() (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, usage("SOURCE_DATE_EPOCH: give seconds since 1970")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// pageName gives "claviger-keys" for `claviger keys`.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// mainPage tells what there is, and what holds for all commands.
func mainPage(root *cobra.Command, made time.Time) string {
	m := newRoff(root, made)
	m.section("DESCRIPTION")
	m.paragraphs(root.Short + ". One binary is the server, its tools and its client; each command has a page of its own.")
	m.section("COMMANDS")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			m.item(pageName(c)+"(1)", "", c.Short+".")
		}
	}
	m.section("ENVIRONMENT")
	for _, v := range variables {
		m.item(v.name, "", v.meaning)
	}
	m.request(".PP")
	m.paragraphs("Each setting of the server has a variable too; see docs/configuration.md.")
	m.section("EXIT STATUS")
	for _, e := range exits {
		m.item(strconv.Itoa(e.code), "", e.meaning)
	}
	return m.String()
}

// commandPage tells all of one command below the root, and of those below it.
func commandPage(cmd *cobra.Command, made time.Time) string {
	m := newRoff(cmd, made)
	m.section("DESCRIPTION")
	m.command(cmd)
	if cmd.HasAvailableSubCommands() && cmd.Name() != completion {
		m.section("COMMANDS")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				m.request(".SS", c.UseLine())
				m.command(c)
			}
		}
	}
	m.section("SEE ALSO")
	m.request(".BR", "claviger", "(1)")
	return m.String()
}

// roff is a page of the manual as it is written, for man(7).
type roff struct{ strings.Builder }

func newRoff(cmd *cobra.Command, made time.Time) *roff {
	m, name := &roff{}, pageName(cmd)
	fmt.Fprintf(m, ".TH %s 1 %s %q Claviger\n", escape(strings.ToUpper(name)), made.Format(time.DateOnly), "claviger "+version)
	m.section("NAME")
	fmt.Fprintf(m, "%s \\- %s\n", escape(name), escape(cmd.Short))
	m.section("SYNOPSIS")
	m.request(".B", cmd.UseLine())
	return m
}

// command tells what a command does, its flags and its examples.
func (m *roff) command(cmd *cobra.Command) {
	m.paragraphs(cmp.Or(strings.TrimSpace(cmd.Long), cmd.Short+"."))
	eachFlag(cmd, m.item)
	if cmd.Example != "" {
		fmt.Fprintf(m, ".PP\n.RS\n.nf\n%s\n.fi\n.RE\n", escape(plainExample(cmd)))
	}
}

func (m *roff) section(name string) { m.request(".SH", name) }

// item tells what a name means.
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

// request writes a line with its arguments in quotes.
func (m *roff) request(name string, arguments ...string) {
	m.WriteString(name)
	for _, a := range arguments {
		m.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	m.WriteByte('\n')
}

var (
	roffText = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`)
	// code is what stands between backticks; control are the characters that begin a request.
	code    = regexp.MustCompile("`([^`]*)`")
	control = regexp.MustCompile(`(?m)^[.']`)
)

// escape makes text of what a reader is to see as it is.
func escape(text string) string {
	return control.ReplaceAllString(code.ReplaceAllString(roffText.Replace(text), `\fB$1\fR`), `\&$0`)
}

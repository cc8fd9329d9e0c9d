package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate sh -c "go run . reference >../../docs/cli.md"

// referenceCommand writes the reference of all commands from the commands themselves.
func referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands as Markdown", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var text strings.Builder
			text.WriteString("# The command line\n\nMade from the commands themselves by `make generate`. `claviger <command> --help` says the same.\n")
			writeRules(&text)
			for _, c := range cmd.Root().Commands() {
				writeCommand(&text, c)
			}
			_, err := io.WriteString(cmd.OutOrStdout(), text.String())
			return err
		},
	}
}

// writeRules tells what holds for all commands that speak to a server.
func writeRules(text *strings.Builder) {
	text.WriteString(`
Commands that speak to a server print tables for people, and with ` + "`--output json`" + ` what the API answers, with the pages of a list in one; notes and errors go to
standard error. No secret is an argument: passwords, keys and links come from a prompt, standard input, a file or the environment. Sessions are kept in
` + "`~/.config/claviger/contexts.json`" + `, mode 0600, a named context for each server.

## Exit codes

| code | meaning |
|---|---|
`)
	for _, e := range exits {
		fmt.Fprintf(text, "| %d | %s |\n", e.code, e.meaning)
	}
	text.WriteString("\n## Environment\n\n| variable | meaning |\n|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(text, "| `%s` | %s |\n", v.name, v.meaning)
	}
}

// writeCommand writes a command and those below it.
func writeCommand(text *strings.Builder, cmd *cobra.Command) {
	if !cmd.IsAvailableCommand() {
		return
	}
	level := strings.Count(cmd.CommandPath(), " ") + 1
	fmt.Fprintf(text, "\n%s %s\n\n%s\n", strings.Repeat("#", level), cmd.CommandPath(), cmp.Or(strings.TrimSpace(cmd.Long), cmd.Short+"."))
	if cmd.Name() == "completion" {
		return // cobra's own, told at length by its --help
	}
	if !cmd.HasSubCommands() {
		fmt.Fprintf(text, "\n```\n%s\n```\n", strings.TrimSpace(cmd.UseLine()+"\n\n"+cmd.Example))
	}
	writeFlags(text, cmd)
	for _, c := range cmd.Commands() {
		writeCommand(text, c)
	}
}

// writeFlags writes the flags of a command itself; those of a noun stand with the noun.
func writeFlags(text *strings.Builder, cmd *cobra.Command) {
	var rows strings.Builder
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		kind, meaning := pflag.UnquoteUsage(f)
		fmt.Fprintf(&rows, "| `%s` | %s |\n", strings.TrimSpace("--"+f.Name+" "+kind), strings.ReplaceAll(meaning, "|", "\\|")+defaultText(f))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(text, "\n| flag | meaning |\n|---|---|\n%s", rows.String())
	}
}

func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]":
		return ""
	}
	return fmt.Sprintf(" (default `%s`)", f.DefValue)
}

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
	var manual string
	cmd := &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands as Markdown", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if manual != "" {
				return writeManual(manual, cmd.Root())
			}
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
	cmd.Flags().StringVar(&manual, "man", "", "write it as manual pages into this `folder` instead")
	return cmd
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
	if cmd.Name() == completion {
		return // cobra's own, told at length by its --help
	}
	if !cmd.HasSubCommands() {
		fmt.Fprintf(text, "\n```text\n%s\n```\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(text, "\n```sh\n%s\n```\n", plainExample(cmd))
	}
	writeFlags(text, cmd)
	for _, c := range cmd.Commands() {
		writeCommand(text, c)
	}
}

// completion is the command that cobra adds.
const completion = "completion"

// plainExample gives the examples of a command without the indent that its help has.
func plainExample(cmd *cobra.Command) string {
	return strings.TrimSpace(strings.ReplaceAll(cmd.Example, "\n  ", "\n"))
}

// writeFlags writes the flags of a command itself; those of a noun stand with the noun.
func writeFlags(text *strings.Builder, cmd *cobra.Command) {
	var rows strings.Builder
	eachFlag(cmd, func(name, kind, meaning string) {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", strings.TrimSpace(name+" "+kind), strings.ReplaceAll(meaning, "|", "\\|"))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(text, "\n| flag | meaning |\n|---|---|\n%s", rows.String())
	}
}

// eachFlag gives the flags of a command itself.
func eachFlag(cmd *cobra.Command, take func(name, kind, meaning string)) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			kind, meaning := pflag.UnquoteUsage(f)
			take("--"+f.Name, kind, meaning+defaultText(f))
		}
	})
}

func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]":
		return ""
	}
	return fmt.Sprintf(" (default `%s`)", f.DefValue)
}

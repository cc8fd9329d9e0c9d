package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate sh -c "go run ../../cmd/claviger reference >../../docs/cli.md"

// referenceCommand prints the reference of all commands, generated from the commands.
func referenceCommand() *cobra.Command {
	var manual, date string
	cmd := &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands (Markdown)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if manual != "" {
				return writeManual(manual, date, cmd.Root())
			}
			var text strings.Builder
			text.WriteString("# Command-line reference\n\nGenerated from the commands by `make generate`. " +
				"`claviger <command> --help` prints the same.\n")
			writeCommonRules(&text)
			for _, c := range cmd.Root().Commands() {
				writeCommand(&text, c)
			}
			_, err := io.WriteString(cmd.OutOrStdout(), text.String())
			return err
		},
	}
	cmd.Flags().StringVar(&manual, "man", "", "write manual pages into this `directory` instead")
	cmd.Flags().StringVar(&date, "date", "", "the date on the manual pages, as 2026-01-31")
	return cmd
}

// writeCommonRules writes what applies to all commands that call a server.
func writeCommonRules(text *strings.Builder) {
	text.WriteString(strings.ReplaceAll(`
Commands print tables for people. With '--json', they print the answer of the API, with all pages of a list
in one. Lists show relative times and fit the terminal. With '--utc', they show exact times. With '--wide',
they show all columns and full texts.

Notes and errors go to standard error. If a command with '--json' fails, the last line there is the problem in
the words of the API, with 'exit_code' and 'next'. Without '--json', errors name the flags of the command
instead of the fields of the API.

No secret is an argument. Passwords, keys and links come from a prompt, standard input, a file or the
environment. Sessions are stored in '~/.config/claviger/contexts.json' with mode 0600, in a named context
for each server.

## Exit codes

| code | meaning |
|---|---|
`, "'", "`"))
	for _, e := range exitCodes {
		fmt.Fprintf(text, "| %d | %s |\n", e.code, e.meaning)
	}
	text.WriteString("\n## Environment\n\n| variable | meaning |\n|---|---|\n")
	for _, v := range environmentVariables {
		fmt.Fprintf(text, "| `%s` | %s |\n", v.name, v.meaning)
	}
}

// writeCommand writes a command and the commands below it.
func writeCommand(text *strings.Builder, cmd *cobra.Command) {
	if !cmd.IsAvailableCommand() {
		return
	}
	level := strings.Count(cmd.CommandPath(), " ") + 1
	fmt.Fprintf(text, "\n%s %s\n\n%s\n", strings.Repeat("#", level), cmd.CommandPath(),
		cmp.Or(strings.TrimSpace(cmd.Long), cmd.Short+"."))
	if cmd.Name() == completion {
		return // a command of cobra, whose --help describes it in detail
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

// completion is the name of the command that cobra adds.
const completion = "completion"

// plainExample returns the examples of a command without indentation.
func plainExample(cmd *cobra.Command) string {
	return strings.TrimSpace(strings.ReplaceAll(cmd.Example, "\n  ", "\n"))
}

// writeFlags writes the flags of the command itself. The flags of a group are listed at the group.
func writeFlags(text *strings.Builder, cmd *cobra.Command) {
	var rows strings.Builder
	forEachFlag(cmd, func(name, kind, meaning string) {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", strings.TrimSpace(name+" "+kind), strings.ReplaceAll(meaning, "|", "\\|"))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(text, "\n| flag | meaning |\n|---|---|\n%s", rows.String())
	}
}

// forEachFlag calls use with each flag of the command itself.
func forEachFlag(cmd *cobra.Command, use func(name, kind, meaning string)) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			kind, meaning := pflag.UnquoteUsage(f)
			use("--"+f.Name, kind, meaning+defaultText(f))
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

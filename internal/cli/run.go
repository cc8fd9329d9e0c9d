// Package cli implements the commands of claviger: the server, its tools and the client.
//
// Run is the entry point. The commands on one kind of object are in one file (keys.go, tenants.go),
// which declares their flags, calls the server and prints the answer. Other files:
//
//	apicommand.go  commands that call a running server
//	operator.go    commands on a data directory, through the server on it or without one
//	exit.go        exit codes, error messages and the next step after a refusal
//	printer.go     output: tables for people, JSON for programs
//	lookup.go      finds the object that an argument names
//	reference.go   docs/cli.md, generated from the commands
//
// The package reads no environment variable, argument or standard stream of the process: Run gets
// them as parameters.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/claviger-dev/claviger/internal/config"
)

// Stdio holds the standard streams of a command. A command treats a stream as a terminal if it is
// an *os.File that is one.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs the command line args, whose first element is the name of the program, and returns the
// exit code: 0, or another code of exitCodes after an error message on stdio.Err. env holds
// "NAME=value" strings, as os.Environ returns them. The end of ctx stops the command: a server
// shuts down gracefully.
func Run(ctx context.Context, args, env []string, stdio Stdio) int {
	if len(args) == 0 {
		args = []string{"claviger"}
	}
	root := newRoot(args[1:]...)
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	root.SetArgs(args[1:])
	cmd, err := root.ExecuteContextC(withInvocation(ctx, invocation{args[0], env}))
	if err != nil {
		printError(stdio.Err, cmd, args[1:], err)
	}
	return exitCode(err)
}

// commandTable holds the functions that make the commands below the root, by name.
type commandTable map[string]func() *cobra.Command

// completing returns the table of the same commands, which offer values to shells.
func (t commandTable) completing() commandTable {
	for name, create := range t {
		t[name] = func() *cobra.Command {
			cmd := create()
			completeValues(cmd)
			return cmd
		}
	}
	return t
}

// newRoot returns the command claviger for a command line. If the line begins with the name of a
// command, only this one is below it, because making all of them takes longer than most of them
// run. Otherwise, all are: help and completion list them.
func newRoot(args ...string) *cobra.Command {
	root := &cobra.Command{
		Use: "claviger", Short: "A self-hosted API-key authority", SilenceUsage: true, SilenceErrors: true,
		Version: version,
	}
	root.SetFlagErrorFunc(suggestFlag)
	table := serverCommands()
	maps.Copy(table, apiCommands())
	if len(args) > 0 && table[args[0]] != nil {
		root.AddCommand(table[args[0]]())
	} else {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			root.AddCommand(table[name]())
		}
		root.AddCommand(referenceCommand())
	}
	root.SetHelpCommand(helpCommand())
	assignGroups(root)
	markRunErrors(root)
	return root
}

// suggestFlag adds the flag with the nearest name to cobra's error about an unknown flag.
func suggestFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return fmt.Errorf("%w: did you mean --%s?", err, config.Nearest(unknown.GetSpecifiedName(), names))
}

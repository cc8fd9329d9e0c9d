// Command claviger is the API-key authority: server, sample and tools in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:])) }

// run gives the exit code, as the table exits says: 0, or another after one clear line on standard error.
func run(args []string) int {
	if err := keepMemoryPrivate(); err != nil {
		fmt.Fprintln(os.Stderr, "claviger: a crash may leave a core file with secrets in it:", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "claviger", Short: "A self-hosted API-key authority", SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	root.SetFlagErrorFunc(unknownFlag)
	root.AddCommand(serveCommand(), devCommand(), configCommand(), migrateCommand(), healthCommand(), referenceCommand())
	root.AddCommand(operatorCommands()...)
	root.AddCommand(remoteCommands()...)
	markWork(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		report(os.Stderr, cmd, args, err)
	}
	return exitCode(err)
}

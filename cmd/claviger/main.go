// Command claviger is the API-key authority: server, sample and tools in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the release build.
var version = "dev"

func main() { os.Exit(run(os.Args[1:])) }

// run gives the exit code: 0, or 1 after one clear line on standard error.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "claviger", Short: "A self-hosted API-key authority", SilenceUsage: true, SilenceErrors: true, Version: version,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(unknownFlag)
	root.AddCommand(serveCommand(), devCommand(), configCommand(), migrateCommand())
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "claviger:", strings.Join(strings.Fields(err.Error()), " ")) // one line, whatever the error
		return 1
	}
	return 0
}

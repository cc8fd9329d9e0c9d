// Command claviger is a self-hosted API-key authority: the server, its tools and its client in one
// binary. Package cli has the commands.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/claviger-dev/claviger/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	if err := keepMemoryPrivate(); err != nil {
		fmt.Fprintln(os.Stderr, "claviger: warning: a core file after a crash may contain secrets:", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, os.Args, os.Environ(), cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

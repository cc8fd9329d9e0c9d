// Command release makes what is given to users: for each platform an archive of the binary with all that belongs to it, a list of the
// modules in it (CycloneDX), and SHA256SUMS of everything.
//
//	make release                              all platforms into dist
//	make release ARGS='-targets linux/amd64'  one
//
// Every byte follows from the commit and from the version of Go: time is the commit's, order is fixed, and no path of the machine is in it. As proof the
// binary of this machine's platform is built again, from a clone in another folder and with an empty build cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	targets := flags.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "the platforms")
	again := flags.Bool("again", true, "prove that the binary can be built again")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "claviger-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	m, err := newMaker(ctx, ".", scratch)
	if err != nil {
		return err
	}
	if *again {
		if err := m.proveAgain(ctx); err != nil {
			return err
		}
	}
	var list []target
	for _, name := range strings.Split(*targets, ",") {
		t, err := parseTarget(name)
		if err != nil {
			return err
		}
		list = append(list, t)
	}
	return m.release(ctx, "dist", list)
}

// maker makes releases of one commit.
type maker struct {
	source
	// folder of the sources, and one for what is made on the way.
	folder, scratch string
	// common are the files that every archive holds.
	common []file
}

func newMaker(ctx context.Context, folder, scratch string) (*maker, error) {
	src, err := describe(ctx, folder)
	if err != nil {
		return nil, err
	}
	m := &maker{source: src, folder: folder, scratch: scratch}
	m.common, err = m.commonFiles(ctx)
	return m, err
}

// here is the platform that this program runs on.
var here = target{runtime.GOOS, runtime.GOARCH}

// release makes everything in a folder of its own, anew.
func (m *maker) release(ctx context.Context, out string, targets []target) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, t := range targets {
		if err := m.releaseFor(ctx, out, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return writeSums(out)
}

// releaseFor makes the archive and the list of modules for one platform.
func (m *maker) releaseFor(ctx context.Context, out string, t target) error {
	binary, err := m.build(ctx, t)
	if err != nil {
		return err
	}
	modules, err := readModules(binary)
	if err != nil {
		return err
	}
	bill, err := m.bill(modules, binary)
	if err != nil {
		return err
	}
	files, err := m.filesFor(ctx, t, binary, modules)
	if err != nil {
		return err
	}
	name := strings.Join([]string{"claviger", m.version, t.system, t.processor}, "_")
	return errors.Join(
		os.WriteFile(filepath.Join(out, name+".cdx.json"), bill, 0o644),
		m.writeArchive(filepath.Join(out, name+".tar.gz"), name, files),
	)
}

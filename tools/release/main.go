// Command release builds the files of a release. For each platform it writes an archive with the
// binary and its documents, and a list of the modules in the binary (CycloneDX). It writes
// SHA256SUMS of all files and prints their names. The archive for Windows contains only the client.
//
//	make release                              all platforms, into dist
//	make release ARGS='-targets linux/amd64'  one platform
//
// Every byte depends only on the commit and the version of Go: the time is that of the commit, the
// order is fixed, and no path of the machine is included. To prove this, the binary for the
// platform of this machine is built a second time, from a clone in another folder and with an empty
// build cache.
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
	targets := flags.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64",
		"the platforms, separated by commas")
	reproducible := flags.Bool("reproducible", true, "build the binary a second time and compare")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "claviger-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b, err := newBuilder(ctx, ".", scratch)
	if err != nil {
		return err
	}
	if *reproducible {
		if err := b.checkReproducible(ctx); err != nil {
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
	if err := b.release(ctx, "dist", list); err != nil {
		return err
	}
	return b.printFiles(os.Stdout, "dist")
}

// builder builds the release of one commit.
type builder struct {
	source
	// folder holds the sources, scratch the intermediate files.
	folder, scratch string
	// common are the files that every archive contains. shells are the manual and the completions
	// for Unix shells, powershell are the completions for PowerShell.
	common, shells, powershell []file
}

func newBuilder(ctx context.Context, folder, scratch string) (*builder, error) {
	src, err := readSource(ctx, folder)
	if err != nil {
		return nil, err
	}
	b := &builder{source: src, folder: folder, scratch: scratch}
	return b, b.readCommon(ctx)
}

// hostTarget is the platform that this program runs on.
var hostTarget = target{runtime.GOOS, runtime.GOARCH}

// release writes all files of the release to the folder out, which it empties first.
func (b *builder) release(ctx context.Context, out string, targets []target) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, t := range targets {
		if err := b.releaseFor(ctx, out, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return writeSums(out)
}

// releaseFor writes the archive and the list of modules for one platform.
func (b *builder) releaseFor(ctx context.Context, out string, t target) error {
	binary, err := b.build(ctx, t)
	if err != nil {
		return err
	}
	modules, err := readModules(binary)
	if err != nil {
		return err
	}
	bill, err := b.billOfMaterials(modules, binary)
	if err != nil {
		return err
	}
	files, err := b.filesFor(ctx, t, binary, modules)
	if err != nil {
		return err
	}
	name := strings.Join([]string{"claviger", b.version, t.system, t.processor}, "_")
	write, ending := b.writeTar, ".tar.gz"
	if t.system == windows {
		write, ending = b.writeZip, ".zip"
	}
	return errors.Join(
		os.WriteFile(filepath.Join(out, name+".cdx.json"), bill, 0o644),
		write(filepath.Join(out, name+ending), name, files),
	)
}

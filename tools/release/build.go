package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// windows is the system whose archive is a zip and contains only the client.
const windows = "windows"

// target is a platform: the values of GOOS and GOARCH.
type target struct{ system, processor string }

func parseTarget(text string) (target, error) {
	system, processor, ok := strings.Cut(text, "/")
	if !ok {
		return target{}, fmt.Errorf("%q is not a platform; write it as linux/amd64", text)
	}
	return target{system, processor}, nil
}

// String returns the platform in the form linux/amd64.
func (t target) String() string { return t.system + "/" + t.processor }

// environment returns the variables that a build depends on besides its sources.
func (t target) environment() []string {
	return []string{
		"GOOS=" + t.system, "GOARCH=" + t.processor, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=",
		"GOEXPERIMENT=", "GOWORK=off",
	}
}

// build returns the path of the binary for a platform. It builds each binary once.
func (b *builder) build(ctx context.Context, t target) (string, error) {
	binary := filepath.Join(b.scratch, t.system, t.processor, "claviger")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, b.buildIn(ctx, b.folder, t, binary)
}

// buildIn builds the binary from the sources in a folder. It calls make build, the only command
// that builds releases.
func (b *builder) buildIn(ctx context.Context, folder string, t target, binary string, env ...string) error {
	_, err := output(ctx, folder, append(t.environment(), env...), "make", "build", "OUT="+binary, "VERSION="+b.version,
		"COMMIT="+b.commit)
	return err
}

// checkReproducible builds the binary for this machine a second time, from a clone and with an
// empty build cache. It returns an error if the bytes differ.
func (b *builder) checkReproducible(ctx context.Context) error {
	first, err := b.build(ctx, hostTarget)
	if err != nil {
		return err
	}
	clone, second := filepath.Join(b.scratch, "a clone"), filepath.Join(b.scratch, "again")
	if _, err := output(ctx, b.folder, nil, "git", "clone", "--quiet", "--no-local", ".", clone); err != nil {
		return err
	}
	if _, err := output(ctx, clone, nil, "git", "checkout", "--quiet", b.commit); err != nil {
		return err
	}
	if err := b.buildIn(ctx, clone, hostTarget, second, "GOCACHE="+filepath.Join(b.scratch, "cache")); err != nil {
		return err
	}
	return checkSame(first, second)
}

func checkSame(first, second string) error {
	a, err := os.ReadFile(first)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(second)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return errors.New("two builds of the same commit differ")
	}
	return nil
}

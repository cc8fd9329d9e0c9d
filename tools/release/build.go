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

// target is a platform.
type target struct{ system, processor string }

func parseTarget(text string) (target, error) {
	system, processor, ok := strings.Cut(text, "/")
	if !ok {
		return target{}, fmt.Errorf("%q is no platform such as linux/amd64", text)
	}
	return target{system, processor}, nil
}

// String gives the name of the platform.
func (t target) String() string { return t.system + "/" + t.processor }

// environment is what a build depends on besides its sources.
func (t target) environment() []string {
	return []string{"GOOS=" + t.system, "GOARCH=" + t.processor, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off"}
}

// build makes the binary for a platform, or gives the one that it made before.
func (m *maker) build(ctx context.Context, t target) (string, error) {
	binary := filepath.Join(m.scratch, t.system, t.processor, "claviger")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, m.buildIn(ctx, m.folder, t, binary)
}

// buildIn makes the binary of the sources in a folder, by the one command there is for it.
func (m *maker) buildIn(ctx context.Context, folder string, t target, binary string, env ...string) error {
	_, err := output(ctx, folder, append(t.environment(), env...), "make", "build", "OUT="+binary, "VERSION="+m.version, "COMMIT="+m.commit)
	return err
}

// proveAgain builds the binary for this machine once more, from a clone and with nothing cached, and demands the same bytes.
func (m *maker) proveAgain(ctx context.Context) error {
	first, err := m.build(ctx, here)
	if err != nil {
		return err
	}
	clone, second := filepath.Join(m.scratch, "a clone"), filepath.Join(m.scratch, "again")
	if _, err := output(ctx, m.folder, nil, "git", "clone", "--quiet", "--no-local", ".", clone); err != nil {
		return err
	}
	if _, err := output(ctx, clone, nil, "git", "checkout", "--quiet", m.commit); err != nil {
		return err
	}
	if err := m.buildIn(ctx, clone, here, second, "GOCACHE="+filepath.Join(m.scratch, "cache")); err != nil {
		return err
	}
	return same(first, second)
}

func same(first, second string) error {
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

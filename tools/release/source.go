package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source is the commit that a release is made of.
type source struct {
	// version is the tag of the commit, or the last tag with the way from there.
	version, commit string
	// time of the commit, which is that of every file.
	time time.Time
}

// describe asks git. A tree that differs from its commit is no source of a release.
func describe(ctx context.Context, folder string) (s source, err error) {
	changed, err := output(ctx, folder, nil, "git", "status", "--porcelain")
	if err != nil {
		return s, err
	}
	if changed != "" {
		return s, fmt.Errorf("what is here is not what is committed:\n%s", changed)
	}
	version, err := output(ctx, folder, nil, "git", "describe", "--tags", "--always")
	if err != nil {
		return s, err
	}
	about, err := output(ctx, folder, nil, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return s, err
	}
	commit, committed, _ := strings.Cut(about, " ")
	seconds, err := strconv.ParseInt(committed, 10, 64)
	return source{version, commit, time.Unix(seconds, 0).UTC()}, err
}

// output runs a program in a folder, with more environment, and gives what it prints.
func output(ctx context.Context, folder string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	cmd.Env = append(cmd.Environ(), env...)
	var problems strings.Builder
	cmd.Stderr = &problems
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, problems.String())
	}
	return strings.TrimSpace(string(text)), nil
}

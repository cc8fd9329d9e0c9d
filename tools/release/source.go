package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source is the commit that a release is built from.
type source struct {
	// version is the output of git describe: the tag of the commit, or the last tag, the number
	// of commits since then and the abbreviated commit.
	version, commit string
	// time is the time of the commit. Every file of the release has this time.
	time time.Time
}

// readSource reads the source from git. It returns an error if the working tree has changes that
// are not committed.
func readSource(ctx context.Context, folder string) (s source, err error) {
	changed, err := output(ctx, folder, nil, "git", "status", "--porcelain")
	if err != nil {
		return s, err
	}
	if changed != "" {
		return s, fmt.Errorf("the working tree has changes that are not committed:\n%s", changed)
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

// output runs a program in a folder, with env added to its environment. It returns the standard
// output without surrounding white space.
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

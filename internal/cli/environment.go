package cli

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// environment is the environment of a command: "NAME=value" strings, as os.Environ returns them.
type environment []string

// lookup returns the value of a variable and whether it is set. On Windows, the case of names does
// not matter.
func (e environment) lookup(name string) (value string, ok bool) {
	for _, variable := range e {
		n, v, _ := strings.Cut(variable, "=")
		if n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name) {
			return v, true
		}
	}
	return "", false
}

// get returns the value of a variable, and "" if it is not set.
func (e environment) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

// configDir returns the directory for the user's configuration files: the one that os.UserConfigDir
// returns for this environment.
func (e environment) configDir() (string, error) {
	var dir string
	switch home := e.get("HOME"); {
	case runtime.GOOS == "windows":
		dir = e.get("AppData")
	case runtime.GOOS == "darwin" && home != "":
		dir = home + "/Library/Application Support"
	case runtime.GOOS == "darwin":
	case e.get("XDG_CONFIG_HOME") != "":
		dir = e.get("XDG_CONFIG_HOME")
		if !filepath.IsAbs(dir) {
			return "", errors.New("the path in XDG_CONFIG_HOME is relative")
		}
	case home != "":
		dir = home + "/.config"
	}
	if dir == "" {
		return "", errors.New("the environment names no directory for configuration files")
	}
	return dir, nil
}

// invocation is how the program was started.
type invocation struct {
	// program is the name that the user typed for it.
	program string
	env     environment
}

// invocationKey is the key of the invocation in the context of every command.
type invocationKey struct{}

func withInvocation(ctx context.Context, i invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

// invocationOf returns the invocation that Run put into the command's context.
func invocationOf(cmd *cobra.Command) invocation {
	i, _ := cmd.Context().Value(invocationKey{}).(invocation)
	return i
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// addSettings gives a command the flags of the settings that are wanted.
func addSettings(cmd *cobra.Command, wanted func(config.Setting) bool) {
	for _, s := range config.Settings() {
		if !wanted(s) {
			continue
		}
		name, about := s.Flag(), brief(s.Doc)
		if s.Secret {
			name, about = name+"-file", "the `file` that holds the secret "+s.Key
		}
		cmd.Flags().String(name, s.Default, about)
	}
}

// addAllSettings gives a command every flag, and that of the file.
func addAllSettings(cmd *cobra.Command) {
	addSettings(cmd, func(config.Setting) bool { return true })
	addConfigFlag(cmd)
}

func addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().String(config.ConfigFlag, "", "the `file` of settings; CLAVIGER_CONFIG names it too (default "+config.DefaultFile+", if there is one)")
}

// brief is the first sentence, as the help of a flag has it.
func brief(doc string) string {
	first, _, _ := strings.Cut(doc, ". ")
	return strings.ToLower(first[:1]) + strings.ReplaceAll(strings.TrimSuffix(first[1:], "."), "`", "")
}

// settings gives what flags, environment and file say.
func settings(cmd *cobra.Command) (*config.Loaded, error) {
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { flags[f.Name] = f.Value.String() })
	return config.Load(config.Sources{
		Flags: flags, Environ: os.Environ(), NoFile: cmd.Flags().Lookup(config.ConfigFlag) == nil,
		Open: func(path string) (fs.File, error) { return os.Open(path) },
	})
}

func options(log *slog.Logger) app.Options {
	o := app.Options{Log: log, Version: version, Tracing: telemetry.TracingWanted(os.LookupEnv)}
	setPasswordCost(&o)
	return o
}

func newLogger(c config.Log) *slog.Logger {
	if c.Format == config.JSON {
		return telemetry.NewJSONLogger(os.Stderr, c.Level.Slog())
	}
	return telemetry.NewLogger(os.Stderr, c.Level.Slog())
}

// unknownFlag adds to cobra's refusal the flag that might be meant.
func unknownFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return fmt.Errorf("%w: did you mean --%s?", err, config.Nearest(unknown.GetSpecifiedName(), names))
}

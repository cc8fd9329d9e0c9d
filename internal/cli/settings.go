//go:build !clientonly && !windows

package cli

import (
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

// addSettings adds the flags of the settings for which wanted returns true.
func addSettings(cmd *cobra.Command, wanted func(config.Setting) bool) {
	for _, s := range config.Settings() {
		if !wanted(s) {
			continue
		}
		name, about := s.Flag(), firstSentence(s.Doc)
		if s.Secret {
			name, about = name+"-file", "`file` that contains the secret "+s.Key
		}
		cmd.Flags().String(name, s.Default, about)
	}
}

// addAllSettings adds the flags of all settings, and the flag of the configuration file.
func addAllSettings(cmd *cobra.Command) {
	addSettings(cmd, func(config.Setting) bool { return true })
	addConfigFlag(cmd)
}

func addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().String(config.ConfigFlag, "",
		"configuration `file` (CLAVIGER_CONFIG; default: "+config.DefaultFile+", if it exists)")
}

// firstSentence returns the first sentence of a description, in the style of a flag description.
func firstSentence(doc string) string {
	first, _, _ := strings.Cut(doc, ". ")
	return strings.ToLower(first[:1]) + strings.ReplaceAll(strings.TrimSuffix(first[1:], "."), "`", "")
}

// loadSettings returns the settings from flags, environment and file.
func loadSettings(cmd *cobra.Command) (*config.Loaded, error) {
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { flags[f.Name] = f.Value.String() })
	return config.Load(config.Sources{
		Flags: flags, Environ: invocationOf(cmd).env, NoFile: cmd.Flags().Lookup(config.ConfigFlag) == nil,
		Open: func(path string) (fs.File, error) { return os.Open(path) }, Check: app.CheckFile,
	})
}

func options(cmd *cobra.Command, log *slog.Logger) app.Options {
	o := app.Options{Log: log, Version: version, Tracing: telemetry.TracingRequested(invocationOf(cmd).env.lookup)}
	setPasswordCost(&o)
	return o
}

// startLogger returns the logger of a server, and logs warnings about secret files that others can
// read.
func startLogger(cmd *cobra.Command, set *config.Loaded) *slog.Logger {
	log := newLogger(cmd, set.Log)
	for _, e := range set.Exposed {
		log.Warn(config.ExposedWarning, "setting", e.Setting, "file", e.File)
	}
	return log
}

func newLogger(cmd *cobra.Command, c config.Log) *slog.Logger {
	if c.Format == config.JSON {
		return telemetry.NewJSONLogger(cmd.ErrOrStderr(), c.Level.Slog())
	}
	return telemetry.NewLogger(cmd.ErrOrStderr(), c.Level.Slog())
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/sample"
)

type devFlags struct {
	output     string
	sampleKeys int
	sampleFile string
	debug      bool
}

func devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Run with sample data and print keys that work", Args: cobra.NoArgs,
		Long: `Runs Claviger with sample data: an account, a tenant of each preset with two applications, and keys that work, with the curl lines to try them.

What it made is kept in dev.json in the data directory and printed again on later starts.
CLAVIGER_DATABASE_URL (or CLAVIGER_DATABASE_URL_FILE) uses PostgreSQL instead of the embedded SQLite; the other variables of
docs/configuration.md count too. A file of settings is not read.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	addSettings(cmd, func(s config.Setting) bool {
		return slices.Contains([]string{"server.listen", "server.metrics_listen", "data"}, s.Key)
	})
	cmd.Flags().StringVar(&f.output, "output", "text", "what to print when ready: text, or one json object")
	cmd.Flags().IntVar(&f.sampleKeys, "sample-keys", 0, "make so many more keys in a tenant without a cap, for load tests")
	cmd.Flags().StringVar(&f.sampleFile, "sample-file", "", "file for the values of those keys, one a line")
	cmd.Flags().BoolVar(&f.debug, "debug", false, "log more")
	return cmd
}

func (f *devFlags) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return usage("%w", err)
	}
	set, err := settings(cmd)
	if err != nil {
		return err
	}
	if f.debug {
		set.Log.Level = "debug"
	}
	ctx := cmd.Context()
	a, err := app.Start(ctx, set.Config, options(newLogger(set.Log)))
	if err != nil {
		return err
	}
	return errors.Join(f.serve(ctx, a, cmd.OutOrStdout()), a.Stop(ctx))
}

func (f *devFlags) check() error {
	switch {
	case f.output != "text" && f.output != "json":
		return errors.New("--output: use text or json")
	case f.sampleKeys < 0:
		return errors.New("--sample-keys: use 0 or more")
	case (f.sampleKeys > 0) != (f.sampleFile != ""):
		return errors.New("--sample-keys and --sample-file go together")
	}
	return nil
}

// serve makes the sample, prints it and waits for the end.
func (f *devFlags) serve(ctx context.Context, a *app.App, out io.Writer) error {
	house := a.SampleHouse()
	s, err := house.Ensure(ctx, a.File("dev.json"), a.URL)
	if err != nil {
		return stopped(ctx, err)
	}
	if f.sampleKeys > 0 {
		if err := house.Many(ctx, s, f.sampleKeys, f.sampleFile); err != nil {
			return stopped(ctx, fmt.Errorf("sample keys: %w", err))
		}
	}
	if err := f.print(out, s); err != nil {
		return err
	}
	debug.FreeOSMemory() // checking the sample's password took 46 MiB, which an idle server need not keep
	return untilEnd(ctx, a)
}

// stopped is no failure where the user ended the program.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (f *devFlags) print(out io.Writer, s sample.Sample) error {
	if f.output == "json" {
		return json.NewEncoder(out).Encode(s)
	}
	return page.Execute(out, s)
}

var page = template.Must(template.New("dev").Parse(`Claviger runs at {{.URL}} with sample data.

  e-mail    {{.Email}}
  password  {{.Password}}
{{range .People}}
  or {{.Email}}, {{.Role}}, with {{.Password}}
{{- end}}

There is a tenant for each preset, with two applications and a key. Who am I?
{{range .Tenants}}
{{.Name}} ({{.ID}})
{{- if .Key.Header}}
  curl -H '{{.Key.Header}}' {{$.URL}}/api/v1/whoami
{{- else}}
  {{.Key.Value}}
  comes by no header: its tenant takes OAuth alone
{{- end}}
{{end}}
{{- with index .Tenants 0}}
Which applications may I see?
  curl -H '{{.Key.Header}}' {{$.URL}}/api/v1/tenants/{{.ID}}/applications

May this key read applications? Your API asks so, with a key of its own:
  curl -H 'Authorization: Bearer {{$.Verifier}}' -H 'Content-Type: application/json' \
    -d '{"credential":"{{.Key.Value}}","scopes":["applications:read"]}' {{$.URL}}/api/v1/verify
{{end}}
Sign in, and create a key of your own:
  curl -c cookies -H 'Content-Type: application/json' -d '{"email":"{{.Email}}","password":"{{.Password}}"}' {{.URL}}/api/v1/session
{{- with index .Tenants 0}}
  curl -b cookies -H 'Content-Type: application/json' -d '{"name":"My first key","scopes":["applications:read"],"all_applications":true}' \
    {{$.URL}}/api/v1/tenants/{{.ID}}/keys
{{end}}
Ctrl-C ends it. The data stays, and so do these keys.
`))

//go:build !clientonly && !windows

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	json       bool
}

func devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Run a server with sample data, and print working keys", Args: cobra.NoArgs,
		Long: `Runs a server with sample data: an account, a tenant for each preset with two
applications, and working keys. Prints curl commands to try them.

The sample is stored in dev.json in the data directory, and printed again on
later starts. Set CLAVIGER_DATABASE_URL (or CLAVIGER_DATABASE_URL_FILE) to use
PostgreSQL instead of the embedded SQLite. The other variables in
docs/configuration.md apply too. No configuration file is read.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	addSettings(cmd, func(s config.Setting) bool {
		return slices.Contains([]string{
			"server.listen", "server.metrics_listen", "data", "gateway.listen", "gateway.upstream",
		}, s.Key)
	})
	cmd.Flags().StringVarP(&f.output, "output", "o", "text",
		"output format when the server is ready: text, or json for one JSON object")
	cmd.Flags().BoolVar(&f.json, "json", false, "same as --output json")
	cmd.MarkFlagsMutuallyExclusive("json", "output")
	cmd.Flags().IntVar(&f.sampleKeys, "sample-keys", 0,
		"create this number of additional keys, in a tenant without a key limit, for load tests")
	cmd.Flags().StringVar(&f.sampleFile, "sample-file", "", "file to write the values of these keys to, one per line")
	cmd.Flags().BoolVar(&f.debug, "debug", false, "log more details")
	return cmd
}

func (f *devFlags) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return usage("%w", err)
	}
	set, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	if f.debug {
		set.Log.Level = "debug"
	}
	if len(set.Server.TrustedProxies) == 0 {
		set.Server.TrustedProxies = config.Loopback()
	}
	ctx := cmd.Context()
	a, err := app.Start(ctx, set.Config, options(cmd, startLogger(cmd, set)))
	if err != nil {
		return err
	}
	return errors.Join(f.serveSample(cmd, a), a.Stop(ctx))
}

func (f *devFlags) check() error {
	switch {
	case f.output != "text" && f.output != "json":
		return errors.New("--output: give text or json")
	case f.sampleKeys < 0:
		return errors.New("--sample-keys: give 0 or more")
	case (f.sampleKeys > 0) != (f.sampleFile != ""):
		return errors.New("give --sample-keys and --sample-file together")
	}
	return nil
}

// serveSample creates the sample, prints it and waits until the server ends.
func (f *devFlags) serveSample(cmd *cobra.Command, a *app.App) error {
	ctx := cmd.Context()
	seeder := a.SampleSeeder()
	s, err := seeder.Ensure(ctx, a.File("dev.json"), a.URL)
	if err != nil {
		return ignoreWhenDone(ctx, err)
	}
	if f.sampleKeys > 0 {
		if err := seeder.CreateLoadKeys(ctx, s, f.sampleKeys, f.sampleFile); err != nil {
			return ignoreWhenDone(ctx, fmt.Errorf("sample keys: %w", err))
		}
	}
	s.GatewayURL = a.GatewayURL
	if err := f.print(cmd, s); err != nil {
		return err
	}
	debug.FreeOSMemory() // hashing the password took 46 MiB, which an idle server does not need
	return waitUntilDone(ctx, a)
}

// ignoreWhenDone returns nil if the user ended the program, and err otherwise.
func ignoreWhenDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (f *devFlags) print(cmd *cobra.Command, s sample.Sample) error {
	if f.json || f.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
	}
	return devMessage.Execute(cmd.OutOrStdout(), struct {
		sample.Sample
		Program string
	}{s, invocationOf(cmd).program})
}

var devMessage = template.Must(template.New("dev").Parse(`Claviger runs at {{.URL}} with sample data.

  e-mail    {{.Email}}
  password  {{.Password}}
{{range .People}}
  or {{.Email}}, {{.Role}}, with {{.Password}}
{{- end}}

There is a tenant for each preset, with two applications and a key. Show who a key belongs to:
{{range .Tenants}}
{{.Name}} ({{.ID}})
{{- if .Key.Header}}
  curl -H '{{.Key.Header}}' {{$.URL}}/api/v1/whoami
{{- else}}
  curl --user '{{.Key.Value}}' -d grant_type=client_credentials {{$.URL}}/oauth2/token
{{- end}}
{{end}}
{{- with index .Tenants 0}}
List the applications that the key can access:
  curl -H '{{.Key.Header}}' {{$.URL}}/api/v1/tenants/{{.ID}}/applications

Check whether a key is allowed to read applications, as your API does with a key of its own:
  curl -H 'Authorization: Bearer {{$.Verifier}}' -H 'Content-Type: application/json' \
    -d '{"credential":"{{.Key.Value}}","scopes":["applications:read"]}' {{$.URL}}/api/v1/verify
{{end}}
{{- if .GatewayURL}}
Send a request to your API through the gateway:
{{- with index .Tenants 0}}
  curl -H '{{.Key.Header}}' {{$.GatewayURL}}/
{{end}}
{{- end}}
Sign in and create a key:
  curl -c cookies -H 'Content-Type: application/json' \
    -d '{"email":"{{.Email}}","password":"{{.Password}}"}' {{.URL}}/api/v1/session
{{- with index .Tenants 0}}
  curl -b cookies -H 'Content-Type: application/json' \
    -d '{"name":"My first key","scopes":["applications:read"],"all_applications":true}' \
    {{$.URL}}/api/v1/tenants/{{.ID}}/keys
{{end}}
With the command line:
  {{.Program}} login --server {{.URL}} --email {{.Email}} --tenant Standard
  {{.Program}} keys create "My second key" --scope applications:read --all-applications

Press Ctrl-C to stop the server. The data and these keys stay.
`))

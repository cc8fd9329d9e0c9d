package config

import (
	"strings"
	"text/template"
)

// Reference gives docs/configuration.md: every setting with its names, its default and its description.
func Reference() string {
	var page strings.Builder
	if err := reference.Execute(&page, Settings()); err != nil {
		panic("config: " + err.Error()) // the template is ours
	}
	return page.String()
}

var reference = template.Must(template.New("reference").Parse(`# Configuration

<!-- Generated from internal/config by "make generate". -->

Nothing needs to be set. Each setting comes from the first of these that has it:

1. the command line: ` + "`--listen 127.0.0.1:9000`" + `
2. the environment: ` + "`CLAVIGER_SERVER_LISTEN=127.0.0.1:9000`" + `
3. the file of settings (YAML): the one of ` + "`--config`" + `, else of ` + "`CLAVIGER_CONFIG`" + `, else ` + "`claviger.yaml`" + ` in the current directory if it is there
4. the default

` + "`claviger config`" + ` prints the settings in force and where each comes from, without the secrets. A name that is no setting is refused with the nearest one that is, and
so is a value that cannot be; then nothing has been touched. Variables that Kubernetes and Docker set beside a service of that name (` + "`CLAVIGER_SERVICE_HOST`" + `,
` + "`CLAVIGER_PORT_8080_TCP`" + ` and so on) are no settings and are passed over. Paths are relative to the current directory.

` + "`claviger dev`" + ` reads no file of settings, so that sample data cannot end up in what such a file names.

A file of settings has the names nested at their dots:

` + "```yaml" + `
server:
  listen: :8443
  base_url: https://keys.example.com
  tls:
    cert: /etc/claviger/tls.pem
    key: /etc/claviger/tls.key
  trusted_proxies:
    - 10.0.0.0/8
database:
  url_file: /run/secrets/database-url
` + "```" + `

## Secrets

A secret is never an argument. Beside each there is a setting for the file that holds it, such as one that Docker, Kubernetes or systemd mounts; white space around the secret is
ignored. Setting both in one place is refused. A file of settings that holds a secret itself must be its owner's alone (mode 0600).

## Settings
{{range .}}
### {{.Key}}

{{.Doc}}

| | |
|---|---|
| environment | ` + "`{{.Env}}`" + `{{if .Secret}}, or its file in ` + "`{{.Env}}_FILE`" + `{{end}} |
| command line | {{if .Secret}}its file in ` + "`--{{.Flag}}-file`" + `{{else}}` + "`--{{.Flag}}`" + `{{end}} |
{{- if .Secret}}
| in the file also | its file in ` + "`{{.FileKey}}`" + ` |
{{- end}}
| default | {{with .Default}}` + "`{{.}}`" + `{{else}}none{{end}} |
{{end}}`))

package config

import (
	"strings"
	"text/template"
)

// Reference returns docs/configuration.md: every setting with its names, its default and its
// description.
func Reference() string {
	var page strings.Builder
	if err := reference.Execute(&page, Settings()); err != nil {
		panic("config: " + err.Error()) // the template is a constant of this package
	}
	return page.String()
}

var reference = template.Must(template.New("reference").Parse(`# Configuration

<!-- Generated from internal/config by "make generate". -->

All settings are optional. Claviger takes each setting from the first of these sources that has it:

1. the command line: ` + "`--listen 127.0.0.1:9000`" + `
2. the environment: ` + "`CLAVIGER_SERVER_LISTEN=127.0.0.1:9000`" + `
3. the configuration file (YAML) that ` + "`--config`" + ` names, or ` + "`CLAVIGER_CONFIG`" + `; else ` +
	"`claviger.yaml`" + ` in the current directory, if it exists
4. the default

` + "`claviger config`" +
	` prints the effective settings and the source of each, without secrets. If a name is
unknown or a value is invalid, Claviger stops before it changes anything, and names the nearest known setting.
Claviger ignores the variables that Kubernetes and Docker set for a service with its name (` +
	"`CLAVIGER_SERVICE_HOST`, `CLAVIGER_PORT_8080_TCP`" + `
and so on). Paths are relative to the current directory.

` + "`claviger dev`" + ` reads no configuration file, so that it never writes sample data into a configured database.

In a configuration file, names are nested at their dots:

` + "```yaml" + `
server:
  listen: :8443
  base_url: https://keys.example.com
  tls:
    cert: /etc/claviger/tls.pem
    key: /etc/claviger/tls.key
  trusted_proxies:
    - 10.0.0.0/8=nginx
database:
  url_file: /run/secrets/database-url
` + "```" + `

## Secrets

A secret is never an argument. Each secret has a second setting for a file that contains it, such as a file
that Docker, Kubernetes or systemd mounts. A file or a variable contains one secret and nothing else. Claviger
removes a byte-order mark and white space around the secret, and rejects a second line. Do not set a secret and
its file in the same source.

Claviger follows symbolic links to the file of a secret, whatever user owns it. It rejects a file that group or others
can write, and logs a warning if others can read it. Container runtimes mount secrets with mode 0644; elsewhere,
use ` + "`chmod 600`" + `. In the data directory, all files have mode 0600, and there are no symbolic links. A
configuration file that contains a secret must have mode 0600.

## Settings
{{range .}}
### {{.Key}}

{{.Doc}}

| | |
|---|---|
| environment | ` + "`{{.Env}}`" + `{{if .Secret}}, or its file in ` + "`{{.Env}}_FILE`" + `{{end}} |
| command line | {{if .Secret}}its file in ` + "`--{{.Flag}}-file`" + `{{else}}` + "`--{{.Flag}}`" + `{{end}} |
{{- if .Secret}}
| in the file | also its file in ` + "`{{.FileKey}}`" + ` |
{{- end}}
| default | {{with .Default}}` + "`{{.}}`" + `{{else}}none{{end}} |
{{end}}`))

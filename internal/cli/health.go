//go:build !clientonly && !windows

package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
)

// healthTimeout is the maximum duration of the check.
const healthTimeout = 5 * time.Second

func healthCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "Check whether the server on this machine is running", Args: cobra.NoArgs,
		Long: `Checks whether the server with the same settings on this machine answers or,
with --ready, whether it can decide about credentials. The exit code is 0 for
yes and 9 for no.

Use it as the health check of a container. Restart a server that does not
answer. Send no traffic to a server that is not ready.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			if err := app.CheckFile(set.Data, set.Server.TLS.Cert); set.Server.TLS.Cert != "" && err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return checkHealth(cmd.Context(), set.Server, path)
		},
	}
	addAllSettings(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "check whether the server can decide about credentials")
	return cmd
}

// checkHealth sends the request to the address where the server listens, not to its public URL.
func checkHealth(ctx context.Context, s config.Server, path string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	c, err := localClient(s)
	if err != nil {
		return err
	}
	if err := c.WithRetry(client.Retry{}).Do(ctx, http.MethodGet, path, nil, nil); err != nil {
		return failure{err, exitUnavailable, ""}
	}
	return nil
}

// localClient returns a client for the server with these settings.
func localClient(s config.Server) (*client.Client, error) {
	host, port, err := net.SplitHostPort(string(s.Listen))
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(cmp.Or(host, "localhost"), port)
	if s.TLS.Cert == "" {
		return client.New("http://" + address)
	}
	trust, err := trustCertificate(s.TLS.Cert)
	if err != nil {
		return nil, fmt.Errorf("server.tls.cert: %w", err)
	}
	c, err := client.New("https://" + address)
	if err != nil {
		return nil, err
	}
	return c.WithTransport(&http.Transport{TLSClientConfig: trust}), nil
}

// trustCertificate returns a TLS configuration that trusts the certificate in the file, and the
// certificates of the issuers there, under the name in the certificate. The certificate need not
// contain the address of the request.
func trustCertificate(name string) (*tls.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the file does not contain PEM data")
	}
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: certificateName(own)}
	trust.RootCAs.AppendCertsFromPEM(text)
	return trust, nil
}

func certificateName(c *x509.Certificate) string {
	if len(c.DNSNames) == 0 && len(c.IPAddresses) > 0 {
		return c.IPAddresses[0].String()
	}
	return cmp.Or(append(c.DNSNames, c.Subject.CommonName)...)
}

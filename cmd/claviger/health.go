package main

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
	"github.com/claviger-dev/claviger/internal/config"
)

// healthWithin bounds the whole question.
const healthWithin = 5 * time.Second

func healthCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "Ask the server on this machine whether it answers", Args: cobra.NoArgs,
		Long: `Asks the server that runs here with the same settings whether it answers, or with --ready whether it can decide. Exit code 0 is yes, 9 is no.

Health checks of containers run it. Restart a server that does not answer; send no traffic to one that is not ready.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := settings(cmd)
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return askHealth(cmd.Context(), set.Server, path)
		},
	}
	addAllSettings(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it can decide")
	return cmd
}

// askHealth asks at the address where the server listens, whatever clients reach it by.
func askHealth(ctx context.Context, s config.Server, path string) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	c, err := ownServer(s)
	if err != nil {
		return err
	}
	if err := c.WithRetry(client.Retry{}).Do(ctx, http.MethodGet, path, nil, nil); err != nil {
		return failure{err, exitUnavailable, ""}
	}
	return nil
}

// ownServer gives a client of the server with these settings.
func ownServer(s config.Server) (*client.Client, error) {
	host, port, err := net.SplitHostPort(string(s.Listen))
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(cmp.Or(host, "localhost"), port)
	if s.TLS.Cert == "" {
		return client.New("http://" + address), nil
	}
	trust, err := trustFile(s.TLS.Cert)
	if err != nil {
		return nil, fmt.Errorf("server.tls.cert: %w", err)
	}
	return client.New("https://" + address).WithTransport(&http.Transport{TLSClientConfig: trust}), nil
}

// trustFile trusts the certificate of the file and what it is signed by there, under its own name: the address that is asked need not be in it.
func trustFile(name string) (*tls.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it holds no PEM")
	}
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: nameIn(own)}
	trust.RootCAs.AppendCertsFromPEM(text)
	return trust, nil
}

func nameIn(c *x509.Certificate) string {
	if len(c.DNSNames) == 0 && len(c.IPAddresses) > 0 {
		return c.IPAddresses[0].String()
	}
	return cmp.Or(append(c.DNSNames, c.Subject.CommonName)...)
}

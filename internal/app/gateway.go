package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/dialect/blancco"
	"github.com/claviger-dev/claviger/internal/dialect/blazeauth"
	"github.com/claviger-dev/claviger/internal/dialect/blazemeter"
	"github.com/claviger-dev/claviger/internal/dialect/loadrunner"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/gateway"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/web"
)

// How long the gateway tries to connect to the API, and keeps a connection that is not used.
const (
	upstreamDialTimeout = 5 * time.Second
	upstreamIdleTimeout = 90 * time.Second
	// upstreamIdleConns is how many unused connections to one API are kept.
	upstreamIdleConns = 256
	// upstreamHeaderBytes is the size of the largest headers that the API may answer.
	upstreamHeaderBytes = 256 << 10
)

// bindGateway opens the listener of the gateway, if it has one of its own. GatewayURL follows from
// it.
func (a *App) bindGateway(ctx context.Context, c config.Gateway) (net.Listener, error) {
	if c.Listen == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.Listen))
	if err != nil {
		return nil, fmt.Errorf("gateway.listen: %w", err)
	}
	url := cmp.Or(c.BaseURL, a.listeners.baseURL(listener.Addr()))
	if url.SameOrigin(config.BaseURL(a.URL)) {
		return nil, errors.Join(errors.New("gateway.listen: the gateway must have another URL than Claviger, because "+
			"browsers would otherwise give the pages of the API access to Claviger: set server.base_url and "+
			"gateway.base_url to different ones"), listener.Close())
	}
	a.GatewayURL = string(url)
	return listener, nil
}

// listenForGateway serves the gateway on its own listener until the app stops.
func (a *App) listenForGateway(listener net.Listener, c config.Config) {
	if listener == nil {
		return
	}
	l := c.Server.Limits
	a.listeners.gateway = &http.Server{
		DisableGeneralOptionsHandler: true, // OPTIONS * is no request to the API

		Handler: a.gateway, MaxHeaderBytes: int(l.HeaderBytes),
		ErrorLog:          slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: time.Duration(l.HeaderTimeout), IdleTimeout: time.Duration(l.IdleTimeout),
	}
	serve := a.listeners.gateway.Serve
	if a.listeners.certificate != nil {
		a.listeners.gateway.TLSConfig = &tls.Config{GetCertificate: a.listeners.certificate.get}
		serve = func(l net.Listener) error { return a.listeners.gateway.ServeTLS(l, "", "") }
	}
	a.serveUntilStop(serve, listener)
	if !config.BaseURL(a.GatewayURL).TLS() && !isLoopback(listener.Addr()) {
		a.options.Log.Warn("keys cross the network to the gateway without encryption: set server.tls.cert and " +
			"server.tls.key, or, where a proxy in front ends the TLS, its https address as gateway.base_url")
	}
	a.options.Log.Info("gateway", "url", a.GatewayURL, "listen", listener.Addr().String())
}

// buildGateway builds what the gateway serves, if there is one. The services are built by now.
func (a *App) buildGateway(c config.Config) error {
	g := c.Gateway
	if !g.Enabled() {
		return nil
	}
	if g.Listen == "" && g.HasHost(config.BaseURL(a.URL)) {
		return errors.New("gateway.hosts: must not have the host of Claviger's own URL, because both would answer " +
			"it: set server.base_url, or gateway.listen")
	}
	transport, err := upstreamTransport(g)
	if err != nil {
		return err
	}
	secure := config.BaseURL(cmp.Or(a.GatewayURL, string(g.BaseURL), a.URL)).TLS()
	auth := &web.Authenticator{
		Verify: a.web.Authenticator.Verify, Secure: secure, Cookie: web.GatewayCookie,
		Proxies: proxy.Networks(c.Server.TrustedProxies), KeyHeaders: a.web.Authenticator.KeyHeaders,
	}
	if g.BaseURL != "" {
		if err := auth.TrustOrigin(string(g.BaseURL)); err != nil {
			return fmt.Errorf("gateway.base_url: %w", err)
		}
	}
	gate := &gateway.Gateway{
		Middleware: web.NewMiddleware(auth, a.options.Log, a.web.Options), Routes: &a.routes, Vendors: a.vendors(auth),
		Identity: a.Identity, Sessions: a.Sessions, Upstreams: upstreamsOf(g), Transport: transport,
		MaxBody: int64(g.BodyBytes), MaxConcurrent: int(g.ConcurrentRequests),
		StallTimeout: time.Duration(g.StallTimeout),
		ReadTimeout:  time.Duration(c.Server.Limits.ReadTimeout),
		Counts:       &a.gatewayCounts, Doubt: a.clock.Check, Log: a.options.Log,
	}
	if g.SessionPath != config.NoSessionPath {
		gate.SessionPath = string(g.SessionPath)
	}
	for _, host := range g.Hosts {
		if gate.Hosts == nil {
			gate.Hosts = map[string]string{}
		}
		gate.Hosts[host.Name] = host.Entry
	}
	router := web.NewRouter(gate.Middleware)
	gate.Mount(router)
	a.gateway = router.Handler()
	return nil
}

// withGateway returns a handler that answers the hosts of a gateway without a listener of its own.
func (a *App) withGateway(next http.Handler, c config.Gateway) http.Handler {
	if a.gateway == nil || c.Listen != "" {
		return next
	}
	hosts := map[string]bool{}
	for _, host := range c.Hosts {
		hosts[host.Name] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hosts[forward.HostName(r.Host)] {
			a.gateway.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// vendors returns the vendors whose paths the gateway answers.
func (a *App) vendors(auth *web.Authenticator) []*dialect.Vendor {
	return []*dialect.Vendor{
		(&blazemeter.API{
			Identity: a.Identity, ServiceAccounts: a.ServiceAccounts, Subjects: a.Subjects, Accounts: a.Accounts,
			Tenancy: a.Tenancy, Applications: a.Applications, Now: a.clock.Now, Version: a.options.Version,
		}).Vendor(),
		(&loadrunner.API{
			Authenticator: auth, Tokens: a.Tokens, Identity: a.Identity, Sessions: a.Sessions,
			Applications: a.Applications,
		}).Vendor(),
		(&blazeauth.API{Keys: a.Keys, Applications: a.Applications, Tenancy: a.Tenancy}).Vendor(),
		blancco.Vendor(),
	}
}

// upstreamsOf returns the upstreams of the settings.
func upstreamsOf(c config.Gateway) gateway.Upstreams {
	u := gateway.Upstreams{
		Default: c.Upstream.URL(), ByApplication: map[string]*url.URL{}, ByHost: map[string]*url.URL{},
	}
	for _, named := range c.Upstreams {
		if named.OfApplication() {
			u.ByApplication[named.Name] = named.Upstream.URL()
		} else {
			u.ByHost[named.Name] = named.Upstream.URL()
		}
	}
	return u
}

// upstreamTransport returns what sends requests to the API. It uses no proxy of the environment, no
// HTTP/2, so that WebSocket works, and passes bodies on as they are.
func upstreamTransport(c config.Gateway) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: upstreamDialTimeout}).DialContext,
		TLSHandshakeTimeout: upstreamDialTimeout, MaxIdleConnsPerHost: upstreamIdleConns,
		IdleConnTimeout: upstreamIdleTimeout, ResponseHeaderTimeout: time.Duration(c.ResponseTimeout),
		ExpectContinueTimeout: time.Second, DisableCompression: true, MaxResponseHeaderBytes: upstreamHeaderBytes,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	if c.CA == "" {
		return t, nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("gateway.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("gateway.ca: %s has no certificate in PEM", c.CA)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	return t, nil
}

func (a *App) gatewayMetrics() []telemetry.Family {
	c := &a.gatewayCounts
	return []telemetry.Family{
		telemetry.Counter("claviger_gateway_requests_total",
			"Requests that the gateway forwarded, by result: answered, unreachable (502), timeout (504), and ended "+
				"(an open response whose credential lost its authority).",
			byResult, c.Each),
		telemetry.Gauge("claviger_gateway_in_progress",
			"Requests that the gateway is forwarding, including open WebSocket connections.",
			nil, telemetry.Unlabeled(c.InProgress)),
	}
}

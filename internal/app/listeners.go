package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/store/postgres"
)

// listeners are the sockets that the node listens on, and the servers behind them.
type listeners struct {
	log *slog.Logger
	// certificate of the public listener; nil where it serves plain HTTP.
	certificate *certificate
	// answering is closed once every listener answers.
	answering chan struct{}

	// public serves the API, metrics the metrics, operators the API of operators on the socket.
	// gateway serves the gateway, local the API on the local socket. Each is nil where it does not
	// run.
	public, gateway, metrics, operators, local *http.Server
	// localSocket is the local socket; nil for none.
	localSocket *localSocket
	// socket is kept to close it where the start fails before its server runs.
	socket net.Listener
}

func newListeners(log *slog.Logger) listeners {
	return listeners{log: log, answering: make(chan struct{})}
}

// bind opens the public listener. Address and URL follow from it.
func (a *App) bind(ctx context.Context, c config.Server) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.Listen))
	if err != nil {
		return nil, err
	}
	a.Address = listener.Addr().String()
	a.URL = string(cmp.Or(c.BaseURL, a.listeners.baseURL(listener.Addr())))
	return listener, nil
}

// warnOfPlaintext logs a warning where the database is on another machine and reached without TLS.
func (a *App) warnOfPlaintext(database config.Database) error {
	if database.URL.IsZero() {
		return nil
	}
	hosts, err := postgres.Plaintext(database.URL)
	if len(hosts) > 0 {
		a.options.Log.Warn("the connection to the database is not encrypted, as sslmode=disable in database.url says: "+
			"use sslmode=verify-full unless you trust the network in between", "hosts", strings.Join(hosts, " "))
	}
	return err
}

// listen serves the public listener until the app stops.
func (a *App) listen(listener net.Listener, c config.Config) {
	if !a.web.Authenticator.Secure && !isLoopback(listener.Addr()) {
		a.options.Log.Warn("passwords and keys cross the network without encryption: set server.tls.cert and " +
			"server.tls.key, or, where a proxy in front ends the TLS, its https address as server.base_url")
	}
	a.listeners.public = a.newServer(c)
	serve := a.listeners.public.Serve
	if a.listeners.certificate != nil {
		serve = func(l net.Listener) error { return a.listeners.public.ServeTLS(l, "", "") }
	}
	a.serveUntilStop(serve, listener)
}

// serveUntilStop serves the listener in the background. Where that ends before Stop, the node has
// failed.
func (a *App) serveUntilStop(serve func(net.Listener) error, listener net.Listener) {
	go func() {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failure.fail(err)
		}
	}()
}

// baseURL returns the base URL of an address that the node listens on.
func (l *listeners) baseURL(at net.Addr) config.BaseURL {
	scheme, address := "http://", at.String()
	if l.certificate != nil {
		scheme = "https://"
	}
	// An unspecified address means every address of the machine. Use localhost, which always works.
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		_, port, _ := net.SplitHostPort(address) // the listener's own
		address = net.JoinHostPort("localhost", port)
	}
	return config.BaseURL(scheme + address)
}

func isLoopback(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (a *App) newServer(c config.Config) *http.Server {
	s := a.limitedServer(a.withGateway(a.handler(), c.Gateway), c.Server.Limits)
	if a.listeners.certificate != nil {
		s.TLSConfig = &tls.Config{GetCertificate: a.listeners.certificate.get}
	}
	return s
}

// limitedServer returns a server of clients with the limits of the settings.
func (a *App) limitedServer(h http.Handler, l config.Limits) *http.Server {
	return &http.Server{
		DisableGeneralOptionsHandler: true, // OPTIONS * is no route here

		Handler: h, MaxHeaderBytes: int(l.HeaderBytes),
		ErrorLog:          slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: time.Duration(l.HeaderTimeout), ReadTimeout: time.Duration(l.ReadTimeout),
		WriteTimeout: time.Duration(l.WriteTimeout), IdleTimeout: time.Duration(l.IdleTimeout),
	}
}

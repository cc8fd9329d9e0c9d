package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// bind takes the address, from which follows how clients reach us.
func (a *App) bind(ctx context.Context, c config.Server) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.Listen))
	if err != nil {
		return nil, err
	}
	a.Address = listener.Addr().String()
	a.URL = string(cmp.Or(c.BaseURL, a.reachedBy(listener.Addr())))
	return listener, nil
}

// listen opens the ways in.
func (a *App) listen(listener net.Listener, c config.Server) {
	if !a.door.Secure && !isLoopback(listener.Addr()) {
		a.options.Log.Warn("passwords and keys cross the network in the clear: set server.tls.cert and server.tls.key, or, where a proxy in front ends the TLS, its https address as server.base_url")
	}
	a.server = a.newServer(c.Limits)
	go func() {
		if err := a.serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.fail(err)
		}
	}()
}

func (a *App) openDoor(ctx context.Context, c config.Server, limits config.PersonLimits) error {
	a.door = web.NewDoor(&verify.Authenticator{Engine: a.Engine, Sessions: a.Sessions}, a.options.Log)
	a.door.Secure, a.door.Proxies, a.door.Tracing = config.BaseURL(a.URL).TLS(), c.TrustedProxies, a.tracing
	a.door.Admit = a.disk.admit
	a.door.Changes = web.NewChangeLimit(int(limits.ChangesPerMinute))
	a.door.AnonymousTime = time.Duration(c.Limits.HeaderTimeout)
	headers, err := a.Store.KeyHeaders(ctx)
	if err != nil {
		return err
	}
	known := make([]web.KeyHeader, len(headers))
	for i, h := range headers {
		known[i] = web.KeyHeader(h)
	}
	a.door.KeyHeaders.Set(known...)
	return nil
}

// reachedBy gives the base URL of an address that we listen at.
func (a *App) reachedBy(at net.Addr) config.BaseURL {
	scheme, address := "http://", at.String()
	if a.certificate != nil {
		scheme = "https://"
	}
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() { // every address of the machine; this is the one that is known
		_, port, _ := net.SplitHostPort(address) // the listener's own
		address = net.JoinHostPort("localhost", port)
	}
	return config.BaseURL(scheme + address)
}

func isLoopback(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (a *App) newServer(l config.Limits) *http.Server {
	s := &http.Server{
		Handler: a.routes(), MaxHeaderBytes: int(l.HeaderBytes), ErrorLog: slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: time.Duration(l.HeaderTimeout), ReadTimeout: time.Duration(l.ReadTimeout),
		WriteTimeout: time.Duration(l.WriteTimeout), IdleTimeout: time.Duration(l.IdleTimeout),
	}
	if a.certificate != nil {
		s.TLSConfig = &tls.Config{GetCertificate: a.certificate.get}
	}
	return s
}

func (a *App) serve(listener net.Listener) error {
	if a.certificate == nil {
		return a.server.Serve(listener)
	}
	return a.server.ServeTLS(listener, "", "")
}

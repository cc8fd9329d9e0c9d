package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/claviger-dev/claviger/internal/adminapi"
	"github.com/claviger-dev/claviger/internal/web"
)

// socketFile is the socket in the data directory by which operators reach the running server.
const socketFile = "claviger.sock"

// maxSocketPath is the longest path of a socket on this system, without the final NUL: 107 bytes on
// Linux, 103 on others.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// socketPath returns the path of the socket of a data directory, or why it cannot have one.
func socketPath(data string) (string, error) {
	path := filepath.Join(data, socketFile)
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path of the data directory is %d bytes too long for a socket in it: "+
			"use a shorter one, or a relative one", len(path)-maxSocketPath)
	}
	return path, nil
}

// listenOnSocket serves the API of operators on the socket. Only the owner of the directory and of
// the socket can open it.
func (a *App) listenOnSocket(ctx context.Context) error {
	path, err := socketPath(a.data.path)
	if err != nil {
		a.options.Log.Warn("the commands of operators work only while the server is stopped", "error", err)
		return nil
	}
	if err := clearSocket(path); err != nil {
		return fmt.Errorf("socket of operators: %w", err)
	}
	listener, err := listenPrivately(ctx, path)
	if err != nil {
		return fmt.Errorf("socket of operators: %w", err)
	}
	a.listeners.socket = listener
	a.serveOperators(listener)
	return nil
}

// umask is locked while the umask of the process is changed.
var umask sync.Mutex

// listenPrivately creates a socket of mode 0600. It has that mode from the beginning, so that the
// next start accepts the socket of a process that was killed meanwhile.
func listenPrivately(ctx context.Context, path string) (net.Listener, error) {
	umask.Lock()
	before := syscall.Umask(0o077)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	syscall.Umask(before)
	umask.Unlock()
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// clearSocket removes the socket of a process that was killed. The caller has the directory's lock,
// so no other process uses it. Anything but a socket stays.
func clearSocket(path string) error {
	found, err := findSocket(path)
	if err != nil || !found {
		return err
	}
	return os.Remove(path)
}

// findSocket reports whether there is a socket. It returns an error for anything else.
func findSocket(path string) (found bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode().Type() != fs.ModeSocket:
		return false, fmt.Errorf("%s is not a socket: remove it", path)
	}
	return true, nil
}

// makingRoom releases the reserve before a request of an operator that finds the disk full.
func (a *App) makingRoom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			_ = a.disk.admit(true) // the request itself says what fails
		}
		next.ServeHTTP(w, r)
	})
}

// serveOperators serves the API of operators on the listener until the app stops. There is no limit
// on how long an answer takes: a backup takes long.
func (a *App) serveOperators(l net.Listener) {
	router := web.NewRouter(a.web)
	operators := &adminapi.API{
		Errors: web.ProblemWriter{Authenticator: a.web.Authenticator}, Log: a.options.Log,
		SecondFactors: a.SecondFactors,
		Identity:      a.Identity, Accounts: a.Accounts, Tenancy: a.Tenancy, Notices: a.Notices, Trail: a.Store,
		ServiceAccounts: a.ServiceAccounts, ManagementKeys: a.ManagementKeys,
		Applications: a.Applications, Routes: &a.routes,
		ServerKeys: a.ServerKeys,
		Clock:      a.clock, BaseURL: a.URL,
		Backup: a.backup, Archive: a.archive,
	}
	operators.Mount(router)
	a.listeners.operators = &http.Server{
		DisableGeneralOptionsHandler: true, // OPTIONS * is no route here

		Handler: router.Handler(a.makingRoom), ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
	}
	a.serveUntilStop(a.listeners.operators.Serve, l)
}

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
	"syscall"
	"time"

	"github.com/claviger-dev/claviger/internal/adminapi"
)

// socketFile is where operators reach the process that has the data directory.
const socketFile = "claviger.sock"

// maxSocketPath is the longest that this system takes, without the NUL behind it: 107 bytes on Linux, 103 on others.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// socketPath gives where the socket of a data directory is, or why there can be none.
func socketPath(data string) (string, error) {
	path := filepath.Join(data, socketFile)
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path of the data directory is %d bytes too long for a socket in it: use a shorter one, or a relative one", len(path)-maxSocketPath)
	}
	return path, nil
}

// listenOnSocket opens the way in of operators. Only the owner of the directory and of the socket comes to it.
func (a *App) listenOnSocket(ctx context.Context) error {
	path, err := socketPath(a.data.path)
	if err != nil {
		a.options.Log.Warn("the commands of operators work only while the server is stopped", "error", err)
		return nil
	}
	if err := clearSocket(path); err != nil {
		return fmt.Errorf("socket of operators: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("socket of operators: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // until now the directory alone kept others out
		return errors.Join(err, listener.Close())
	}
	a.socket = listener
	a.serveOperators(listener)
	return nil
}

// clearSocket removes what a process left that was killed: whoever has the directory's lock knows that there is no other. Anything but a socket stays.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket: take it away", path)
	}
	return os.Remove(path)
}

// makingRoom gives up the reserve before a request of an operator that finds the disk full.
func (a *App) makingRoom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			_ = a.disk.admit(true) // the request itself says what fails
		}
		next.ServeHTTP(w, r)
	})
}

// serveOperators answers on the listener until the app stops. An answer may take its time: a backup does.
func (a *App) serveOperators(l net.Listener) {
	api := &adminapi.API{
		Door: a.door, Identity: a.Identity, Tenancy: a.Tenancy, Notices: a.Notices, Trail: a.Store, ServerKeys: a.ServerKeys, Clock: a, Backup: a.backup, BaseURL: a.URL,
	}
	a.operators = &http.Server{
		Handler: a.makingRoom(api.Handler()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(a.options.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := a.operators.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.fail(err)
		}
	}()
}

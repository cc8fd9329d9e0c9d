package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/claviger-dev/claviger/internal/config"
)

// localSocket is the Unix socket on which the public API is served to services of this machine
// (server.socket). The lock, a file beside it, is held as long as the socket exists, so that no two
// servers take each other's socket for one that was left behind.
type localSocket struct {
	net.Listener
	lock *os.File
}

// Close removes the socket and then releases the lock.
func (s *localSocket) Close() error { return errors.Join(s.Listener.Close(), s.lock.Close()) }

// bindLocalSocket opens the socket of the settings; nil if they have none.
func (a *App) bindLocalSocket(ctx context.Context, c config.Config) error {
	path := c.Server.Socket
	if path == "" {
		return nil
	}
	s, err := openLocalSocket(ctx, path, c.Server.SocketGroup, c.Data)
	if err != nil {
		return fmt.Errorf("server.socket: %w", err)
	}
	a.listeners.localSocket = s
	return nil
}

// openLocalSocket creates the socket. Until it has its group, only its owner can open it.
func openLocalSocket(ctx context.Context, path, group, data string) (*localSocket, error) {
	if err := checkSocketPlace(path, data); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, errLocked), lock.Close())
	}
	if err := removeUnused(ctx, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	listener, err := listenPrivately(ctx, path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s := &localSocket{listener, lock}
	if err := openToGroup(path, group); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkSocketPlace refuses a path that is too long, a directory that other services cannot reach,
// and one in which anybody could replace the socket by one of theirs and so receive keys.
func checkSocketPlace(path, data string) error {
	if over := len(path) - maxSocketPath; over > 0 {
		return fmt.Errorf("the path is %d bytes too long: use a shorter one", over)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if private, err := os.Stat(data); err == nil && os.SameFile(info, private) {
		return fmt.Errorf("other services cannot reach the data directory: use another one, such as /run/claviger")
	}
	if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others can write to %s and could replace the socket: chmod o-w %s", dir, dir)
	}
	return nil
}

// removeUnused removes the socket of a process that was killed: one on which nobody listens.
// Anything else stays, and so does a socket that answers.
func removeUnused(ctx context.Context, path string) error {
	found, err := findSocket(path)
	if err != nil || !found {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		err = fmt.Errorf("another program listens on %s: stop it, or use another path", path)
		return errors.Join(err, conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// openToGroup lets the owner of the socket and the group open it. Without a name, the group is that
// of the process or of its directory, as the system chose it.
func openToGroup(path, name string) error {
	if name != "" {
		id, err := groupID(name)
		if err == nil {
			err = os.Chown(path, -1, id)
		}
		if err != nil {
			return fmt.Errorf("the group %s: %w (see server.socket_group)", name, err)
		}
	}
	return os.Chmod(path, 0o660)
}

// groupID returns the number of a group, which is given by name or number.
func groupID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// listenLocally serves the public API on the local socket until the app stops.
func (a *App) listenLocally(c config.Config) {
	if a.listeners.localSocket == nil {
		return
	}
	a.listeners.local = a.limitedServer(withoutAddress(a.handler()), c.Server.Limits)
	a.serveUntilStop(a.listeners.local.Serve, a.listeners.localSocket)
	a.options.Log.Info("local socket", "path", c.Server.Socket)
}

// withoutAddress serves requests of clients without an IP address. The address of a peer on a Unix
// socket is a path that the peer chooses: it could look like any IP address, such as that of a
// trusted proxy.
func withoutAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = ""
		next.ServeHTTP(w, r)
	})
}

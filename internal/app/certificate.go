package app

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
)

// certificate is the server's, read again when its files have changed. Whoever renews it need not tell us.
type certificate struct {
	files config.TLS
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	// read are the files as they were when they were last tried.
	read [2]stamp
}

// stamp tells one state of a file from the next; zero where there is none.
type stamp struct {
	inode   uint64 // another one for a file put in its place, however soon after
	changed time.Time
	size    int64
	mode    fs.FileMode
}

// openCertificate gives nil where there are no files.
func openCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	if files.Cert == "" {
		return nil, nil
	}
	c := &certificate{files: files, log: log}
	if err := c.load(c.stamps()); err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	return c, nil
}

// get implements tls.Config.GetCertificate. Files that do not make a certificate, such as one of two just written, leave the one there is.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.stamps()
	if state == c.read {
		return c.current, nil
	}
	if err := c.load(state); err != nil {
		c.log.Warn("the changed certificate cannot be read: the old one stays", "error", err)
	} else {
		c.log.Info("the certificate has changed", "expires", c.current.Leaf.NotAfter)
	}
	return c.current, nil
}

// load reads the files, once for each state of them.
func (c *certificate) load(state [2]stamp) error {
	c.read = state
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

func (c *certificate) stamps() (both [2]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key} {
		if info, err := os.Stat(name); err == nil { // load tells what is wrong with it
			both[i] = stamp{info.Sys().(*syscall.Stat_t).Ino, info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return both
}

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

// certificate is the certificate of the server. It is read again when its files have changed, so
// that a renewal needs no restart.
type certificate struct {
	files config.TLS
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	// read are the stamps of the files at the last attempt to load them.
	read [2]stamp
}

// stamp identifies a version of a file. The zero value stands for a file that is missing.
type stamp struct {
	inode   uint64 // differs after a file is replaced, however soon
	changed time.Time
	size    int64
	mode    fs.FileMode
}

// openCertificate loads the certificate; nil where the settings name no files.
func openCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	if files.Cert == "" {
		return nil, nil
	}
	c := &certificate{files: files, log: log}
	if err := c.load(c.stamps()); err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	if exposed, err := c.checkKey(); err == nil && exposed {
		log.Warn(config.ExposedWarning, "setting", "server.tls.key", "file", files.Key)
	}
	return c, nil
}

// get implements tls.Config.GetCertificate. If the files do not match, for example because only one
// of them was replaced yet, the old certificate stays in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.stamps()
	if state == c.read {
		return c.current, nil
	}
	if err := c.load(state); err != nil {
		c.log.Warn("cannot load the changed certificate: the old one stays in use", "error", err)
	} else {
		c.log.Info("the certificate has changed", "expires", c.current.Leaf.NotAfter)
	}
	return c.current, nil
}

// load reads the files, which have these stamps.
func (c *certificate) load(state [2]stamp) error {
	c.read = state
	if _, err := c.checkKey(); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

// checkKey calls config.CheckSecretFile for the private key.
func (c *certificate) checkKey() (exposed bool, err error) {
	info, err := os.Stat(c.files.Key)
	if err != nil {
		return false, nil // load returns this error
	}
	exposed, err = config.CheckSecretFile(info)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.files.Key, err)
	}
	return exposed, err
}

func (c *certificate) stamps() (both [2]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key} {
		both[i] = stampOf(name) // load returns an error for a file that is missing
	}
	return both
}

// stampOf returns the stamp of a file, or of the file that a link leads to.
func stampOf(name string) stamp {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Sys().(*syscall.Stat_t).Ino, info.ModTime(), info.Size(), info.Mode()}
}

package app

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/mail"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/store"
)

// mailDir in the data directory holds what is not sent for want of a mail server.
const mailDir = "mail"

// buildNotices builds what tells people of their keys. The lease is longer than a mail server may take.
func (a *App) buildNotices(timeout time.Duration) {
	a.Notices = &notice.Service{
		Ledger: store.NewLedger(a.Store, func(t *store.Tx) notice.Tx { return t }), Store: a.Store, Now: a.clock.Now, Horizon: a.clock.Horizon,
		Rand: rand.Reader,
		Log:  a.options.Log, Holder: rand.Text(), Lease: timeout + time.Minute,
	}
}

// carrier gives the way in which notices reach people.
func (a *App) carrier(c config.Mail) (notice.Carrier, error) {
	desk := mail.Desk{From: c.From.Address(), Base: a.URL}
	if c.SMTP == "" {
		folder := a.File(mailDir)
		a.Mail = "files in " + folder + ", sent to nobody"
		return &mail.Folder{Desk: desk, Path: folder, Write: WriteFile}, nil
	}
	trusted, err := authorities(c.CA)
	if err != nil {
		return nil, err
	}
	a.Mail = string(c.SMTP)
	helo := c.Helo
	if helo == "" {
		helo, _ = os.Hostname() // a machine may have none
	}
	return &mail.Server{
		Desk: desk, Address: string(c.SMTP), Helo: cmp.Or(helo, "localhost"), Security: mail.Security(c.TLS),
		TLS: &tls.Config{ServerName: c.SMTP.Host(), RootCAs: trusted}, Username: c.Username, Password: c.Password, Timeout: time.Duration(c.Timeout),
	}, nil
}

// authorities reads whom to trust; nil is whom the machine trusts.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("mail.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("mail.ca: there is no certificate in PEM in the file")
	}
	return pool, nil
}

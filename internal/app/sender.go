package app

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/mail"
	"github.com/claviger-dev/claviger/internal/notice"
)

// mailDir in the data directory holds the messages where there is no mail server.
const mailDir = "mail"

// newSender returns what sends notices, and sets Mail: a mail server, or a folder in the data
// directory where there is none.
func (a *App) newSender(c config.Mail) (notice.Sender, error) {
	from := c.From.Address()
	from.Address = identity.DeliveryEmail(from.Address)
	renderer := mail.Renderer{From: from, Base: a.URL}
	if c.SMTP == "" {
		folder := a.File(mailDir)
		a.Mail = "files in " + folder + ", sent to nobody"
		return &mail.Folder{Renderer: renderer, Path: folder, Write: WriteFile}, nil
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
		Renderer: renderer, Address: string(c.SMTP), Helo: cmp.Or(helo, "localhost"), Security: mail.Security(c.TLS),
		TLS: &tls.Config{ServerName: c.SMTP.Host(), RootCAs: trusted}, Username: c.Username, Password: c.Password,
		Timeout: time.Duration(c.Timeout),
	}, nil
}

// authorities reads the certificate authorities to trust; nil stands for those of the machine.
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

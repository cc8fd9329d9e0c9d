package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailServer is a mail server on loopback that keeps the messages that it accepts. It supports
// STARTTLS. A client signs in with MailUser and MailPassword, or not at all.
type MailServer struct {
	Address string
	// CA is the file with its certificate.
	CA string
	// OnRecipient and OnMessage may refuse a message, if they are set. OnMessage is called after
	// the final dot.
	OnRecipient func(to string) error
	OnMessage   func(conn net.Conn, m Mail) error

	mu        sync.Mutex
	accepted  []Mail
	encrypted bool
	signedIn  bool
}

// Mail is a message as it was received.
type Mail struct {
	From, To string
	Content  string
}

// Name and password that a MailServer accepts.
const (
	MailUser     = "claviger"
	MailPassword = "open sesame, says the mail"
)

// ID returns the id of the notice that the message is about.
func (m Mail) ID(t testing.TB) string {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(m.Content))
	if err != nil {
		t.Fatalf("not a message: %v\n%s", err, m.Content)
	}
	id, _, _ := strings.Cut(strings.Trim(parsed.Header.Get("Message-ID"), "<>"), "@")
	return id
}

// StartMailServer starts a mail server that accepts every message. It is stopped after the test.
func StartMailServer(t testing.TB) *MailServer {
	t.Helper()
	m := &MailServer{}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: m, conn: c}, nil
	}))
	s.Domain = "localhost"
	s.AllowInsecureAuth = true
	s.EnableSMTPUTF8 = true
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{m.certificate(t)}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Address = listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(listener) // which ends when the listener does
	}()
	t.Cleanup(func() {
		_ = listener.Close() // the server closes it too, if it has begun to serve
		_ = s.Close()
		<-served
	})
	return m
}

// certificate returns a new self-signed certificate, and writes it into the file CA.
func (m *MailServer) certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	m.CA = filepath.Join(t.TempDir(), "mail-ca.pem")
	if err := os.WriteFile(m.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Received returns the messages that were accepted so far.
func (m *MailServer) Received() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Mail(nil), m.accepted...)
}

// LastSession reports whether the session of the last message was encrypted, and signed in.
func (m *MailServer) LastSession() (encrypted, signedIn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.encrypted, m.signedIn
}

type mailSession struct {
	server   *MailServer
	conn     *smtp.Conn
	mail     Mail
	signedIn bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != MailUser || password != MailPassword {
			return smtp.ErrAuthFailed
		}
		s.signedIn = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.From = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.mail.To != "" {
		return errors.New("a second recipient")
	}
	if s.server.OnRecipient != nil {
		if err := s.server.OnRecipient(to); err != nil {
			return err
		}
	}
	s.mail.To = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err // cut off before the final dot
	}
	s.mail.Content = string(content)
	if s.server.OnMessage != nil {
		if err := s.server.OnMessage(s.conn.Conn(), s.mail); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	_, s.server.encrypted = s.conn.TLSConnectionState()
	s.server.accepted = append(s.server.accepted, s.mail)
	s.server.signedIn = s.signedIn
	return nil
}

func (s *mailSession) Reset() { s.mail = Mail{} }

func (s *mailSession) Logout() error { return nil }

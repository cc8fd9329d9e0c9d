package config

import (
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
)

// MailServer is the host and port of a mail server.
type MailServer string

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MailServer) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || host == "" || port == "0" {
		return errors.New("give a host and a port, such as mail.example.com:587")
	}
	*m = MailServer(text)
	return nil
}

// Host returns the name or address of the server.
func (m MailServer) Host() string {
	host, _, _ := net.SplitHostPort(string(m)) // UnmarshalText has checked it
	return host
}

// loopback reports whether the server has a loopback address. It returns false for a name, which
// could resolve to any address.
func (m MailServer) loopback() bool {
	address, err := netip.ParseAddr(m.Host())
	return err == nil && address.IsLoopback()
}

// MailTLS is the encryption of the connection to a mail server.
type MailTLS string

// Values of MailTLS.
const (
	MailStartTLS MailTLS = "starttls"
	FullMailTLS  MailTLS = "tls"
	NoMailTLS    MailTLS = "none"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MailTLS) UnmarshalText(text []byte) error {
	return oneOf(m, MailTLS(text), []MailTLS{MailStartTLS, FullMailTLS, NoMailTLS})
}

// Sender is the sender of e-mail.
type Sender string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sender) UnmarshalText(text []byte) error {
	if _, err := mail.ParseAddress(string(text)); err != nil {
		return errors.New("give one address, such as Claviger <keys@example.com>")
	}
	*s = Sender(text)
	return nil
}

// Address returns the parsed sender.
func (s Sender) Address() mail.Address {
	address, err := mail.ParseAddress(string(s))
	if err != nil {
		return mail.Address{} // UnmarshalText has checked it
	}
	return *address
}

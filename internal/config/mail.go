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
		return errors.New("use a host and a port, such as mail.example.com:587")
	}
	*m = MailServer(text)
	return nil
}

// Host is the server's name or address.
func (m MailServer) Host() string {
	host, _, _ := net.SplitHostPort(string(m)) // it was parsed
	return host
}

// loopback reports whether the server is on this machine, by its address alone: a name could mean any.
func (m MailServer) loopback() bool {
	address, err := netip.ParseAddr(m.Host())
	return err == nil && address.IsLoopback()
}

// MailTLS is how a mail server is spoken to.
type MailTLS string

// The ways.
const (
	MailStartTLS MailTLS = "starttls"
	FullMailTLS  MailTLS = "tls"
	NoMailTLS    MailTLS = "none"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MailTLS) UnmarshalText(text []byte) error {
	return oneOf(m, MailTLS(text), []MailTLS{MailStartTLS, FullMailTLS, NoMailTLS})
}

// Sender is who mail is from.
type Sender string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sender) UnmarshalText(text []byte) error {
	if _, err := mail.ParseAddress(string(text)); err != nil {
		return errors.New("use one address, such as Claviger <keys@example.com>")
	}
	*s = Sender(text)
	return nil
}

// Address is the sender as it was parsed.
func (s Sender) Address() mail.Address {
	address, err := mail.ParseAddress(string(s))
	if err != nil {
		return mail.Address{} // it was parsed
	}
	return *address
}

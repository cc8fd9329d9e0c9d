package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wneessen/go-mail/smtp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

// Security is how the connection to the mail server is protected.
type Security string

// The values of Security.
const (
	// StartTLS begins unencrypted and refuses to continue without TLS.
	StartTLS Security = "starttls"
	// TLS encrypts from the first byte.
	TLS Security = "tls"
	// None is for a mail server on the same machine.
	None Security = "none"
)

// Server is a sender that speaks SMTP (RFC 5321) to one mail server.
//
// The server takes over a message with the final dot of DATA; before it, the server discards the
// message if the connection breaks. A failure before the dot therefore means that the message is
// sent again. The answer to the dot decides, and without an answer the message is in doubt.
type Server struct {
	Renderer
	// Address of the server, host and port.
	Address string
	// Helo is the name in the greeting.
	Helo     string
	Security Security
	// TLS has the server's name and the trusted certificates.
	TLS *tls.Config
	// Username and Password; empty if the server needs none.
	Username string
	Password credential.Secret
	// Timeout bounds the whole conversation.
	Timeout time.Duration
}

// replyClosing is the reply of a server that ends the conversation, whatever it answers.
const replyClosing = 421

// closeGrace is how long a conversation may continue when the node stops.
const closeGrace = 2 * time.Second

// Send implements notice.Sender.
func (s *Server) Send(ctx context.Context, l notice.Message, handOver func(context.Context) error) error {
	content, err := s.message(l)
	if err != nil {
		return err
	}
	session, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer session.abort()
	if err := session.envelope(s.From.Address, identity.DeliveryEmail(l.To.Email)); err != nil {
		return err
	}
	data, err := session.Data()
	if err != nil {
		return disposition(err, "the message")
	}
	if _, err := data.Write(content); err != nil {
		return disposition(err, "the message")
	}
	if err := handOver(ctx); err != nil {
		return err
	}
	err = data.Close()
	_ = session.Text.PrintfLine("QUIT") // its answer does not matter
	return dispositionAtEnd(err)
}

// session is a conversation with the server.
type session struct {
	*smtp.Client
	conn net.Conn
	// stopWatch stops watching the context.
	stopWatch func() bool
}

// abort closes the connection. Any further command in the middle of a message, even QUIT, would end
// the message and so send it.
func (s *session) abort() {
	s.stopWatch()
	_ = s.conn.Close()
}

// dial connects, greets and signs in.
func (s *Server) dial(ctx context.Context) (*session, error) {
	deadline := time.Now().Add(s.Timeout)
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, unreachable(err, "The mail server cannot be reached.")
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	keep := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now().Add(closeGrace)) })
	client, err := s.greet(conn)
	if err != nil {
		keep()
		_ = conn.Close()
		return nil, err
	}
	return &session{client, conn, keep}, nil
}

func (s *Server) greet(conn net.Conn) (*smtp.Client, error) {
	over := conn
	if s.Security == TLS {
		over = tls.Client(conn, s.TLS)
	}
	client, err := smtp.NewClient(over, s.TLS.ServerName)
	if err != nil {
		return nil, unreachable(err, "The mail server does not greet, or not by "+string(s.Security)+".")
	}
	if err := client.Hello(s.Helo); err != nil {
		return nil, unreachable(err, "The mail server does not accept our greeting.")
	}
	if s.Security == StartTLS {
		if err := client.StartTLS(s.TLS); err != nil {
			return nil, unreachable(err,
				"The mail server does not speak TLS, or shows a certificate that is not trusted.")
		}
	}
	return client, s.signIn(client)
}

// signIn sends name and password, by the best method that the server supports.
func (s *Server) signIn(client *smtp.Client) error {
	if s.Username == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(offered)
	clear := s.Security == None // only on this machine
	var auth smtp.Auth
	switch host, password := s.TLS.ServerName, s.Password.Reveal(); {
	case slices.Contains(ways, "SCRAM-SHA-256"):
		auth = smtp.ScramSHA256Auth(s.Username, password)
	case slices.Contains(ways, "PLAIN"):
		auth = smtp.PlainAuth("", s.Username, password, host, clear)
	case slices.Contains(ways, "LOGIN"):
		auth = smtp.LoginAuth(s.Username, password, host, clear)
	default:
		return unreachable(nil, "The mail server offers no supported sign-in method (SCRAM-SHA-256, PLAIN, LOGIN).")
	}
	if err := client.Auth(auth); err != nil {
		return unreachable(err, "The mail server does not accept name and password.")
	}
	return nil
}

// envelope sends sender and recipient. A server that refuses the sender refuses every message.
func (s *session) envelope(from, to string) error {
	if utf8, _ := s.Extension("SMTPUTF8"); !utf8 && !isASCII(to) {
		return &notice.Failure{Disposition: notice.Never, Reason: "The mail server takes no addresses beyond ASCII."}
	}
	if err := s.Mail("<" + from + ">"); err != nil {
		return unreachable(err, "The mail server refuses the sender"+replyCode(err)+".")
	}
	if err := s.Rcpt("<" + to + ">"); err != nil {
		return disposition(err, "the recipient")
	}
	return nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// disposition returns what an error before the end of the message means (RFC 5321 section 4.2.1).
func disposition(err error, what string) error {
	reply, ok := errors.AsType[*textproto.Error](err)
	switch {
	case !ok || reply.Code == replyClosing:
		return unreachable(err, "The conversation with the mail server broke off.")
	case reply.Code >= 500:
		return &notice.Failure{
			Disposition: notice.Never,
			Reason:      "The mail server refuses " + what + replyCode(err) + ".",
		}
	}
	return &notice.Failure{
		Disposition: notice.Later,
		Reason:      "The mail server does not take " + what + " now" + replyCode(err) + ".",
	}
}

// dispositionAtEnd returns what the answer to a complete message means.
func dispositionAtEnd(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*textproto.Error](err); !ok {
		return &notice.Failure{
			Disposition: notice.Unknown,
			Reason:      "The mail server did not say whether it took the message. It may have arrived.",
		}
	}
	return disposition(err, "the message")
}

// replyCode returns the number of a reply, but not its text, which may contain anything.
func replyCode(err error) string {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return " (" + strconv.Itoa(reply.Code) + ")"
	}
	return ""
}

func unreachable(cause error, reason string) error {
	return &notice.Failure{Disposition: notice.Unreachable, Reason: reason, Cause: cause}
}

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
	"github.com/claviger-dev/claviger/internal/notice"
)

// Security is how the conversation with the mail server is kept private.
type Security string

// The ways.
const (
	// StartTLS begins in the clear and refuses to go on without TLS.
	StartTLS Security = "starttls"
	// TLS from the first byte.
	TLS Security = "tls"
	// None is for a mail server on the same machine.
	None Security = "none"
)

// Server is a carrier that speaks SMTP (RFC 5321) to one mail server.
//
// A message counts as handed over with the final dot of DATA: until then the server throws it away when the connection breaks. So whatever fails before leaves it to be sent
// again, what the server answers to the dot decides, and no answer leaves it in doubt.
type Server struct {
	Desk
	// Address of the server, host and port.
	Address string
	// Helo is the name to greet with.
	Helo     string
	Security Security
	// TLS has the server's name, and whom to trust.
	TLS *tls.Config
	// Username and Password; none where the server asks for none.
	Username string
	Password credential.Secret
	// Timeout bounds the whole conversation.
	Timeout time.Duration
}

// closing is the reply of a server that ends the conversation, whatever it was about.
const closing = 421

// goodbye is what is left of a conversation when the node stops.
const goodbye = 2 * time.Second

// Carry implements notice.Carrier.
func (s *Server) Carry(ctx context.Context, l notice.Letter, handOver func(context.Context) error) error {
	content, err := s.message(l)
	if err != nil {
		return err
	}
	session, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer session.end()
	if err := session.envelope(s.From.Address, l.To.Email); err != nil {
		return err
	}
	data, err := session.Data()
	if err != nil {
		return judge(err, "the message")
	}
	if _, err := data.Write(content); err != nil {
		return judge(err, "the message")
	}
	if err := handOver(ctx); err != nil {
		return err
	}
	err = data.Close()
	_ = session.Text.PrintfLine("QUIT") // whose answer says nothing more
	return judgeEnd(err)
}

// session is a conversation with the server.
type session struct {
	*smtp.Client
	conn net.Conn
	// keep ends the watch over the context.
	keep func() bool
}

// end breaks off. To say anything more, even a farewell, in the middle of a message would end the message first, and so hand it over.
func (s *session) end() {
	s.keep()
	_ = s.conn.Close()
}

// dial connects, and goes as far as being let in.
func (s *Server) dial(ctx context.Context) (*session, error) {
	deadline := time.Now().Add(s.Timeout)
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, unreachable(err, "The mail server cannot be reached.")
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	keep := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now().Add(goodbye)) })
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
			return nil, unreachable(err, "The mail server does not speak TLS, or shows a certificate that is not trusted.")
		}
	}
	return client, s.signIn(client)
}

// signIn gives name and password, by the best of the ways that the server knows.
func (s *Server) signIn(client *smtp.Client) error {
	if s.Username == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(offered)
	clear := s.Security == None // which is on this machine alone
	var auth smtp.Auth
	switch host, password := s.TLS.ServerName, s.Password.Reveal(); {
	case slices.Contains(ways, "SCRAM-SHA-256"):
		auth = smtp.ScramSHA256Auth(s.Username, password)
	case slices.Contains(ways, "PLAIN"):
		auth = smtp.PlainAuth("", s.Username, password, host, clear)
	case slices.Contains(ways, "LOGIN"):
		auth = smtp.LoginAuth(s.Username, password, host, clear)
	default:
		return unreachable(nil, "The mail server offers no way to sign in that we know.")
	}
	if err := client.Auth(auth); err != nil {
		return unreachable(err, "The mail server does not accept name and password.")
	}
	return nil
}

// envelope says who it is from and for. What the server has against the sender it has against every message.
func (s *session) envelope(from, to string) error {
	if utf8, _ := s.Extension("SMTPUTF8"); !utf8 && !ascii(to) {
		return &notice.Failure{Verdict: notice.Never, Reason: "The mail server takes no addresses beyond ASCII."}
	}
	if err := s.Mail("<" + from + ">"); err != nil {
		return unreachable(err, "The mail server refuses the sender"+code(err)+".")
	}
	if err := s.Rcpt("<" + to + ">"); err != nil {
		return judge(err, "the recipient")
	}
	return nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// judge says what an error before the end of the message means: RFC 5321 section 4.2.1.
func judge(err error, what string) error {
	reply, ok := errors.AsType[*textproto.Error](err)
	switch {
	case !ok || reply.Code == closing:
		return unreachable(err, "The conversation with the mail server broke off.")
	case reply.Code >= 500:
		return &notice.Failure{Verdict: notice.Never, Reason: "The mail server refuses " + what + code(err) + "."}
	}
	return &notice.Failure{Verdict: notice.Later, Reason: "The mail server does not take " + what + " now" + code(err) + "."}
}

// judgeEnd says what came of a message that was handed over.
func judgeEnd(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*textproto.Error](err); !ok {
		return &notice.Failure{Verdict: notice.Unknown, Reason: "The mail server did not say whether it took the message. It may have arrived."}
	}
	return judge(err, "the message")
}

// code gives the number of a reply, and not its text, which may hold anything.
func code(err error) string {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return " (" + strconv.Itoa(reply.Code) + ")"
	}
	return ""
}

func unreachable(cause error, reason string) error {
	return &notice.Failure{Verdict: notice.Unreachable, Reason: reason, Cause: cause}
}

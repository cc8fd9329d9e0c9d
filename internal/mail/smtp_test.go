package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	claviger "github.com/claviger-dev/claviger/internal/mail"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// testMessage returns a message about a key that expires in a week.
func testMessage() notice.Message {
	f := notice.Facts{
		Tenant: "ten_1", KeyName: "CI runner", PublicID: "ak_1", Last4: "wxyz", Days: 7,
		Expiry: policy.Expiry{At: noon.Add(7 * policy.Day), Reason: policy.ByAutoExpiry},
	}
	n := notice.OfKey(notice.KeyExpiring, "usr_1", "key_1", noon, f, 1, 7)
	return notice.Message{
		Notice: n, To: notice.Recipient{Email: "ada@claviger.example", Name: "Ada", Active: true},
		TenantName: "Main", Date: noon,
	}
}

// trusting is a carrier that signs in to the server by STARTTLS.
func trusting(t *testing.T, m *testkit.MailServer) *claviger.Server {
	t.Helper()
	text, err := os.ReadFile(m.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &claviger.Server{
		Renderer: claviger.Renderer{
			From: mail.Address{Name: "Claviger", Address: "keys@claviger.example"},
			Base: "https://keys.example.com",
		},
		Address: m.Address, Helo: "keys.example.com", Security: claviger.StartTLS,
		TLS:      &tls.Config{ServerName: "127.0.0.1", RootCAs: pool},
		Username: testkit.MailUser, Password: credential.NewSecret(testkit.MailPassword), Timeout: 20 * time.Second,
	}
}

func TestALetterReachesItsRecipientEncryptedAndSignedInAndSaysWhichKeyItIsAbout(t *testing.T) {
	m := testkit.StartMailServer(t)
	handed := 0
	err := trusting(t, m).Send(t.Context(), testMessage(), func(context.Context) error {
		handed++
		if len(m.Received()) != 0 {
			t.Error("it was taken before it was handed over")
		}
		return nil
	})
	if err != nil || handed != 1 || len(m.Received()) != 1 {
		t.Fatalf("handed over %d times, %d taken: %v", handed, len(m.Received()), err)
	}
	if encrypted, signedIn := m.LastSession(); !encrypted || !signedIn {
		t.Errorf("encrypted %t, signed in %t", encrypted, signedIn)
	}
	got := m.Received()[0]
	if got.To != "ada@claviger.example" || got.From != "keys@claviger.example" ||
		got.ID(t) != string(testMessage().ID) {
		t.Errorf("%s wrote to %s about %s", got.From, got.To, got.ID(t))
	}
	for _, want := range []string{
		"Content-Type: multipart/alternative", "text/plain", "text/html", "Auto-Submitted: auto-generated",
		`Subject: Your API key "CI runner" expires in 7 days`,
		"Public id: ak_1", "Secret ends in: wxyz", "Tenant: Main",
		"8 March 2026, 12:00 UTC (the account's automatic expiry)", "https://keys.example.com",
	} {
		if !strings.Contains(strings.ReplaceAll(got.Content, "=\r\n", ""), want) {
			t.Errorf("%q is not in\n%s", want, got.Content)
		}
	}
}

func TestAMessageThatIsSentTwiceIsTheSame(t *testing.T) {
	m := testkit.StartMailServer(t)
	for range 2 {
		if err := trusting(t, m).Send(t.Context(), testMessage(), proceed); err != nil {
			t.Fatal(err)
		}
	}
	if taken := m.Received(); taken[0] != taken[1] {
		t.Errorf("first\n%s\nthen\n%s", taken[0].Content, taken[1].Content)
	}
}

func proceed(context.Context) error { return nil }

func TestWhatTheServerAnswersDecidesWhatBecomesOfANotice(t *testing.T) {
	later, never := &smtp.SMTPError{Code: 451, Message: "ada@claviger.example must wait"},
		&smtp.SMTPError{Code: 550, Message: "no ada@claviger.example here"}
	recipient := func(err error) func(*testkit.MailServer) {
		return func(m *testkit.MailServer) { m.OnRecipient = func(string) error { return err } }
	}
	message := func(err error) func(*testkit.MailServer) {
		return func(m *testkit.MailServer) { m.OnMessage = func(net.Conn, testkit.Mail) error { return err } }
	}
	for name, c := range map[string]struct {
		server func(*testkit.MailServer)
		client func(*claviger.Server)
		want   notice.Disposition
		handed bool
	}{
		"not now to the recipient": {server: recipient(later), want: notice.Later},
		"never to the recipient":   {server: recipient(never), want: notice.Never},
		"closing": {
			server: recipient(&smtp.SMTPError{Code: 421, Message: "bye"}),
			want:   notice.Unreachable,
		},
		"not now to the message": {server: message(later), want: notice.Later, handed: true},
		"never to the message":   {server: message(never), want: notice.Never, handed: true},
		"cut off after the dot": {server: func(m *testkit.MailServer) {
			m.OnMessage = func(conn net.Conn, _ testkit.Mail) error { return conn.Close() }
		}, want: notice.Unknown, handed: true},
		"silence after the dot": {server: func(m *testkit.MailServer) {
			m.OnMessage = func(conn net.Conn, _ testkit.Mail) error {
				_, err := io.Copy(io.Discard, conn) // until the client is gone
				return err
			}
		}, client: func(s *claviger.Server) { s.Timeout = 2 * time.Second }, want: notice.Unknown, handed: true},
		"a wrong password": {client: func(s *claviger.Server) {
			s.Password = credential.NewSecret("wrong")
		}, want: notice.Unreachable},
		"a certificate that is not trusted": {client: func(s *claviger.Server) {
			s.TLS = &tls.Config{ServerName: "127.0.0.1"}
		}, want: notice.Unreachable},
		"TLS from the start to who does not": {
			client: func(s *claviger.Server) { s.Security, s.Timeout = claviger.TLS, 2*time.Second },
			want:   notice.Unreachable,
		},
		"nobody there": {client: func(s *claviger.Server) { s.Address = "127.0.0.1:1" }, want: notice.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := testkit.StartMailServer(t)
			if c.server != nil {
				c.server(m)
			}
			s, handed := trusting(t, m), false
			if c.client != nil {
				c.client(s)
			}
			err := s.Send(t.Context(), testMessage(), func(context.Context) error { handed = true; return nil })
			f, ok := errors.AsType[*notice.Failure](err)
			if !ok || f.Disposition != c.want || handed != c.handed {
				t.Fatalf("handed over: %t, then %+v; want %t, %s", handed, err, c.handed, c.want)
			}
			if strings.Contains(f.Reason, "ada") {
				t.Errorf("the reason repeats the server: %s", f.Reason)
			}
		})
	}
}

func TestNothingIsTakenThatCouldNotBeHandedOver(t *testing.T) {
	m := testkit.StartMailServer(t)
	gone := errors.New("the claim is gone")
	if err := trusting(t, m).Send(t.Context(), testMessage(),
		func(context.Context) error { return gone }); !errors.Is(err,
		gone) {
		t.Errorf("it ended with %v", err)
	}
	if err := trusting(t, m).Send(t.Context(), testMessage(), proceed); err != nil || len(m.Received()) != 1 {
		t.Errorf("%d taken: %v", len(m.Received()), err)
	}
}

func TestAStopEndsAConversationThatHangs(t *testing.T) {
	m := testkit.StartMailServer(t)
	ctx, stop := context.WithCancel(t.Context())
	m.OnMessage = func(conn net.Conn, _ testkit.Mail) error {
		stop()
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	s := trusting(t, m)
	s.Timeout = time.Hour
	if f, ok := errors.AsType[*notice.Failure](s.Send(ctx, testMessage(), proceed)); !ok ||
		f.Disposition != notice.Unknown {
		t.Errorf("it ended with %v", f)
	}
}

// What people write cannot be more than the text of one line, and an address that is more than one
// goes nowhere.
func TestNothingThatPeopleWriteBecomesAHeaderOrMarkup(t *testing.T) {
	m := testkit.StartMailServer(t)
	const evil = "x\r\nBcc: eve@claviger.example\r\n\r\n<script>alert(1)</script>\x00\u202e"
	for _, kind := range notice.Kinds() {
		l := testMessage()
		l.ID, l.Kind = ident.NoticeID(kind), kind
		l.To.Name, l.TenantName = evil, evil
		l.Facts.KeyName = evil
		l.Facts.By = evil
		l.Facts.Why = evil
		l.Facts.Agent = evil
		l.Facts.Address = evil
		l.Facts.PublicID = evil
		l.Facts.Last4 = evil
		if err := trusting(t, m).Send(t.Context(), l, proceed); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	for _, got := range m.Received() {
		parsed, err := mail.ReadMessage(strings.NewReader(got.Content))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(parsed.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(body), "=\r\n", "")
		if parsed.Header.Get("Bcc") != "" || got.To != "ada@claviger.example" || strings.Contains(text, "\nBcc") ||
			strings.Contains(text, "=00") || strings.Contains(text, "=E2=80=AE") {
			t.Errorf("for %s:\n%s", got.To, got.Content)
		}
		if _, html, _ := strings.Cut(text, "text/html"); strings.Contains(html, "<script") {
			t.Errorf("markup in\n%s", got.Content)
		}
	}
	for _, address := range []string{
		"", "ada", "ada@claviger.example, eve@claviger.example",
		"ada@claviger.example\r\nRCPT TO:<eve@claviger.example>", "Ada <ada@claviger.example>",
		"<ada@claviger.example>",
		"ada@claviger.example\x00", strings.Repeat("a", 250) + "@claviger.example",
	} {
		l := testMessage()
		l.To.Email = address
		if f, ok := errors.AsType[*notice.Failure](trusting(t, m).Send(t.Context(), l, proceed)); !ok ||
			f.Disposition != notice.Never {
			t.Errorf("%q: %v", address, f)
		}
	}
}

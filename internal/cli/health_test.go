package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestHealthSaysWhetherTheServerOfTheseSettingsAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		listen string
		env    []string
	}{
		"on loopback":      {"127.0.0.1:0", nil},
		"on every address": {"0.0.0.0:0", nil},
		"behind TLS": {
			"127.0.0.1:0",
			[]string{"CLAVIGER_SERVER_TLS_CERT=tls.pem", "CLAVIGER_SERVER_TLS_KEY=tls.key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newInstallation(t, testkit.SQLite)
			s.certify(t, "keys.example.com")
			s.with(append(test.env, "CLAVIGER_DATA="+s.data)...)
			p := s.launch(t, "serve", "--listen", test.listen)
			at := p.logged(listenLine)
			s.requireExit(t, 0, "health", "--listen", at)
			s.requireExit(t, 0, "health", "--listen", at, "--ready")
			p.term()
			s.requireExit(t, 9, "health", "--listen", at)
		})
	}
}

func TestHealthBelievesNoOtherCertificate(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	s.certify(t, "keys.example.com")
	s.with("CLAVIGER_DATA="+s.data, "CLAVIGER_SERVER_TLS_CERT=tls.pem", "CLAVIGER_SERVER_TLS_KEY=tls.key")
	at := s.launch(t, "serve", "--listen", "127.0.0.1:0").logged(listenLine)
	other := newInstallation(t, testkit.SQLite)
	other.certify(t, "keys.example.com")
	other.with("CLAVIGER_SERVER_TLS_CERT=tls.pem", "CLAVIGER_SERVER_TLS_KEY=tls.key")
	other.requireExit(t, 9, "health", "--listen", at)
}

// requireExit runs claviger and requires the exit code.
func (s *installation) requireExit(t testing.TB, code int, args ...string) {
	t.Helper()
	out, err := s.command(args...).CombinedOutput()
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		must(t, err)
	}
	if got != code {
		t.Errorf("claviger %s: exit code %d, not %d:\n%s", strings.Join(args, " "), got, code, out)
	}
}

// certify writes a certificate for the name, and the certificate's private key, into the working
// directory of the process.
func (s *installation) certify(t testing.TB, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	for file, block := range map[string]*pem.Block{
		"tls.pem": {Type: "CERTIFICATE", Bytes: cert},
		"tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		must(t, os.WriteFile(filepath.Join(s.dir, file), pem.EncodeToMemory(block), 0o600))
	}
}

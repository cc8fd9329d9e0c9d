package secondfactor

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// The parameters of the codes (RFC 6238). They are those that every authenticator app has.
const (
	// Period is how long a code is shown.
	Period = 30 * time.Second
	// Digits is how many digits a code has.
	Digits = 6
	// window is how many steps a clock may be early or late.
	window = 1
	// secretBytes is the length of a secret: that of a SHA-1 (RFC 4226 section 4).
	secretBytes = 20
)

// pastCode is ten to the power of Digits.
const pastCode = 1_000_000

// StepAt returns the number of the time step at a time.
func StepAt(at time.Time) int64 { return at.Unix() / int64(Period/time.Second) }

// codeAt returns the code of a time step (RFC 6238 section 4, RFC 4226 section 5.3).
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash never fails
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", Digits, number%pastCode)
}

// findStep returns the time step around now of which the text is the code. Steps up to the given
// one, of which a code was accepted before, do not count. It compares in constant time.
func findStep(secret []byte, code string, now time.Time, after int64) (step int64, found bool) {
	current := StepAt(now)
	for at := current - window; at <= current+window; at++ {
		same := subtle.ConstantTimeCompare([]byte(codeAt(secret, at)), []byte(code)) == 1
		if same && at > after && !found {
			step, found = at, true
		}
	}
	return step, found
}

var base32NoPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// secretText returns a secret as people type it into an app.
func secretText(secret []byte) string { return base32NoPadding.EncodeToString(secret) }

// keyURI returns the URI from which an app reads the secret, as a QR code shows it. Issuer and
// e-mail address name the entry in the app.
func keyURI(secret []byte, issuer, email string) string {
	query := url.Values{
		"secret": {secretText(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"},
		"digits": {fmt.Sprint(Digits)}, "period": {fmt.Sprint(int(Period / time.Second))},
	}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + email, RawQuery: query.Encode()}
	return u.String()
}

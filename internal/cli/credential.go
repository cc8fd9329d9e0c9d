package cli

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
)

// keyCredential is a key or an access token from a file, a variable or standard input. Its form
// also says how it is sent.
type keyCredential struct {
	// header is the name of the header that the text began with; "" for none. With a header, value
	// is the value of the header.
	header string
	// value is the credential in one string; "" if only id and secret are known.
	value      string
	id, secret string
}

// credentialForms ends the error about a text that is not a credential.
const credentialForms = `give one key, the JSON that --save writes, or the header to send as "X-API-Key: VALUE"`

var (
	// A header has white space after its colon. The value of a pair has none.
	headerForm = regexp.MustCompile(`^(?i:(authorization|x-[a-z0-9-]+-(?:key|token))):[ \t]+(.+)$`)
	uuidForm   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// notInCredentials are characters that no credential has: a text with one of them is a list, a line
// of a script or another kind of file.
const notInCredentials = " \t\"'`[]{}<>,;"

// uuidHeader is the default header for keys that are UUIDs. It is the header of the preset blancco,
// whose keys have this form.
const uuidHeader = "X-BLANCCO-API-KEY"

// parseCredential parses a credential in any of credentialForms. Errors do not contain the text.
func parseCredential(text string) (k keyCredential, err error) {
	if saved := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")); strings.HasPrefix(saved, "{") {
		return parseSaved(saved)
	}
	k.value, err = config.OneSecret(text)
	if err != nil {
		return k, err
	}
	if m := headerForm.FindStringSubmatch(k.value); m != nil {
		k.header, k.value = m[1], m[2]
		return k, nil
	}
	if strings.ContainsAny(k.value, notInCredentials) {
		return k, errors.New("this is not one credential: " + credentialForms)
	}
	return k, nil
}

func parseSaved(text string) (k keyCredential, err error) {
	var saved struct {
		ID     *string `json:"id"`
		Secret *string `json:"secret"`
		Value  *string `json:"value"`
	}
	if json.Unmarshal([]byte(text), &saved) != nil { // also where a member is repeated
		return k, errors.New("this is not JSON as --save writes it: " + credentialForms)
	}
	k.id = valueOrEmpty(saved.ID)
	k.secret = valueOrEmpty(saved.Secret)
	k.value = valueOrEmpty(saved.Value)
	if k.value == "" && uuidForm.MatchString(k.secret) {
		k.value = k.secret // earlier versions saved it like this
	}
	if k.value == "" && (k.id == "" || k.secret == "") {
		return k, errors.New(`this is JSON without "value": ` + credentialForms)
	}
	return k, nil
}

// clientWith returns a client that sends the credential. A token is sent as a bearer token, id and
// secret by HTTP Basic, a UUID in uuidHeader, and a header as it is written.
func (k keyCredential) clientWith(c *client.Client) *client.Client {
	switch {
	case k.header != "":
		return c.WithHeader(k.header, k.value)
	case uuidForm.MatchString(k.value):
		return c.WithHeader(uuidHeader, k.value)
	case k.value == "":
		return c.WithPair(k.id, k.secret)
	}
	if id, secret, ok := strings.Cut(k.value, ":"); ok {
		return c.WithPair(id, secret)
	}
	return c.WithKey(k.value)
}

// addTo adds the credential to a verify request.
func (k keyCredential) addTo(q *api.VerifyRequest) {
	switch {
	case k.header != "":
		q.Headers = map[string][]string{k.header: {k.value}}
	case k.value == "":
		pair := base64.StdEncoding.EncodeToString([]byte(k.id + ":" + k.secret))
		q.Headers = map[string][]string{"Authorization": {"Basic " + pair}}
	default:
		q.Credential = k.value
	}
}

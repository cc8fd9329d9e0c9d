package dataplane

import (
	"slices"
	"testing"

	"github.com/claviger-dev/claviger/internal/web"
)

// What the reader of plain requests accepts, the general decoder reads as the same request.
func FuzzAPlainRequestIsReadAsTheGeneralDecoderReadsIt(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "credential" : "x" , "scopes" : [ "a:b" , "" ] , "session_only" : true } `, `{"scopes":[]}`,
		`{"credential":"x","credential":"y"}`, `{"credential":"\u0041"}`, `{"credential":"ä"}`, `{"credential":null}`,
		`{"session_only":false,"ip":"192.0.2.1","transport":"basic","tenant_id":"t","application_id":"a"}`,
		`{"credential":"x"}{}`, `{"credential":"x",}`, `{"scopes":["a"`, `{"session_only":truely}`, `{"x":1}`,
		`{"credential":"x","headers":{}}`, "{\"credential\":\"a\x7fb\"}", "{\"credential\":\"a\tb\"}", `{,}`, `[]`, ``,
		`{"session_only":true false}`, "\u00a0{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var plain, general request
		if !plain.readPlain(text) {
			return
		}
		if err := web.Unmarshal([]byte(text), &general); err != nil {
			t.Fatalf("%q: only the plain reader accepts it: %v", text, err)
		}
		if !slices.Equal(plain.Scopes, general.Scopes) || plain.Credential != general.Credential ||
			plain.ApplicationID != general.ApplicationID || plain.TenantID != general.TenantID ||
			plain.SessionOnly != general.SessionOnly || plain.Transport != general.Transport || plain.IP != general.IP {
			t.Errorf("%q: %+v, not %+v", text, plain, general)
		}
	})
}

// The requests that APIs send are plain, so that they cost nothing more.
func TestARequestWithACredentialIsPlain(t *testing.T) {
	for _, text := range []string{
		`{"credential":"clv_ak_x_y","scopes":["a:b"]}`,
		`{"credential": "", "scopes": [], "application_id": "app_1", "tenant_id": "ten_1", "session_only": false,
			"transport": "bearer", "ip": "2001:db8::1"}` + "\n",
	} {
		if !new(request).readPlain(text) {
			t.Errorf("%s is not plain", text)
		}
	}
}

package gateway_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The commands are those of the vendors' own documents. Only host, key and ids are replaced.
func TestTheCommandsOfTheVendorsDocumentsWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		preset  policy.Preset
		scopes  []string
		command string
		// host, id, secret and value are what the command has in place of the host and the key.
		host, id, secret, value string
		// want is part of the response. refused is part of the response to another key.
		want, refused string
	}{
		{
			preset: policy.BlazeMeter, scopes: []string{"*"},
			command: `curl -X POST https://a.blazemeter.com:443/api/v4/tests/testID/start \
  -H "Content-Type: application/json" \
  --user 'f817e22f1526b048799f75da:7641251982b983cfd92b5a25fa97cd3ee9e21920f21d8b14cd705831826935723f3033f0'`,
			host: "https://a.blazemeter.com:443", id: "f817e22f1526b048799f75da",
			secret:  "7641251982b983cfd92b5a25fa97cd3ee9e21920f21d8b14cd705831826935723f3033f0",
			want:    "the API at /api/v4/tests/testID/start",
			refused: `{"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}`,
		},
		{
			preset: policy.Blazeauth, scopes: []string{"applications:read"},
			command: `curl https://api.blazeauth.net/api/v1/panel/get-applications \
  -H "Authorization: Bearer $BLAZEAUTH_MANAGEMENT_API_KEY"`,
			host: "https://api.blazeauth.net", value: "$BLAZEAUTH_MANAGEMENT_API_KEY",
			want: `{"success":true,`, refused: `{"success":false,"code":"api_key_invalid","message":"`,
		},
		{
			preset: policy.Blancco, scopes: []string{"*"},
			command: `curl -X "GET" \
  "https://api.eu-west-1.blancco.cloud/v1/report/export/{UUID}" \
  -H "accept: */*" \
  -H "X-BLANCCO-API-KEY: {API_KEY}"`,
			host: "https://api.eu-west-1.blancco.cloud", value: "{API_KEY}",
			want:    "the API at /v1/report/export/8574e755-1f80-4af4-b7ae-a8187afb3909",
			refused: `{"message":"`,
		},
	} {
		t.Run(string(c.preset), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, setUp{preset: c.preset})
			run := func(k api.Credential) string {
				pairs := []string{c.host, s.GatewayURL, "{UUID}", "8574e755-1f80-4af4-b7ae-a8187afb3909"}
				if c.value != "" {
					pairs = append(pairs, c.value, k.Value)
				} else {
					pairs = append(pairs, c.id, k.ID, c.secret, k.Secret)
				}
				line := strings.NewReplacer(pairs...).Replace(c.command)
				out, err := exec.CommandContext(t.Context(), "sh", "-c", line+" --silent --show-error").Output()
				testkit.NoError(t, err)
				return string(out)
			}
			k := *s.key(c.scopes...).Credential
			if got := run(k); !strings.Contains(got, c.want) {
				t.Errorf("a key gets %q, want %q", got, c.want)
			}
			if c.preset == policy.BlazeMeter && s.api.last().Method != http.MethodPost {
				t.Errorf("the API got %s", s.api.last().Method)
			}
			if got := run(otherThan(k)); !strings.Contains(got, c.refused) {
				t.Errorf("a wrong key gets %q, want %q", got, c.refused)
			}
		})
	}
}

// otherThan returns the credential with the first character of its secret changed.
func otherThan(k api.Credential) api.Credential {
	first := "1"
	if strings.HasPrefix(k.Secret, first) {
		first = "2"
	}
	other := first + k.Secret[1:]
	k.Value, k.Secret = strings.Replace(k.Value, k.Secret, other, 1), other
	return k
}

package policy

import (
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
)

// takenPrefixes begin the names of headers that frameworks, clouds, proxies and other systems use for secrets of their own, in lower case.
// A request that carries such a header carries it for them.
var takenPrefixes = []string{
	"x-csrf-", "x-xsrf-", "x-anti-forgery-", "x-antiforgery-", "x-request-", "x-requested-", "x-correlation-", "x-idempotency-", "x-trace-",
	"x-forwarded-", "x-original-", "x-real-", "x-envoy-", "x-istio-", "x-b3-", "x-cf-", "x-nginx-", "x-traefik-", "x-claviger-",
	"x-amz-", "x-amzn-", "x-aws-", "x-goog-", "x-google-", "x-gcp-", "x-firebase-", "x-ms-", "x-azure-", "x-oci-", "x-ibm-", "x-oss-",
	"x-vault-", "x-consul-", "x-nomad-", "x-k8s-", "x-kubernetes-", "x-docker-", "x-registry-", "x-okta-", "x-auth0-", "x-keycloak-",
	"x-github-", "x-gitlab-", "x-gitea-", "x-hub-", "x-slack-", "x-shopify-", "x-stripe-", "x-twilio-", "x-telegram-",
}

// takenNames are whole names of that kind.
var takenNames = []string{
	"x-auth-token", "x-access-token", "x-refresh-token", "x-id-token", "x-identity-token", "x-session-token", "x-session-key", "x-subject-token",
	"x-service-token", "x-storage-token", "x-security-token", "x-bearer-token", "x-jwt-token", "x-user-token", "x-push-token", "x-device-token",
	"x-captcha-token", "x-recaptcha-token", "x-cache-key", "x-surrogate-key", "x-encryption-key", "x-registration-token", "x-verification-token",
}

// KeyHeaderFaults says why no tenant may choose the name as its key header from now on, under the name of the field; the form of the
// name is judged by [Settings.Faults]. A tenant that has such a name keeps it.
func KeyHeaderFaults(field, name string) []fault.Field {
	lower := strings.ToLower(name)
	taken := slices.Contains(takenNames, lower)
	for _, prefix := range takenPrefixes {
		taken = taken || strings.HasPrefix(lower, prefix)
	}
	if !taken {
		return nil
	}
	return []fault.Field{{
		Name: field, Code: "reserved",
		Message: "Other systems send secrets of their own in this header. Use a name of your own, such as X-Example-Key.",
	}}
}

// PresetKeyHeader reports whether the name is the key header of a preset, or none.
func PresetKeyHeader(name string) bool {
	if name == "" {
		return true
	}
	for _, p := range []Preset{Standard, BlazeMeter, LoadRunner, Blazeauth, Blancco} {
		if s, err := p.Settings(); err == nil && strings.EqualFold(s.KeyHeader, name) {
			return true
		}
	}
	return false
}

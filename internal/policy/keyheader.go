package policy

import (
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
)

// reservedPrefixes are prefixes of the names of headers in which frameworks, clouds, proxies and
// other systems send secrets of their own, in lower case.
var reservedPrefixes = []string{
	"x-csrf-", "x-xsrf-", "x-anti-forgery-", "x-antiforgery-", "x-request-", "x-requested-", "x-correlation-",
	"x-idempotency-", "x-trace-",
	"x-forwarded-", "x-original-", "x-real-", "x-envoy-", "x-istio-", "x-b3-", "x-cf-", "x-nginx-", "x-traefik-",
	"x-claviger-",
	"x-amz-", "x-amzn-", "x-aws-", "x-goog-", "x-google-", "x-gcp-", "x-firebase-", "x-ms-", "x-azure-", "x-oci-",
	"x-ibm-", "x-oss-",
	"x-vault-", "x-consul-", "x-nomad-", "x-k8s-", "x-kubernetes-", "x-docker-", "x-registry-", "x-okta-", "x-auth0-",
	"x-keycloak-",
	"x-github-", "x-gitlab-", "x-gitea-", "x-hub-", "x-slack-", "x-shopify-", "x-stripe-", "x-twilio-", "x-telegram-",
}

// reservedNames are whole names of such headers.
var reservedNames = []string{
	"x-auth-token", "x-access-token", "x-refresh-token", "x-id-token", "x-identity-token", "x-session-token",
	"x-session-key", "x-subject-token",
	"x-service-token", "x-storage-token", "x-security-token", "x-bearer-token", "x-jwt-token", "x-user-token",
	"x-push-token", "x-device-token",
	"x-captcha-token", "x-recaptcha-token", "x-cache-key", "x-surrogate-key", "x-encryption-key",
	"x-registration-token", "x-verification-token",
}

// KeyHeaderFaults returns a fault, under the given field, if other systems use the name, so that no
// tenant may choose it as its key header. A tenant that already has such a name keeps it.
// [Settings.Faults] checks the form of the name.
func KeyHeaderFaults(field, name string) []fault.Field {
	lower := strings.ToLower(name)
	reserved := slices.Contains(reservedNames, lower)
	for _, prefix := range reservedPrefixes {
		reserved = reserved || strings.HasPrefix(lower, prefix)
	}
	if !reserved {
		return nil
	}
	return []fault.Field{{
		Name: field, Code: "reserved",
		Message: "Other systems send secrets of their own in this header. " +
			"Use a name of your own, such as X-Example-Key.",
	}}
}

// IsPresetKeyHeader reports whether the name is "" or the key header of a preset.
func IsPresetKeyHeader(name string) bool {
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

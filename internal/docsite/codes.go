package docsite

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// explanation is what the page of a code shows.
type explanation struct {
	*api.Problem
	// Reason is the text of the status.
	Reason string
	// Meaning says when the code is returned.
	Meaning string
}

// explanations returns all codes, ordered by status.
func explanations() (list []explanation) {
	for _, kind := range web.Kinds() {
		p := web.NewFailure(kind, "").Problem()
		list = append(list, explanation{Problem: p, Reason: http.StatusText(p.Status), Meaning: meanings[kind]})
	}
	return list
}

// meanings says when each code is returned. The detail of the problem says what to do.
var meanings = map[fault.Kind]string{
	fault.KeyInvalid: "The request has no credential, or the credential is malformed or unknown, or its secret " +
		"does not match. The response is the same in all of these cases, so that it reveals nothing about a key.",
	fault.KeyExpired: "The key is valid but has expired: at its own expiry time, or because of a lifetime that the " +
		"account's policy sets.",
	fault.KeyRevoked: "The key was revoked. This cannot be undone.",
	fault.KeyDisabled: "The key is valid but cannot be used at the moment. The key, its owner, the owner's " +
		"membership, the tenant or the account is disabled.",
	fault.SessionEnded: "The session of this cookie has ended. The person signed out, somebody ended the session, " +
		"the session was idle or open for longer than the account allows, or the password was changed. If the " +
		"person belongs to several accounts, the session may have ended only in the account of this request.",
	fault.TokenExpired: "The access token is valid but has expired. Access tokens live only for a short time. The " +
		"key that the token was requested with is not affected.",
	fault.TokenInvalid: "The access token is malformed, unknown or revoked.",
	fault.SignInFailed: "The e-mail address or the password is wrong. The response is the same for an unknown " +
		"address and for a wrong password.",
	fault.SecondFactorRequired: "The e-mail address and the password are correct, but this person also has a " +
		"second factor. Send `code` as well. Or an account that the person belongs to requires a second factor and " +
		"they have none: they set one up in the console.",
	fault.InsufficientScope: "The key is valid but lacks a required scope. A key's effective scopes are those that " +
		"it was given, limited to the scopes that its owner's role allows now. A scope that is not in the tenant's " +
		"catalogue does not count.",
	fault.ApplicationForbidden: "The key is restricted to certain applications. This application is not one of " +
		"them, or it is disabled.",
	fault.SessionRequired: "A key cannot do this, whatever its scopes are. Only people who are signed in can " +
		"manage keys, people and settings.",
	fault.TransportForbidden: "The key is valid, but its tenant does not allow the transport that was used: bearer " +
		"token, HTTP Basic, key header, access token or session. `claviger tenants show` lists the allowed ones, and " +
		"an owner or admin of the account changes them: `claviger tenants edit TENANT --set transports=bearer,basic`.",
	fault.AddressForbidden: "The key is valid, but it may be used only from the networks in its `allowed_cidrs`. The " +
		"request came from another address, or its address is not known. Claviger compares the address of the client " +
		"that sent the key to it. In a verify request it compares the member `ip`, and without `ip` a key with such " +
		"a list is never allowed. If Claviger runs behind a proxy, the operator must list the proxy in " +
		"`server.trusted_proxies`. Otherwise every request seems to come from the proxy.",
	fault.RouteUnknown: "Claviger decides about this API with rules for methods and paths, and no rule matches the " +
		"method and the path of this request. Paths are compared with regard to case, and `/app` and `/app/` are " +
		"different paths. The method OPTIONS needs a rule that lists it. The operator writes rules in the file " +
		"`server.routes`, and admins of a tenant write rules for its applications.",
	fault.PathAmbiguous: "The reverse proxy, Claviger and the protected API might read the path of this request " +
		"differently, so nobody can say what it would reach. Claviger refuses a path with an empty, `.` or `..` " +
		"segment; with an encoded slash (`%2f`), backslash (`%5c`) or control character; with a backslash, a `#` or " +
		"a byte outside ASCII; and with an escape that is not UTF-8. It also refuses a request that names its " +
		"application twice.",
	fault.Forbidden:   "You are authenticated, but your role does not allow this.",
	fault.SignInAgain: "Your last sign-in is too long ago for such a sensitive operation.",
	fault.CrossSite: "A browser sent this request on behalf of another site. Claviger accepts requests that change " +
		"something only from its own pages and from programs that are not browsers.",
	fault.Malformed: "The request could not be read. Either its body is not JSON, has more than one value, or has " +
		"a member twice; or its query string is not percent-encoded UTF-8, or has a parameter twice.",
	fault.CredentialAmbiguous: "The request has more than one credential: in two headers, or in one header twice. " +
		"The detail names the headers. Claviger does not guess which of them to use.",
	fault.NotFound: "It does not exist, or you do not have access to it. " +
		"The response is the same in both cases.",
	fault.LinkInvalid:      "The link was already used, has expired, or was made for another person.",
	fault.MethodNotAllowed: "The path exists, but not with this method.",
	fault.TooLarge:         "The body is larger than the server accepts.",
	fault.UnsupportedMediaType: "The body is not declared as JSON in UTF-8, or it has an encoding " +
		"(`Content-Encoding`) such as gzip.",
	fault.Conflict: "The request is well-formed, but the current state does not allow it. For example, the key is " +
		"revoked, the e-mail address is already in use, or a limit on the number of objects is reached. The detail " +
		"names the limit. If the request has `If-Match`, the object may have another version by now: it is in " +
		"`present` as it is. Decide again, and send the edit with that version.",
	fault.KeyLimitReached: "The owner has as many active and disabled keys as the tenant allows. Expired and " +
		"revoked keys do not count.",
	fault.TenantRequired: "You belong to more than one tenant, and the request does not name one.",
	fault.NotRecoverable: "The secret was shown once. Claviger stored only a digest of it.",
	fault.ValidationFailed: "One or more fields are not valid. Each is listed in `errors` with its name, a short " +
		"code and what is allowed. The response never repeats the value.",
	fault.RateLimited: "The key makes more requests per minute than its tenant allows. In a decision of verify, " +
		"this is about the verified key; it is accepted again after `retry_after_seconds`. With the status 429, " +
		"this is about the key that sent the request, and `Retry-After` says how long to wait. " +
		"`requests_per_minute` limits that key's own requests, and `verify_requests_per_minute` limits the requests " +
		"by which it verifies other keys. If the request had no credential, the client's address sends more such " +
		"requests than the server allows (`limits.anonymous_per_minute`).",
	fault.LimitOfChanges: "The person makes more changes per minute than the server allows " +
		"(`limits.changes_per_minute`). Changes by all of their sessions and keys count together, in all tenants. " +
		"Requests that only take authority away, such as a revocation, have a separate limit that is ten times as " +
		"high. Each session has its own, and all keys of the person share one.",
	fault.Internal: "An unexpected failure occurred. The server's log has the cause under the request id.",
	fault.Unavailable: "Claviger cannot decide at the moment, because it cannot reach or trust the database or the " +
		"clock. In this state it neither accepts a key nor reports a valid key as invalid.",
}

package docs

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// explanation is a code as its page shows it.
type explanation struct {
	*api.Problem
	// Reason is the status in words.
	Reason string
	// Meaning says when it is answered.
	Meaning string
}

// explanations gives every code there is, by status.
func explanations() (list []explanation) {
	for _, kind := range web.Kinds() {
		p := web.NewProblem(kind, "")
		list = append(list, explanation{Problem: p, Reason: http.StatusText(p.Status), Meaning: meanings[kind]})
	}
	return list
}

// meanings says when a code is answered; what to do about it says the problem's own detail.
var meanings = map[fault.Kind]string{
	fault.KeyInvalid: "No credential came, or one that is malformed, unknown, or whose secret does not match. All of these have one answer, " +
		"so that it gives nothing away.",
	fault.KeyExpired:           "The key is good but its time is over: its own expiry, or a lifetime that the account prescribes.",
	fault.KeyRevoked:           "The key was revoked. That cannot be undone.",
	fault.KeyDisabled:          "The key is good, but it or something it depends on is switched off for now.",
	fault.TokenExpired:         "The access token is good but its time is over. Tokens are short-lived; the key they were asked for with is not touched by that.",
	fault.TokenInvalid:         "The access token is malformed, unknown or revoked.",
	fault.SignInFailed:         "E-mail address and password do not belong together. An unknown address and a wrong password have one answer.",
	fault.SecondFactorRequired: "E-mail address and password are right, and this person also has a second factor.",
	fault.InsufficientScope: "The key is good but may not do this. Its effective scopes are those it was given, cut to what its owner's role allows now. " +
		"A scope that is not in the tenant's catalogue is nobody's.",
	fault.ApplicationForbidden: "The key is restricted to some applications and this is none of them, or the application is disabled.",
	fault.SessionRequired:      "Keys cannot do this at all, whatever their scopes: managing keys, people and settings is left to people who signed in.",
	fault.TransportForbidden:   "The key is good, but its tenant does not let keys come this way: as a bearer, by HTTP Basic, or in a key header.",
	fault.Forbidden:            "You are known, and your role does not allow this.",
	fault.SignInAgain:          "Your sign-in is too old for something this sensitive.",
	fault.CrossSite:            "A browser sent this on behalf of another site. Requests that change something are taken from Claviger's own pages, and from outside of browsers.",
	fault.Malformed:            "The request could not be read: not JSON, a member twice, or more than one value.",
	fault.CredentialAmbiguous:  "More than one credential came: two headers, or one header twice. Which of them counts is never guessed.",
	fault.NotFound:             "It does not exist, or it is not yours to see. The two have one answer.",
	fault.LinkInvalid:          "The link was used already, has run out, or was made for someone else.",
	fault.MethodNotAllowed:     "The path exists, but not with this method.",
	fault.TooLarge:             "The body is larger than what is read.",
	fault.UnsupportedMediaType: "The body is not declared as JSON in UTF-8.",
	fault.Conflict:             "The request is well-formed, but what it names is in a state that does not permit it: a revoked key is not changed any more, an e-mail address is in use.",
	fault.KeyLimitReached:      "The owner holds as many active and disabled keys as the tenant allows. Expired and revoked keys do not count.",
	fault.TenantRequired:       "You belong to more than one tenant and the request names none.",
	fault.NotRecoverable:       "The secret was shown once and only a digest of it was kept.",
	fault.ValidationFailed:     "One or more fields break a rule. Each is listed under errors with its name, a short code and what would be right; the value is never repeated.",
	fault.RateLimited:          "The key makes more requests a minute than its tenant allows.",
	fault.LimitOfChanges:       "The person sends more requests a minute that change something than the server allows (`limits.changes_per_minute`). Their sessions and keys count together, in all tenants. Requests that only take authority away, such as a revocation, have a limit of their own, ten times as high.",
	fault.Internal:             "Something failed that should not have. It was logged with the request id.",
	fault.Unavailable:          "The database or the clock cannot be trusted at the moment, or is not reachable. Doubt is never answered with a yes, nor with a false no.",
}

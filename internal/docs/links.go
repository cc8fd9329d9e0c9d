package docs

import (
	"context"
	"net/http"
)

// The paths of the pages of one-time links.
const (
	setupPath      = "/setup/{token}"
	invitationPath = "/invitations/{token}"
	claimPath      = "/claims/{token}"
	resetPath      = "/password-resets/{token}"
)

// unusable is appended to the path of a kind of link. The result is the name of the page for links
// of this kind that can no longer be used.
const unusable = " unusable"

// Links checks whether one-time links can still be used, without using them. Each check takes the
// token of a link and returns fault.LinkInvalid if the link cannot be used.
type Links struct {
	// Admit counts a request that needs no credential. It returns an error if there were too many.
	Admit                           func(http.ResponseWriter, *http.Request) error
	Setup, Invitation, Claim, Reset func(ctx context.Context, token string) error
}

// checks returns the check for each kind of link, by the path of its page.
func (l Links) checks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		setupPath: l.Setup, invitationPath: l.Invitation, claimPath: l.Claim, resetPath: l.Reset,
	}
}

// check returns an error if the path is that of a link and the link of the request cannot be used.
func (l Links) check(path string, w http.ResponseWriter, r *http.Request) error {
	check := l.checks()[path]
	if check == nil {
		return nil
	}
	if err := l.Admit(w, r); err != nil {
		return err
	}
	return check(r.Context(), r.PathValue("token"))
}

// link explains one kind of one-time link to the person who opens it in a browser. All links of a
// kind that can be used share one page, and so do all that cannot. The pages contain no token.
type link struct {
	Path, Title, Lead, Call string
	// Command does the same on the command line; "" if no command does.
	Command string
	// Replacement says how to get another link.
	Replacement string
	// Usable is set for the page of links that can be used. Unusable is set for the page of links
	// that can no longer be used. Neither is set if there is no check for this kind of link.
	Usable, Unusable bool
	// Operation is the id of the operation that uses the link.
	Operation string
}

func links(d *document) []link {
	url := d.Servers[0].URL
	json := " \\\n  -H 'Content-Type: application/json' \\\n  -d "
	return []link{
		{
			Path: setupPath, Title: "Set up Claviger", Operation: "set-up",
			Lead: "This link creates an account, its owner and a first tenant, and signs the owner in. " +
				"The password must have at least 15 characters.",
			Replacement: "As long as there is no account, each start of the server writes a valid link to its log.",
			Command:     "claviger setup",
			Call: `curl -c cookies ` + url + `/api/v1/setup` + json +
				`'{"token":"…","account":"Your company","email":"you@example.com",` + "\n       " +
				`"name":"Your name","password":"…"}'`,
		},
		{
			Path: invitationPath, Title: "Accept an invitation", Operation: "accept-invitation",
			Lead: "This link makes you a member of the tenant that invites you. If you are new here, " +
				"choose a password of at least 15 characters. " +
				"If you already have an account with this address, enter its password.",
			Replacement: "Ask the person who invited you to invite you again.",
			Call: `curl -c cookies ` + url + `/api/v1/invitations/$TOKEN` + json +
				`'{"name":"Your name","password":"…"}'`,
		},
		{
			Path: claimPath, Title: "Claim a key", Operation: "claim-key",
			Lead: "This link shows you the secret of a key that an admin created for you. " +
				"Sign in first: the link works only for you.",
			Replacement: "If you have claimed the key and lost its secret, " +
				"`claviger keys refresh` creates a new secret. Otherwise ask the admin for another key.",
			Command: "claviger login --server " + url + "\nclaviger keys claim",
			Call:    `curl -b cookies -X POST ` + url + `/api/v1/claims/$TOKEN`,
		},
		{
			Path: resetPath, Title: "Set a new password", Operation: "reset-password",
			Lead: "This link sets a new password and ends all of your sessions. It works once. " +
				"The password must have at least 15 characters. Sign in with the new password afterwards.",
			Replacement: "Request another link with `claviger password request`, or ask the operator of the server.",
			Command:     "claviger password reset --server " + url,
			Call:        `curl ` + url + `/api/v1/password-resets/$TOKEN` + json + `'{"password":"…"}'`,
		},
	}
}

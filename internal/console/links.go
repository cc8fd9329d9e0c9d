package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// link is one kind of one-time link, and the form that uses it.
type link struct {
	title, lead, button string
	// replacement says how to get another link.
	replacement string
	// command does the same on the command line; "" if no command does.
	command string
	// operation is the operation of the API that uses the link.
	operation string
	fields    []view.Input
	// about returns the lead of a link that says what it is about; nil for the fixed lead.
	about func(context.Context, string) (string, error)
	// check returns fault.LinkInvalid if the link cannot be used. It does not use it.
	check func(context.Context, string) error
	use   handler
	// reduces is set if the use gives nobody new authority.
	reduces bool
}

// newPassword asks for a password that a person chooses.
var newPassword = view.Input{
	Name: "password", Label: "Password", Type: "password", Autocomplete: "new-password", Least: 15,
	Hint: "At least 15 characters. A sentence works well, and a password manager works better.",
}

// setupLink creates the first account.
func (c *Console) setupLink() link {
	return link{
		title: "Set up Claviger", button: "Create",
		lead:        "This link creates an account with its owner and a first tenant, and signs you in. It works once.",
		replacement: "As long as there is no account, each start of the server writes a valid link to its log.",
		command:     "claviger setup", operation: "set-up",
		fields: []view.Input{
			{
				Name: "account", Label: "Organisation", Autocomplete: "organization",
				Hint: "Owns the policy for all keys. You can rename it later.",
			},
			{Name: "name", Label: "Your name", Autocomplete: "name"},
			{Name: "email", Label: "Your e-mail", Type: "email", Autocomplete: "username"},
			newPassword,
		},
		check: c.Tenancy.CheckSetup, use: c.setUp,
	}
}

// invitationLink makes a person a member.
func (c *Console) invitationLink() link {
	password := newPassword
	password.Hint = "If you have signed in here before, enter your password. Otherwise choose one with at least 15 " +
		"characters."
	password.Least = 0
	return link{
		title: "Accept an invitation", button: "Join",
		lead:        "This link makes you a member of the tenant that invites you, and signs you in. It works once.",
		replacement: "Ask the person who invited you to invite you again.", operation: "accept-invitation",
		fields: []view.Input{{Name: "name", Label: "Your name", Autocomplete: "name"}, password},
		check:  c.Tenancy.CheckInvitation, use: c.acceptInvitation,
	}
}

// resetLink sets a new password.
func (c *Console) resetLink() link {
	return link{
		title: "Set a new password", button: "Set password",
		lead:        "All your sessions end. Sign in with the new password afterwards. The link works once.",
		replacement: "Ask for another link on the page “Forgot your password?”, or ask the operator of the server.",
		command:     "claviger password reset --server " + c.BaseURL, operation: "reset-password",
		fields: []view.Input{newPassword},
		check:  c.Identity.CheckReset, use: c.resetPassword, reduces: true,
	}
}

// emailLink confirms another e-mail address.
func (c *Console) emailLink() link {
	return link{
		title: "Confirm an e-mail address", button: "Confirm",
		replacement: "Ask for the change again on the page of your profile. A change is void after an hour, and " +
			"after your password was changed.",
		operation: "confirm-email", about: c.aboutEmailLink, use: c.confirmEmail,
		check: func(ctx context.Context, token string) error {
			_, err := c.Identity.CheckEmailLink(ctx, token)
			return err
		},
	}
}

// aboutEmailLink says what a link confirms. The page for the new address does not say whose account
// it is: somebody else may have got the message.
func (c *Console) aboutEmailLink(ctx context.Context, token string) (string, error) {
	of, err := c.Identity.CheckEmailLink(ctx, token)
	if of.AtOld {
		return "Your account gets the address " + of.Email + " in the place of this one. If you did not ask for it, " +
			"do not confirm: change your password. After the change all your sessions end.", err
	}
	return of.Email + " becomes the address of an account in Claviger. If you did not ask for it, do not confirm. " +
		"After the change all sessions of the account end.", err
}

func (c *Console) confirmEmail(k *call) (response, error) {
	changed, err := c.Identity.ConfirmEmail(k.Context(), k.origin, k.PathValue("token"))
	if err != nil {
		return response{}, err
	}
	if changed {
		return did("/sign-in", "email"), nil
	}
	return did("/sign-in", "email-half"), nil
}

// claimLink shows the secret of a key to its owner.
func (c *Console) claimLink() link {
	return link{
		title: "Claim a key",
		replacement: "It works only for the person whose key it is: are you signed in as that person? If you have " +
			"claimed the key and lost its secret, regenerate it on the page of the key. Otherwise ask an " +
			"admin of the tenant for a new link, which they make on the page of the key.",
		check: c.Keys.CheckClaim,
	}
}

// linkRoutes returns the routes of the page of a link that needs no session.
func (c *Console) linkRoutes(path string, l link) []web.Route {
	return []web.Route{
		c.route(http.MethodGet, path, c.checked(l, c.open(func(k *call) (response, error) {
			l := l // each request has a lead of its own
			if l.about != nil {
				var err error
				l.lead, err = l.about(k.Context(), k.PathValue("token"))
				if errors.Is(err, fault.LinkInvalid) {
					return l.unusable(), nil
				}
				if err != nil {
					return response{}, err
				}
			}
			return l.form(k, nil), nil
		}))),
		c.route(http.MethodPost, path, c.anonymous(l.reduces, func(k *call) (response, error) {
			answer, err := l.use(k)
			faults := formFaults(err)
			switch {
			case errors.Is(err, fault.LinkInvalid):
				return l.unusable(), nil
			case errors.Is(err, fault.SignInFailed):
				faults = view.Faults{{
					Field:   "password",
					Message: "A person with this e-mail address has signed in here before, with another password.",
				}}
			}
			if len(faults) > 0 {
				return l.form(k, faults), nil
			}
			return answer, err
		})),
	}
}

// checked returns a handler that serves a link which can be used. For any other link it shows what
// to do. It reads the same for each of them, used or unknown.
func (c *Console) checked(l link, serve web.Handler) web.Handler {
	return c.checkedOr(l, serve, func(w http.ResponseWriter, r *http.Request) error {
		return c.write(w, c.newCall(r), l.unusable())
	})
}

// checkedOr is checked with a handler of its own for links that cannot be used.
func (c *Console) checkedOr(l link, serve, unusable web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := c.Middleware.AdmitAnonymous(w, r); err != nil {
			return err
		}
		err := l.check(r.Context(), r.PathValue("token"))
		if errors.Is(err, fault.LinkInvalid) {
			return unusable(w, r)
		}
		if err != nil {
			return err
		}
		return serve(w, r)
	}
}

// unusableClaim answers a claim link that cannot be used. A signed-in person keeps the sidebar.
func (c *Console) unusableClaim(w http.ResponseWriter, r *http.Request) error {
	k, l := c.newCall(r), c.claimLink()
	caller, _, err := c.Middleware.Authenticator.Caller(w, r, requirementOf(r))
	if err != nil { // nobody is signed in, or it cannot be known
		return c.write(w, k, l.unusable())
	}
	k.signIn(caller)
	return c.write(w, k, l.unusableFor(k))
}

// unusableFor is unusable for the person who is signed in.
func (l link) unusableFor(k *call) response {
	answer := l.unusable()
	page := answer.page.(view.Form)
	page.SignedInAs = cmp.Or(k.session.User.Name, k.session.User.Email)
	answer.page, answer.narrow = page, true
	return answer
}

func (l link) unusable() response {
	page := view.Form{Heading: l.title, Unusable: l.replacement}
	return response{page: page, title: l.title, status: http.StatusNotFound}
}

// form returns the form of the link, with what was typed and what is wrong with it. Its action is
// the address of the page, so that the token is not in the page.
func (l link) form(k *call, faults view.Faults) response {
	page := view.Form{
		Heading: l.title, Lead: l.lead, Command: l.command, Operation: l.operation, Button: l.button, Faults: faults,
	}
	for _, field := range l.fields {
		if field.Type != "password" {
			field.Value = k.form.Get(field.Name)
		}
		page.Fields = append(page.Fields, field)
	}
	return response{page: page, title: l.title, status: statusOf(faults)}
}

func (c *Console) setUp(k *call) (response, error) {
	u, err := c.Tenancy.SetUp(k.Context(), k.PathValue("token"), tenancy.Setup{
		Account: k.form.Get("account"), Email: k.form.Get("email"), Name: k.form.Get("name"),
		Password: credential.NewSecret(k.form.Get("password")),
	}, k.origin)
	return c.welcome(k, u, err, did(firstKeyPath, "set-up").next)
}

func (c *Console) acceptInvitation(k *call) (response, error) {
	u, err := c.Tenancy.AcceptInvitation(k.Context(), k.PathValue("token"), k.form.Get("name"),
		credential.NewSecret(k.form.Get("password")), k.origin)
	return c.welcome(k, u, err, did("/settings/keys", "welcome").next)
}

// welcome signs a person in who has used a link, and answers where they go on.
func (c *Console) welcome(k *call, u identity.User, err error, next string) (response, error) {
	if err != nil {
		return response{}, err
	}
	in := session.SignIn{User: u.Person(), PasswordSetAt: u.PasswordSetAt, From: k.origin}
	return c.begin(k, in, next, nil)
}

func (c *Console) resetPassword(k *call) (response, error) {
	err := c.Identity.Reset(k.Context(), k.origin, k.PathValue("token"), credential.NewSecret(k.form.Get("password")))
	return goTo("/sign-in?did=password"), err
}

// forgotten is the page that asks for a link to set a password.
var forgotten = view.Form{
	Heading: "Forgot your password?", Button: "Send a link",
	Lead:   "If a person with this e-mail address is known here, they get an e-mail with a link to set a new password.",
	Fields: []view.Input{{Name: "email", Label: "Your e-mail", Type: "email", Autocomplete: "username"}},
}

func (c *Console) showForgotten(*call) (response, error) {
	return response{page: forgotten, title: forgotten.Heading}, nil
}

// requestReset asks for a link to set a password. The answer is the same for every address.
func (c *Console) requestReset(k *call) (response, error) {
	if err := c.Resets.Consume(k.origin.IP); err != nil {
		return response{}, err
	}
	err := c.Identity.RequestReset(k.origin, k.form.Get("email"))
	if faults := formFaults(err); faults != nil {
		page := forgotten
		page.Fields = []view.Input{forgotten.Fields[0]}
		page.Fields[0].Value = k.form.Get("email")
		page.Faults = faults
		return response{page: page, title: page.Heading, status: statusInvalid}, nil
	}
	return goTo("/sign-in?did=reset"), err
}

// claimRoutes returns the routes of the page on which people get the secret of a key that somebody
// else created for them.
func (c *Console) claimRoutes() []web.Route {
	l := c.claimLink()
	return []web.Route{
		c.route(http.MethodGet, claimPath, c.checkedOr(l, c.signedIn(c.showClaim), c.unusableClaim)),
		c.route(http.MethodPost, claimPath, c.signedIn(c.claim)),
	}
}

const claimPath = "/claims/{token}"

func (c *Console) showClaim(k *call) (response, error) {
	v, err := c.Keys.Claimable(k.Context(), k.who, k.PathValue("token"))
	if errors.Is(err, fault.LinkInvalid) {
		return c.claimLink().unusableFor(k), nil
	}
	if err != nil {
		return response{}, err
	}
	page := view.Claim{Row: k.row(v), Facts: k.facts(v), Later: "/settings/keys"}
	return response{page: page, title: "Claim a key", narrow: true, current: "/settings/keys"}, nil
}

func (c *Console) claim(k *call) (response, error) {
	issued, err := c.Keys.Claim(k.Context(), k.who, k.PathValue("token"))
	if errors.Is(err, fault.LinkInvalid) {
		return c.claimLink().unusableFor(k), nil
	}
	if err != nil {
		return response{}, err
	}
	return k.secretPage("Your API key", issued), nil
}

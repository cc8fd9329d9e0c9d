package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	signInCodePath = "/sign-in/code"
	factorPath     = securityPath + "/two-factor"
)

// halfCookie returns the cookie of a half-session. With an empty token it deletes the cookie.
func (c *Console) halfCookie(token credential.Secret) *http.Cookie {
	cookie := c.Middleware.Authenticator.HalfCookie(token)
	return &cookie
}

// half returns the half-session of a call.
func (k *call) half() (session.HalfSession, error) {
	token := k.console.Middleware.Authenticator.HalfToken(k.Header)
	return k.console.Sessions.Half(k.Context(), token)
}

// halfWay answers a person who has given their password and has yet to prove or to set up a second
// factor.
func (c *Console) halfWay(k *call, h session.HalfSession, token credential.Secret, next string, kept url.Values) (
	response, error,
) {
	answer, err := c.halfPage(k, h, next, kept)
	answer.cookies = []*http.Cookie{c.halfCookie(token)}
	return answer, err
}

// halfPage returns the page of the step that a half-session waits for.
func (c *Console) halfPage(k *call, h session.HalfSession, next string, kept url.Values) (response, error) {
	if h.Step == session.AwaitsCode {
		page := view.SignInCode{Email: h.User.Email, Next: next, Kept: keptFields(kept)}
		return response{page: page, title: "Two-factor code"}, nil
	}
	started, err := c.SecondFactors.Start(h.User)
	if err != nil {
		return response{}, err
	}
	return k.halfSetup(h, started, next, kept, nil)
}

// halfSetup shows the form in which the person of a half-session sets up a second factor.
func (k *call) halfSetup(h session.HalfSession, started secondfactor.Started, next string, kept url.Values,
	faults view.Faults,
) (response, error) {
	return setupPage(started, view.FactorSetup{
		Lead:   "An account that you belong to requires a second factor. Set one up to go on.",
		Action: signInCodePath, Again: signInCodePath, Next: next, Kept: keptFields(kept), Faults: faults,
		Password: h.PasswordSetAt.IsZero(), User: h.User.Email,
		Cancel: view.Link{Text: "Use a different account", Path: "/sign-in"},
	})
}

// setupPage returns a page that shows the secret of a setup.
func setupPage(started secondfactor.Started, page view.FactorSetup) (response, error) {
	code, err := view.NewQRCode(started.URI.Reveal())
	if err != nil {
		return response{}, err
	}
	page.QR = code
	page.Secret, page.Setup = inGroups(started.Secret.Reveal()), started.Token.Reveal()
	return response{page: page, title: "Set up two-factor codes", narrow: true, status: statusOf(page.Faults)}, nil
}

// inGroups writes a secret in groups of four, as people type it.
func inGroups(text string) string {
	var groups []string
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, " ")
}

// restrict turns the session of a call into a half-session, because an account requires a second
// factor that the person does not have.
func (c *Console) restrict(w http.ResponseWriter, k *call, typed url.Values) error {
	a := c.Middleware.Authenticator
	_, token, err := c.Sessions.Restrict(k.Context(), a.SessionToken(k.Header), a.Origin(w.Header(), k.Request))
	if err != nil {
		return c.signInFirst(w, k, typed, err)
	}
	next := signInCodePath
	if path := k.goOnTo(k.URL.RequestURI()); k.Method == http.MethodGet && k.PathValue("token") == "" && path != "" {
		next += "?next=" + url.QueryEscape(path)
	}
	answer := goTo(next)
	gone := a.SessionCookie(credential.Secret{})
	answer.cookies = []*http.Cookie{c.halfCookie(token), &gone}
	return c.write(w, k, answer)
}

// showSignInCode shows what a half-session waits for. Without one, people sign in first.
func (c *Console) showSignInCode(k *call) (response, error) {
	h, err := k.half()
	if needsSignIn(err) || errors.Is(err, fault.NotFound) {
		return goTo("/sign-in"), nil
	}
	if err != nil {
		return response{}, err
	}
	return c.halfPage(k, h, k.goOnTo(k.URL.Query().Get("next")), nil)
}

// sendSignInCode finishes a half-session.
func (c *Console) sendSignInCode(k *call) (response, error) {
	next, kept := localPath(k.form.Get("next")), keptOf(k.form)
	h, err := k.half()
	if needsSignIn(err) || errors.Is(err, fault.NotFound) {
		return c.startOver(next, kept), nil
	}
	if err != nil {
		return response{}, err
	}
	if h.Step == session.AwaitsSetup {
		return c.finishSetup(k, h, next, kept)
	}
	done, err := c.Sessions.Finish(k.Context(), h, credential.NewSecret(k.form.Get("code")), k.origin)
	switch {
	case errors.Is(err, fault.SignInFailed) && !done.Token.IsZero():
		page := view.SignInCode{
			Email: h.User.Email, Failed: true, TriesLeft: done.TriesLeft, Next: next, Kept: keptFields(kept),
		}
		return response{
			page: page, title: "Two-factor code", status: http.StatusUnauthorized,
			cookies: []*http.Cookie{c.halfCookie(done.Token)},
		}, nil
	case errors.Is(err, fault.SignInFailed), errors.Is(err, fault.SessionEnded):
		return c.startOver(next, kept), nil
	case err != nil:
		return response{}, err
	}
	return c.begun(k, done.Token, next, kept), nil
}

// startOver asks for the password again, because the half-session has ended.
func (c *Console) startOver(next string, kept url.Values) response {
	return response{
		page: view.SignIn{
			Next: next, Kept: keptFields(kept),
			Notice: "This sign-in was not finished: it took more than 10 minutes, or too many codes were wrong. " +
				"Sign in again.",
		},
		title: "Sign in", status: http.StatusUnauthorized,
		cookies: []*http.Cookie{c.halfCookie(credential.Secret{})},
	}
}

// finishSetup sets up the second factor of the person of a half-session, and begins their session.
// The page shows the recovery codes once.
func (c *Console) finishSetup(k *call, h session.HalfSession, next string, kept url.Values) (response, error) {
	token := credential.NewSecret(k.form.Get("setup"))
	if h.PasswordSetAt.IsZero() {
		u, err := c.Identity.SignIn(k.Context(), k.origin, h.User.Email, credential.NewSecret(k.form.Get("password")))
		if errors.Is(err, fault.SignInFailed) || err == nil && u.ID != h.User.ID {
			return c.halfSetupAgain(k, h, token, next, kept, view.Faults{{
				Field: "password", Message: "This is not your password. After several failures, wait a moment.",
			}})
		}
		if err != nil {
			return response{}, err
		}
		h.PasswordSetAt = u.PasswordSetAt
	}
	setup, err := c.SecondFactors.Prepare(h.User.ID, token, credential.NewSecret(k.form.Get("code")))
	if faults := formFaults(err); faults != nil {
		return c.halfSetupAgain(k, h, token, next, kept, faults)
	}
	if err != nil {
		return response{}, err
	}
	begun, err := c.Sessions.SetUp(k.Context(), h, setup, k.origin)
	if errors.Is(err, fault.SessionEnded) {
		return c.startOver(next, kept), nil
	}
	if err != nil {
		return response{}, err
	}
	if next == "" {
		next = "/settings/keys"
	}
	answer := codesPage("Two-factor codes are on", setup.Codes, next)
	cookie := c.Middleware.Authenticator.SessionCookie(begun)
	answer.cookies = []*http.Cookie{&cookie, c.halfCookie(credential.Secret{})}
	return answer, nil
}

// halfSetupAgain shows the form of a half-session again, with the secret that the person's app has.
func (c *Console) halfSetupAgain(k *call, h session.HalfSession, token credential.Secret, next string,
	kept url.Values, faults view.Faults,
) (response, error) {
	started, err := c.SecondFactors.Resume(h.User, token)
	if err != nil { // it has expired
		return c.halfPage(k, h, next, kept)
	}
	return k.halfSetup(h, started, next, kept, faults)
}

// factorRoutes are those of the second factor of a signed-in person.
func (c *Console) factorRoutes() []web.Route {
	return slices.Concat(
		c.form(factorPath, c.showFactorSetup, c.sendFactorSetup),
		c.form(factorPath+"/codes", c.confirmNewCodes, c.makeNewCodes),
		c.ending(factorPath+"/off", c.confirmFactorOff, c.turnFactorOff),
	)
}

// factorPanel says whether the person has a second factor.
func (k *call) factorPanel(f secondfactor.State) view.Panel {
	panel := view.Panel{ID: "two-factor", Heading: "Two-factor codes"}
	if !f.Enabled() {
		panel.Text = "Off. With an authenticator app, a stolen password alone does not sign anybody in."
		panel.Actions = []view.Action{{Text: "Set up…", Class: "small", Path: factorPath}}
		return panel
	}
	panel.Facts = []view.Fact{
		{Name: "On since", When: k.on(f.SetAt)},
		{Name: "Recovery codes left", Value: fmt.Sprintf("%d of %d", f.CodesLeft, secondfactor.RecoveryCodes)},
	}
	panel.Actions = []view.Action{
		{Text: "New recovery codes…", Class: "small", Path: factorPath + "/codes"},
		{Text: "Use another app…", Class: "small", Path: factorPath},
		{Text: "Turn off…", Class: "small ends", Path: factorPath + "/off"},
	}
	return panel
}

// mayChangeFactor returns the page on which the person signs in again before they change their
// second factor; nil if they need not.
func (k *call) mayChangeFactor() (again *response, err error) {
	f, err := k.console.SecondFactors.State(k.Context(), k.who)
	if err != nil {
		return nil, err
	}
	refused := secondfactor.Allow(k.session, f.Enabled(), k.now)
	if refused == nil {
		return nil, nil
	}
	answer := k.signInAgain(k.URL.Path, refused)
	return &answer, nil
}

func (c *Console) showFactorSetup(k *call) (response, error) {
	again, err := k.mayChangeFactor()
	if again != nil || err != nil {
		return valueOr(again), err
	}
	started, err := c.SecondFactors.Start(k.session.User)
	if err != nil {
		return response{}, err
	}
	return k.ownSetup(started, nil)
}

// valueOr returns the response, or the zero value for nil.
func valueOr(answer *response) response {
	if answer == nil {
		return response{}
	}
	return *answer
}

// ownSetup shows the form in which a signed-in person sets up their second factor.
func (k *call) ownSetup(started secondfactor.Started, faults view.Faults) (response, error) {
	answer, err := setupPage(started, view.FactorSetup{
		Lead:   "From then on you sign in with your password and a code of your authenticator app.",
		Action: factorPath, Again: factorPath, Faults: faults,
		Cancel: view.Link{Text: "Cancel", Path: securityPath},
	})
	answer.current = securityPath
	return answer, err
}

func (c *Console) sendFactorSetup(k *call) (response, error) {
	token := credential.NewSecret(k.form.Get("setup"))
	setup, err := c.SecondFactors.Prepare(k.session.User.ID, token, credential.NewSecret(k.form.Get("code")))
	if faults := formFaults(err); faults != nil {
		started, err := c.SecondFactors.Resume(k.session.User, token)
		if err != nil { // it has expired, or was sent before the person signed in again
			return c.showFactorSetup(k)
		}
		return k.ownSetup(started, faults)
	}
	if err != nil {
		return response{}, err
	}
	begun, err := c.Sessions.SetFactor(k.Context(), k.who, setup)
	if errors.Is(err, fault.SignInAgain) {
		return k.signInAgain(factorPath, err), nil
	}
	if err != nil {
		return response{}, err
	}
	answer := codesPage("Two-factor codes are on", setup.Codes, securityPath)
	answer.current = securityPath
	cookie := c.Middleware.Authenticator.SessionCookie(begun)
	answer.cookies = []*http.Cookie{&cookie}
	return answer, nil
}

// codesPage shows recovery codes. They are in this response and nowhere else.
func codesPage(heading string, codes []credential.Secret, next string) response {
	page := view.Secret{
		Heading: heading, Name: "Your recovery codes", Done: next, KeyPath: next, Lead: "Store these codes now",
		Text: "They are shown this one time. Each signs you in once without your app. Keep them where you do not " +
			"keep your password.",
		Kept: "Done, I have stored them",
	}
	for i, code := range codes {
		page.Values = append(page.Values, view.Value{Name: "Code " + strconv.Itoa(i+1), Text: code.Reveal()})
	}
	return response{page: page, title: heading, narrow: true}
}

func (c *Console) confirmNewCodes(k *call) (response, error) { return c.confirmFactor(k, newCodes) }

func (c *Console) confirmFactorOff(k *call) (response, error) { return c.confirmFactor(k, factorOff) }

// The questions before the codes or the factor end.
var (
	newCodes = view.Confirm{
		Heading: "New recovery codes?", Button: "Create new codes",
		Lead: "The codes that you have now stop working. The new ones are shown once.",
		Keep: view.Link{Text: "Keep the present ones"},
	}
	factorOff = view.Confirm{
		Heading: "Turn two-factor codes off?", Button: "Turn off",
		Lead: "Your password alone is then enough to sign in. Your recovery codes stop working, and all other " +
			"sessions end.",
		Keep: view.Link{Text: "Keep them on"},
	}
)

func (c *Console) confirmFactor(k *call, page view.Confirm) (response, error) {
	again, err := k.mayChangeFactor()
	if again != nil || err != nil {
		return valueOr(again), err
	}
	page.Once = rand.Text()
	return k.confirmation(page, k.session.User.Email, securityPath, nil), nil
}

// makeNewCodes shows new recovery codes. A form that is sent twice, by a reload for example, does
// not end the codes that it made.
func (c *Console) makeNewCodes(k *call) (response, error) {
	var codes []credential.Secret
	earlier, err := k.change("codes", func(ctx context.Context) (err error) {
		codes, err = c.SecondFactors.Regenerate(ctx, k.who)
		return err
	})
	if err != nil {
		return k.factorRefused(newCodes, err)
	}
	if earlier != "" {
		page := newCodes
		page.Lead = "The new codes were shown once, when this form was sent the first time. If you have lost them, " +
			"create others: those stop working."
		page.Once = rand.Text()
		return k.confirmation(page, k.session.User.Email, securityPath, nil), nil
	}
	answer := codesPage("New recovery codes", codes, securityPath)
	answer.current = securityPath
	return answer, nil
}

func (c *Console) turnFactorOff(k *call) (response, error) {
	token, err := c.Sessions.RemoveFactor(k.Context(), k.who)
	if err != nil {
		return k.factorRefused(factorOff, err)
	}
	answer := did(securityPath, "two-factor.off")
	cookie := c.Middleware.Authenticator.SessionCookie(token)
	answer.cookies = []*http.Cookie{&cookie}
	return answer, nil
}

// factorRefused answers a change of the second factor that was refused.
func (k *call) factorRefused(page view.Confirm, err error) (response, error) {
	switch {
	case errors.Is(err, fault.SignInAgain):
		return k.signInAgain(k.URL.Path, err), nil
	case errors.Is(err, fault.Conflict):
		page.Faults = view.Faults{{Message: fault.Message(err)}}
		answer := k.confirmation(page, k.session.User.Email, securityPath, nil)
		answer.status = http.StatusConflict
		return answer, nil
	}
	return response{}, err
}

// factorChoices are the choices of who needs a second factor.
func factorChoices(value string) []view.Choice {
	return chosen([]view.Choice{
		{Value: "off", Text: "Nobody"},
		{Value: "admins", Text: "Owners and admins, and admins of tenants"},
		{Value: "all", Text: "Everybody"},
	}, value)
}

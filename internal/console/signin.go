package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/verify"
)

// home sends people on: to their keys, where those who are not signed in sign in first.
// localPath returns a path of this server that a client sent; "" for everything else. A browser
// would take "//host" and "/\host" for another host.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") ||
		u.Host != "" || u.Scheme != "" {
		return ""
	}
	return path
}

// goOnTo returns where a person goes on after the sign-in. Once they are signed in, the page is
// asked for from here, and so believes its query string: a link of somebody else must fill in no
// form, and no link says what was done.
func (k *call) goOnTo(address string) string {
	u, err := url.Parse(localPath(address))
	if err != nil || u.Path == "" {
		return ""
	}
	query := u.Query()
	query.Del("did")
	if at, _, _ := k.console.site.at(u.Path); at.show != nil && !k.isFromHere() {
		tenant, chosen := query["tenant"]
		query = url.Values{}
		if chosen {
			query["tenant"] = tenant
		}
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	return u.RequestURI()
}

// showSignIn shows the form to sign in.
func (c *Console) showSignIn(k *call) (response, error) {
	page := view.SignIn{Next: k.goOnTo(k.URL.Query().Get("next"))}
	if k.isFromHere() {
		page.Notice = signInNotices[k.URL.Query().Get("did")]
	}
	return response{page: page, title: "Sign in"}, nil
}

// signInNotices say why the form is shown, by the word in the query string.
var signInNotices = map[string]string{
	"sign-out":       "You signed out.",
	"account.delete": "Your account is deleted.",
	"password":       "Your password is set. Sign in with it.",
	"email":          "Your e-mail address is changed. Sign in with it.",
	"email-half": "The address is confirmed. The change waits for the other address: open the link in the e-mail " +
		"that was sent there.",
	"reset": "If a person with this e-mail address is known here, an e-mail with a link is on its way. It works " +
		"once, within an hour.",
}

// signInFirst answers a request without a session: a page leads to the sign-in and back, and a form
// is kept until the person has signed in.
func (c *Console) signInFirst(w http.ResponseWriter, k *call, typed url.Values, err error) error {
	if !needsSignIn(err) {
		return err
	}
	if k.PathValue("token") != "" { // the path is not put into a query string
		return c.write(w, k, response{page: view.SignIn{
			Next: k.URL.Path, Notice: "Sign in to see the secret of the key that was created for you.",
		}, title: "Sign in"})
	}
	if k.Method == http.MethodGet || k.Method == http.MethodHead {
		next := "/sign-in"
		if path := k.goOnTo(k.URL.RequestURI()); path != "/settings/keys" {
			next += "?next=" + url.QueryEscape(path)
		}
		return c.write(w, k, goTo(next))
	}
	page := view.SignIn{
		Next: c.site.above(k.URL.Path), Notice: "Your session has ended. Sign in to go on.", Kept: keptFields(typed),
	}
	if len(page.Kept) > 0 {
		page.Notice += " What you typed is kept."
	}
	return c.write(w, k, response{page: page, title: "Sign in", status: http.StatusUnauthorized})
}

// unkeptNames are fields that are never kept, and neither are passwords: secrets, what makes a form
// count once, and what a person types to say that they are sure. What else a form has is what
// people type and choose.
var unkeptNames = []string{"accept", "code", "once", "secret", "setup", "sure", "value"}

const (
	// maxKept is how many bytes of fields are kept, and maxKeptFields how many of them. More than
	// the forms have is not kept at all.
	maxKept       = 12 << 10
	maxKeptFields = 300
)

// keptFields returns the fields of a form that is shown again after the sign-in; nil for none.
func keptFields(form url.Values) (fields []view.Field) {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if slices.Contains(unkeptNames, name) || strings.Contains(name, "password") {
			continue
		}
		for _, value := range form[name] {
			fields = append(fields, view.Field{Name: name, Value: value})
			size += len(name) + len(value)
		}
	}
	if size > maxKept || len(fields) > maxKeptFields {
		return nil
	}
	return fields
}

// keptPrefix begins the names of fields that the sign-in keeps for another form.
const keptPrefix = "kept."

// signIn begins a session.
func (c *Console) signIn(k *call) (response, error) {
	email := k.form.Get("email")
	next, kept := localPath(k.form.Get("next")), keptOf(k.form)
	u, err := c.Identity.SignIn(k.Context(), k.origin, email, credential.NewSecret(k.form.Get("password")))
	if errors.Is(err, fault.SignInFailed) {
		page := view.SignIn{Email: email, Failed: true, Next: next, Kept: keptFields(kept)}
		return response{page: page, title: "Sign in", status: http.StatusUnauthorized}, nil
	}
	if err != nil {
		return response{}, err
	}
	return c.begin(k, session.SignIn{User: u.Person(), PasswordSetAt: u.PasswordSetAt, From: k.origin}, next, kept)
}

// begin begins the session of a person who has just given their password, and answers where they go
// on. A person with a second factor is asked for its code first, and one who needs one sets it up.
func (c *Console) begin(k *call, in session.SignIn, next string, kept url.Values) (response, error) {
	_, token, err := c.Sessions.Begin(k.Context(), in)
	if errors.Is(err, fault.SecondFactorRequired) {
		half, token, err := c.Sessions.BeginHalf(k.Context(), in)
		if err != nil {
			return response{}, err
		}
		return c.halfWay(k, half, token, next, kept)
	}
	if err != nil {
		return response{}, err
	}
	return c.begun(k, token, next, kept), nil
}

// begun answers a person whose session has begun.
func (c *Console) begun(k *call, token credential.Secret, next string, kept url.Values) response {
	answer, err := c.goOn(k, token, next, kept)
	if err != nil { // the person is signed in; the page says what is wrong with it
		answer = goTo(next)
	}
	cookie := c.Middleware.Authenticator.SessionCookie(token)
	answer.cookies = []*http.Cookie{&cookie, c.halfCookie(credential.Secret{})}
	return answer
}

// goOn returns where a person goes after the sign-in. A form that was sent without a session is
// shown again as it was filled in, and is not sent.
func (c *Console) goOn(k *call, token credential.Secret, next string, kept url.Values) (response, error) {
	if next == "" {
		return goTo("/settings/keys"), nil
	}
	show := c.keptForm(k, next)
	if len(kept) == 0 || show == nil {
		return goTo(next), nil
	}
	who, err := c.Sessions.Resume(k.Context(), credential.SessionToken, token.Reveal())
	if err != nil {
		return response{}, err
	}
	k.who, k.form = who, kept
	k.session, _ = who.Session()
	k.Request = k.WithContext(admission.WithCaller(k.Context(), admission.ForPrincipal(who)))
	k.Request.URL, err = url.Parse(next) // of the form, which is sent to its own address
	if err != nil {
		return response{}, err
	}
	return show(k)
}

// keptForm returns the handler that shows the form at a path; nil for a path without a form.
func (c *Console) keptForm(k *call, path string) handler {
	at, values, _ := c.site.at(path)
	for name, value := range values {
		k.SetPathValue(name, value)
	}
	return at.show
}

// keptOf returns the fields that the sign-in kept for another form.
func keptOf(form url.Values) url.Values {
	kept := url.Values{}
	for name, values := range form {
		if own, found := strings.CutPrefix(name, keptPrefix); found {
			kept[own] = values
		}
	}
	return kept
}

// signOut ends the session.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request) error {
	k := c.newCall(r)
	answer := goTo("/sign-in?did=sign-out")
	gone := c.Middleware.Authenticator.SessionCookie(credential.Secret{})
	answer.cookies = []*http.Cookie{&gone}
	caller, _, err := c.Middleware.Authenticator.Caller(w, r, verify.Requirement{SessionOnly: true})
	if err == nil {
		err = c.Middleware.AdmitChange(caller.Principal, true)
	}
	if err == nil {
		own, _ := caller.Session()
		err = c.Sessions.End(r.Context(), caller.Principal, own.ID)
	}
	if err == nil {
		return c.write(w, k, answer)
	}
	switch fault.KindOf(err) {
	case fault.SecondFactorRequired: // it is good for nothing else, and ends like this
		a := c.Middleware.Authenticator
		_, _, err := c.Sessions.Restrict(r.Context(), a.SessionToken(r.Header), a.Origin(w.Header(), r))
		if err != nil && !needsSignIn(err) {
			return err
		}
		return c.write(w, k, answer)
	case fault.KeyInvalid, fault.SessionEnded, fault.NotFound: // the session has ended
		return c.write(w, k, answer)
	}
	return err
}

// setTheme keeps the theme in a cookie.
func (c *Console) setTheme(k *call) (response, error) {
	cookie := &http.Cookie{
		Name: view.ThemeCookie, Value: k.form.Get("theme"), Path: "/", HttpOnly: true,
		Secure: c.Middleware.Authenticator.Secure, SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600,
	}
	switch cookie.Value {
	case "light", "dark":
	default:
		cookie.Value, cookie.MaxAge = "", -1
	}
	back := "/settings/keys"
	if from, err := url.Parse(k.Referer()); err == nil && localPath(from.Path) != "" && from.Host == k.Host {
		back = c.site.above(from.Path)
	}
	answer := goTo(back)
	answer.cookies = []*http.Cookie{cookie}
	return answer, nil
}

// Package console serves the pages in which people manage keys.
//
// A page calls the domain packages in process, as the entry points for programs do; no rule and no
// SQL is here. A handler reads its request, calls the domain, and returns a response: a page of
// package view, or where to go on. It never writes to the connection itself.
//
//	console.go    what happens around every handler
//	routes.go     the paths of pages, forms and actions
//	frame.go      what is around every page: tenants, messages
//	sidebar.go    which pages a person finds in the sidebar
//	form.go       what forms have in common: they count once, and they show what is wrong in them
//	parts.go      fields, tables and confirmations that many pages have
//	position.go   where a list goes on
//	background.go, counts.go    what is computed beside the pages: counts, the health of keys
//	messages.go   the sentences about what was done
//	problem.go    pages about failures
//	words.go      times and statuses in words
//	signin.go     sign in and out, theme
//	links.go      set-up, invitations, forgotten passwords, keys that wait for their owner
//	firstkey.go   the first key, after the set-up
//	keylist.go    my keys, all keys of a tenant
//	export.go     lists as files
//	find.go       the search, and the list of shortcuts
//	keypage.go    one key
//	lifeline.go, history.go    its life as a drawing, and what happened to it
//	createfor.go    a key for another owner
//	bulkkeys.go     several keys at once
//	newkey.go, editkey.go, regenerate.go, endkey.go    what people do with a key
//	secret.go     a secret, shown once, and again where the tenant keeps a copy
//	waiting.go    what becomes of the first requests with it
//	profile.go, security.go    the person's own record, password and sessions
//	avatar.go     the person's picture, and forms that send a file
//	emailchange.go, owndata.go    another e-mail address, the download of one's own data
//	applications.go    the protected APIs of a tenant
//	scopes.go          what keys of a tenant can be allowed to do
//	members.go         the people of a tenant, and invitations
//	settings.go        the settings of a tenant as fields and words
//	tenantsettings.go  who changes them, presets, disabling a tenant
//	accounttenants.go  the tenants of an account
//	owners.go          the owners and admins of an account
//	accountmail.go     the messages of an account
//	keyhealth.go       what people should do about the keys of a tenant
//	audittrail.go, sentences.go    what changed in a tenant or an account, in words
//	policy.go          the policy of an account
//	knownsecrets.go    the secrets that a person knows who loses rights
//	serviceaccounts.go the service accounts of a tenant
//	managementkeys.go, managementform.go    the management keys of a service account
//	subjects.go, plans.go    the customers of a tenant's API, and the most that their keys may do
package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Idempotency keeps what forms have done, so that a form that is sent twice does it once.
type Idempotency interface {
	IdempotentResult(ctx context.Context, k audit.IdempotencyKey) (audit.IdempotentResult, error)
}

// Keyring seals positions in lists.
type Keyring interface {
	SealCursor(plain []byte, binding ...string) string
	OpenCursor(cursor string, binding ...string) (plain []byte, ok bool)
}

// Console serves the pages. Its fields are required.
type Console struct {
	Middleware *web.Middleware
	Identity   *identity.Service
	Sessions   *session.Service
	// SecondFactors has what people see of their second factor, and sets it up.
	SecondFactors *secondfactor.Service
	Accounts      *account.Service
	Tenancy       *tenancy.Service
	Applications  *application.Service
	Keys          *key.Service

	ServiceAccounts *machine.ServiceAccounts
	ManagementKeys  *machine.ManagementKeys
	Subjects        *machine.Subjects
	Plans           *machine.Plans
	// Watches are told that a secret is shown.
	Watches *usage.Watches
	// Reports says how much keys are used.
	Reports *usage.Reports
	// Resets limits requests for links to set a password.
	Resets      *web.AddressLimit
	Keyring     Keyring
	Idempotency Idempotency
	// Background computes counts and the health of keys.
	Background *Background
	Now        func() time.Time
	// BaseURL is the URL of this server, without a slash at the end.
	BaseURL string
	Version string

	// exporting has the people who export something now.
	exporting sync.Map
	// site has the paths of pages and forms.
	site siteMap
}

// call is a request to a page.
type call struct {
	*http.Request
	console *Console
	// who is the person; the zero value before the sign-in.
	who     principal.Principal
	session principal.Session
	// origin is where a form without a session comes from.
	origin principal.Origin
	// form has the fields of a POST, and file the file of one that sends a file.
	form url.Values
	file []byte
	// seen are the tenants of the person, once they were read.
	seen []tenancy.Tenant
	// now and zone are the time of the request, and that of the person.
	now  time.Time
	zone *time.Location
}

// isFromHere reports whether no other site sent the browser here. What a link of another site says
// in the query string is not believed.
func (k *call) isFromHere() bool {
	site := k.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin"
}

// response is what a handler answers: a page, or where to go on.
type response struct {
	page  view.Page
	title string
	// part is in the place of a page where an open page asks for a part of it; nil for a page.
	part view.Page
	// status is that of the page; 0 for 200.
	status int
	// narrow is set for forms. current is the path of the page in the sidebar.
	narrow  bool
	current string
	message *view.Message
	// next is where the browser goes on; "" for a page.
	next    string
	cookies []*http.Cookie
	// export is set for a list as a file.
	export *export
	// file is set for a file to download, with its name in title.
	file []byte
}

// goTo returns a response that sends the browser on.
func goTo(path string) response { return response{next: path} }

// did returns a response that sends the browser on to a page, which says what was done.
func did(path, what string) response {
	return goTo(path + "?did=" + url.QueryEscape(what))
}

// handler answers a call.
type handler func(*call) (response, error)

// open returns the handler of a page that needs no session.
func (c *Console) open(serve handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		k := c.newCall(r)
		answer, err := serve(k)
		if err != nil {
			return err
		}
		return c.write(w, k, answer)
	}
}

// limited serves a page without a session that reads the database. It counts against the limit of
// clients without a credential.
func (c *Console) limited(serve web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := c.Middleware.AdmitAnonymous(w, r); err != nil {
			return err
		}
		return serve(w, r)
	}
}

// anonymous returns the handler of a form that needs no session. reduces is set if the form gives
// nobody new authority.
func (c *Console) anonymous(reduces bool, serve handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		k := c.newCall(r)
		var err error
		k.form, err = c.readAnonymous(w, r)
		if err == nil {
			err = c.Middleware.AdmitChange(principal.Principal{}, reduces)
		}
		if err != nil {
			return err
		}
		k.origin = c.Middleware.Authenticator.Origin(w.Header(), r)
		k.Request = r.WithContext(admission.WithCaller(r.Context(), admission.ForAddress(k.origin.IP)))
		answer, err := serve(k)
		if err != nil {
			return err
		}
		return c.write(w, k, answer)
	}
}

// signedIn returns the handler of a page for signed-in people. Everybody else signs in first and
// then goes on; what they typed is kept.
func (c *Console) signedIn(serve handler) web.Handler { return c.withSession(false, serve) }

// reducing is signedIn for a form that only takes authority away.
func (c *Console) reducing(serve handler) web.Handler { return c.withSession(true, serve) }

func (c *Console) withSession(reduces bool, serve handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		k := c.newCall(r)
		typed, err := c.readTyped(w, r)
		if err != nil {
			return err
		}
		caller, body, err := c.Middleware.Authenticator.Caller(w, r, requirementOf(r))
		if errors.Is(err, fault.SecondFactorRequired) {
			return c.restrict(w, k, typed)
		}
		if err != nil {
			return c.signInFirst(w, k, typed, err)
		}
		k.signIn(caller)
		if r.Method == http.MethodPost {
			k.form, err = readForm(r, body)
			if err == nil {
				err = c.Middleware.AdmitChange(k.who, reduces)
			}
			if err != nil {
				return err
			}
		}
		return c.respond(w, k, serve)
	}
}

// polled is signedIn for what an open page asks for again and again: a part of it.
func (c *Console) polled(serve handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		k := c.newCall(r)
		caller, _, err := c.Middleware.Authenticator.PollingCaller(w, r, requirementOf(r))
		if err != nil {
			return c.signInFirst(w, k, nil, err)
		}
		k.signIn(caller)
		return c.respond(w, k, serve)
	}
}

// respond lets the handler of a signed-in person answer. A session that has ended in the account of
// what was asked for has ended for the request.
func (c *Console) respond(w http.ResponseWriter, k *call, serve handler) error {
	if err := k.checkQuery(); err != nil {
		return err
	}
	answer, err := serve(k)
	if k.Method == http.MethodPost && err == nil {
		c.Background.forget(k.PathValue("tenant"), string(k.session.User.ID))
	}
	if errors.Is(err, fault.SessionEnded) {
		return c.signInFirst(w, k, k.form, err)
	}
	if err != nil {
		return err
	}
	return c.write(w, k, answer)
}

// requirementOf returns what a page for signed-in people demands.
func requirementOf(r *http.Request) verify.Requirement {
	return verify.Requirement{SessionOnly: true, Tenant: ident.TenantID(r.PathValue("tenant"))}
}

// signIn makes the call one of the caller.
func (k *call) signIn(caller verify.Caller) {
	k.who = caller.Principal
	k.session, _ = k.who.Session()
	k.Request = k.WithContext(admission.WithCaller(k.Context(), admission.ForPrincipal(k.who)))
}

// readTyped returns the fields of a form that comes without a valid session, so that they are kept
// until the person has signed in. For any other request it reads nothing.
func (c *Console) readTyped(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost || !needsSignIn(c.Middleware.Authenticator.Refusal(w, r)) {
		return nil, nil
	}
	return c.readAnonymous(w, r)
}

// needsSignIn reports whether a request was refused because it has no valid session.
func needsSignIn(err error) bool {
	return errors.Is(err, fault.KeyInvalid) || errors.Is(err, fault.SessionEnded) ||
		errors.Is(err, fault.SecondFactorRequired)
}

// readAnonymous reads the fields of a form whose sender is not known. The body can be read again.
func (c *Console) readAnonymous(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if err := c.Middleware.AdmitAnonymous(w, r); err != nil {
		return nil, err
	}
	if err := c.Middleware.BufferAnonymousBody(w, r); err != nil {
		return nil, err
	}
	text, err := web.ReadWhole(r)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return readForm(r, text)
}

// checkQuery refuses a query string that cannot be read as it was meant: the page would show, or
// export, what nobody asked for. Forms have parameters that are repeated, and other pages none.
func (k *call) checkQuery() error {
	p, _, found := k.console.site.at(k.URL.Path)
	return web.CheckPageQuery(k.URL.RawQuery, found && p.show == nil)
}

// oneOf returns a parameter of the query string, which is "" or one of the choices.
func (k *call) oneOf(name string, choices ...view.Choice) (string, error) {
	sent := k.URL.Query().Get(name)
	if sent == "" || slices.ContainsFunc(choices, func(c view.Choice) bool { return c.Value == sent }) {
		return sent, nil
	}
	return "", fault.Refuse(fault.Field{
		Name: name, Code: "unknown", Message: "This page has no such choice. Go back to its beginning.",
	})
}

func (c *Console) newCall(r *http.Request) *call {
	return &call{Request: r, console: c, now: c.Now(), zone: zoneOf(r)}
}

// readForm reads the fields of a form.
func readForm(r *http.Request, body []byte) (url.Values, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if len(body) == 0 {
		return url.Values{}, nil
	}
	if len(body) > web.MaxBody {
		return nil, fault.TooLarge
	}
	if err := web.PlainContent(r.Header); err != nil {
		return nil, err
	}
	if strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return nil, fault.New(fault.UnsupportedMediaType, "Send the fields of a form.")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.New(fault.Malformed, "The form cannot be read.")
	}
	// Browsers send each line break of a text as two characters, which nobody typed.
	for _, values := range form {
		for i, value := range values {
			values[i] = strings.ReplaceAll(value, "\r\n", "\n")
		}
	}
	return form, nil
}

// write writes the response of a handler.
func (c *Console) write(w http.ResponseWriter, k *call, answer response) error {
	for _, cookie := range answer.cookies {
		http.SetCookie(w, cookie)
	}
	switch {
	case answer.export != nil:
		return c.stream(w, k, answer.export)
	case answer.file != nil:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="`+answer.title+`"`)
		_, _ = w.Write(answer.file) // the browser may be gone
		return nil
	case answer.next != "":
		http.Redirect(w, k.Request, answer.next, http.StatusSeeOther)
		return nil
	}
	if answer.part != nil {
		return writeText(w, 0, func(text io.Writer) error { return view.RenderPart(text, answer.part) })
	}
	frame, err := c.frame(k, answer)
	if err != nil {
		return err
	}
	if _, isList := answer.page.(view.Keys); isList && acceptsGzip(k.Request) {
		return writeCompressed(w, answer.status, frame, answer.page)
	}
	return writePage(w, answer.status, frame, answer.page)
}

// acceptsGzip reports whether the client reads what gzip compressed.
func acceptsGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// writeCompressed writes a page that holds no secret, compressed. A page with a secret is never
// compressed: its length would tell about the secret if somebody else chose a text beside it.
func writeCompressed(w http.ResponseWriter, status int, f view.Frame, p view.Page) error {
	var text bytes.Buffer
	packed := gzip.NewWriter(&text)
	if err := view.Render(packed, f, p); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Add("Vary", "Accept-Encoding")
	return writeText(w, status, func(to io.Writer) error { _, err := text.WriteTo(to); return err })
}

// writePage writes a page.
func writePage(w http.ResponseWriter, status int, f view.Frame, p view.Page) error {
	return writeText(w, status, func(text io.Writer) error { return view.Render(text, f, p) })
}

// writeText writes a page, or a part of one, that no cache keeps.
func writeText(w http.ResponseWriter, status int, render func(io.Writer) error) error {
	var text bytes.Buffer
	if err := render(&text); err != nil {
		return err
	}
	h := w.Header()
	web.SetPrivate(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	if status != 0 {
		w.WriteHeader(status)
	}
	_, _ = io.Copy(w, &text) // the browser may be gone
	return nil
}

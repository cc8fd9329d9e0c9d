package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	securityPath = "/settings/security"
	deletePhrase = "delete my account"
)

// securityRoutes are those of how a person signs in, and where they are signed in.
func (c *Console) securityRoutes() []web.Route {
	return slices.Concat(
		c.page(securityPath, c.showSecurity),
		c.ending(securityPath+"/password", c.showPassword, c.changePassword),
		c.factorRoutes(),
		c.reduction(securityPath+"/sessions/{session}/end", c.endSession),
		c.ending(securityPath+"/delete", c.confirmDeleteMe, c.deleteMe),
	)
}

// showSecurity shows the person's password, sessions, and how they leave.
func (c *Console) showSecurity(k *call) (response, error) {
	u, err := c.Identity.Me(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	factor, err := c.SecondFactors.State(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	list, err := c.Sessions.List(k.Context(), k.who, paging.Page{Limit: session.MaxSessions})
	if err != nil {
		return response{}, err
	}
	table := &view.Table{Columns: columns("Device", "Address", "Signed in", "Last seen")}
	for _, s := range list {
		table.Rows = append(table.Rows, k.sessionRow(s))
	}
	return response{page: view.Overview{
		Heading: "Sign-in and security",
		Panels: []view.Panel{
			{
				ID: "password", Heading: "Password",
				Facts:   []view.Fact{{Name: "Last changed", When: k.on(u.PasswordSetAt)}},
				Actions: []view.Action{{Text: "Change password…", Class: "small", Path: securityPath + "/password"}},
			},
			k.factorPanel(factor),
			{
				ID: "sessions", Heading: "Active sessions", Table: table,
				Intro: "Where you are signed in: browsers, and the command line. End those that you do not know, " +
					"then change your password.",
			},
			{
				ID: "delete", Heading: "Delete my account",
				Text: "Your keys are revoked, and your name and e-mail address are deleted. It cannot be undone.",
				Actions: []view.Action{{
					Text: "Delete my account…", Class: "small ends", Path: securityPath + "/delete",
				}},
			},
		},
	}, title: "Sign-in and security", current: securityPath}, nil
}

// sessionRow returns a session as the list shows it.
func (k *call) sessionRow(s session.Session) view.TableRow {
	device := deviceName(s.Agent)
	row := view.TableRow{
		Cells: []view.Cell{
			{Text: device, Note: kindsOfSession[s.Kind]},
			{Text: s.IP, Mono: true},
			{When: k.ago(s.SignedInAt)},
			{When: k.ago(s.LastSeenAt)},
		},
		Actions: []view.Action{{
			Text: "End", Object: "the session of " + device + " at " + s.IP, Class: "ends", Post: true,
			Path: securityPath + "/sessions/" + string(s.ID) + "/end",
		}},
	}
	if s.ID == k.session.ID {
		row.Cells[0].Badge = &view.Badge{Text: "This session", Icon: "check", Class: "active"}
		row.Actions[0].Text = "Sign out"
	}
	return row
}

// deviceName returns what a person recognises in a user agent: "Firefox on Windows". It returns the
// user agent itself if it names no browser, as that of the command line.
func deviceName(agent string) string {
	browser, system := firstIn(agent, browsers), firstIn(agent, systems)
	switch {
	case browser == "" || !strings.HasPrefix(agent, "Mozilla/"):
		return cmp.Or(agent, "unknown program")
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// browsers and systems are marks in user agents with their names. The first that is found counts:
// most browsers also name others.
var (
	browsers = [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = [][2]string{
		{"Android", "Android"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	}
)

func firstIn(agent string, marks [][2]string) string {
	for _, mark := range marks {
		if strings.Contains(agent, mark[0]) {
			return mark[1]
		}
	}
	return ""
}

// kindsOfSession say where a session is good, if it is not good everywhere.
var kindsOfSession = map[credential.TokenKind]string{
	credential.GatewayToken: "at a gateway", credential.PasswordToken: "of an old client",
}

// endSession ends a session. To end the present one is to sign out.
func (c *Console) endSession(k *call) (response, error) {
	id := ident.SessionID(k.PathValue("session"))
	if err := c.Sessions.End(k.Context(), k.who, id); err != nil {
		return response{}, err
	}
	if id == k.session.ID {
		return c.gone("sign-out"), nil
	}
	return did(securityPath, "session.end"), nil
}

// gone leads to the sign-in, without a session.
func (c *Console) gone(what string) response {
	answer := did("/sign-in", what)
	cookie := c.Middleware.Authenticator.SessionCookie(credential.Secret{})
	answer.cookies = []*http.Cookie{&cookie}
	return answer
}

func (c *Console) showPassword(k *call) (response, error) { return k.passwordForm(nil), nil }

// passwordForm returns the form. What was typed is not shown again.
func (k *call) passwordForm(faults view.Faults) response {
	p := view.Editor{
		Crumb: view.Link{Text: "Sign-in and security", Path: securityPath}, Heading: "Change your password",
		Intro: "It ends all your sessions but this one.", Action: securityPath + "/password", Faults: faults,
		Button: "Change password", Cancel: view.Link{Text: "Keep it", Path: securityPath},
		Parts: []view.Part{{Heading: "Password", Controls: []view.Control{
			{
				Kind: view.KindPassword, Name: "current_password", Label: "Current password", Width: "short",
				Autocomplete: "current-password",
			},
			{
				Kind: view.KindPassword, Name: "new_password", Label: "New password", Width: "short",
				Hint: "At least 15 characters. A sentence is easy to remember.", Autocomplete: "new-password",
			},
		}}},
	}
	return response{
		page: p, title: p.Heading, narrow: true, current: securityPath, status: statusOf(faults),
	}
}

// changePassword changes the password, and begins a session in place of all others.
func (c *Console) changePassword(k *call) (response, error) {
	u, err := c.Identity.ChangePassword(k.Context(), k.who, credential.NewSecret(k.form.Get("current_password")),
		credential.NewSecret(k.form.Get("new_password")))
	faults := formFaults(err)
	if errors.Is(err, fault.SignInFailed) {
		faults = view.Faults{{
			Field: "current_password", Message: "This is not your password. After several failures, wait a moment.",
		}}
	}
	if faults != nil {
		return k.passwordForm(faults), nil
	}
	if err != nil {
		return response{}, err
	}
	k.origin = k.who.Origin()
	return c.begin(k, session.SignIn{
		User: u.Person(), PasswordSetAt: u.PasswordSetAt, Instead: k.who, From: k.origin,
	}, did(securityPath, "password.edit").next, nil)
}

func (c *Console) confirmDeleteMe(k *call) (response, error) { return k.deleteMePage(nil) }

// deleteMePage asks before the person's account ends.
func (k *call) deleteMePage(faults view.Faults) (response, error) {
	keys, err := k.countOwnKeys()
	if err != nil {
		return response{}, err
	}
	return k.confirmation(view.Confirm{
		Heading: "Delete your account, %s?", Button: "Delete my account", Phrase: deletePhrase, Faults: faults,
		Lead: "All your keys are revoked in every tenant, your sessions end, and your name, e-mail address and " +
			"password are deleted. The audit trail keeps what you did, without your name. This cannot be undone.",
		Keep: view.Link{Text: "Keep my account"},
	}, k.session.User.Name, securityPath, []view.Fact{
		{Name: "E-mail", Value: k.session.User.Email}, {Name: "Keys that are revoked", Value: keys},
	}), nil
}

// countOwnKeys returns how many keys of the person are active, disabled or expired, or that they
// are more than are counted.
func (k *call) countOwnKeys() (string, error) {
	n, page := 0, &key.Page{Limit: partLimit}
	for range searchedParts {
		l, err := k.console.Keys.ListOwn(k.Context(), k.who, key.Filter{}, *page)
		if err != nil {
			return "", err
		}
		for _, v := range l.Views {
			if v.Status != policy.Revoked {
				n++
			}
		}
		if l.Next == nil {
			return strconv.Itoa(n), nil
		}
		page = l.Next
	}
	return "more than " + strconv.Itoa(n), nil
}

func (c *Console) deleteMe(k *call) (response, error) {
	if faults := k.sure(deletePhrase); faults != nil {
		return k.deleteMePage(faults)
	}
	err := c.Identity.DeleteMe(k.Context(), k.who)
	switch {
	case errors.Is(err, fault.SignInAgain):
		return k.signInAgain(securityPath+"/delete", err), nil
	case errors.Is(err, fault.Conflict): // the last owner of an account, or the last admin of a tenant
		return k.deleteMePage(view.Faults{{Field: "sure", Message: fault.Message(err)}})
	case err != nil:
		return response{}, err
	}
	return c.gone("account.delete"), nil
}

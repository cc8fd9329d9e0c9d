package console

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/web"
)

// mailRoutes are those of the messages of an account.
func (c *Console) mailRoutes() []web.Route {
	return slices.Concat(
		c.page("/a/{account}/mail", c.listMail),
		c.action("/a/{account}/mail/test", c.sendTestMail),
		c.action("/a/{account}/mail/{notice}/retry", c.retryMail),
	)
}

// mailWords say what a message is about.
var mailWords = map[notice.Kind]string{
	notice.KeyExpiring:  "A key expires soon",
	notice.KeyExpired:   "A key has expired",
	notice.KeyIdle:      "A key is disabled soon, because it is not used",
	notice.KeyCreated:   "A key was created",
	notice.KeyRefreshed: "A key was regenerated",
	notice.KeyRevealed:  "A secret was shown again",
	notice.KeyDisabled:  "A key was disabled",
	notice.KeyRevoked:   "A key was revoked or deleted",
	notice.Invitation:   "Invitation",
	notice.KeyClaim:     "Link to the secret of a new key",
	notice.Test:         "Test message",
}

// mailBadges are the states of a message.
var mailBadges = map[notice.State]view.Badge{
	notice.Waiting: {Text: "Waiting", Icon: "clock", Class: "disabled"},
	notice.Leased:  {Text: "Being sent", Icon: "clock", Class: "disabled"},
	notice.Sending: {Text: "Being sent", Icon: "clock", Class: "disabled"},
	notice.Sent:    {Text: "Sent", Icon: "check", Class: "active"},
	notice.Skipped: {Text: "Not sent", Icon: "cross", Class: "disabled"},
	notice.Dead:    {Text: "Failed", Icon: "warn", Class: "expired"},
	notice.InDoubt: {Text: "In doubt", Icon: "warn", Class: "blocked"},
}

// listMail lists the messages of an account.
func (c *Console) listMail(k *call) (response, error) {
	a, err := k.account()
	if err != nil {
		return response{}, err
	}
	page, err := k.position()
	if err != nil {
		return response{}, err
	}
	all, err := c.Accounts.Mail(k.Context(), k.who, a.ID, page)
	if err != nil {
		return response{}, err
	}
	shown, next := pageOf(k, all, func(e notice.Entry) (time.Time, string) { return e.At, string(e.ID) })
	list := inAccount(a.ID, "mail")
	panel := view.Panel{ID: "messages", Heading: "Messages", Next: next, Prev: k.previous(), Table: &view.Table{
		Columns: columns("Message", "To", "Planned", "State", "Next try"),
		Empty:   "No message yet. People get one when a key of theirs expires, is created, changed or revoked.",
	}}
	for _, e := range shown {
		panel.Table.Rows = append(panel.Table.Rows, k.mailRow(e, list))
	}
	return response{page: view.Overview{
		Heading: "Mail",
		Intro: "What Claviger mails about the keys and invitations of " + a.Name + ". Messages about a person's own " +
			"sign-ins and password are not listed. Finished ones are removed after 90 days.",
		Actions: []view.Action{{
			Text: "Send a test to my address", Icon: "mail", Path: list + "/test", Post: true,
		}},
		Panels: []view.Panel{panel},
	}, title: "Mail of " + a.Name, current: list}, nil
}

// mailRow returns a message as the list shows it.
func (k *call) mailRow(e notice.Entry, list string) view.TableRow {
	badge, words := mailBadges[e.State], mailWords[e.Kind]
	if words == "" {
		words = string(e.Kind)
	}
	about := e.Facts.KeyName
	if e.Kind == notice.Invitation {
		about = string(e.Facts.Role)
	}
	message := view.Cell{Text: words, Note: about}
	if e.Key != "" && e.Facts.Tenant != "" {
		message.Path = inTenant(e.Facts.Tenant, "keys/"+string(e.Key))
	}
	to := view.Cell{Text: e.Email}
	if e.Email == "" {
		to.Text, to.Note = "Stewards", e.Facts.ServiceAccountName
		if e.Facts.ServiceAccount == "" {
			to.Text = "A deleted person"
		}
	}
	row := view.TableRow{Cells: []view.Cell{
		message, to, {When: k.at(e.At)}, {Badge: &badge, Note: e.Reason}, {Text: "–"},
	}}
	if e.State == notice.Waiting {
		row.Cells[4] = view.Cell{When: k.at(e.DueAt)}
		if e.DueAt.Before(k.now) {
			row.Cells[4] = view.Cell{Text: "now"}
		}
	}
	if e.State == notice.Dead || e.State == notice.InDoubt || e.State == notice.Waiting && e.Attempts > 0 {
		row.Actions = []view.Action{{
			Text: "Retry", Object: words + " to " + to.Text, Post: true, Path: list + "/" + string(e.ID) + "/retry",
		}}
	}
	return row
}

// retryMail sends a message of an account again.
func (c *Console) retryMail(k *call) (response, error) {
	in := ident.AccountID(k.PathValue("account"))
	err := c.Accounts.RetryMail(k.Context(), k.who, in, ident.NoticeID(k.PathValue("notice")))
	if err != nil {
		return response{}, err
	}
	return did(inAccount(in, "mail"), "mail.retry"), nil
}

// sendTestMail sends a test message to the address of the person.
func (c *Console) sendTestMail(k *call) (response, error) {
	in := ident.AccountID(k.PathValue("account"))
	if err := c.Accounts.SendTest(k.Context(), k.who, in); err != nil {
		return response{}, err
	}
	return did(inAccount(in, "mail"), "mail.test"), nil
}

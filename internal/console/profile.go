package console

import (
	"errors"
	"net/url"
	"slices"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	profilePath       = "/settings/profile"
	notificationsPath = "/settings/notifications"
)

// profileRoutes are those of the person's own record.
func (c *Console) profileRoutes() []web.Route {
	return slices.Concat(
		c.form(profilePath, c.showProfile, c.saveProfile),
		c.form(notificationsPath, c.showNotifications, c.saveNotifications),
		c.avatarRoutes(),
		c.form(emailPath, c.showEmail, c.requestEmail),
		c.page(dataPath, c.showData),
	)
}

func (c *Console) showProfile(k *call) (response, error) { return k.profileForm(k.form, nil) }

// profileForm returns the form, filled in with values, or else with what the person has.
func (k *call) profileForm(values url.Values, faults view.Faults) (response, error) {
	u, err := k.console.Identity.Me(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	if len(values) == 0 {
		values = url.Values{"name": {u.Name}}
	}
	avatar, err := k.console.Identity.AvatarVersion(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	name := nameControl(values.Get("name"))
	name.Hint = "Colleagues and administrators see it beside your keys."
	p := view.Editor{
		Heading: "Profile", Action: profilePath, Version: version(values, u.Version()), Faults: faults,
		Button: "Save profile",
		Parts: []view.Part{
			{Heading: "You", Controls: []view.Control{name}},
			{Heading: "Times", Controls: []view.Control{{
				Kind: view.KindText, Name: "zone", Label: "Time zone", Value: k.zone.String(),
				Hint: "That of your browser. Without JavaScript, times are in UTC.",
			}}},
		},
		Panels: []view.Panel{emailPanel(u), avatarPanel(avatar), dataPanel},
	}
	return response{page: p, title: "Profile", narrow: true, current: profilePath, status: statusOf(faults)}, nil
}

func (c *Console) saveProfile(k *call) (response, error) {
	name := k.form.Get("name")
	_, err := c.Identity.ChangeMe(k.Context(), k.who, identity.Change{
		Expected: k.expected(), Name: &name,
	})
	if errors.Is(err, etag.ErrChanged) {
		return k.profileForm(k.form, k.changedMeanwhile("name", "profile"))
	}
	if faults := formFaults(err); faults != nil {
		return k.profileForm(k.form, faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(profilePath, "profile.edit"), nil
}

// notices are the kinds of e-mails in words.
var notices = map[notice.Kind]view.Choice{
	notice.KeyExpiring:  {Text: "A key of mine expires", Note: "30, 7 and 1 days before"},
	notice.KeyExpired:   {Text: "A key of mine has expired"},
	notice.KeyIdle:      {Text: "A key of mine is disabled soon", Note: "because it is not used"},
	notice.KeyCreated:   {Text: "Somebody creates a key for me"},
	notice.KeyRefreshed: {Text: "A key of mine is regenerated"},
	notice.KeyRevealed:  {Text: "A secret of mine is shown again"},
	notice.KeyDisabled:  {Text: "A key of mine is disabled", Note: "by somebody else, or because it is not used"},
	notice.KeyRevoked:   {Text: "A key of mine is revoked or deleted"},
	notice.NewSignIn:    {Text: "Somebody signs in as me", Note: "from a device that is new"},
}

func (c *Console) showNotifications(k *call) (response, error) {
	return k.notificationsForm(k.form, nil)
}

// notificationsForm returns the form, with the choices of values, or else with what the person has.
func (k *call) notificationsForm(values url.Values, faults view.Faults) (response, error) {
	u, err := k.console.Identity.Me(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	wanted := func(kind notice.Kind) bool { return !slices.Contains(u.Muted, kind) }
	if len(values) > 0 {
		wanted = func(kind notice.Kind) bool { return slices.Contains(values["notice"], string(kind)) }
	}
	choose := view.Control{Kind: view.KindChecks, Name: "notice", Label: "Send me an e-mail when"}
	always := view.Control{Kind: view.KindChecks, Name: "fixed", Label: "Always sent"}
	for _, kind := range notice.Kinds() {
		choice := notices[kind]
		choice.Value = string(kind)
		if kind.Fixed() {
			choice.Checked, choice.Off = true, true
			always.Choices = append(always.Choices, choice)
			continue
		}
		choice.Checked = wanted(kind)
		choose.Choices = append(choose.Choices, choice)
	}
	p := view.Editor{
		Heading: "Notifications", Intro: "E-mails to " + u.Email + ".", Action: notificationsPath,
		Version: version(values, u.Version()), Faults: faults, Button: "Save notifications",
		Parts: []view.Part{
			{Heading: "Choose", Controls: []view.Control{choose}},
			{
				Heading: "Fixed", Intro: "So that no key ends unannounced, and nobody hides what they do from you.",
				Controls: []view.Control{always},
			},
		},
	}
	if !k.console.Tenancy.Mails {
		p.Notices = []view.Message{{
			Tone: "warn", Icon: "warn", Text: "This server has no mail server: nothing is sent.",
		}}
	}
	return response{
		page: p, title: p.Heading, narrow: true, current: notificationsPath, status: statusOf(faults),
	}, nil
}

func (c *Console) saveNotifications(k *call) (response, error) {
	change := identity.Change{Expected: k.expected(), Notices: map[notice.Kind]bool{}}
	for _, kind := range notice.Kinds() {
		if !kind.Fixed() {
			change.Notices[kind] = slices.Contains(k.form["notice"], string(kind))
		}
	}
	_, err := c.Identity.ChangeMe(k.Context(), k.who, change)
	if errors.Is(err, etag.ErrChanged) {
		return k.notificationsForm(k.form, k.changedMeanwhile("notice", "profile"))
	}
	if err != nil {
		return response{}, err
	}
	return did(notificationsPath, "notifications.edit"), nil
}

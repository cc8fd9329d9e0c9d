package console

import (
	"errors"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
)

const emailPath = profilePath + "/email"

// emailPanel is the part of the profile about the address.
func emailPanel(u identity.User) view.Panel {
	p := view.Panel{
		ID: "email", Heading: "E-mail address", Facts: []view.Fact{{Name: "Address", Value: u.Email}},
		Actions: []view.Action{{Text: "Change…", Object: "your e-mail address", Class: "small", Path: emailPath}},
	}
	if !u.EmailProven {
		p.Text = "It is not known yet that this address is yours. You get no e-mail until you have used a link that " +
			"was sent to it."
	}
	return p
}

func (c *Console) showEmail(k *call) (response, error) { return k.emailForm(k.form.Get("email"), nil) }

// emailForm returns the form, after a recent sign-in.
func (k *call) emailForm(typed string, faults view.Faults) (response, error) {
	if !k.session.Recent(k.now) {
		return k.signInAgain(emailPath, nil), nil
	}
	u, err := k.console.Identity.Me(k.Context(), k.who)
	if err != nil {
		return response{}, err
	}
	p := view.Editor{
		Crumb: view.Link{Text: "Profile", Path: profilePath}, Heading: "Change your e-mail address", Action: emailPath,
		Intro: "You get a link at both addresses. The address changes once you have opened both, within an hour. " +
			"Then all your sessions end, and you sign in with the new address.",
		Faults: faults, Button: "Send the links", Cancel: view.Link{Text: "Keep it", Path: profilePath},
		Parts: []view.Part{{Heading: "Address", Controls: []view.Control{
			{Kind: view.KindText, Name: "present", Label: "Present address", Value: u.Email},
			{
				Kind: view.KindEmail, Name: "email", Label: "New address", Value: typed, Width: "short",
				MaxLength: "254", Autocomplete: "email",
			},
		}}},
	}
	if !u.EmailProven {
		p.Intro = "You get a link at the new address. The address changes once you have opened it, within an hour. " +
			"Then all your sessions end, and you sign in with the new address."
	}
	if !k.console.Identity.Mails {
		p.Notices = []view.Message{{
			Tone: "warn", Icon: "warn",
			Text: "This server has no mail server, so it cannot find out whether an address is yours. Its operator " +
				"can change your address with `claviger user email`.",
		}}
		p.Intro = ""
		p.Button, p.Parts[0].Controls = "", p.Parts[0].Controls[:1]
	}
	return response{page: p, title: p.Heading, narrow: true, current: profilePath, status: statusOf(faults)}, nil
}

func (c *Console) requestEmail(k *call) (response, error) {
	email := k.form.Get("email")
	change, err := c.Identity.RequestEmailChange(k.Context(), k.who, email)
	if errors.Is(err, fault.SignInAgain) {
		return k.signInAgain(emailPath, err), nil
	}
	faults := formFaults(err)
	if errors.Is(err, fault.Conflict) || errors.Is(err, fault.RateLimited) {
		faults = view.Faults{{Field: "email", Message: fault.Message(err)}}
	}
	if faults != nil {
		return k.emailForm(email, faults)
	}
	if err != nil {
		return response{}, err
	}
	if change.ConfirmOld {
		return did(profilePath, "email.both"), nil
	}
	return did(profilePath, "email.new"), nil
}

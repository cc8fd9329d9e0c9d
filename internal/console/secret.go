package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

// secretPage shows a secret. It is in this response and nowhere else.
func (k *call) secretPage(heading string, issued key.Issued) response {
	c := issued.Credential
	page := view.Secret{
		Heading: heading, Name: issued.Key.Name, KeyPath: pathOf(issued.Key), Done: pathOf(issued.Key),
		ID: c.PublicID, Secret: c.Secret.Reveal(), Value: c.Value.Reveal(), Examples: k.examples(issued),
		Recoverable: issued.Settings.Disclosure == policy.Recoverable && issued.Key.Owner.Is(k.session.User.ID),
	}
	whole := view.Value{Name: "Key", Text: c.Value.Reveal(), Main: true}
	switch c.Shape.Style {
	case credential.UUID:
		page.Values = []view.Value{whole}
	case credential.Token:
		page.Values = []view.Value{whole}
	default:
		whole.Main = false
		whole.Name = "ID and secret"
		page.Values = []view.Value{
			{Name: "ID", Text: c.PublicID}, {Name: "Secret", Text: c.Secret.Reveal(), Main: true}, whole,
		}
	}
	if p := issued.Previous; !p.Until.IsZero() {
		page.Notes = append(page.Notes, "The old secret works until "+k.at(p.Until).Text+".")
	}
	page.Waiting = k.waitFor(issued.Key)
	return response{page: page, title: heading, narrow: true, current: "/settings/keys"}
}

// reveal shows a secret again of which the tenant keeps a copy. The person signs in once more if
// the last sign-in is not recent.
func (c *Console) reveal(k *call) (response, error) {
	tenant, id := k.ids()
	shown, err := c.Keys.Reveal(k.Context(), k.who, tenant, id)
	if errors.Is(err, fault.SignInAgain) {
		return k.signInAgain(k.keyURL(), err), nil
	}
	if err != nil {
		return response{}, err
	}
	return k.secretPage("Your API key", shown), nil
}

// examples returns a call with the key in several languages, by the first transport that the tenant
// allows.
func (k *call) examples(issued key.Issued) []view.Example {
	url := k.console.BaseURL + "/api/v1/whoami"
	s, c := issued.Settings, issued.Credential
	header, value := "", ""
	switch {
	case s.Allows(policy.Location{Transport: policy.Bearer}):
		header, value = "Authorization", "Bearer "+c.Value.Reveal()
	case s.Allows(policy.Location{Transport: policy.Header}):
		header, value = s.KeyHeader, c.Value.Reveal()
	case s.Allows(policy.Location{Transport: policy.Basic}):
		return basicExamples(url, c.PublicID, c.Secret.Reveal())
	case s.Allows(policy.Location{Transport: policy.OAuth}):
		text := fmt.Sprintf("curl -d grant_type=client_credentials --data-urlencode client_id='%s' \\\n  "+
			"--data-urlencode client_secret='%s' %s/oauth2/token", c.PublicID, c.Secret.Reveal(), k.console.BaseURL)
		return []view.Example{{ID: "curl", Name: "curl", Text: text}}
	default:
		return nil
	}
	return []view.Example{
		{ID: "curl", Name: "curl", Text: fmt.Sprintf("curl %s \\\n  -H '%s: %s'", url, header, value)},
		{ID: "python", Name: "Python", Text: fmt.Sprintf(
			"import requests\n\nprint(requests.get(\"%s\", headers={\"%s\": \"%s\"}).json())", url, header, value)},
		{ID: "go", Name: "Go", Text: fmt.Sprintf("req, _ := http.NewRequest(\"GET\", \"%s\", nil)\n"+
			"req.Header.Set(\"%s\", \"%s\")\nres, err := http.DefaultClient.Do(req)", url, header, value)},
		{ID: "js", Name: "JavaScript", Text: fmt.Sprintf("const res = await fetch(\"%s\", {\n"+
			"  headers: { \"%s\": \"%s\" },\n});\nconsole.log(await res.json());", url, header, value)},
	}
}

func basicExamples(url, id, secret string) []view.Example {
	return []view.Example{
		{ID: "curl", Name: "curl", Text: fmt.Sprintf("curl --user '%s:%s' %s", id, secret, url)},
		{ID: "python", Name: "Python", Text: fmt.Sprintf(
			"import requests\n\nprint(requests.get(\"%s\", auth=(\"%s\", \"%s\")).json())", url, id, secret)},
		{ID: "go", Name: "Go", Text: fmt.Sprintf("req, _ := http.NewRequest(\"GET\", \"%s\", nil)\n"+
			"req.SetBasicAuth(\"%s\", \"%s\")\nres, err := http.DefaultClient.Do(req)", url, id, secret)},
		{ID: "js", Name: "JavaScript", Text: fmt.Sprintf("const res = await fetch(\"%s\", {\n"+
			"  headers: { Authorization: \"Basic \" + btoa(\"%s:%s\") },\n});\nconsole.log(await res.json());",
			url, id, secret)},
	}
}

// shownBefore answers a form that was sent again: what it showed once is not shown again.
func (k *call) shownBefore(once audit.IdempotencyKey, tenant ident.TenantID) (response, error) {
	id, err := k.earlier(once)
	if err != nil {
		return response{}, err
	}
	v, err := k.console.Keys.Get(k.Context(), k.who, tenant, ident.KeyID(id))
	if err != nil {
		return response{}, err
	}
	return response{page: view.Secret{
		Heading: "The secret was shown", Name: v.Key.Name, KeyPath: pathOf(v.Key),
		Shown: "when this form was sent the first time",
	}, title: "The secret was shown", narrow: true, current: "/settings/keys"}, nil
}

// download answers a credential that the page shows as a file, for browsers without script. The
// server must have shown it to this person: it is that of a key which they own or administer.
func (c *Console) download(k *call) (response, error) {
	id, secret := k.form.Get("id"), k.form.Get("secret")
	value := k.form.Get("value")
	if parsed, ok := credential.Parse(value); ok && c.ManagementKeys.Keyring.ManagementTagged(parsed) {
		m, err := c.ManagementKeys.Recognize(k.Context(), parsed)
		if errors.Is(err, fault.KeyInvalid) || err == nil && !k.administers(m.Tenant) {
			err = errNotShown
		}
		if err != nil {
			return response{}, err
		}
		return credentialFile(m.PublicID, id, secret, value)
	}
	a := c.Middleware.Authenticator
	sent := web.ParseCredential(value)
	if id != "" {
		sent = a.ReadClient(k.Context(), http.Header{}, id, secret, false)
	}
	d, err := a.Verify.Engine.Evaluate(k.Context(), sent)
	if err != nil {
		return response{}, err
	}
	if d.Facts == nil || !k.seesSecretOf(d.Facts.Key.Tenant, d.Facts.Key.Account, d.Facts.Key.Owner.ID) {
		return response{}, errNotShown
	}
	return credentialFile(d.Facts.Key.ClientID(), id, secret, value)
}

var errNotShown = fault.New(fault.NotFound, "This is no key that was shown to you.")

// administers reports whether the person is an admin of a tenant.
func (k *call) administers(tenant ident.TenantID) bool {
	t, err := k.console.Tenancy.Tenant(k.Context(), k.who, tenant)
	return err == nil && k.isAdmin(t)
}

// credentialFile returns a credential as a file, whose name follows from the public id.
func credentialFile(publicID, id, secret, value string) (response, error) {
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
		Value  string `json:"value"`
	}{id, secret, value})
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("/\\\"", r) || r < ' ' {
			return '_'
		}
		return r
	}, publicID)
	return response{file: text.Bytes(), title: name + ".json"}, err
}

// seesSecretOf reports whether the secret of a key may have been shown to the person.
func (k *call) seesSecretOf(tenant ident.TenantID, account ident.AccountID, owner ident.PartyID) bool {
	return owner == ident.PartyID(k.session.User.ID) || k.who.RoleIn(tenant, account) == scope.Admin
}

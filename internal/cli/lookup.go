package cli

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
)

// An argument names an object by its id or by another name: a key by its public id or its name, a
// person by e-mail address or name, any other object by its name. An id needs no request. A name
// needs a search, and must match exactly one object.

// isID reports whether a text is an id of the kind.
func isID[T ident.ID](text string) bool {
	_, err := ident.Parse[T](text)
	return err == nil
}

// candidate is an object that an argument may name.
type candidate struct {
	id string
	// description tells the user which object it is.
	description string
	// inactive objects match only if no other object does.
	inactive bool
}

// lookup is a search for an object and its results.
type lookup struct {
	// kind is the noun for the object, and knownBy lists the kinds of names that it has.
	kind, knownBy string
	text          string
	found         []candidate
	// listCommand is the command that lists all objects of the kind.
	listCommand string
}

// result returns the id of the one object that the text names.
func (s lookup) result() (string, error) {
	found := s.found
	if present := excluding(found, func(c candidate) bool { return c.inactive }); len(present) > 0 {
		found = present
	}
	switch len(found) {
	case 0:
		err := fmt.Errorf("there is no %s with the %s %q", s.kind, s.knownBy, oneLine(s.text))
		return "", failure{err, exitNotFound, "to list them: " + s.listCommand}
	case 1:
		return found[0].id, nil
	}
	var all []string
	for _, c := range found {
		all = append(all, c.id+" ("+oneLine(c.description)+")")
	}
	err := fmt.Errorf("more than one %s has the name %q: %s", s.kind, oneLine(s.text), strings.Join(all, ", "))
	return "", failure{err, exitUsage, "give its id"}
}

// excluding returns the candidates for which exclude returns false.
func excluding(all []candidate, exclude func(candidate) bool) (kept []candidate) {
	for _, c := range all {
		if !exclude(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// Maximum lengths of a name and of a public id. Only public ids of style client are longer.
const (
	maxName     = 64
	maxPublicID = 41
)

var clientPublicID = regexp.MustCompile(`^oauth2-[0-9A-Za-z]{22}@[0-9a-z.-]{1,64}$`)

// checkName returns an error for a text that cannot be the name of an object, before the text is
// sent or shown: it could be the value of a key, or a link.
func checkName(kind, text string) error {
	word := !strings.ContainsAny(text, " \t@")
	switch {
	case strings.TrimSpace(text) == "":
		return usage("%s: give an id or a name", kind)
	case clientPublicID.MatchString(text) || isEmail(text):
		return nil
	case uuidForm.MatchString(text), word && len(text) > maxPublicID, utf8.RuneCountInString(text) > maxName:
		err := fmt.Errorf("the text is too long for the name of a %s. It could be a secret, so nothing was sent", kind)
		return failure{err, exitUsage, "give its id"}
	}
	return nil
}

func isEmail(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= 254 && !strings.ContainsAny(text, " \t/:")
}

// keyID returns the id of a key of the tenant. A name refers to a revoked or expired key only if no
// other key has it.
func (c *call) keyID(tenant, text string) (string, error) {
	if isID[ident.KeyID](text) {
		return text, nil
	}
	if err := checkName("key", text); err != nil {
		return "", err
	}
	filter := client.KeyFilter{Query: strings.Fields(text)[0]}
	keys, err := allPages(0, func(p client.Page) (api.List[api.Key], error) { return c.Keys(c.ctx, tenant, filter, p) })
	if err != nil {
		return "", err
	}
	s := lookup{kind: "key", knownBy: "id, public id or name", text: text, listCommand: "claviger keys list"}
	for _, k := range keys.Items {
		if k.PublicID == text {
			return k.ID, nil
		}
		if k.Name == text {
			past := k.Status == "revoked" || k.Status == "expired"
			s.found = append(s.found,
				candidate{k.ID, k.PublicID + ", " + string(k.Status) + ", of " + partyText(k.Owner), past})
		}
	}
	return s.result()
}

// applicationID returns the id of an application of the tenant.
func (c *call) applicationID(tenant, text string) (string, error) {
	if isID[ident.ApplicationID](text) {
		return text, nil
	}
	if err := checkName("application", text); err != nil {
		return "", err
	}
	apps, err := allPages(0, func(p client.Page) (api.List[api.Application], error) {
		return c.Applications(c.ctx, tenant, p)
	})
	if err != nil {
		return "", err
	}
	s := lookup{kind: "application", knownBy: "id or name", text: text, listCommand: "claviger apps list"}
	for _, a := range apps.Items {
		if a.Name == text {
			s.found = append(s.found, candidate{id: a.ID, description: string(a.Status)})
		}
	}
	return s.result()
}

// applicationIDs is applicationID for each of a list.
func (c *call) applicationIDs(tenant string, texts []string) (ids []string, err error) {
	for _, text := range texts {
		id, err := c.applicationID(tenant, text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// userID returns the id of a member of the tenant. It returns "me" unchanged.
func (c *call) userID(tenant, text string) (string, error) {
	if text == "me" || isID[ident.UserID](text) {
		return text, nil
	}
	if err := checkName("member", text); err != nil {
		return "", err
	}
	members, err := allPages(0,
		func(p client.Page) (api.List[api.Member], error) { return c.Members(c.ctx, tenant, p) })
	if err != nil {
		return "", err
	}
	s := lookup{kind: "member", knownBy: "id, e-mail address or name", text: text, listCommand: "claviger members list"}
	for _, m := range members.Items {
		if strings.EqualFold(valueOrEmpty(m.User.Email), text) {
			return m.User.ID, nil // an address belongs to one person
		}
		if valueOrEmpty(m.User.Name) == text {
			s.found = append(s.found, candidate{id: m.User.ID, description: personText(m.User)})
		}
	}
	return s.result()
}

// serviceAccountID returns the id of a service account of the tenant.
func (c *call) serviceAccountID(tenant, text string) (string, error) {
	if isID[ident.ServiceAccountID](text) {
		return text, nil
	}
	if err := checkName("service account", text); err != nil {
		return "", err
	}
	all, err := c.allServiceAccounts(tenant)
	if err != nil {
		return "", err
	}
	s := lookup{
		kind: "service account", knownBy: "id or name", text: text, listCommand: "claviger service-accounts list",
	}
	for _, a := range all.Items {
		if a.Name == text {
			s.found = append(s.found, candidate{id: a.ID, description: string(a.Role) + ", " + string(a.Status)})
		}
	}
	return s.result()
}

// serviceAccountPrefix begins the text that names a service account as an owner.
const serviceAccountPrefix = string(api.PartyServiceAccount) + ":"

// ownerOf returns the owner of a key that a text names: a person by e-mail address, name or id, or
// a service account as service_account:NAME, or a subject as subject:EXTERNAL_ID. It is nil for the
// caller.
func (c *call) ownerOf(tenant, text string) (*api.KeyOwner, error) {
	if name, ok := strings.CutPrefix(text, subjectPrefix); ok {
		if isID[ident.SubjectID](name) {
			return &api.KeyOwner{Type: api.PartySubject, ID: name}, nil
		}
		return &api.KeyOwner{Type: api.PartySubject, ExternalID: name}, nil
	}
	name, ok := strings.CutPrefix(text, serviceAccountPrefix)
	if ok {
		id, err := c.serviceAccountID(tenant, name)
		return &api.KeyOwner{Type: api.PartyServiceAccount, ID: id}, err
	}
	if text == "" || text == "me" {
		return nil, nil
	}
	id, err := c.userID(tenant, text)
	return &api.KeyOwner{Type: api.PartyUser, ID: id}, err
}

// ownerFilter returns the filter for the keys of an owner that a text names as in ownerOf; "me" for
// the caller.
func (c *call) ownerFilter(tenant, text string) (string, error) {
	if text == "" || text == "me" {
		return text, nil
	}
	o, err := c.ownerOf(tenant, text)
	if err != nil {
		return "", err
	}
	switch {
	case o.Type == api.PartyUser:
		return o.ID, nil
	case o.ExternalID != "":
		return "external_id:" + o.ExternalID, nil
	}
	return string(o.Type) + ":" + o.ID, nil
}

// tenantID returns the id of a tenant that the caller can see.
func (c *call) tenantID(text string) (string, error) {
	if isID[ident.TenantID](text) {
		return text, nil
	}
	if err := checkName("tenant", text); err != nil {
		return "", err
	}
	tenants, err := c.allTenants()
	if err != nil {
		return "", err
	}
	s := lookup{kind: "tenant", knownBy: "id or name", text: text, listCommand: "claviger tenants list"}
	for _, t := range tenants {
		if t.Name == text {
			s.found = append(s.found, candidate{id: t.ID, description: string(t.Preset) + " of " + t.AccountID})
		}
	}
	return s.result()
}

func (c *call) allTenants() ([]api.Tenant, error) {
	tenants, err := allPages(0, func(p client.Page) (api.List[api.Tenant], error) { return c.Tenants(c.ctx, p) })
	return tenants.Items, err
}

// accountID returns the id of an account that the caller belongs to.
func (c *call) accountID(text string) (string, error) {
	if isID[ident.AccountID](text) {
		return text, nil
	}
	if err := checkName("account", text); err != nil {
		return "", err
	}
	accounts, err := c.allAccounts()
	if err != nil {
		return "", err
	}
	s := lookup{kind: "account", knownBy: "id or name", text: text, listCommand: "claviger whoami"}
	for _, a := range accounts {
		if a.Name == text {
			s.found = append(s.found, candidate{id: a.ID, description: string(a.Status)})
		}
	}
	return s.result()
}

func (c *call) allAccounts() ([]api.Account, error) {
	accounts, err := allPages(0, func(p client.Page) (api.List[api.Account], error) { return c.Accounts(c.ctx, p) })
	return accounts.Items, err
}

// onKey adapts work on a key to inTenant. The one argument of the command names the key.
func (r *apiCommand) onKey(
	work func(c *call, tenant, key string) error,
) func(c *call, tenant string, args []string) error {
	return func(c *call, tenant string, args []string) error {
		key, err := c.keyID(tenant, args[0])
		if err != nil {
			return err
		}
		return work(c, tenant, key)
	}
}

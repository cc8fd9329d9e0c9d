package blazeauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// The bounds of a list of API keys.
const (
	pageSize = 200
	maxPage  = 50
)

// keyRoutes are the routes of the caller's own API keys. No key may use them.
func (a *API) keyRoutes() []dialect.Route {
	const path = panel + "api-keys"
	session := verify.Requirement{SessionOnly: true}
	return []dialect.Route{
		{
			Method: http.MethodGet, Path: path, Needs: session, Serve: a.listKeys,
			Summary: "Lists your API keys, newest first: 200 at a time, by `page`.",
		},
		{
			Method: http.MethodPost, Path: path, Needs: session, Serve: a.createKey,
			Summary: "Creates an API key and shows it, once.",
		},
		{
			Method: http.MethodPatch, Path: path + "/{id}", Needs: session, Serve: a.editKey,
			Summary: "Changes an API key. Members that are left out stay as they are.",
		},
		{
			Method: http.MethodPost, Path: path + "/{id}/revoke", Needs: session, Reduces: true, Serve: a.revokeKey,
			Summary: "Revokes an API key.",
		},
	}
}

// keyBody is an API key as the vendor's clients read it.
type keyBody struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	PublicID        string   `json:"publicId"`
	KeyLast4        string   `json:"keyLast4"`
	Scopes          []string `json:"scopes"`
	AllApplications bool     `json:"allApplications"`
	ApplicationIDs  []string `json:"applicationIds"`
	// ExpiresAt is the key's own expiry, as a client sets it. The account's policy may end the key
	// earlier.
	ExpiresAt  *time.Time `json:"expiresAt"`
	RevokedAt  *time.Time `json:"revokedAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	LastUsedIP *string    `json:"lastUsedIp"`
	CreatedAt  time.Time  `json:"createdAt"`
	UpdatedAt  time.Time  `json:"updatedAt"`
	// PlaintextKey is the whole key; "" once it was shown.
	PlaintextKey string `json:"plaintextKey,omitempty"`
}

// bodyOfKey returns the wire form of a key. numbers are those of the applications by their ids.
func bodyOfKey(v key.View, numbers map[string]string) keyBody {
	k := v.Key
	body := keyBody{
		ID: numberText(k.Number), Name: k.Name, PublicID: k.PublicID, KeyLast4: k.Last4,
		Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All, ApplicationIDs: []string{},
		ExpiresAt: timeOrNil(k.ExpiresAt), RevokedAt: timeOrNil(k.RevokedAt),
		LastUsedAt: timeOrNil(k.LastUsedAt), LastUsedIP: textOrNil(k.LastUsedIP),
		CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(),
	}
	for _, id := range k.Applications.IDs {
		if number, ok := numbers[id]; ok { // otherwise it was deleted a moment ago
			body.ApplicationIDs = append(body.ApplicationIDs, number)
		}
	}
	return body
}

// numbersFor returns the numbers of the tenant's applications by their ids, if one of the keys is
// restricted to applications.
func (a *API) numbersFor(c *dialect.Call, views ...key.View) (map[string]string, error) {
	restricted := slices.ContainsFunc(views, func(v key.View) bool { return len(v.Key.Applications.IDs) > 0 })
	if !restricted {
		return nil, nil
	}
	numbers := map[string]string{}
	all, err := a.applications(c)
	for _, app := range all {
		numbers[string(app.ID)] = numberText(app.Number)
	}
	return numbers, err
}

// answerKey writes an answer with one key.
func (a *API) answerKey(w http.ResponseWriter, c *dialect.Call, message string, v key.View) error {
	numbers, err := a.numbersFor(c, v)
	if err != nil {
		return err
	}
	return answer(w, message, bodyOfKey(v, numbers))
}

// caller returns the person who is signed in. The decision has refused everybody else.
func caller(c *dialect.Call) (ident.UserID, error) {
	s, ok := c.Who.Session()
	if !ok {
		return "", fault.SessionRequired
	}
	return s.User.ID, nil
}

func (a *API) listKeys(w http.ResponseWriter, c *dialect.Call) error {
	person, err := caller(c)
	if err != nil {
		return err
	}
	page, err := pageOf(c)
	if err != nil {
		return err
	}
	var l key.Listing
	next := &key.Page{Limit: pageSize}
	for range page {
		if next == nil {
			l = key.Listing{}
			break
		}
		l, err = a.Keys.List(c.Context(), c.Who, c.Tenant, key.Filter{Owner: ident.PartyID(person)}, *next)
		if err != nil {
			return err
		}
		next = l.Next
	}
	numbers, err := a.numbersFor(c, l.Views...)
	if err != nil {
		return err
	}
	list := make([]keyBody, len(l.Views))
	for i, v := range l.Views {
		list[i] = bodyOfKey(v, numbers)
	}
	message := "These are your API keys."
	if l.Next != nil {
		message = fmt.Sprintf("These are %d of your API keys. Ask for more with page=%d.", len(list), page+1)
	}
	return answer(w, message, list)
}

// pageOf returns which page of a list the request asks for, from 1.
func pageOf(c *dialect.Call) (int, error) {
	sent := c.URL.Query().Get("page")
	if sent == "" {
		return 1, nil
	}
	page, err := strconv.Atoi(sent)
	if err != nil || page < 1 || page > maxPage {
		return 0, fault.Refuse(fault.Field{
			Name: "page", Code: "range", Message: fmt.Sprintf("Use a number from 1 to %d.", maxPage),
		})
	}
	return page, nil
}

// keyFields are what a client asks an API key to be. A member that is absent or null is nil; only
// null for ExpiresAt has a meaning of its own.
type keyFields struct {
	Name            *string       `json:"name"`
	Scopes          []scope.Scope `json:"scopes"`
	AllApplications *bool         `json:"allApplications"`
	ApplicationIDs  []string      `json:"applicationIds"`
	ExpiresAt       expiry        `json:"expiresAt"`
}

// expiry is an expiry in a body: absent, null for none, or a time.
type expiry struct{ key.ExpiryPatch }

// UnmarshalJSON implements json.Unmarshaler.
func (e *expiry) UnmarshalJSON(text []byte) error {
	e.Given = true
	return json.Unmarshal(text, &e.At)
}

func (a *API) createKey(w http.ResponseWriter, c *dialect.Call) error {
	var sent keyFields
	if err := c.Decode(&sent); err != nil {
		return err
	}
	ids, numbers, err := a.applicationIDs(c, sent.ApplicationIDs)
	if err != nil {
		return err
	}
	issued, err := a.Keys.Create(c.Context(), c.Who, c.Tenant, key.Spec{
		Name: valueOf(sent.Name), Scopes: sent.Scopes, AllApplications: valueOf(sent.AllApplications),
		ApplicationIDs: ids, ExpiresAt: sent.ExpiresAt.At,
	})
	if err != nil {
		return inVendorNames(err)
	}
	body := bodyOfKey(issued.View, numbers)
	body.PlaintextKey = issued.Credential.Value.Reveal()
	return answer(w, "The API key was created. Store plaintextKey now: it is not shown again.", body)
}

func (a *API) editKey(w http.ResponseWriter, c *dialect.Call) error {
	found, err := a.ownKey(c)
	if err != nil {
		return err
	}
	var sent keyFields
	if err := c.Decode(&sent); err != nil {
		return err
	}
	ids, _, err := a.applicationIDs(c, sent.ApplicationIDs)
	if err != nil {
		return err
	}
	edited, err := a.Keys.Edit(c.Context(), c.Who, c.Tenant, found, key.Edit{
		Name: sent.Name, Scopes: sent.Scopes, AllApplications: sent.AllApplications, ApplicationIDs: ids,
		ExpiresAt: sent.ExpiresAt.ExpiryPatch,
	})
	if err != nil {
		return inVendorNames(err)
	}
	return a.answerKey(w, c, "The API key was changed.", edited)
}

func (a *API) revokeKey(w http.ResponseWriter, c *dialect.Call) error {
	found, err := a.ownKey(c)
	if err != nil {
		return err
	}
	revoked, deleted, err := a.Keys.Revoke(c.Context(), c.Who, c.Tenant, found, "")
	if err != nil {
		return err
	}
	const message = "The API key was revoked."
	if deleted {
		return answer(w, message, nil)
	}
	return a.answerKey(w, c, message, revoked)
}

// ownKey returns the id of the key that the path names by its number. As in the vendor's dashboard,
// people reach only their own keys there, also if they are admins.
func (a *API) ownKey(c *dialect.Call) (ident.KeyID, error) {
	person, err := caller(c)
	if err != nil {
		return "", err
	}
	sent := c.PathValue("id")
	number, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || number < 1 || numberText(number) != sent {
		return "", fault.NotFound
	}
	v, err := a.Keys.ByNumber(c.Context(), c.Who, c.Tenant, number)
	if err == nil && !v.Key.Owner.Is(person) {
		err = fault.NotFound
	}
	return v.Key.ID, err
}

// applicationIDs returns the ids of the applications that a client names by their numbers, nil for
// nil, and the numbers by these ids.
func (a *API) applicationIDs(c *dialect.Call, sent []string) (ids []string, numbers map[string]string, err error) {
	if len(sent) == 0 {
		return sent, nil, nil
	}
	all, err := a.applications(c)
	if err != nil {
		return nil, nil, err
	}
	known := make(map[string]string, len(all))
	for _, app := range all {
		known[numberText(app.Number)] = string(app.ID)
	}
	numbers = map[string]string{}
	var faults []fault.Field
	for i, number := range sent {
		id, ok := known[number]
		if !ok {
			faults = append(faults, fault.Field{
				Name: "applicationIds." + strconv.Itoa(i), Code: "unknown",
				Message: "There is no such application. Use an id of get-applications.",
			})
		}
		ids = append(ids, id)
		numbers[id] = number
	}
	return ids, numbers, fault.Refuse(faults...)
}

// valueOf returns the value; the zero value for nil.
func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

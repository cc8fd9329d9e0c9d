package blazeauth

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// accountRead is the vendor's scope for the limits of an account.
const accountRead scope.Scope = "account:read"

// applicationRoutes are the routes that a key may use, too.
func (a *API) applicationRoutes() []dialect.Route {
	return []dialect.Route{
		{
			Method: http.MethodGet, Path: panel + "get-applications",
			Summary: "Lists the applications, newest first; to a restricted key, its own.",
			Needs:   verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsRead}}, Serve: a.listApplications,
		},
		{
			Method: http.MethodPost, Path: panel + "create-application", Summary: "Creates an application.",
			Needs: verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsCreate}, EveryApplication: true},
			Serve: a.createApplication,
		},
		{
			Method: http.MethodGet, Path: panel + "get-account-limits", Summary: "Shows the limits of the account.",
			Needs: verify.Requirement{Scopes: []scope.Scope{accountRead}}, Serve: a.showLimits,
		},
	}
}

// applicationBody is an application as the vendor's clients read it.
type applicationBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

func bodyOfApplication(app application.Application) applicationBody {
	return applicationBody{
		ID: numberText(app.Number), Name: app.Name, Description: app.Description,
		Status:    string(web.Status(app.Disabled)),
		CreatedAt: app.CreatedAt.UTC(), UpdatedAt: app.UpdatedAt.UTC(),
	}
}

func (a *API) listApplications(w http.ResponseWriter, c *dialect.Call) error {
	found, err := a.applications(c)
	if err != nil {
		return err
	}
	list := make([]applicationBody, len(found))
	for i, app := range found {
		list[i] = bodyOfApplication(app)
	}
	return answer(w, "These are your applications.", list)
}

// applications returns all applications that the caller may read, newest first. They are at most
// application.MaxPerTenant.
func (a *API) applications(c *dialect.Call) ([]application.Application, error) {
	var all []application.Application
	page := paging.Page{Limit: pageSize}
	for {
		found, err := a.Applications.Applications(c.Context(), c.Who, c.Tenant, page)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if len(found) < pageSize {
			return all, nil
		}
		last := found[len(found)-1]
		page.BeforeTime, page.BeforeID = last.CreatedAt, string(last.ID)
	}
}

// The bounds of an application's name, which are the vendor's, in characters.
const (
	minApplicationName = 6
	maxApplicationName = 32
)

func (a *API) createApplication(w http.ResponseWriter, c *dialect.Call) error {
	var sent struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if err := c.Decode(&sent); err != nil {
		return err
	}
	name, _ := text.Name("name", sent.Name) // the domain reports what else is wrong
	n := utf8.RuneCountInString(name)
	if n < minApplicationName || n > maxApplicationName {
		return fault.Refuse(fault.Field{
			Name: "name", Code: "length",
			Message: fmt.Sprintf("Use %d to %d characters.", minApplicationName, maxApplicationName),
		})
	}
	app, err := a.Applications.CreateApplication(c.Context(), c.Who, c.Tenant, sent.Name, sent.Description)
	if err != nil {
		return err
	}
	return answer(w, "The application was created.", bodyOfApplication(app))
}

// limitsBody are the limits of the tenant.
type limitsBody struct {
	MaxAPIKeys      int `json:"maxApiKeys"`
	MaxApplications int `json:"maxApplications"`
	// RequestsPerMinute is the rate limit of each key; null for none.
	RequestsPerMinute *int `json:"requestsPerMinute"`
}

func (a *API) showLimits(w http.ResponseWriter, c *dialect.Call) error {
	t, err := a.Tenancy.Tenant(c.Context(), c.Who, c.Tenant)
	if err != nil {
		return err
	}
	limits := limitsBody{
		MaxAPIKeys:      cmp.Or(t.Settings.KeysPerUser, policy.MaxKeysPerOwner),
		MaxApplications: application.MaxPerTenant,
	}
	if n := t.Settings.RequestsPerMinute; n > 0 {
		limits.RequestsPerMinute = &n
	}
	return answer(w, "These are the limits of your account.", limits)
}

// numberText returns a number as the vendor's ids have it.
func numberText(n int64) string { return strconv.FormatInt(n, 10) }

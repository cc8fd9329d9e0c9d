package blazemeter

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// projectWire is a project. Times are in Unix seconds.
type projectWire struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	WorkspaceID int64  `json:"workspaceId"`
	Created     int64  `json:"created"`
	Updated     int64  `json:"updated"`
}

// projects returns the applications of the tenant that the caller may use, newest first. Disabled
// ones are left out: a project of BlazeMeter has no status that would say so.
func (a *API) projects(ctx context.Context, c *dialect.Call, in tenancy.Tenant) ([]projectWire, error) {
	applications, err := a.Applications.Applications(ctx, c.Who, c.Tenant,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return nil, err
	}
	projects := make([]projectWire, 0, len(applications))
	for _, p := range applications {
		if p.Disabled {
			continue
		}
		projects = append(projects, projectWire{
			ID: p.Number, Name: p.Name, Description: p.Description, WorkspaceID: in.Number,
			Created: p.CreatedAt.Unix(), Updated: p.UpdatedAt.Unix(),
		})
	}
	return projects, nil
}

func (a *API) listProjects(w http.ResponseWriter, c *dialect.Call) error {
	in, err := a.Tenancy.Tenant(c.Context(), c.Who, c.Tenant)
	if err != nil {
		return err
	}
	query := c.URL.Query()
	if err := checkParent(query.Get("workspaceId"), in.Number); err != nil {
		return err
	}
	projects, err := a.projects(c.Context(), c, in)
	if err != nil {
		return err
	}
	sortProjects(projects, query["sort[]"])
	return writePage(w, query, projects)
}

// sortProjects sorts by the fields, of which the first counts most. A field with a minus sign is
// sorted in descending order. Fields that are not known are ignored.
func sortProjects(projects []projectWire, fields []string) {
	slices.SortStableFunc(projects, func(x, y projectWire) int {
		for _, field := range fields {
			name, descending := strings.CutPrefix(field, "-")
			order := compareProjects(x, y, name)
			if descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

func compareProjects(x, y projectWire, field string) int {
	switch field {
	case "id":
		return cmp.Compare(x.ID, y.ID)
	case "name":
		return cmp.Compare(x.Name, y.Name)
	case "created":
		return cmp.Compare(x.Created, y.Created)
	case "updated":
		return cmp.Compare(x.Updated, y.Updated)
	}
	return 0
}

func (a *API) showProject(ctx context.Context, c *dialect.Call) (projectWire, error) {
	in, err := a.Tenancy.Tenant(ctx, c.Who, c.Tenant)
	if err != nil {
		return projectWire{}, err
	}
	projects, err := a.projects(ctx, c, in)
	if err != nil {
		return projectWire{}, err
	}
	i := slices.IndexFunc(projects, func(p projectWire) bool { return isNumber(c.PathValue("id"), p.ID) })
	if i < 0 {
		return projectWire{}, fault.NotFound
	}
	return projects[i], nil
}

package adminapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/web"
)

// Routes are the entries and rules that the node knows.
type Routes interface {
	// FileEntries returns the entries of the operator's file.
	FileEntries() []route.Entry
	// Explain returns the entry with the name, and what its rules say about a request. It returns
	// fault.RouteUnknown if there is no such entry.
	Explain(ctx context.Context, name, method, uri string,
		headers route.Headers) (*route.Entry, route.Outcome, error)
}

func (a *API) listEntries(w http.ResponseWriter, r *http.Request) error {
	stored, err := a.Applications.Entries(r.Context(), web.Operator(w))
	if err != nil {
		return err
	}
	inFile := map[string]bool{}
	all := []api.Entry{}
	for _, e := range a.Routes.FileEntries() {
		inFile[e.Name] = true
		wire := api.Entry{
			Name: e.Name, Otherwise: string(e.Otherwise), Hosts: web.Strings(e.Hosts), Source: "file",
		}
		if e.Tenant != "" {
			tenant := string(e.Tenant)
			wire.TenantID = &tenant
		}
		all = append(all, wire)
	}
	for _, e := range stored {
		wire := entryOf(e)
		wire.Overridden = inFile[e.Name]
		all = append(all, wire)
	}
	return web.WriteJSON(w, http.StatusOK, api.List[api.Entry]{Items: all})
}

func (a *API) createEntry(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateEntryRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	who := web.Operator(w)
	tenant, err := a.Tenancy.FindTenant(r.Context(), who, in.Tenant)
	if err != nil {
		return err
	}
	e, err := a.Applications.CreateEntry(r.Context(), who, in.Name, tenant, route.Otherwise(in.Otherwise))
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusCreated, entryOf(e))
}

func (a *API) editEntry(w http.ResponseWriter, r *http.Request) error {
	var in api.UpdateEntryRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	expected, ok := etag.ParseIfMatch(r.Header["If-Match"])
	if !ok {
		return fault.Refuse(fault.Field{
			Name: "If-Match", Code: "form", Message: "Send the version in double quotes, or *.",
		})
	}
	e, err := a.Applications.EditEntry(r.Context(), web.Operator(w), r.PathValue("entry"),
		route.Otherwise(in.Otherwise), expected)
	switch {
	case errors.Is(err, etag.ErrChanged):
		return web.WithPresent(err, entryOf(e))
	case err != nil:
		return err
	}
	w.Header().Set("ETag", e.Version().Quoted())
	return web.WriteJSON(w, http.StatusOK, entryOf(e))
}

func (a *API) deleteEntry(w http.ResponseWriter, r *http.Request) error {
	if err := a.Applications.DeleteEntry(r.Context(), web.Operator(w), r.PathValue("entry")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// entryOf returns the wire form of an entry in the database.
func entryOf(e application.Entry) api.Entry {
	tenant, created := string(e.Tenant), e.CreatedAt.UTC()
	return api.Entry{
		Name: e.Name, TenantID: &tenant, Otherwise: string(e.Otherwise), Hosts: []string{}, Source: "database",
		CreatedAt: &created, Version: string(e.Version()),
	}
}

func (a *API) explainRoute(w http.ResponseWriter, r *http.Request) error {
	var in api.ExplainRouteRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	headers := http.Header{}
	for name, values := range in.Headers {
		for _, value := range values {
			headers.Add(name, value)
		}
	}
	e, o, err := a.Routes.Explain(r.Context(), in.Entry, in.Method, in.URI, headers)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, api.RouteExplanation{
		Entry: e.Name, Source: o.Source(), Needs: o.Needs(e), Application: o.Application, Refused: api.Code(o.Refused),
	})
}

package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/api"
)

// SubjectFilter narrows a list of subjects; the zero value lists all.
type SubjectFilter struct {
	ExternalID string
	// Plan is the name of a plan.
	Plan string
	// Query is looked for at the beginning of any word of the name or the external id, without
	// regard to case.
	Query string
}

func (f SubjectFilter) query(p Page) string {
	q := p.query()
	for name, value := range map[string]string{"external_id": f.ExternalID, "plan": f.Plan, "q": f.Query} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// Subjects lists the subjects of a tenant, newest first.
func (c *Client) Subjects(ctx context.Context, tenant string, f SubjectFilter,
	p Page,
) (api.List[api.Subject], error) {
	return get[api.List[api.Subject]](ctx, c, tenantPath(tenant)+"/subjects?"+f.query(p))
}

// AllSubjects is Subjects over all pages.
func (c *Client) AllSubjects(ctx context.Context, tenant string, f SubjectFilter) iter.Seq2[api.Subject, error] {
	return All(func(p Page) (api.List[api.Subject], error) { return c.Subjects(ctx, tenant, f, p) })
}

// CreateSubject adds a subject to a tenant.
func (c *Client) CreateSubject(ctx context.Context, tenant string, n api.CreateSubjectRequest) (api.Subject, error) {
	s, _, err := makeOnce[api.Subject](ctx, c, tenantPath(tenant)+"/subjects", n)
	return s, err
}

// Subject shows a subject.
func (c *Client) Subject(ctx context.Context, tenant, subject string) (api.Subject, error) {
	return get[api.Subject](ctx, c, subjectPath(tenant, subject))
}

// EditSubject changes a subject. Another plan counts for its keys once this returns.
func (c *Client) EditSubject(ctx context.Context, tenant, subject string,
	p api.UpdateSubjectRequest,
) (api.Subject, error) {
	return send[api.Subject](ctx, c, http.MethodPatch, subjectPath(tenant, subject), p)
}

// DisableSubject makes the keys of a subject unusable until it is enabled.
func (c *Client) DisableSubject(ctx context.Context, tenant, subject string) (api.Subject, error) {
	return send[api.Subject](ctx, c, http.MethodPost, subjectPath(tenant, subject)+"/disable", nil)
}

// EnableSubject makes the keys of a subject usable again.
func (c *Client) EnableSubject(ctx context.Context, tenant, subject string) (api.Subject, error) {
	return send[api.Subject](ctx, c, http.MethodPost, subjectPath(tenant, subject)+"/enable", nil)
}

// DeleteSubject deletes a subject. Its keys are revoked.
func (c *Client) DeleteSubject(ctx context.Context, tenant, subject string) error {
	return c.Do(ctx, http.MethodDelete, subjectPath(tenant, subject), nil, nil)
}

func subjectPath(tenant, subject string) string {
	return tenantPath(tenant) + "/subjects/" + url.PathEscape(subject)
}

// Plans lists the plans of a tenant by name.
func (c *Client) Plans(ctx context.Context, tenant string, p Page) (api.List[api.Plan], error) {
	return get[api.List[api.Plan]](ctx, c, tenantPath(tenant)+"/plans"+p.text())
}

// AllPlans is Plans over all pages.
func (c *Client) AllPlans(ctx context.Context, tenant string) iter.Seq2[api.Plan, error] {
	return All(func(p Page) (api.List[api.Plan], error) { return c.Plans(ctx, tenant, p) })
}

// CreatePlan adds a plan to a tenant.
func (c *Client) CreatePlan(ctx context.Context, tenant string, n api.CreatePlanRequest) (api.Plan, error) {
	p, _, err := makeOnce[api.Plan](ctx, c, tenantPath(tenant)+"/plans", n)
	return p, err
}

// Plan shows a plan.
func (c *Client) Plan(ctx context.Context, tenant, plan string) (api.Plan, error) {
	return get[api.Plan](ctx, c, planPath(tenant, plan))
}

// EditPlan changes a plan. It counts for the keys of all its subjects once this returns.
func (c *Client) EditPlan(ctx context.Context, tenant, plan string, p api.UpdatePlanRequest) (api.Plan, error) {
	return send[api.Plan](ctx, c, http.MethodPatch, planPath(tenant, plan), p)
}

// DeletePlan deletes a plan that no subject has.
func (c *Client) DeletePlan(ctx context.Context, tenant, plan string) error {
	return c.Do(ctx, http.MethodDelete, planPath(tenant, plan), nil, nil)
}

func planPath(tenant, plan string) string {
	return tenantPath(tenant) + "/plans/" + url.PathEscape(plan)
}

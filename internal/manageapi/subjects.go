package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

const subjectsPath = tenantPath + "/subjects"

func (a *API) subjects() {
	tags := []string{"Subjects"}
	add(a, huma.Operation{
		OperationID: "list-subjects", Method: http.MethodGet, Path: subjectsPath, Tags: tags,
		Summary: "List subjects", Description: "Newest first. For admins and auditors of the tenant. " + shortPages,
	}, requirement{session: true, management: policy.MayReadSubjects}, a.listSubjects)
	add(a, huma.Operation{
		OperationID: "create-subject", Method: http.MethodPost, Path: subjectsPath, Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Create a subject",
		Description:   "For admins of the tenant. You can also create a subject together with its first key.",
	}, requirement{session: true, management: policy.MayWriteSubjects, idempotent: true},
		idempotent(a, a.createSubject, a.replayCreateSubject), fault.Conflict, fault.RateLimited)
	add(a, huma.Operation{
		OperationID: "show-subject", Method: http.MethodGet, Path: subjectsPath + "/{subject}", Tags: tags,
		Summary: "Show a subject", Description: "For admins and auditors of the tenant.",
	}, requirement{session: true, management: policy.MayReadSubjects}, a.showSubject)
	add(a, huma.Operation{
		OperationID: "edit-subject", Method: http.MethodPatch, Path: subjectsPath + "/{subject}", Tags: tags,
		Summary: "Change a subject",
		Description: "For admins of the tenant. Absent members are unchanged. Another plan counts for the keys of " +
			"the subject before the response is sent.",
	}, requirement{session: true, management: policy.MayWriteSubjects, versioned: true}, a.editSubject)
	add(a, huma.Operation{
		OperationID: "delete-subject", Method: http.MethodDelete, Path: subjectsPath + "/{subject}", Tags: tags,
		Summary: "Delete a subject",
		Description: "For admins of the tenant. The keys of the subject are revoked before the response is sent. A " +
			"new subject with the same external id has none of them.",
	}, requirement{session: true, management: policy.MayWriteSubjects}, a.deleteSubject, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "disable-subject", Method: http.MethodPost, Path: subjectsPath + "/{subject}/disable", Tags: tags,
		Summary: "Disable a subject",
		Description: "For admins of the tenant. Every key of the subject is refused before the response is sent. " +
			"Only an admin can enable a subject that an admin disabled.",
	}, requirement{session: true, management: policy.MayWriteSubjects, reduces: true},
		a.subjectAction(a.Subjects.Disable), fault.Conflict)
	add(a, huma.Operation{
		OperationID: "enable-subject", Method: http.MethodPost, Path: subjectsPath + "/{subject}/enable", Tags: tags,
		Summary:     "Enable a subject",
		Description: "For admins of the tenant. The keys of the subject are again what they were.",
	}, requirement{session: true, management: policy.MayWriteSubjects}, a.subjectAction(a.Subjects.Enable),
		fault.Conflict)
}

type listSubjectsInput struct {
	TenantInput
	PageInput
	ExternalID string `query:"external_id" doc:"The external id of the one subject to list."`
	Plan       string `query:"plan" doc:"Lists only subjects that have this plan."`
	Query      string `query:"q"`
}

func (a *API) listSubjects(ctx context.Context, in *listSubjectsInput) (*output[api.List[api.Subject]], error) {
	caller := callerOf(ctx)
	bound := binding(caller, "subjects", in.Tenant, in.ExternalID, in.Plan, in.Query)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	filter := machine.SubjectFilter{ExternalID: in.ExternalID, Plan: in.Plan, Query: in.Query}
	found, err := a.Subjects.List(ctx, caller.Principal, ident.TenantID(in.Tenant), filter,
		paging.Page{BeforeTime: at.Time, BeforeID: at.ID, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	var next *position
	if found.Next != nil {
		next = &position{found.Next.BeforeTime, found.Next.BeforeID}
	}
	return pageOf(a, found.Subjects, subjectOf, next, bound)
}

type createSubjectInput struct {
	JSON body[api.CreateSubjectRequest]
	TenantInput
}

func (a *API) createSubject(ctx context.Context, in *createSubjectInput) (*created[api.Subject], error) {
	sent := in.JSON.value
	noted, faults := metadata.Parse("metadata", sent.Metadata)
	n := machine.NewSubject{ExternalID: sent.ExternalID, Name: sent.Name, Plan: sent.Plan, Metadata: noted}
	if err := fault.Refuse(append(faults, n.Normalize("")...)...); err != nil {
		return nil, err
	}
	s, err := a.Subjects.Create(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), n)
	if err != nil {
		return nil, err
	}
	return subjectCreated(s), nil
}

// replayCreateSubject returns the subject that createSubject created.
func (a *API) replayCreateSubject(ctx context.Context, in *createSubjectInput,
	id string,
) (*created[api.Subject], error) {
	s, err := a.Subjects.Subject(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.SubjectID(id))
	if err != nil {
		return nil, err
	}
	return subjectCreated(s), nil
}

// subjectCreated returns the response to the creation of a subject.
func subjectCreated(s machine.Subject) *created[api.Subject] {
	return &created[api.Subject]{
		Location: "/api/v1/tenants/" + string(s.Tenant) + "/subjects/" + string(s.ID), Body: subjectOf(s),
	}
}

// SubjectInput is the path of a subject. It is exported because huma sees no other embedded types.
type SubjectInput struct {
	TenantInput
	Subject string `path:"subject"`
}

func (a *API) showSubject(ctx context.Context, in *SubjectInput) (*output[api.Subject], error) {
	s, err := a.Subjects.Subject(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.SubjectID(in.Subject))
	if err != nil {
		return nil, err
	}
	return &output[api.Subject]{subjectOf(s)}, nil
}

type editSubjectInput struct {
	JSON body[api.UpdateSubjectRequest]
	SubjectInput
}

func (a *API) editSubject(ctx context.Context, in *editSubjectInput) (*output[api.Subject], error) {
	sent := in.JSON.value
	c := machine.SubjectChange{Expected: expectedOf(ctx), Name: valueOrNil(sent.Name), Plan: valueOrNil(sent.Plan)}
	if sent.Metadata.Set {
		change, faults := metadata.ParsePatch("metadata", sent.Metadata.Value)
		if err := fault.Refuse(faults...); err != nil {
			return nil, err
		}
		c.Metadata = &change
	}
	s, err := a.Subjects.Edit(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.SubjectID(in.Subject), c)
	return edited(s, err, subjectOf)
}

func (a *API) deleteSubject(ctx context.Context, in *SubjectInput) (*struct{}, error) {
	return nil, a.Subjects.Delete(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.SubjectID(in.Subject))
}

// subjectAction returns the handler of an action that has no input and returns the subject.
func (a *API) subjectAction(
	act func(context.Context, principal.Principal, ident.TenantID, ident.SubjectID) (machine.Subject, error),
) func(context.Context, *SubjectInput) (*output[api.Subject], error) {
	return func(ctx context.Context, in *SubjectInput) (*output[api.Subject], error) {
		s, err := act(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), ident.SubjectID(in.Subject))
		if err != nil {
			return nil, err
		}
		return &output[api.Subject]{subjectOf(s)}, nil
	}
}

// subjectOf returns the wire form of a subject.
func subjectOf(s machine.Subject) api.Subject {
	return api.Subject{
		ID: string(s.ID), Number: s.Number, ExternalID: s.ExternalID, Name: web.Optional(s.Name),
		Plan: web.Optional(s.Plan), Metadata: s.Metadata.JSON(), Status: web.Status(s.Disabled),
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), Version: string(s.Version()),
	}
}

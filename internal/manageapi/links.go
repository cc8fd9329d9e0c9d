package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

func (a *API) links(h huma.API) {
	tags := []string{"Links"}
	add(h, a.Door, huma.Operation{
		OperationID: "set-up", Method: http.MethodPost, Path: "/api/v1/setup", Tags: tags, DefaultStatus: http.StatusCreated, Summary: "Set up an account",
		Description: "With the one-time set-up link: makes the account, its owner and a first standard tenant, and signs the owner in.",
	}, need{anyone: true}, a.setUp, fault.LinkInvalid, fault.SignInFailed)
	add(h, a.Door, huma.Operation{
		OperationID: "accept-invitation", Method: http.MethodPost, Path: "/api/v1/invitations/{token}", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary:     "Accept an invitation",
		Description: "Once. Makes the person a member and signs them in. Whoever is new to the server chooses a name and a password; whoever is not gives their own password.",
	}, need{anyone: true}, a.acceptInvitation, fault.LinkInvalid, fault.SignInFailed, fault.Conflict)
}

type setUpInput struct {
	JSON body[api.Setup]
	From from
}

func (a *API) setUp(ctx context.Context, in *setUpInput) (*signInOutput, error) {
	n := in.JSON.value
	user, err := a.Tenancy.SetUp(ctx, n.Token, tenancy.NewHouse{Account: n.Account, Email: n.Email, Name: n.Name, Password: credential.NewSecret(n.Password)}, in.From.origin)
	if err != nil {
		return nil, err
	}
	return a.signedIn(ctx, user, in.From)
}

type acceptInvitationInput struct {
	JSON  body[api.Acceptance]
	Token string `path:"token"`
	From  from
}

func (a *API) acceptInvitation(ctx context.Context, in *acceptInvitationInput) (*signInOutput, error) {
	n := in.JSON.value
	user, err := a.Tenancy.AcceptInvitation(ctx, in.Token, n.Name, credential.NewSecret(n.Password), in.From.origin)
	if err != nil {
		return nil, err
	}
	return a.signedIn(ctx, user, in.From)
}

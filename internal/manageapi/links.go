package manageapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

func (a *API) links() {
	tags := []string{"Links"}
	add(a, huma.Operation{
		OperationID: "set-up", Method: http.MethodPost, Path: "/api/v1/setup", Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Set up an account",
		Description: "Creates the account, its owner and a first tenant with the preset `standard`, and signs the " +
			"owner in. Needs the token of a set-up link, which works once.",
	}, requirement{anyone: true}, a.setUp, fault.LinkInvalid, fault.SignInFailed)
	add(a, huma.Operation{
		OperationID: "accept-invitation", Method: http.MethodPost, Path: "/api/v1/invitations/{token}", Tags: tags,
		DefaultStatus: http.StatusCreated,
		Summary:       "Accept an invitation",
		Description: "Makes the person a member and signs them in. The link works once. A person who is new to the " +
			"server chooses a name and a password; any other person sends their own password.\n\n" +
			"A link that came by mail proves the e-mail address. If another user has the address without having " +
			"proven it, and the password is not theirs, that user is deleted with their keys, memberships and " +
			"sessions. The address then belongs to the person who accepts.",
	}, requirement{anyone: true}, a.acceptInvitation, fault.LinkInvalid, fault.SignInFailed, fault.SecondFactorRequired,
		fault.Conflict)
}

type setUpInput struct {
	JSON body[api.SetUpRequest]
	From requestOrigin
}

func (a *API) setUp(ctx context.Context, in *setUpInput) (*signInOutput, error) {
	n := in.JSON.value
	user, err := a.Tenancy.SetUp(ctx, n.Token,
		tenancy.Setup{Account: n.Account, Email: n.Email, Name: n.Name, Password: credential.NewSecret(n.Password)},
		in.From.origin)
	if err != nil {
		return nil, err
	}
	return a.signedIn(ctx, user, "", in.From)
}

type acceptInvitationInput struct {
	JSON  body[api.AcceptInvitationRequest]
	Token string `path:"token"`
	From  requestOrigin
}

func (a *API) acceptInvitation(ctx context.Context, in *acceptInvitationInput) (*signInOutput, error) {
	n := in.JSON.value
	user, err := a.Tenancy.AcceptInvitation(ctx, in.Token, n.Name, credential.NewSecret(n.Password), in.From.origin)
	if err != nil {
		return nil, err
	}
	signedIn, err := a.signedIn(ctx, user, n.Code, in.From)
	if errors.Is(err, fault.SecondFactorRequired) || errors.Is(err, fault.SignInFailed) {
		err = fault.Wrap(fault.SecondFactorRequired, err,
			"You accepted the invitation. Sign in with your password and the code of your second factor.")
	}
	return signedIn, err
}

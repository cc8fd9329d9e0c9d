package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
)

func (a *API) emailChanges() {
	add(a, huma.Operation{
		OperationID: "change-email", Method: http.MethodPost, Path: "/api/v1/me/email", Tags: []string{"Me"},
		DefaultStatus: http.StatusAccepted, Summary: "Change your e-mail address",
		Description: "Mails a link to the new address and, if the present address is proven, one to that. The " +
			"address changes once all of them were used, within an hour. Then all sessions of the person end. " +
			"Another request, and another password, cancel the change. The response is the same whether somebody " +
			"has the new address or not. A person may request 5 changes within 24 hours. Requires a sign-in within " +
			"the last five minutes. Without a mail server the response is `conflict`: the operator of the server can " +
			"change the address (`claviger user email`).",
	}, requirement{session: true}, a.changeEmail, fault.SignInAgain, fault.Conflict, fault.RateLimited)
	add(a, huma.Operation{
		OperationID: "confirm-email", Method: http.MethodPost, Path: "/api/v1/email-changes/{token}",
		Tags: []string{"Links"}, DefaultStatus: http.StatusOK,
		Summary: "Confirm another e-mail address with a link",
		Description: "The link works once. If it was the last one that the change waited for, the address changes, " +
			"all sessions of the person end, and the address of before is told. If another person has proven that " +
			"the new address is theirs, the response is `conflict`, and the link stays valid. A user who holds the " +
			"new address without having proven it is deleted with their keys, memberships and sessions.",
	}, requirement{anyone: true}, a.confirmEmail, fault.LinkInvalid, fault.Conflict)
}

type changeEmailInput struct {
	JSON body[api.ChangeEmailRequest]
}

func (a *API) changeEmail(ctx context.Context, in *changeEmailInput) (*output[api.EmailChange], error) {
	c, err := a.Identity.RequestEmailChange(ctx, callerOf(ctx).Principal, in.JSON.value.Email)
	if err != nil {
		return nil, err
	}
	return &output[api.EmailChange]{api.EmailChange{
		Email: c.Email, ConfirmPresent: c.ConfirmOld, ExpiresAt: c.ExpiresAt.UTC(),
	}}, nil
}

type confirmEmailInput struct {
	Token string `path:"token"`
	From  requestOrigin
}

func (a *API) confirmEmail(ctx context.Context, in *confirmEmailInput) (*output[api.EmailConfirmation], error) {
	changed, err := a.Identity.ConfirmEmail(ctx, in.From.origin, in.Token)
	if err != nil {
		return nil, err
	}
	return &output[api.EmailConfirmation]{api.EmailConfirmation{Changed: changed}}, nil
}

package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

const resetsPath = "/api/v1/password-resets"

func (a *API) passwordResets() {
	tags := []string{"Links"}
	add(a, huma.Operation{
		OperationID: "request-password-reset", Method: http.MethodPost, Path: resetsPath, Tags: tags,
		DefaultStatus: http.StatusAccepted,
		Summary:       "Request a link to set a new password",
		Description: "Mails a link that works once and for an hour, if a mail server is configured. A person gets " +
			"at most 3 links an hour. The response is the same for every address, known or not. Without a mail " +
			"server nothing is sent: the operator of the server can create a link (`claviger user password`). One " +
			"client address may request 60 links a minute.",
	}, requirement{anyone: true, reduces: true}, a.requestReset)
	add(a, huma.Operation{
		OperationID: "reset-password", Method: http.MethodPost, Path: resetsPath + "/{token}", Tags: tags,
		DefaultStatus: http.StatusNoContent,
		Summary:       "Set a new password with a link",
		Description: "The link works once. Ends all sessions of the person and all other links to set a password, " +
			"clears the count of failed sign-ins, and proves the e-mail address. It does not sign the person in.",
	}, requirement{anyone: true, reduces: true}, a.resetPassword, fault.LinkInvalid)
}

type requestResetInput struct {
	JSON body[api.RequestPasswordResetRequest]
	From requestOrigin
}

func (a *API) requestReset(_ context.Context, in *requestResetInput) (*struct{}, error) {
	if err := a.Resets.Consume(in.From.origin.IP); err != nil {
		return nil, err
	}
	return nil, a.Identity.RequestReset(in.From.origin, in.JSON.value.Email)
}

type resetPasswordInput struct {
	JSON  body[api.ResetPasswordRequest]
	Token string `path:"token"`
	From  requestOrigin
}

func (a *API) resetPassword(ctx context.Context, in *resetPasswordInput) (*struct{}, error) {
	return nil, a.Identity.Reset(ctx, in.From.origin, in.Token, credential.NewSecret(in.JSON.value.Password))
}

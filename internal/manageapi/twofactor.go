package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) twoFactor() {
	const path = "/api/v1/me/two-factor"
	tags := []string{"Me"}
	const recent = "Requires a sign-in within the last five minutes; of a person with a second factor, one with the " +
		"code of their app. A recovery code does not do. "
	add(a, huma.Operation{
		OperationID: "show-two-factor", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "Show the second factor",
	}, requirement{session: true}, a.showTwoFactor)
	add(a, huma.Operation{
		OperationID: "set-two-factor", Method: http.MethodPut, Path: path, Tags: tags,
		Summary: "Set up a second factor",
		Description: "The first request, with an empty object, returns a secret for an authenticator app. The second " +
			"one sends `setup` of the response and the code that the app shows. It returns ten recovery codes, ends " +
			"all sessions of the person and begins a new one. A second factor that the person has stays until then. " +
			recent,
	}, requirement{session: true}, a.setTwoFactor, fault.SignInAgain, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "remove-two-factor", Method: http.MethodDelete, Path: path, Tags: tags,
		Summary: "Turn the second factor off",
		Description: "Ends all sessions of the person and begins a new one. Refused with 409 if an account of the " +
			"person requires a second factor, and if the password has fewer than 15 characters. " + recent,
	}, requirement{session: true}, a.removeTwoFactor, fault.SignInAgain, fault.Conflict)
	add(a, huma.Operation{
		OperationID: "create-recovery-codes", Method: http.MethodPost, Path: path + "/recovery-codes", Tags: tags,
		DefaultStatus: http.StatusOK, Summary: "Create new recovery codes",
		Description: "The recovery codes of before no longer work. " + recent,
	}, requirement{session: true}, a.createRecoveryCodes, fault.SignInAgain, fault.Conflict)
}

func (a *API) showTwoFactor(ctx context.Context, _ *struct{}) (*output[api.TwoFactor], error) {
	state, err := a.SecondFactors.State(ctx, callerOf(ctx).Principal)
	if err != nil {
		return nil, err
	}
	return &output[api.TwoFactor]{api.TwoFactor{
		Enabled: state.Enabled(), EnabledAt: web.Time(state.SetAt), RecoveryCodesLeft: state.CodesLeft,
	}}, nil
}

type setTwoFactorInput struct {
	JSON body[api.SetTwoFactorRequest]
}

// twoFactorOutput may replace the session. SetCookie is "" where it does not.
type twoFactorOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      api.SetTwoFactorResponse
}

func (a *API) setTwoFactor(ctx context.Context, in *setTwoFactorInput) (*twoFactorOutput, error) {
	who := callerOf(ctx).Principal
	me, _ := who.Session()
	sent := in.JSON.value
	if sent == (api.SetTwoFactorRequest{}) {
		started, err := a.SecondFactors.Start(me.User)
		if err != nil {
			return nil, err
		}
		return &twoFactorOutput{Body: api.SetTwoFactorResponse{
			Secret: new(started.Secret.Reveal()), OTPAuthURI: new(started.URI.Reveal()),
			Setup: new(started.Token.Reveal()), ExpiresAt: web.Time(started.ExpiresAt),
		}}, nil
	}
	setup, err := a.SecondFactors.Prepare(me.User.ID, credential.NewSecret(sent.Setup),
		credential.NewSecret(sent.Code))
	if err != nil {
		return nil, err
	}
	token, err := a.Sessions.SetFactor(ctx, who, setup)
	if err != nil {
		return nil, err
	}
	cookie := a.Middleware.Authenticator.SessionCookie(token)
	return &twoFactorOutput{SetCookie: cookie.String(), Body: api.SetTwoFactorResponse{
		Enabled: true, RecoveryCodes: secondfactor.Reveal(setup.Codes),
	}}, nil
}

func (a *API) removeTwoFactor(ctx context.Context, _ *struct{}) (*signedOutOutput, error) {
	token, err := a.Sessions.RemoveFactor(ctx, callerOf(ctx).Principal)
	if err != nil {
		return nil, err
	}
	return &signedOutOutput{a.Middleware.Authenticator.SessionCookie(token)}, nil
}

func (a *API) createRecoveryCodes(ctx context.Context, _ *struct{}) (*output[api.RecoveryCodes], error) {
	codes, err := a.SecondFactors.Regenerate(ctx, callerOf(ctx).Principal)
	if err != nil {
		return nil, err
	}
	return &output[api.RecoveryCodes]{api.RecoveryCodes{RecoveryCodes: secondfactor.Reveal(codes)}}, nil
}

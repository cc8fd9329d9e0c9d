package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/web"
)

// avatarTypes are the media types of pictures that are accepted.
var avatarTypes = []string{"image/png", "image/jpeg", "image/gif"}

const pngType = "image/png"

func (a *API) avatars() {
	const path = "/api/v1/me/avatar"
	tags := []string{"Me"}
	add(a, huma.Operation{
		OperationID: "set-avatar", Method: http.MethodPut, Path: path, Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "Set your picture",
		Description: "The body is a PNG, a JPEG or the first frame of a GIF, with at most 2 MB and 2048 pixels a " +
			"side. What is kept is its middle square as a PNG of at most 256 pixels a side, without anything else " +
			"that the file had. People who share a tenant or an account with you see it. Requires a sign-in within " +
			"the last five minutes.",
	}, requirement{session: true, file: picture.MaxBytes}, a.setAvatar, fault.SignInAgain, fault.TooLarge,
		fault.UnsupportedMediaType, fault.ValidationFailed, fault.RateLimited, fault.Conflict)
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	for _, kind := range avatarTypes {
		body.Content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	operationAt(a.huma.OpenAPI(), http.MethodPut, path).RequestBody = body
	add(a, huma.Operation{
		OperationID: "remove-avatar", Method: http.MethodDelete, Path: path, Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "Remove your picture",
		Description: "Succeeds also if there is none. Requires a sign-in within the last five minutes.",
	}, requirement{session: true}, a.removeAvatar, fault.SignInAgain)
	const avatarPath = "/api/v1/users/{user}/avatar"
	add(a, huma.Operation{
		OperationID: "show-avatar", Method: http.MethodGet, Path: avatarPath, Tags: []string{"Members"},
		Summary: "Show the picture of a person",
		Description: "For the person, and for those who share a tenant or an account with them: two members of a " +
			"tenant, two people with a role in an account, and a person with a role in an account with the members " +
			"of its tenants. `me` stands for yourself. The response has an `ETag`; a request that sends it in " +
			"`If-None-Match` gets 304 while the picture is the same.",
	}, requirement{session: true}, a.showAvatar)
	operationAt(a.huma.OpenAPI(), http.MethodGet, avatarPath).Responses["200"].Content = map[string]*huma.MediaType{
		pngType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}
}

type setAvatarInput struct{ File avatarFile }

// avatarFile is the body of a request that sets an avatar.
type avatarFile struct{ content []byte }

// Resolve implements huma.Resolver.
func (f *avatarFile) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	var err error
	f.content, err = web.FileBody(r, picture.MaxBytes, avatarTypes...)
	if err != nil {
		return []error{err}
	}
	return nil
}

func (a *API) setAvatar(ctx context.Context, in *setAvatarInput) (*struct{}, error) {
	return nil, a.Identity.SetAvatar(ctx, callerOf(ctx).Principal, in.File.content)
}

func (a *API) removeAvatar(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, a.Identity.RemoveAvatar(ctx, callerOf(ctx).Principal)
}

type showAvatarInput struct {
	User string `path:"user"`
	// Version is what a page adds so that a browser asks again once the picture is another one.
	Version string `query:"v" doc:"Ignored. Send the version of the picture if the URL is cached."`
	Known   string `header:"If-None-Match" doc:"The ETag of the picture that you have."`
}

type avatarOutput struct {
	Status       int
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag"`
	Body         []byte
}

func (a *API) showAvatar(ctx context.Context, in *showAvatarInput) (*avatarOutput, error) {
	who := callerOf(ctx).Principal
	user := ident.UserID(in.User)
	if in.User == me {
		own, _ := who.Session()
		user = own.User.ID
	}
	avatar, err := a.Identity.Avatar(ctx, who, user)
	if err != nil {
		return nil, err
	}
	shown := &avatarOutput{
		Status: http.StatusOK, ContentType: pngType, CacheControl: "private, no-cache",
		ETag: etag.Tag(avatar.Version).Quoted(), Body: avatar.Image,
	}
	if in.Known == shown.ETag {
		shown.Status, shown.Body = http.StatusNotModified, nil
	}
	return shown, nil
}

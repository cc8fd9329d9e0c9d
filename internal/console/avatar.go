package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	avatarPath = profilePath + "/avatar"
	// maxUpload is the largest form with a picture: the form adds little to the file.
	maxUpload = picture.MaxBytes + 4096
	// maxFormParts bounds the parts of a form that are looked at.
	maxFormParts = 4
)

// avatarRoutes are those of the person's picture.
func (c *Console) avatarRoutes() []web.Route {
	return slices.Concat(
		c.upload(avatarPath, c.showAvatar, c.setAvatar),
		c.reduction(avatarPath+"/remove", c.removeAvatar),
	)
}

// upload returns the routes of a form that sends a file.
func (c *Console) upload(path string, show, send handler) []web.Route {
	c.site.add(path, show)
	return []web.Route{
		c.route(http.MethodGet, path, c.signedIn(show)), c.route(http.MethodPost, path, c.uploading(send)),
	}
}

// uploading is signedIn for a form that sends a file. The file is not kept for a person who must
// sign in first.
func (c *Console) uploading(serve handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		k := c.newCall(r)
		caller, body, end, err := c.Middleware.Authenticator.UploadingCaller(w, r, requirementOf(r), maxUpload)
		if errors.Is(err, fault.SecondFactorRequired) {
			return c.restrict(w, k, nil)
		}
		if err != nil {
			return c.signInFirst(w, k, nil, err)
		}
		defer end()
		k.signIn(caller)
		if err := c.Middleware.AdmitChange(k.who, false); err != nil {
			return err
		}
		k.file, err = fileOf(r.Header.Get("Content-Type"), body, "avatar")
		if err != nil {
			return err
		}
		return c.respond(w, k, serve)
	}
}

var errFileForm = fault.New(fault.Malformed, "The form cannot be read.")

// fileOf returns the content of the file in a form, in the field of this name.
func fileOf(contentType string, body []byte, field string) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, fault.New(fault.UnsupportedMediaType, "Send the file by the form.")
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxFormParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, errFileForm
		}
		if part.FormName() == field {
			file, err := io.ReadAll(part)
			if err != nil {
				return nil, errFileForm
			}
			return file, nil
		}
	}
	return nil, errFileForm
}

func (c *Console) showAvatar(k *call) (response, error) { return k.avatarForm(nil) }

// avatarForm returns the form. It is shown after a recent sign-in alone: a file cannot be kept
// while the person signs in.
func (k *call) avatarForm(faults view.Faults) (response, error) {
	if !k.session.Recent(k.now) {
		return k.signInAgain(avatarPath, nil), nil
	}
	p := view.Editor{
		Crumb: view.Link{Text: "Profile", Path: profilePath}, Heading: "Your picture", Action: avatarPath, Files: true,
		Intro:  "People who share a tenant or an account with you see it.",
		Faults: faults, Button: "Save picture", Cancel: view.Link{Text: "Discard", Path: profilePath},
		Parts: []view.Part{{Heading: "Picture", Controls: []view.Control{{
			Kind: view.KindFile, Name: "avatar", Label: "File", Accept: "image/png,image/jpeg,image/gif",
			Hint: fmt.Sprintf("A PNG, JPEG or GIF of at most %d MB and %d pixels a side. Its middle square is kept, "+
				"without anything that the file says of where and when it was taken.", picture.MaxBytes>>20,
				picture.MaxSide),
		}}}},
	}
	return response{page: p, title: p.Heading, narrow: true, current: profilePath, status: statusOf(faults)}, nil
}

func (c *Console) setAvatar(k *call) (response, error) {
	err := c.Identity.SetAvatar(k.Context(), k.who, k.file)
	switch {
	case errors.Is(err, fault.SignInAgain):
		return k.signInAgain(avatarPath, err), nil
	case errors.Is(err, fault.TooLarge):
		return k.avatarForm(view.Faults{{Field: "avatar", Message: fault.Message(err)}})
	}
	if faults := formFaults(err); faults != nil {
		return k.avatarForm(faults)
	}
	if err != nil {
		return response{}, err
	}
	return did(profilePath, "avatar.set"), nil
}

func (c *Console) removeAvatar(k *call) (response, error) {
	err := c.Identity.RemoveAvatar(k.Context(), k.who)
	if errors.Is(err, fault.SignInAgain) {
		return k.signInAgain(profilePath, err), nil
	}
	if err != nil {
		return response{}, err
	}
	return did(profilePath, "avatar.remove"), nil
}

// avatarURL returns where a picture of this version is; "" for none.
func avatarURL(version string) string {
	if version == "" {
		return ""
	}
	return "/api/v1/users/me/avatar?v=" + version
}

// avatarPanel is the part of the profile about the picture.
func avatarPanel(version string) view.Panel {
	p := view.Panel{
		ID: "avatar", Heading: "Picture", Text: "You have no picture. Your initials are shown.",
		Actions: []view.Action{{Text: "Upload a picture…", Class: "small", Path: avatarPath}},
	}
	if version != "" {
		p.Text, p.Picture = "", avatarURL(version)
		p.Actions[0].Text = "Replace…"
		p.Actions = append(p.Actions, view.Action{
			Text: "Remove", Object: "your picture", Class: "small ends", Post: true, Path: avatarPath + "/remove",
		})
	}
	return p
}

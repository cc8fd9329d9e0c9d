package console_test

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// sendFile sends a form with a file, as a browser does.
func (v *visitor) sendFile(path, field string, file []byte) shown {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, "me.png")
	testkit.NoError(v.t, err)
	_, err = part.Write(file)
	testkit.NoError(v.t, err)
	testkit.NoError(v.t, form.Close())
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.base+path, &body)
	testkit.NoError(v.t, err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	return v.do(req)
}

func smallPNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	testkit.NoError(t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 12, 12))))
	return b.Bytes()
}

func TestAPersonUploadsAndRemovesTheirPictureByForms(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	const path = "/settings/profile/avatar"
	d.get("/settings/profile").see(t, "before", http.StatusOK, "You have no picture")
	d.get(path).see(t, "the form", http.StatusOK, `enctype="multipart/form-data"`)
	for name, c := range map[string]struct {
		field string
		file  []byte
		want  int
		text  string
	}{
		"a text":                {"avatar", []byte("no picture"), http.StatusUnprocessableEntity, "Send a PNG"},
		"no file":               {"other", smallPNG(t), http.StatusUnprocessableEntity, "Send a PNG"},
		"more than 2 MB":        {"avatar", make([]byte, picture.MaxBytes+1), http.StatusUnprocessableEntity, "2 MB"},
		"much more than 2 MB":   {"avatar", make([]byte, 2*picture.MaxBytes), http.StatusRequestEntityTooLarge, "2 MB"},
		"a script in a picture": {"avatar", []byte("GIF89a<script>"), http.StatusUnprocessableEntity, "2048"},
	} {
		d.sendFile(path, c.field, c.file).see(t, name, c.want, c.text)
	}
	if got := d.sendFile(path, "avatar", smallPNG(t)); got.location != "/settings/profile?did=avatar.set" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	page := d.get("/settings/profile?did=avatar.set")
	page.see(t, "the profile", http.StatusOK, "Your picture was saved.")
	if n := strings.Count(page.text, `src="/api/v1/users/me/avatar?v=`); n != 2 {
		t.Errorf("the picture is shown %d times, want in the frame and in the profile\n%s", n, page.text)
	}
	_, rest, _ := strings.Cut(page.text, `src="/api/v1/users/me/avatar`)
	query, _, _ := strings.Cut(rest, `"`)
	shown := d.get("/api/v1/users/me/avatar" + query)
	if shown.status != http.StatusOK || shown.header.Get("Content-Type") != "image/png" {
		t.Errorf("the picture: %d, %s", shown.status, shown.header.Get("Content-Type"))
	}
	if got := d.post(path+"/remove", nil); got.location != "/settings/profile?did=avatar.remove" {
		t.Errorf("remove: %d to %q", got.status, got.location)
	}
	d.get("/settings/profile").see(t, "after", http.StatusOK, "You have no picture")
}

func TestAPictureIsUploadedAfterARecentSignInAlone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	const path = "/settings/profile/avatar"
	d.Clock.Move(5 * time.Minute)
	d.get(path).see(t, "the form", http.StatusUnauthorized, "Sign in again")
	d.sendFile(path, "avatar", smallPNG(t)).see(t, "the file", http.StatusUnauthorized, "Sign in again")
	d.post(path+"/remove", nil).see(t, "remove", http.StatusUnauthorized, "Sign in again")
	stranger := newVisitor(t, d.URL)
	if got := stranger.sendFile(path, "avatar", smallPNG(t)); got.status != http.StatusUnauthorized ||
		!strings.Contains(got.text, "Sign in") {
		t.Errorf("a stranger: %d\n%s", got.status, got.text)
	}
	if n := testkit.CountRows(t, d.Server, "user_avatars"); n != 0 {
		t.Errorf("%d pictures", n)
	}
}

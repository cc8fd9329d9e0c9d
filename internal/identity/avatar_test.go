package identity_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// pictureFile returns a picture in a format.
func pictureFile(t testing.TB, kind string, width, height int) []byte {
	t.Helper()
	p := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.NRGBA{G: 200, A: 255}})
	var b bytes.Buffer
	switch kind {
	case "image/png":
		testkit.NoError(t, png.Encode(&b, p))
	case "image/jpeg":
		testkit.NoError(t, jpeg.Encode(&b, p, nil))
	default:
		testkit.NoError(t, gif.Encode(&b, p, nil))
	}
	return b.Bytes()
}

// shownAvatar requests the avatar of a person as another one.
func shownAvatar(t *testing.T, h *testkit.Server, who principal.Person, of string,
	more ...string,
) (int, http.Header, []byte) {
	t.Helper()
	header := testkit.SessionHeader(t, h, who)
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return testkit.Send(t, h, http.MethodGet, "/api/v1/users/"+of+"/avatar", header, "")
}

func TestAPersonSetsReplacesAndRemovesTheirAvatar(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		ann := h.Member(h.Tenant("Main", nil), "Ann Example", scope.Member)
		c := h.As(ann)
		for _, kind := range []string{"image/png", "image/jpeg", "image/gif"} {
			testkit.NoError(t, c.SetAvatar(t.Context(), kind, pictureFile(t, kind, 500, 400)))
		}
		status, header, made := shownAvatar(t, h, ann, "me")
		config, err := png.DecodeConfig(bytes.NewReader(made))
		if status != http.StatusOK || err != nil || config.Width != picture.Side || config.Height != picture.Side {
			t.Fatalf("%d, %v, %+v", status, err, config)
		}
		for name, want := range map[string]string{
			"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		tag := header.Get("ETag")
		status, header, made = shownAvatar(t, h, ann, string(ann.ID), "If-None-Match", tag)
		if status != http.StatusNotModified || len(made) != 0 || header.Get("ETag") != tag || tag == "" {
			t.Errorf("the same again: %d, %d bytes, ETag %q", status, len(made), header.Get("ETag"))
		}
		testkit.NoError(t, c.RemoveAvatar(t.Context()))
		testkit.NoError(t, c.RemoveAvatar(t.Context()))
		if status, _, _ := shownAvatar(t, h, ann, "me"); status != http.StatusNotFound {
			t.Errorf("removed: %d", status)
		}
	})
}

func TestAnAvatarIsShownToThoseAloneWhoShareATenantOrAnAccount(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	main, sibling := h.Tenant("Main", nil), h.Tenant("Sibling", nil)
	ann, officer := h.Member(main, "Ann Example", scope.Member), h.AccountMember("Officer", scope.AccountAdmin)
	_, foreigner := h.OtherAccount("Foreigner")
	for _, p := range []principal.Person{ann, officer} {
		testkit.NoError(t, h.As(p).SetAvatar(t.Context(), "image/png", pictureFile(t, "image/png", 9, 9)))
	}
	for name, c := range map[string]struct {
		who, of principal.Person
		want    int
	}{
		"a member of the tenant":            {h.Member(main, "Ben", scope.Auditor), ann, http.StatusOK},
		"an owner of the account":           {h.Owner, ann, http.StatusOK},
		"another admin of the account":      {h.Owner, officer, http.StatusOK},
		"a member of an admin's account":    {ann, officer, http.StatusOK},
		"a member of another tenant":        {h.Member(sibling, "Cem", scope.Admin), ann, http.StatusNotFound},
		"somebody of another account":       {foreigner, ann, http.StatusNotFound},
		"somebody who belongs to nothing":   {h.Person("Nobody At All"), ann, http.StatusNotFound},
		"a member, of one without a tenant": {ann, h.Person("No Body"), http.StatusNotFound},
		"a member, of one without a picture": {
			ann, h.Member(main, "Dan", scope.Member), http.StatusNotFound,
		},
	} {
		status, _, _ := shownAvatar(t, h, c.who, string(c.of.ID))
		if status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
	if status, _, _ := shownAvatar(t, h, ann, "usr_01m8k6w12g3bn9cd"); status != http.StatusNotFound {
		t.Errorf("of nobody: %d", status)
	}
}

func TestAFileThatIsNoPictureIsNoAvatar(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	ann := h.Member(tenant, "Ann Example", scope.Member)
	c := h.As(ann)
	whole, tooWide := pictureFile(t, "image/png", 10, 10), pictureFile(t, "image/gif", picture.MaxSide+1, 1)
	for name, one := range map[string]struct {
		kind string
		file []byte
		want api.Code
	}{
		"a text":                 {"image/png", []byte("no picture"), api.ValidationFailed},
		"SVG as PNG":             {"image/png", []byte("<svg/>"), api.ValidationFailed},
		"nothing":                {"image/png", nil, api.ValidationFailed},
		"too wide":               {"image/gif", tooWide, api.ValidationFailed},
		"of another media type":  {"image/svg+xml", whole, api.UnsupportedMediaType},
		"without a media type":   {"", whole, api.UnsupportedMediaType},
		"JSON":                   {"application/json", whole, api.UnsupportedMediaType},
		"more than 2 MB":         {"image/png", make([]byte, picture.MaxBytes+1), api.TooLarge},
		"much more than 2 MB":    {"image/png", make([]byte, 3*picture.MaxBytes), api.TooLarge},
		"a JPEG that says PNG":   {"image/png", pictureFile(t, "image/jpeg", 10, 10), ""},
		"2 MB with a good start": {"image/png", append(whole, make([]byte, picture.MaxBytes-len(whole))...), ""},
	} {
		testkit.ExpectCode(t, name, c.SetAvatar(t.Context(), one.kind, one.file), one.want)
	}
	k := h.Key(c, tenant, "applications:read")
	testkit.ExpectCode(t, "with a key", h.With(k).SetAvatar(t.Context(), "image/png", whole), api.SessionRequired)
	testkit.ExpectCode(t, "without a credential", h.Anyone().SetAvatar(t.Context(), "image/png", whole),
		api.APIKeyInvalid)
	h.Clock.Move(5 * time.Minute)
	testkit.ExpectCode(t, "after five minutes", c.SetAvatar(t.Context(), "image/png", whole), api.SignInAgain)
	testkit.ExpectCode(t, "removed after five minutes", c.RemoveAvatar(t.Context()), api.SignInAgain)
}

func TestADeletedPersonHasNoAvatar(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		ann := h.Member(h.Tenant("Main", nil), "Ann Example", scope.Member)
		c := h.As(ann)
		testkit.NoError(t, c.SetAvatar(t.Context(), "image/png", pictureFile(t, "image/png", 9, 9)))
		if n := testkit.CountRows(t, h, "user_avatars"); n != 1 {
			t.Fatalf("%d rows", n)
		}
		testkit.NoError(t, c.DeleteMe(t.Context()))
		if n := testkit.CountRows(t, h, "user_avatars"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

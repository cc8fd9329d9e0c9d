package manageapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	// downloadTime bounds the download of a person's data, and partTime the sending of each part.
	downloadTime = 10 * time.Minute
	partTime     = time.Minute
	// downloadPage is how many sessions, keys or events are read at once.
	downloadPage = 200
)

var errDownloading = fault.New(fault.Conflict, "A download of your data is running. Wait until it has ended.")

func (a *API) ownData() {
	const path = "/api/v1/me/data"
	add(a, huma.Operation{
		OperationID: "download-me", Method: http.MethodGet, Path: path, Tags: []string{"Me"},
		Summary: "Download your own data",
		Description: "Everything that is stored about you: your record, roles and memberships, sessions, keys " +
			"(without secrets) and the events that you caused, newest first. It is sent while it is read. `complete` " +
			"is the last member: a response without it, or with `false`, was cut short. One download of a person " +
			"runs at a time. Requires a sign-in within the last five minutes.",
	}, requirement{session: true}, a.downloadMe, fault.SignInAgain, fault.Conflict)
	doc := a.huma.OpenAPI()
	operationAt(doc, http.MethodGet, path).Responses["200"].Content = map[string]*huma.MediaType{
		jsonType: {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[api.PersonalData](), true, "PersonalData")},
	}
}

func (a *API) downloadMe(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	who := callerOf(ctx).Principal
	if err := a.Identity.RequireRecentSignIn(who); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		r, w := humago.Unwrap(hctx)
		if err := a.sendOwnData(ctx, w, r, who); err != nil {
			a.surface.Refuse(w, r, err)
		}
	}}, nil
}

// sendOwnData sends the data of the caller. It returns an error only if nothing was sent. The
// download ends with its session.
func (a *API) sendOwnData(ctx context.Context, w http.ResponseWriter, r *http.Request,
	who principal.Principal,
) error {
	own, _ := who.Session()
	if _, running := a.downloads.LoadOrStore(own.User.ID, true); running {
		return errDownloading
	}
	defer a.downloads.Delete(own.User.ID)
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	u, err := a.Identity.Me(ctx, who)
	if err != nil {
		return err
	}
	avatar, err := a.Identity.AvatarVersion(ctx, who)
	if err != nil {
		return err
	}
	facts, err := a.Identity.SignInFacts(ctx, who)
	if err != nil {
		return err
	}
	h := w.Header()
	web.SetPrivateJSON(h)
	h.Set("Content-Disposition", `attachment; filename="claviger-data.json"`)
	f := &dataFile{w: w, control: http.NewResponseController(w), stillSignedIn: func() error {
		_, err := a.Middleware.Authenticator.StillSignedIn(w, r)
		return err
	}}
	memberships, accounts := web.Memberships(own)
	f.member("user", meOf(u))
	f.member("avatar", avatar != "")
	f.member("accounts", accounts)
	f.member("memberships", memberships)
	f.member("last_seen_at", web.Time(facts.LastSeenAt))
	for _, list := range []struct {
		name string
		send func(context.Context, principal.Principal, *dataFile) error
	}{{"sessions", a.sendSessions}, {"keys", a.sendOwnKeys}, {"events", a.sendOwnEvents}} {
		f.open(list.name)
		err = list.send(ctx, who, f)
		f.close()
		if err != nil {
			break
		}
	}
	f.end(err)
	return nil
}

func (a *API) sendSessions(ctx context.Context, who principal.Principal, f *dataFile) error {
	for page := (paging.Page{Limit: downloadPage}); ; {
		list, err := a.Sessions.List(ctx, who, page)
		if err != nil {
			return err
		}
		for _, s := range list {
			f.item(sessionInfoOf(who)(s))
			page.BeforeTime, page.BeforeID = s.CreatedAt, string(s.ID)
		}
		if err := f.sendPart(); err != nil || len(list) < page.Limit {
			return err
		}
	}
}

func (a *API) sendOwnKeys(ctx context.Context, who principal.Principal, f *dataFile) error {
	for page := &(key.Page{Limit: downloadPage}); page != nil; {
		l, err := a.Keys.ListOwn(ctx, who, key.Filter{}, *page)
		if err != nil {
			return err
		}
		for _, v := range l.Views {
			f.item(ownKeyOf(v))
		}
		if err := f.sendPart(); err != nil {
			return err
		}
		page = l.Next
	}
	return nil
}

func (a *API) sendOwnEvents(ctx context.Context, who principal.Principal, f *dataFile) error {
	for page := &(audit.TrailPage{Limit: downloadPage}); page != nil; {
		part, err := a.Identity.OwnEvents(ctx, who, *page)
		if err != nil {
			return err
		}
		for _, e := range part.Events {
			f.item(eventOf(e))
		}
		if err := f.sendPart(); err != nil {
			return err
		}
		page = part.Next
	}
	return nil
}

// dataFile writes one JSON object, part by part. Once an error has occurred it writes nothing more.
type dataFile struct {
	w       http.ResponseWriter
	control *http.ResponseController
	// stillSignedIn returns an error once the session of the download has ended.
	stillSignedIn func() error
	part          bytes.Buffer
	// begun is set after the first member, and inList after the first item of a list.
	begun, inList bool
	err           error
}

func (f *dataFile) value(v any) {
	text, err := json.Marshal(v)
	if f.err == nil {
		f.err = err
	}
	f.part.Write(text)
}

func (f *dataFile) name(name string) {
	separator := byte('{')
	if f.begun {
		separator = ','
	}
	f.begun = true
	f.part.WriteByte(separator)
	f.value(name)
	f.part.WriteByte(':')
}

func (f *dataFile) member(name string, v any) {
	f.name(name)
	f.value(v)
}

func (f *dataFile) open(name string) {
	f.name(name)
	f.part.WriteByte('[')
	f.inList = false
}

func (f *dataFile) item(v any) {
	if f.inList {
		f.part.WriteByte(',')
	}
	f.inList = true
	f.value(v)
}

func (f *dataFile) close() { f.part.WriteByte(']') }

// sendPart sends a part of a list. It fails where no further part may be read.
func (f *dataFile) sendPart() error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.stillSignedIn()
}

// flush sends what was written. It fails where the client is gone.
func (f *dataFile) flush() error {
	if f.err == nil {
		_ = f.control.SetWriteDeadline(time.Now().Add(partTime))
		_, f.err = f.part.WriteTo(f.w)
	}
	return f.err
}

// end writes whether the object is complete; err is why it is not.
func (f *dataFile) end(err error) {
	var message *string
	if err != nil {
		text := fault.Message(err)
		if text == "" {
			text = "Not all of your data could be read. Try again."
		}
		message = &text
	}
	f.member("error", message)
	f.member("complete", err == nil)
	f.part.WriteString("}\n")
	_ = f.flush() // the client may be gone
}

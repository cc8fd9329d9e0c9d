package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
)

const (
	// maxUploads bounds how many files are received and used at once, and so the memory for them.
	maxUploads = 8
	// A client that sends a file which is too large reads no response before it has sent all of it,
	// or a part of maxDiscarded bytes in discardedFileTime.
	maxDiscarded      = 16 << 20
	discardedFileTime = 3 * time.Second
)

var errUploads = fault.Retry(fault.RateLimited, time.Second,
	"You are sending another file, or many people are. Wait a second, then send this one again.")

// uploads are the files that are received or used now: at most one of each person.
type uploads struct {
	mu     sync.Mutex
	people map[ident.UserID]bool
}

// begin admits a file of the person. end must be called once it is no longer in memory.
func (u *uploads) begin(who principal.Principal) (end func(), err error) {
	s, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.people) >= maxUploads || u.people[s.User.ID] {
		return nil, errUploads
	}
	if u.people == nil {
		u.people = map[ident.UserID]bool{}
	}
	u.people[s.User.ID] = true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.people, s.User.ID)
	}, nil
}

// UploadingCaller is Caller for a route of people that receives a file. Its body may have more than
// MaxBody bytes, up to most. Nothing of it is read before the caller is known to be a signed-in
// person who may use the route and sends no other file. If there is no error, end must be called
// once the file is no longer in memory.
func (a *Authenticator) UploadingCaller(w http.ResponseWriter, r *http.Request, needs verify.Requirement,
	most int,
) (c verify.Caller, file []byte, end func(), err error) {
	p := a.ReadCredential(r.Context(), r.Header)
	if needs.Management {
		p = a.Verify.ForManagement(p)
	}
	c, err = a.authenticate(w, r, p)
	if err != nil {
		a.countRefused(r, c, err)
		return verify.Caller{}, nil, nil, err
	}
	c, file, end, err = a.receive(w, r, needs, p, c, most)
	if err != nil {
		discardBody(w, r, maxDiscarded, discardedFileTime)
		a.countRefused(r, c, err)
		return verify.Caller{}, nil, nil, err
	}
	a.outcomes().Count("", c.Transport)
	r.Body = io.NopCloser(bytes.NewReader(file))
	return c, file, end, nil
}

// receive reads the file of a caller, who is decided about again afterwards.
func (a *Authenticator) receive(w http.ResponseWriter, r *http.Request, needs verify.Requirement,
	p verify.Presentation, c verify.Caller, most int,
) (_ verify.Caller, file []byte, end func(), err error) {
	if err := a.Verify.Engine.Allow(r.Context(), c, needs); err != nil {
		return c, nil, nil, err
	}
	end, err = a.uploads.begin(c.Principal)
	if err != nil {
		return c, nil, nil, err
	}
	file, err = readUpload(r, most)
	if err == nil {
		c, err = a.confirm(w, r, p, c)
	}
	if err == nil {
		recordCaller(w, c.Principal)
		err = a.Verify.Engine.Allow(r.Context(), c, needs)
	}
	if err != nil {
		end()
		return c, nil, nil, err
	}
	return c, file, end, nil
}

// readUpload reads a body of at most so many bytes.
func readUpload(r *http.Request, most int) ([]byte, error) {
	if err := PlainContent(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > int64(most) {
		return nil, errLargeUpload(most)
	}
	if !hasBody(r) {
		return nil, nil
	}
	file, err := io.ReadAll(io.LimitReader(r.Body, int64(most)+1))
	switch {
	case len(file) > most:
		return nil, errLargeUpload(most)
	case err != nil:
		return nil, errCutShort(err)
	}
	return file, nil
}

func errLargeUpload(most int) error {
	return fault.New(fault.TooLarge, fmt.Sprintf("The file has more than %d MB.", most>>20))
}

// FileBody returns the body of a request that [Authenticator.UploadingCaller] has read. It refuses
// a media type that is not among kinds, or a body of more than most bytes.
func FileBody(r *http.Request, most int, kinds ...string) ([]byte, error) {
	if err := fileContent(r.Header, kinds); err != nil {
		return nil, err
	}
	file, err := io.ReadAll(io.LimitReader(r.Body, int64(most)+1))
	if err == nil && len(file) > most {
		err = errLargeUpload(most)
	}
	return file, err
}

// fileContent refuses a body of another media type.
func fileContent(h http.Header, kinds []string) error {
	if sent := h["Content-Type"]; len(sent) == 1 && slices.Contains(kinds, sent[0]) {
		return nil
	}
	return fault.New(fault.UnsupportedMediaType, "Send the file as it is, with one of these as Content-Type: "+
		strings.Join(kinds, ", ")+".")
}

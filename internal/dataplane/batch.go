package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	// maxItems is how many items a batch may have.
	maxItems = 1000
	// maxAnswers is the size of the largest response to a batch, in bytes.
	maxAnswers = 4 << 20
)

// verifyBatch decides about the credentials in the items of the body, for a caller who may ask. The
// whole body is read, and all its items are counted, before the first decision.
func (a *API) verifyBatch(w http.ResponseWriter, r *http.Request) error {
	verifier, body, unread, err := a.Authenticator.Verifier(w, r, web.ReadLargeBody)
	defer body.Release()
	if err != nil {
		return err
	}
	if unread != nil {
		web.DiscardBody(w, r)
		return unread
	}
	b := batches.Get().(*batch)
	defer b.release()
	if err := b.read(body.Bytes()); err != nil {
		return err
	}
	verifier, err = a.Authenticator.Verify.Engine.Consume(verifier, len(b.items))
	if err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := a.answerItems(r.Context(), w.Header(), buf, verifier, b.items); err != nil {
		return err
	}
	web.SetPrivateJSON(w.Header())
	_, _ = w.Write(buf.Bytes()) // the client may be gone
	return nil
}

// answerItems makes the decisions and writes the response. An item that is an error of its own has
// its problem document in its place. Doubt is about the whole batch: a client that looked for
// `active` in the document would take it for a refusal.
func (a *API) answerItems(ctx context.Context, response http.Header, dst *bytes.Buffer, verifier verify.Verifier,
	items []item,
) error {
	req := getRequest()
	defer req.release()
	dst.WriteString(`{"items":[`)
	for i, sent := range items {
		if i > 0 {
			dst.WriteByte(',')
		}
		if err := a.answerRequest(ctx, dst, verifier, req, sent); err != nil {
			kind := fault.KindOf(err)
			if ctx.Err() != nil || kind == fault.Unavailable || kind == fault.Internal {
				return err
			}
			a.logItem(kind)
			web.WritePartProblem(dst, response, err)
		}
		if dst.Len() > maxAnswers {
			return fault.New(fault.TooLarge, fmt.Sprintf(
				"The response has more than %d MiB: the metadata of these keys is large. Send fewer items.",
				maxAnswers>>20))
		}
	}
	dst.WriteString(`]}`)
	return nil
}

// logItem logs a sample of the items that are errors.
func (a *API) logItem(kind fault.Kind) {
	if a.refusals.Allow() {
		a.Log.Info("item refused", "code", string(kind))
	}
}

// batch are the items of a request.
type batch struct {
	decoder jsontext.Decoder
	body    bytes.Reader
	// items are parts of the body, each with one JSON value.
	items []item
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// release clears the batch, which may hold credentials, and returns it to the pool.
func (b *batch) release() {
	clear(b.items)
	b.items = b.items[:0]
	b.body.Reset(nil)
	b.decoder.Reset(&b.body)
	batches.Put(b)
}

// read reads a body: an object with the one member items. It only finds the items. What is wrong
// with the members of one is said about this item alone.
func (b *batch) read(body []byte) error {
	all := newItem(body)
	b.body.Reset(body)
	b.decoder.Reset(&b.body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	d := &b.decoder
	if d.PeekKind() != kindObject {
		return notObject(d)
	}
	if _, err := d.ReadToken(); err != nil {
		return errSyntax
	}
	found := false
	for d.PeekKind() == kindString {
		name, err := readText(d)
		switch {
		case err != nil:
			return errSyntax
		case name != "items":
			return fault.Refuse(fault.Field{
				Name: "items", Code: "unknown", Message: "Send an object with the member items alone.",
			})
		case found:
			return fault.New(fault.Malformed, "An object has a member twice: items.")
		}
		found = true
		if err := b.readItems(all); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil { // }
		return errSyntax
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	if len(b.items) == 0 {
		return errItems
	}
	return nil
}

var (
	errSyntax = fault.New(fault.Malformed, "The body is not one JSON value.")
	errItems  = fault.Refuse(fault.Field{
		Name: "items", Code: "length", Message: fmt.Sprintf("Send 1 to %d items.", maxItems),
	})
	errNotList = fault.Refuse(fault.Field{Name: "items", Code: "type", Message: "Use a list of objects."})
)

// notObject returns what is wrong with a body that is no object.
func notObject(d *jsontext.Decoder) error {
	if _, err := d.ReadValue(); err != nil {
		return errSyntax
	}
	return fault.Refuse(fault.Field{Name: "", Code: "type", Message: "Use an object."})
}

// readItems reads the list of items.
func (b *batch) readItems(all item) error {
	d := &b.decoder
	if d.PeekKind() != kindList {
		if err := d.SkipValue(); err != nil {
			return errSyntax
		}
		return errNotList
	}
	if _, err := d.ReadToken(); err != nil { // [
		return errSyntax
	}
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return errSyntax
		}
		if len(b.items) == maxItems {
			return errItems
		}
		end := d.InputOffset()
		begin := end - int64(len(value))
		b.items = append(b.items, item{all.body[begin:end], all.text[begin:end]})
	}
	if _, err := d.ReadToken(); err != nil { // ]
		return errSyntax
	}
	return nil
}

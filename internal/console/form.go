package console

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// statusInvalid is the status of a form that is shown again with what is wrong in it.
	statusInvalid = 422
	// minOnce and maxOnce are the lengths of the random text that makes a form count once.
	minOnce = 16
	maxOnce = 64
)

// errSentOtherwise is about a form that did its work with other values than it has now.
var errSentOtherwise = fault.New(fault.Conflict,
	"This form was sent before with other values, and nothing was done now. Open the form again.")

func statusOf(faults view.Faults) int {
	if len(faults) > 0 {
		return statusInvalid
	}
	return 0
}

// formFaults returns what is wrong with the fields of a form; nil for another failure.
func formFaults(err error) (faults view.Faults) {
	for _, f := range fault.Fields(err) {
		name, _, _ := strings.Cut(f.Name, ".")
		faults = append(faults, view.Fault{Field: name, Message: f.Message})
	}
	switch {
	case len(faults) > 0:
	case errors.Is(err, fault.KeyLimitReached):
		faults = view.Faults{{Field: "name", Message: fault.Message(err)}}
	}
	return faults
}

// once returns the context of a change that the form makes once, however often it is sent.
func (k *call) once(form string) (ctx context.Context, id audit.IdempotencyKey, err error) {
	if n := len(k.form.Get("once")); n < minOnce || n > maxOnce {
		return nil, id, fault.New(fault.Malformed, "The form was sent without its number. Open it again and send it.")
	}
	sum := sha256.Sum256([]byte(string(k.session.User.ID) + " " + k.form.Get("once")))
	id = audit.IdempotencyKey{
		Principal: string(k.session.User.ID), Method: "FORM", Path: k.URL.Path + " " + form,
		Key: hex.EncodeToString(sum[:]), Body: sha256.Sum256([]byte(k.form.Encode())),
	}
	return audit.WithIdempotencyKey(k.Context(), id), id, nil
}

// change runs a change of data that the form makes once. It returns the id of what an earlier
// sending of the same form has made, because its sender got no answer or pressed twice; "" if this
// is the first. do makes one change of data.
func (k *call) change(form string, do func(context.Context) error) (earlier string, err error) {
	idempotent, once, err := k.once(form)
	if err != nil {
		return "", err
	}
	err = do(idempotent)
	if errors.Is(err, audit.ErrAlreadyReserved) {
		return k.earlier(once)
	}
	return "", err
}

// earlier returns the id of what a form made when it was sent the first time.
func (k *call) earlier(once audit.IdempotencyKey) (id string, err error) {
	result, err := k.console.Idempotency.IdempotentResult(k.Context(), once)
	switch {
	case errors.Is(err, fault.NotFound):
		return "", fault.New(fault.Conflict,
			"This form was sent twice, and the first time is not finished. Look at the list in a moment.")
	case err == nil && result.Body != once.Body:
		return "", errSentOtherwise
	}
	return result.Target, err
}

// sure returns what is wrong unless the person typed the phrase that the page shows.
func (k *call) sure(phrase string) view.Faults {
	if strings.TrimSpace(k.form.Get("sure")) == phrase {
		return nil
	}
	return view.Faults{{Field: "sure", Message: "Type " + phrase + " to say that you are sure."}}
}

// expected returns the version that the form was filled in for. A form without one is no form of
// these pages. It must not overwrite anything unseen.
func (k *call) expected() etag.Tag { return etag.Tag(cmp.Or(k.form.Get("version"), "none")) }

// version returns the version that a form has: the one it came with if it is shown again, so that
// a change by somebody else is still noticed.
func version(values url.Values, present etag.Tag) string {
	return cmp.Or(values.Get("version"), string(present))
}

// changedMeanwhile says at the first field that somebody else changed what the form changes. The
// form is shown again for the present version: to save it once more replaces what they changed.
func (k *call) changedMeanwhile(field, object string) view.Faults {
	k.form.Del("version")
	return view.Faults{{
		Field: field, Message: "The " + object + " was changed since you opened this form. Look at it in the list, " +
			"then save again.",
	}}
}

// linesOf returns the lines of a text, without empty ones; nil for none.
func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

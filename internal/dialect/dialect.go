// Package dialect writes refusals in the form of other vendors' APIs, so that a client written for
// such an API understands them.
//
//	blazemeter   {"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}
//	loadrunner   {"message":"…"}
//	blancco      {"message":"…"}
//	blazeauth    {"success":false,"code":"api_key_invalid","message":"…"}
//
// The status is that of the failure in every dialect.
package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/web"
)

// The dialects.
const (
	BlazeMeter = "blazemeter"
	LoadRunner = "loadrunner"
	Blazeauth  = "blazeauth"
	Blancco    = "blancco"
)

// Body returns the body of a refusal. ok is false for a dialect that is not known.
func Body(dialect string, f web.Failure) (body []byte, ok bool) {
	switch dialect {
	case BlazeMeter:
		return encode(blazeMeter{
			Error: blazeMeterError{f.Status, http.StatusText(f.Status)}, APIVersion: blazeMeterVersion,
		}), true
	case LoadRunner, Blancco:
		return encode(message{detail(f)}), true
	case Blazeauth:
		return encode(blazeauth{Code: string(f.Kind), Message: detail(f)}), true
	}
	return nil, false
}

// shownFields bounds how many fields a message names.
const shownFields = 5

// detail returns what to do. The bodies have no list of fields, so the message names them.
func detail(f web.Failure) string {
	if len(f.Fields) == 0 {
		return f.Detail
	}
	var parts []string
	for _, field := range f.Fields[:min(len(f.Fields), shownFields)] {
		parts = append(parts, field.Name+": "+field.Message)
	}
	if more := len(f.Fields) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more fields are invalid.", more))
	}
	return strings.Join(parts, " ")
}

// blazeMeterVersion is the version of BlazeMeter's API.
const blazeMeterVersion = 4

type blazeMeter struct {
	Error      blazeMeterError `json:"error"`
	APIVersion int             `json:"api_version"`
	Result     *struct{}       `json:"result"`
}

type blazeMeterError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type message struct {
	Message string `json:"message"`
}

type blazeauth struct {
	Success bool   `json:"success"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ErrorWriter writes refusals in the dialect that the error names, or else as problem documents.
// The code is also in the header X-Claviger-Code. It implements web.ErrorWriter.
type ErrorWriter struct{ web.ProblemWriter }

// WriteError implements web.ErrorWriter.
func (e ErrorWriter) WriteError(w http.ResponseWriter, r *http.Request, f web.Failure) {
	w.Header()["X-Claviger-Code"] = []string{string(f.Kind)}
	body, ok := Body(f.Dialect, f)
	if !ok {
		e.ProblemWriter.WriteError(w, r, f)
		return
	}
	e.Challenge(w.Header(), r, f)
	web.WriteFailure(w, f, "application/json", body)
}

func encode(body any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		panic("dialect: a refusal of plain fields did not marshal: " + err.Error())
	}
	return text.Bytes()
}

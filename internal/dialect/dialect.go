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
	"net/http"

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
		return encode(message{f.Detail}), true
	case Blazeauth:
		return encode(blazeauth{Code: string(f.Kind), Message: f.Detail}), true
	}
	return nil, false
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

func encode(body any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		panic("dialect: a refusal of plain fields did not marshal: " + err.Error())
	}
	return text.Bytes()
}

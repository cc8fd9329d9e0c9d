package testkit

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// RequestIDs matches the member request_id, which differs in each refusal.
var RequestIDs = regexp.MustCompile(`"request_id":"\w+"`)

// OpenAPI is the part of an OpenAPI document that tests read.
type OpenAPI struct {
	OpenAPI string
	Info    struct {
		Title, Version, Description string
		License                     struct{ Identifier string }
	}
	Servers    []struct{ URL string }
	Tags       []struct{ Name string }
	Paths      map[string]map[string]DocumentedOperation
	Components struct {
		Schemas         map[string]any
		SecuritySchemes map[string]any
	}
}

// DocumentedOperation is an operation as the OpenAPI document describes it.
type DocumentedOperation struct {
	OperationID, Summary string
	Tags                 []string
	Parameters           []struct {
		Name, In, Description string
		Required              bool
	}
	RequestBody *struct {
		Content map[string]struct{ Schema json.RawMessage }
	}
	Responses map[string]struct {
		Description string
		Codes       json.RawMessage `json:"x-codes"`
		Content     map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	Security []map[string][]string
}

// Operation is an operation with its method and path.
type Operation struct {
	Method, Path string
	DocumentedOperation
}

// RateLimitCodes returns the codes with which the operation answers 429.
func (o Operation) RateLimitCodes() []byte { return o.Responses["429"].Codes }

// Address returns the path with well-formed ids in the place of parameters.
func (o Operation) Address(tenant string) string {
	return strings.NewReplacer(
		"{service_account}", "sva_01m7z51nc4y94zpp4er7", "{management_key}", "mgk_01m7z51nc4y94zpp4er7",
		"{tenant}", tenant, "{key}", "key_01m7z51nc4y94zpp4er7", "{application}", "app_01m7z51nc2xnsr53yart",
		"{account}", "acc_01m7z51nbwq4nbffz5d4", "{user}", "usr_01m7z51nbwq4nbffz5d4",
		"{session}", "ses_01m7z51nbwq4nbffz5d4", "{token}", "x", "{invitation}", "lnk_01m7z51nbwq4nbffz5d4",
		"{service_account}", "sva_01m7z51nbwq4nbffz5d4", "{subject}", "sub_01m7z51nbwq4nbffz5d4", "{plan}", "free",
		"{name}", "films:read",
	).Replace(o.Path)
}

// ReadOpenAPI returns the OpenAPI document of the server, its operations, and its text.
func ReadOpenAPI(t testing.TB, h *Server) (d OpenAPI, operations []Operation, text string) {
	t.Helper()
	_, text = Get(t, h.URL+"/openapi.json")
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for method, op := range d.Paths[path] {
			operations = append(operations, Operation{strings.ToUpper(method), path, op})
		}
	}
	if len(operations) < 10 {
		t.Fatalf("%d operations", len(operations))
	}
	return d, operations, text
}

// PathParameter matches a parameter in a path of the document.
var PathParameter = regexp.MustCompile(`{(\w+)}`)

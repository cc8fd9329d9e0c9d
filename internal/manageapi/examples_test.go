package manageapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestEveryBodyOfTheDocumentHasAnExample(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, _, text := testkit.Send(t, h, http.MethodGet, "/openapi.json", nil, "")
	type body struct {
		Content map[string]struct {
			Example any `json:"example"`
		} `json:"content"`
	}
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody body            `json:"requestBody"`
			Responses   map[string]body `json:"responses"`
		} `json:"paths"`
	}
	testkit.NoError(t, json.Unmarshal([]byte(text), &document))
	bodies := 0
	check := func(name string, b body) {
		for kind, content := range b.Content {
			bodies++
			if content.Example == nil && !strings.HasPrefix(kind, "image/") {
				t.Errorf("%s has no example", name)
			}
		}
	}
	for path, item := range document.Paths {
		for method, op := range item {
			check("the request of "+method+" "+path, op.RequestBody)
			for status, response := range op.Responses {
				if strings.HasPrefix(status, "2") {
					check(status+" of "+method+" "+path, response)
				}
			}
		}
	}
	if bodies < 50 {
		t.Errorf("only %d bodies were found", bodies)
	}
}

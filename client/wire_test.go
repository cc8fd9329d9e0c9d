package client_test

import (
	"encoding/json"
	"testing"

	"github.com/claviger-dev/claviger/api"
)

func TestACredentialThatIsNotShownIsNullOnTheWireAndEmptyInGo(t *testing.T) {
	t.Parallel()
	for wire, want := range map[string]api.Credential{
		`{"style":"token","id":"ak_1","secret":null,"value":null,"example":null}`: {Style: "token", ID: "ak_1"},
		`{"style":"pair","id":"1","secret":"s","value":"1:s","example":"curl"}`: {
			Style: "pair", ID: "1", Secret: "s", Value: "1:s", Example: "curl",
		},
		`{"style":"client","id":"oauth2-1","secret":"s","value":"v","example":null}`: {
			Style: "client", ID: "oauth2-1", Secret: "s", Value: "v",
		},
		`{"style":"uuid","id":"key_1","secret":"<&>","value":"<&>","example":"a & b"}`: {
			Style: "uuid", ID: "key_1", Secret: "<&>", Value: "<&>", Example: "a & b",
		},
	} {
		var got api.Credential
		if err := json.Unmarshal([]byte(wire), &got); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", wire, got, err)
		}
		text, err := json.Marshal(struct{ C *api.Credential }{&want})
		var back struct{ C json.RawMessage }
		if err != nil || json.Unmarshal(text, &back) != nil {
			t.Fatal(err)
		}
		var sent, expected map[string]any
		if json.Unmarshal(back.C, &sent) != nil || json.Unmarshal([]byte(wire), &expected) != nil || len(sent) != 5 {
			t.Fatalf("%s", text)
		}
		for name, value := range expected {
			if sent[name] != value {
				t.Errorf("%s: %s is sent as %v", wire, name, sent[name])
			}
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// scenario is one row of the report. prepare makes what each side is sent.
type scenario struct {
	name    string
	title   string
	prepare func(context.Context, *bed) (pair, error)
}

// pair is the same load for both sides.
type pair struct{ floor, claviger load }

// load is what one side is sent, each request as its bytes, and what every
// answer must contain besides status 200.
type load struct {
	requests [][]byte
	want     string
}

// startScenario names the part that drives no load.
const startScenario = "start"

var scenarios = []scenario{
	{"hot", "verify, one hot key", hotKey},
	{"random", "verify, 10,000 valid keys", validKeys},
	{"checksum", "verify, junk: bad checksum", junk(badChecksum)},
	{"tag", "verify, junk: false tag", junk(falseTag)},
	{"deleted", "verify, junk: deleted id", deletedIDs},
	{"secret", "verify, junk: live id, wrong secret", junk(wrongSecret)},
	{"whoami", "whoami by Bearer", whoami},
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return strings.Join(append(names, startScenario, nodesScenario), ", ")
}

func knownScenario(name string) bool {
	if name == "" || name == startScenario || name == nodesScenario {
		return true
	}
	for _, s := range scenarios {
		if s.name == name {
			return true
		}
	}
	return false
}

func hotKey(_ context.Context, b *bed) (pair, error) {
	return b.accepted(b.sample[:1]), nil
}

func validKeys(_ context.Context, b *bed) (pair, error) {
	return b.accepted(b.sample), nil
}

func junk(class func(string, int, int) string) func(context.Context, *bed) (pair, error) {
	return func(_ context.Context, b *bed) (pair, error) {
		return b.refused(spoil(b.sample, b.options.variants, class)), nil
	}
}

func deletedIDs(ctx context.Context, b *bed) (pair, error) {
	c, err := signIn(ctx, b.dev)
	if err != nil {
		return pair{}, err
	}
	values, err := c.mintDeleted(ctx, b.dev.Tenants[0].ID)
	return b.refused(values), err
}

func whoami(_ context.Context, b *bed) (pair, error) {
	key := b.dev.Tenants[0].Key
	ask := func(host, path string) [][]byte { return [][]byte{whoamiRequest(host, path, key.Value)} }
	return pair{
		floor:    load{ask(b.floor.host, floorHeader), `"principal":`},
		claviger: load{ask(b.claviger.host, "/api/v1/whoami"), fmt.Sprintf(`"key_id":%q`, key.ID)},
	}, nil
}

func (b *bed) accepted(credentials []string) pair {
	return b.verifyPair(credentials, floorVerify, `"active":true`)
}

func (b *bed) refused(credentials []string) pair {
	return b.verifyPair(credentials, floorRefuse, `"active":false,"code":"api_key_invalid"`)
}

func (b *bed) verifyPair(credentials []string, floorPath, want string) pair {
	p := pair{floor: load{want: want}, claviger: load{want: want}}
	for _, c := range credentials {
		p.floor.requests = append(p.floor.requests, verifyRequest(b.floor.host, floorPath, b.dev.Verifier, c))
		p.claviger.requests = append(p.claviger.requests,
			verifyRequest(b.claviger.host, "/api/v1/verify", b.dev.Verifier, c))
	}
	return p
}

// verifyQuestion is the body of a verify call.
type verifyQuestion struct {
	Credential string   `json:"credential"`
	Scopes     []string `json:"scopes"`
}

func verifyRequest(host, path, verifier, credential string) []byte {
	body, err := json.Marshal(verifyQuestion{credential, []string{"applications:read"}})
	if err != nil {
		panic(err) // strings always encode
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, host, verifier, len(body), body)
}

func whoamiRequest(host, path, credential string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, host, credential)
}

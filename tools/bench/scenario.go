package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// scenario is one row of the report. prepare returns the requests for both servers.
type scenario struct {
	name    string
	title   string
	prepare func(context.Context, *harness) (loads, error)
}

// loads is the same load for both servers.
type loads struct{ baseline, claviger load }

// load is the requests for one server, as bytes, and the text that every response must contain
// besides status 200.
type load struct {
	requests [][]byte
	want     string
	// at is the server; nil for the one that the harness compares. The CPU time of the processes in
	// more counts, too.
	at   *server
	more []*process
}

// startScenario is the name of the part without load.
const startScenario = "start"

var scenarios = []scenario{
	{"hot", "verify, one hot key", hotKey},
	{"random", "verify, 10,000 valid keys", validKeys},
	{"checksum", "verify, invalid: bad checksum", invalidKeys(badChecksum)},
	{"tag", "verify, invalid: wrong tag", invalidKeys(wrongTag)},
	{"deleted", "verify, invalid: deleted id", deletedIDs},
	{"secret", "verify, invalid: existing id, wrong secret", invalidKeys(wrongSecret)},
	{"whoami", "whoami by Bearer", whoami},
	{"authz", "forward-auth, 10,000 valid keys", checks},
	{socketScenario, "verify over a Unix socket, 10,000 valid keys, and TCP as the baseline", socketLoads},
	{gatewayScenario, "gateway, 10,000 valid keys, and a bare reverse proxy as the baseline", gatewayLoads},
	{nginxScenario, "gateway, 10,000 valid keys, and nginx with auth_request as the baseline", nginxLoads},
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

func hotKey(_ context.Context, h *harness) (loads, error) {
	return h.validLoads(h.sample[:1]), nil
}

func validKeys(_ context.Context, h *harness) (loads, error) {
	return h.validLoads(h.sample), nil
}

func invalidKeys(kind func(string, int, int) string) func(context.Context, *harness) (loads, error) {
	return func(_ context.Context, h *harness) (loads, error) {
		return h.invalidLoads(makeInvalid(h.sample, h.options.variants, kind)), nil
	}
}

func deletedIDs(ctx context.Context, h *harness) (loads, error) {
	c, err := signIn(ctx, h.dev)
	if err != nil {
		return loads{}, err
	}
	values, err := c.createDeleted(ctx, h.dev.Tenants[0].ID)
	return h.invalidLoads(values), err
}

func whoami(_ context.Context, h *harness) (loads, error) {
	key := h.dev.Tenants[0].Key
	requests := func(host, path string) [][]byte { return [][]byte{whoamiRequest(host, path, key.Value)} }
	return loads{
		baseline: load{requests: requests(h.baseline.host, baselineHeader), want: `"principal":`},
		claviger: load{
			requests: requests(h.claviger.host, "/api/v1/whoami"), want: fmt.Sprintf(`"key_id":%q`, key.ID),
		},
	}, nil
}

// checks returns check requests as nginx sends them.
func checks(_ context.Context, h *harness) (loads, error) {
	var l loads
	for _, key := range h.sample {
		l.baseline.requests = append(l.baseline.requests, checkRequest(h.baseline.host, baselineCheck, key))
		l.claviger.requests = append(l.claviger.requests, checkRequest(h.claviger.host, "/api/v1/authz", key))
	}
	return l, nil
}

func (h *harness) validLoads(credentials []string) loads {
	return h.verifyLoads(credentials, baselineVerify, `"active":true`)
}

func (h *harness) invalidLoads(credentials []string) loads {
	return h.verifyLoads(credentials, baselineInvalid, `"active":false,"code":"api_key_invalid"`)
}

func (h *harness) verifyLoads(credentials []string, baselinePath, want string) loads {
	p := loads{baseline: load{want: want}, claviger: load{want: want}}
	for _, c := range credentials {
		p.baseline.requests = append(p.baseline.requests,
			verifyRequest(h.baseline.host, baselinePath, h.dev.Verifier, c))
		p.claviger.requests = append(p.claviger.requests,
			verifyRequest(h.claviger.host, "/api/v1/verify", h.dev.Verifier, c))
	}
	return p
}

// verifyBody is the body of a request to verify.
type verifyBody struct {
	Credential string   `json:"credential"`
	Scopes     []string `json:"scopes"`
}

func verifyRequest(host, path, verifier, credential string) []byte {
	body, err := json.Marshal(verifyBody{credential, []string{"applications:read"}})
	if err != nil {
		panic(err) // strings always encode
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, host, verifier, len(body), body)
}

func checkRequest(host, path, credential string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Original-Method: GET\r\n"+
		"X-Original-URI: /orders/17?page=2\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", path, host, credential)
}

func whoamiRequest(host, path, credential string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, host, credential)
}

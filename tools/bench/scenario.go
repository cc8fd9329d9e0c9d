package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// scenario is one row of the report. prepare returns the requests for both servers.
type scenario struct {
	name    string
	title   string
	prepare func(context.Context, *harness) (loads, error)
	// keys is the number of different keys, for those that show what more keys cost; 0 for others.
	keys int
}

// loads is the same load for both servers.
type loads struct{ baseline, claviger load }

// load is the requests for one server and the text that every response must contain besides status
// 200.
type load struct {
	// requests are the requests as bytes. Without them, each value makes one: it stands between
	// before and after. A million whole requests would not leave room for the servers.
	requests      [][]byte
	values        []string
	before, after string
	want          string
	// at is the server; nil for the one that the harness compares. The CPU time of the processes in
	// more counts, too.
	at   *server
	more []*process
}

// request returns a request. It may use the buffer.
func (l *load) request(i int, buffer []byte) []byte {
	if l.requests != nil {
		return l.requests[i]
	}
	return append(append(append(buffer[:0], l.before...), l.values[i]...), l.after...)
}

// count returns the number of different requests.
func (l *load) count() int { return max(len(l.requests), len(l.values)) }

const (
	// startScenario is the name of the part without load.
	startScenario = "start"
	// scaleScenarios is the name of all scenarios that show what more keys cost.
	scaleScenarios = "scale"
)

// scenarios returns all scenarios for so many sample keys.
func scenarios(keys int) []scenario {
	list := []scenario{{"hot", "verify, one hot key", validKeys(1), 1}}
	for n := 100; n < keys; n *= 10 {
		title := "verify, " + thousands(n) + " valid keys"
		list = append(list, scenario{fmt.Sprint("keys-", n), title, validKeys(n), n})
	}
	all := thousands(keys)
	return append(list,
		scenario{"random", "verify, " + all + " valid keys", validKeys(keys), keys},
		scenario{"checksum", "verify, invalid: bad checksum", invalidKeys(badChecksum), 0},
		scenario{"tag", "verify, invalid: wrong tag", invalidKeys(wrongTag), 0},
		scenario{"deleted", "verify, invalid: deleted id", deletedIDs, 0},
		scenario{"secret", "verify, invalid: existing id, wrong secret", invalidKeys(wrongSecret), 0},
		scenario{"whoami", "whoami by Bearer", whoami, 0},
		scenario{"authz", "forward-auth, " + thousands(min(keys, manyKeys)) + " valid keys", checks, 0},
		scenario{
			socketScenario, "verify over a Unix socket, " + thousands(min(keys, manyKeys)) +
				" valid keys, and TCP as the baseline", socketLoads, 0,
		},
		scenario{
			gatewayScenario, "gateway, " + thousands(min(keys, manyKeys)) +
				" valid keys, and a bare reverse proxy as the baseline", gatewayLoads, 0,
		},
		scenario{
			nginxScenario, "gateway, " + thousands(min(keys, manyKeys)) +
				" valid keys, and nginx with auth_request as the baseline", nginxLoads, 0,
		},
	)
}

// manyKeys is how many keys the scenarios use whose requests are all in memory.
const manyKeys = 10_000

// thousands writes a number with a comma for each three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func scenarioNames(keys int) string {
	var names []string
	for _, s := range scenarios(keys) {
		names = append(names, s.name)
	}
	return strings.Join(append(names, scaleScenarios, startScenario, nodesScenario), ", ")
}

// wants reports whether the options want a scenario.
func (o options) wants(s scenario) bool {
	return o.only == "" || o.only == s.name || o.only == scaleScenarios && s.keys > 0
}

// wantsPart reports whether the options want a part that is no scenario.
func (o options) wantsPart(name string) bool { return o.only == "" || o.only == name }

func (o options) knowsOnly() bool {
	return slices.Contains([]string{"", scaleScenarios, startScenario, nodesScenario}, o.only) ||
		slices.ContainsFunc(scenarios(o.keys), func(s scenario) bool { return s.name == o.only })
}

func validKeys(n int) func(context.Context, *harness) (loads, error) {
	return func(_ context.Context, h *harness) (loads, error) { return h.validLoads(h.sample[:n]) }
}

func invalidKeys(kind func(string, int, int) string) func(context.Context, *harness) (loads, error) {
	return func(_ context.Context, h *harness) (loads, error) {
		return h.invalidLoads(makeInvalid(h.sample, h.options.variants, kind))
	}
}

func deletedIDs(ctx context.Context, h *harness) (loads, error) {
	c, err := signIn(ctx, h.dev)
	if err != nil {
		return loads{}, err
	}
	values, err := c.createDeleted(ctx, h.dev.Tenants[0].ID)
	if err != nil {
		return loads{}, err
	}
	return h.invalidLoads(values)
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
	for _, key := range h.sample[:min(len(h.sample), manyKeys)] {
		l.baseline.requests = append(l.baseline.requests, checkRequest(h.baseline.host, baselineCheck, key))
		l.claviger.requests = append(l.claviger.requests, checkRequest(h.claviger.host, "/api/v1/authz", key))
	}
	return l, nil
}

func (h *harness) validLoads(credentials []string) (loads, error) {
	return h.verifyLoads(credentials, baselineVerify, `"active":true`)
}

func (h *harness) invalidLoads(credentials []string) (loads, error) {
	return h.verifyLoads(credentials, baselineInvalid, `"active":false,"code":"api_key_invalid"`)
}

func (h *harness) verifyLoads(credentials []string, baselinePath, want string) (l loads, err error) {
	l.baseline, err = verifyLoad(h.baseline.host, baselinePath, h.dev.Verifier, credentials, want)
	if err != nil {
		return loads{}, err
	}
	l.claviger, err = verifyLoad(h.claviger.host, "/api/v1/verify", h.dev.Verifier, credentials, want)
	return l, err
}

// verifyLoad returns a load that asks about each credential. They must have one length, because the
// requests differ in nothing else.
func verifyLoad(host, path, verifier string, credentials []string, want string) (load, error) {
	for _, c := range credentials {
		if len(c) != len(credentials[0]) {
			return load{}, errors.New("the credentials have different lengths")
		}
	}
	before, after, _ := strings.Cut(string(verifyRequest(host, path, verifier, credentials[0])), credentials[0])
	return load{values: credentials, before: before, after: after, want: want}, nil
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

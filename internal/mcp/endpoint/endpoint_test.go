package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// header adds headers to the requests of a client and keeps those of the responses.
type header struct {
	add http.Header

	mu       sync.Mutex
	received []http.Header
}

func (h *header) RoundTrip(r *http.Request) (*http.Response, error) {
	for name, values := range h.add {
		r.Header[name] = values
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		h.mu.Lock()
		h.received = append(h.received, resp.Header)
		h.mu.Unlock()
	}
	return resp, err
}

// connect returns an MCP client of the server that sends the headers with every request.
func connect(t *testing.T, h *testkit.Server, add http.Header) (*sdk.ClientSession, *header) {
	t.Helper()
	by := &header{add: add}
	c, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: h.URL + "/mcp", HTTPClient: &http.Client{Transport: by}, MaxRetries: -1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, by
}

func tools(t *testing.T, c *sdk.ClientSession) string {
	t.Helper()
	list, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return strings.Join(names, " ")
}

func call(t *testing.T, c *sdk.ClientSession, tool string, arguments any) (text string, failed bool) {
	t.Helper()
	r, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return r.Content[0].(*sdk.TextContent).Text, r.IsError
}

func TestAnyoneReadsTheHelpWithoutASession(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	c, by := connect(t, h, nil)
	if got := tools(t, c); got != "blazemeter_help claviger_help" {
		t.Errorf("the tools are %s", got)
	}
	text, failed := call(t, c, "blazemeter_help", map[string]any{"action": "read_help_info", "args": map[string]any{
		"category_id": "root_category", "subcategory_id": "guide", "help_id_list": []string{"api-authorization"},
	}})
	if failed || !strings.Contains(text, h.URL+"/api/v1/whoami") {
		t.Errorf("the help is %s", text)
	}
	for _, received := range by.received {
		if received.Get("Mcp-Session-Id") != "" || received.Get("Set-Cookie") != "" {
			t.Errorf("a response has %v", received)
		}
		if received.Get("Cache-Control") != "no-store" {
			t.Errorf("a response may be stored: %v", received)
		}
	}
}

func TestWhoamiDecidesAboutTheKeyAsItWasSent(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Ann", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	sent := func(name, value string) http.Header { return http.Header{name: {value}} }
	ask := func(add http.Header) (string, bool) {
		t.Helper()
		c, _ := connect(t, h, add)
		if got := tools(t, c); got != "blazemeter_help claviger_help whoami" {
			t.Errorf("with a credential, the tools are %s", got)
		}
		return call(t, c, "whoami", nil)
	}
	value, wrong := k.Credential.Value, k.Credential.Value[:len(k.Credential.Value)-8]+"AAAAAAAA"
	for name, add := range map[string]http.Header{
		"bearer": sent("Authorization", "Bearer "+value), "key header": sent("X-Api-Key", value),
	} {
		text, failed := ask(add)
		var who api.Whoami
		if err := json.Unmarshal([]byte(text), &who); err != nil || failed || *who.KeyID != k.Key.ID {
			t.Errorf("%s: %v, %s", name, err, text)
		}
		if strings.Contains(text, k.Credential.Secret) {
			t.Errorf("%s: the answer has the secret", name)
		}
	}
	for name, refused := range map[string]struct {
		header http.Header
		code   api.Code
	}{
		"a wrong key": {sent("Authorization", "Bearer "+wrong), api.APIKeyInvalid},
		"no key":      {sent("Authorization", "Bearer none"), api.APIKeyInvalid},
		"two credentials": {
			http.Header{"Authorization": {"Bearer " + value}, "X-Api-Key": {value}}, api.CredentialAmbiguous,
		},
	} {
		text, failed := ask(refused.header)
		if !failed || !strings.Contains(text, "("+string(refused.code)+")") || strings.Contains(text, wrong) {
			t.Errorf("%s: %s", name, text)
		}
	}
	_, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
	testkit.NoError(t, err)
	if text, failed := ask(sent("Authorization", "Bearer "+value)); !failed || strings.Contains(text, `"key_id"`) {
		t.Errorf("a revoked key: %s", text)
	}
}

// A key that is bound to a network is decided about by the address of the one who sent it.
func TestWhoamiSeesTheAddressOfTheCaller(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Ann", scope.Member))
	for network, refused := range map[string]bool{"127.0.0.0/8": false, "192.0.2.0/24": true} {
		k, err := owner.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{
			Name: network, Scopes: []string{"applications:read"}, AllApplications: true,
			AllowedCIDRs: []string{network},
		})
		testkit.NoError(t, err)
		c, _ := connect(t, h, http.Header{"Authorization": {"Bearer " + k.Credential.Value}})
		text, failed := call(t, c, "whoami", nil)
		if failed != refused || refused && !strings.Contains(text, string(api.AddressForbidden)) {
			t.Errorf("a key for %s: %s", network, text)
		}
	}
}

// request is a request to /mcp that no client of the SDK would send.
type request struct {
	method, path, body string
	header             http.Header
	host               string
}

const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// send sends it. The response must arrive within a minute.
func (q request) send(t *testing.T, h *testkit.Server) (status int, header http.Header, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, "http://"+h.Address+q.path, strings.NewReader(q.body))
	testkit.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Host = q.host
	resp, err := http.DefaultClient.Do(r)
	testkit.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	testkit.NoError(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

func TestPagesOfOtherSitesAndOtherNamesAreRefused(t *testing.T) {
	t.Parallel()
	config := testkit.SQLite.Config(t)
	config.Server.BaseURL = "https://keys.example.com"
	h := testkit.StartIn(t, config)
	port := h.Address[strings.LastIndexByte(h.Address, ':'):]
	for _, try := range []struct {
		host    string
		origins []string
		status  int
	}{
		{"", nil, 200},
		{"keys.example.com", nil, 200},
		{"Keys.Example.com:443", nil, 200},
		{"localhost" + port, nil, 200},
		{"keys.example.com", []string{"https://keys.example.com"}, 200},
		{"127.0.0.1" + port, []string{"https://keys.example.com"}, 200}, // behind a proxy
		{"localhost" + port, []string{"http://localhost" + port}, 200},
		{"localhost" + port, []string{"http://localhost:1"}, 403},
		{"keys.example.com", []string{"https://evil.example"}, 403},
		{"keys.example.com", []string{"https://keys.example.com.evil.example"}, 403},
		{"keys.example.com", []string{"https://www.keys.example.com"}, 403},
		{"keys.example.com", []string{"null"}, 403},
		{"keys.example.com", []string{""}, 403},
		{"keys.example.com", []string{"https://keys.example.com", "https://evil.example"}, 403},
		{"keys.example.com", []string{"ftp://keys.example.com"}, 403},
		{"evil.example", nil, 403},
		{"evil.example" + port, []string{"http://evil.example" + port}, 403}, // DNS rebinding
		{"keys.example.com.evil.example", nil, 403},
		{"xkeys.example.com", nil, 403},
	} {
		for _, site := range []string{"", "none", "same-origin"} { // a browser without it, and one that lies
			q := request{method: "POST", path: "/mcp", body: list, host: try.host, header: http.Header{}}
			if try.origins != nil {
				q.header["Origin"] = try.origins
			}
			if site != "" {
				q.header["Sec-Fetch-Site"] = []string{site}
			}
			status, received, body := q.send(t, h)
			if status != try.status {
				t.Errorf("Host %q, Origin %q, site %q: %d %s", try.host, try.origins, site, status, body)
			}
			if received.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("Origin %q may read the answer", try.origins)
			}
		}
	}
}

func TestACookieDoesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	person := h.As(h.Member(tenant, "Ann", scope.Admin))
	cookies := []string{string(person.SaveSession())}
	if cookies[0] == "" {
		t.Fatal("the person has no session")
	}
	_, _, without := request{method: "POST", path: "/mcp", body: list}.send(t, h)
	status, _, with := request{
		method: "POST", path: "/mcp", body: list, header: http.Header{"Cookie": cookies},
	}.send(t, h)
	if status != http.StatusOK || with != without || strings.Contains(with, "whoami") {
		t.Errorf("with a cookie: %d %s", status, with)
	}
	status, _, body := request{
		method: "POST", path: "/mcp", header: http.Header{"Cookie": cookies, "Authorization": {"Bearer none"}},
		body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`,
	}.send(t, h)
	if status != http.StatusOK || !strings.Contains(body, string(api.APIKeyInvalid)) {
		t.Errorf("a cookie beside a wrong key: %d %s", status, body)
	}
}

// post returns a POST request with the body and a header.
func post(body, name, value string) request {
	q := request{method: "POST", path: "/mcp", body: body, header: http.Header{}}
	if name != "" {
		q.header.Set(name, value)
	}
	return q
}

func TestARequestIsOneShortMessageAndItsAnswerEnds(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	padded := func(n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":"` + strings.Repeat("x", n) + `"}}}`
	}
	message := func(method string) string { return `{"jsonrpc":"2.0","id":1,"method":"` + method + `"}` }
	listen := post(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{`+
		`"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"a","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`, "Mcp-Protocol-Version", "2026-07-28")
	listen.header.Set("Mcp-Method", "subscriptions/listen")
	for name, try := range map[string]struct {
		request
		status int
		has    string
	}{
		"GET":                  {request{method: "GET", path: "/mcp"}, 405, "method_not_allowed"},
		"DELETE":               {request{method: "DELETE", path: "/mcp"}, 405, "method_not_allowed"},
		"OPTIONS":              {request{method: "OPTIONS", path: "/mcp"}, 405, "method_not_allowed"},
		"below":                {request{method: "POST", path: "/mcp/x", body: list}, 404, "not_found"},
		"a query string":       {request{method: "POST", path: "/mcp?key=x", body: list}, 422, "validation_failed"},
		"no body":              {post("", "", ""), 400, "one JSON object"},
		"no JSON":              {post("{", "", ""), 400, "one JSON object"},
		"a batch":              {post("["+list+"]", "", ""), 400, "without a batch"},
		"two members":          {post(`{"method":"ping","method":"x"}`, "", ""), 400, "one JSON object"},
		"a long body":          {post(padded(16<<10), "", ""), 413, "16 KiB"},
		"a body that fits":     {post(padded(15<<10), "", ""), 200, `"result"`},
		"no message":           {post(`{"a":1}`, "", ""), 400, "malformed_request"},
		"another method":       {post(message("resources/list"), "", ""), 200, "-32601"},
		"nobody's method":      {post(message("evil/x"), "", ""), 400, "malformed_request"},
		"a notification":       {post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "", ""), 202, ""},
		"another type":         {post(list, "Content-Type", "text/plain"), 415, "application/json"},
		"only JSON":            {post(list, "Accept", "application/json"), 400, "text/event-stream"},
		"a session of another": {post(list, "Mcp-Session-Id", "x"), 200, `"tools"`},
		"a stream for ever":    {listen, 404, "-32601"},
	} {
		status, received, body := try.send(t, h)
		if status != try.status || !strings.Contains(body, try.has) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if status == http.StatusMethodNotAllowed && received.Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", name, received.Get("Allow"))
		}
		if received.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: the answer has a session", name)
		}
	}
}

func TestRequestsCountAgainstTheLimitOfAnAddress(t *testing.T) {
	t.Parallel()
	config := testkit.SQLite.Config(t)
	config.Limits.AnonymousPerMinute = 5
	h := testkit.StartIn(t, config)
	var last int
	for range 20 {
		last, _, _ = request{method: "POST", path: "/mcp", body: list}.send(t, h)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last of 20 requests gets %d", last)
	}
}

func FuzzAMessageNeverEndsTheServer(f *testing.F) {
	h := testkit.Start(f, testkit.SQLite)
	for _, params := range []string{
		"null", "{}", "[]", `{"name":null}`, `{"name":"claviger_help","arguments":null}`, `1`,
	} {
		for _, method := range []string{
			"tools/call", "tools/list", "initialize", "ping", "server/discover", "notifications/cancelled",
		} {
			f.Add(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params), "")
			f.Add(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params), "2026-07-28")
			f.Add(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params), "2025-11-25")
		}
	}
	f.Add(`{"jsonrpc":"2.0","id":"1","result":{}}`, "")
	f.Add(`{"jsonrpc":"2.0","id":1,"error":null}`, "x")
	f.Fuzz(func(t *testing.T, body, version string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/mcp", bytes.NewReader([]byte(body)))
		testkit.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if strings.Trim(version, "0123456789-abcdefghijklmnopqrstuvwxyz") == "" && version != "" {
			r.Header.Set("Mcp-Protocol-Version", version)
		}
		resp, err := http.DefaultClient.Do(r)
		testkit.NoError(t, err)
		resp.Body.Close()
		if resp.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%q: %s", body, resp.Status)
		}
	})
}

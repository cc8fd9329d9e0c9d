package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
)

// The routes of the baseline. It decides nothing: each response is a constant.
const (
	baselineVerify  = "/verify"         // the response about a valid key
	baselineInvalid = "/verify/invalid" // the same work, the short response about an invalid key
	baselineHeader  = "/header"         // no body: the credential is in Authorization
	baselineCheck   = "/check"          // the same, and the response has only headers
)

const (
	validResponse = `{"active":true,"code":"ok","key_id":"key_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"public_id":"ak_4Fq9ZtB1nLx7Rw2c","tenant_id":"ten_01k9x3m7q2v8r4t6",` +
		`"account_id":"acc_01k9x3m7q2v8r4t6w0y5z1a2b3","owner":{"id":"usr_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"email":"ada@example.com","name":"Ada Lovelace"},"scopes":["applications:read"],` +
		`"all_applications":true,"application_ids":[],"transport":null,` +
		`"effective_expires_at":"2027-02-19T10:00:00Z"}`
	invalidResponse = `{"active":false,"code":"api_key_invalid"}`
	whoamiResponse  = `{"principal":"key","user":{"id":"usr_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"email":"ada@example.com","name":"Ada Lovelace"},"tenant_id":"ten_01k9x3m7q2v8r4t6",` +
		`"account_id":"acc_01k9x3m7q2v8r4t6w0y5z1a2b3","key_id":"key_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"public_id":"ak_4Fq9ZtB1nLx7Rw2c","scopes":["applications:read"],"all_applications":true,` +
		`"application_ids":[],"transport":"bearer","effective_expires_at":"2027-02-19T10:00:00Z",` +
		`"memberships":null,"accounts":null}`
)

var baselineKey = []byte("the baseline's key of 32 bytes ..")

// serveBaseline runs the baseline server. With the URL of an API, it also forwards requests to
// that. It writes {"url":…} to stdout when it listens, and returns when stdin ends, so that it does
// not outlive the benchmark.
func serveBaseline(api string, stdin io.Reader, stdout io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(readyOutput{URL: "http://" + l.Addr().String()}); err != nil {
		return err
	}
	mux := baselineMux()
	var orders http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		respond(w, []byte(whoamiResponse))
	})
	if api != "" {
		to, err := url.Parse(api)
		if err != nil {
			return err
		}
		orders = proxyBaseline(to)
	}
	mux.Handle("GET /orders/", orders)
	server := &http.Server{Handler: mux}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		ended <- err
	}()
	select {
	case err = <-failed:
	case err = <-ended:
	}
	return err
}

func baselineMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+baselineVerify, baselineHandler([]byte(validResponse)))
	mux.HandleFunc("POST "+baselineInvalid, baselineHandler([]byte(invalidResponse)))
	mux.HandleFunc("GET "+baselineHeader, func(w http.ResponseWriter, r *http.Request) {
		digest(r.Header.Get("Authorization"))
		respond(w, []byte(whoamiResponse))
	})
	mux.HandleFunc("GET "+baselineCheck, func(w http.ResponseWriter, r *http.Request) {
		digest(r.Header.Get("Authorization"))
		for name, value := range checkHeaders {
			w.Header()[name] = value
		}
	})
	return mux
}

// checkHeaders are as many and as long as those of a response of forward-auth.
var checkHeaders = map[string][]string{
	"Cache-Control": {"no-store"}, "Content-Length": {"0"}, "X-Content-Type-Options": {"nosniff"},
	"X-Request-Id":         {"req_FI68QU0R000000GF"},
	"X-Claviger-Principal": {"key"}, "X-Claviger-Key-Id": {"key_01k9x3m7q2v8r4t6w0y5z1a2b3"},
	"X-Claviger-Owner-Type": {"user"}, "X-Claviger-Owner": {"usr_01k9x3m7q2v8r4t6w0y5z1a2b3"},
	"X-Claviger-External-Id": {""}, "X-Claviger-Plan": {""}, "X-Claviger-Email": {"ada@example.com"},
	"X-Claviger-Tenant": {"ten_01k9x3m7q2v8r4t6"}, "X-Claviger-Account": {"acc_01k9x3m7q2v8r4t6w0y5z1a2b3"},
	"X-Claviger-Scopes": {"applications:read"}, "X-Claviger-Applications": {"*"},
	"X-Claviger-Transport": {"bearer"}, "X-Claviger-Omitted": {""},
}

func baselineHandler(response []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body verifyBody
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		digest(body.Credential)
		respond(w, response)
	}
}

func digest(credential string) {
	mac := hmac.New(sha256.New, baselineKey)
	io.WriteString(mac, credential)
	var sum [sha256.Size]byte
	_ = mac.Sum(sum[:0])
}

func respond(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
)

// The floor's routes. It answers them with constants: it decides nothing.
const (
	floorVerify = "/verify"         // the answer about a good key
	floorRefuse = "/verify/refused" // the same work, the short answer about junk
	floorHeader = "/header"         // no body: the credential is in Authorization
)

const (
	acceptedAnswer = `{"active":true,"code":"ok","key_id":"key_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"public_id":"ak_4Fq9ZtB1nLx7Rw2c","tenant_id":"ten_01k9x3m7q2v8r4t6",` +
		`"account_id":"acc_01k9x3m7q2v8r4t6w0y5z1a2b3","owner":{"id":"usr_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"email":"ada@example.com","name":"Ada Lovelace"},"scopes":["applications:read"],` +
		`"all_applications":true,"application_ids":[],"transport":null,` +
		`"effective_expires_at":"2027-02-19T10:00:00Z"}`
	refusedAnswer = `{"active":false,"code":"api_key_invalid"}`
	whoamiAnswer  = `{"principal":"key","user":{"id":"usr_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"email":"ada@example.com","name":"Ada Lovelace"},"tenant_id":"ten_01k9x3m7q2v8r4t6",` +
		`"account_id":"acc_01k9x3m7q2v8r4t6w0y5z1a2b3","key_id":"key_01k9x3m7q2v8r4t6w0y5z1a2b3",` +
		`"public_id":"ak_4Fq9ZtB1nLx7Rw2c","scopes":["applications:read"],"all_applications":true,` +
		`"application_ids":[],"transport":"bearer","effective_expires_at":"2027-02-19T10:00:00Z",` +
		`"memberships":null,"accounts":null}`
)

var floorKey = []byte("the floor's key of 32 bytes ....")

// serveFloor is the floor process: it writes {"url":…} once it listens and
// ends when stdin does, so that it cannot outlive the bench.
func serveFloor(stdin io.Reader, stdout io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(ready{URL: "http://" + l.Addr().String()}); err != nil {
		return err
	}
	server := &http.Server{Handler: floorMux()}
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

func floorMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+floorVerify, floorBody([]byte(acceptedAnswer)))
	mux.HandleFunc("POST "+floorRefuse, floorBody([]byte(refusedAnswer)))
	mux.HandleFunc("GET "+floorHeader, func(w http.ResponseWriter, r *http.Request) {
		digest(r.Header.Get("Authorization"))
		answer(w, []byte(whoamiAnswer))
	})
	return mux
}

func floorBody(with []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q verifyQuestion
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		digest(q.Credential)
		answer(w, with)
	}
}

func digest(credential string) {
	mac := hmac.New(sha256.New, floorKey)
	io.WriteString(mac, credential)
	var sum [sha256.Size]byte
	_ = mac.Sum(sum[:0])
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// An address that cannot be used is an error at once.
func ExampleNew() {
	_, err := client.New("claviger.example.com")
	fmt.Println(err)
	// Output:
	// the server address has no http:// or https://: use one such as https://claviger.example.com
}

// A signed-in person creates a key. Its value is shown once.
func ExampleClient_CreateKey() {
	ctx := context.Background()
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	person, _, err := c.SignIn(ctx, ownerEmail, ownerPassword)
	if err != nil {
		log.Fatal(err)
	}
	k, err := person.CreateKey(ctx, tenantID, api.CreateKeyRequest{
		Name: "Nightly export", Scopes: []string{"applications:read"}, AllApplications: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	me, err := c.WithKey(k.Credential.Value).Whoami(ctx)
	fmt.Println(k.Key.Name, k.Key.Status, me.Principal, err)
	// Output: Nightly export active key <nil>
}

// An API asks for a decision about each request, and answers 503 if it gets none.
func ExampleClient_Verify() {
	verifier := anonymous().WithKey(verifierKey)
	handler := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		d, err := verifier.Verify(ctx, api.VerifyRequest{Headers: r.Header, Scopes: []string{"applications:read"}})
		switch {
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		case !d.Active:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	for _, value := range []string{customerKey, "clv_ak_not-a-key"} {
		request := httptest.NewRequest(http.MethodGet, "/orders", nil)
		request.Header.Set("Authorization", "Bearer "+value)
		response := httptest.NewRecorder()
		handler(response, request)
		fmt.Println(response.Code)
	}
	// Output:
	// 200
	// 401
}

// An iterator reads all pages of a list.
func ExampleClient_AllKeys() {
	names := 0
	for k, err := range ownerClient().AllKeys(context.Background(), tenantID, client.KeyFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		if k.Name == "Customer" || k.Name == "Verifier" {
			names++
		}
	}
	fmt.Println(names)
	// Output: 2
}

// The code of an error says what went wrong, and its fields what to change.
func Example_errors() {
	_, err := ownerClient().CreateKey(context.Background(), tenantID, api.CreateKeyRequest{AllApplications: true})
	if errors.Is(err, api.ValidationFailed) {
		problem, _ := errors.AsType[*api.Problem](err)
		for _, f := range problem.Errors {
			fmt.Println(f.Field, f.Code)
		}
	}
	// Output: name too_short
}

// An edit with the version that was read is refused if somebody else was faster.
func ExampleClient_WithIfMatch() {
	ctx, c := context.Background(), ownerClient()
	scope := func(description string) api.PutScopeRequest { return api.PutScopeRequest{Description: description} }
	read, err := c.PutScope(ctx, tenantID, "films:read", scope("Read films"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.PutScope(ctx, tenantID, "films:read", scope("Read all films")); err != nil {
		log.Fatal(err)
	}
	_, err = c.WithIfMatch(read.Version).PutScope(ctx, tenantID, "films:read", scope("Read old films"))
	if now, changed := client.Present[api.Scope](err); changed {
		fmt.Println("changed to:", now.Description)
		_, err = c.WithIfMatch(now.Version).PutScope(ctx, tenantID, "films:read", scope("Read all old films"))
	}
	fmt.Println(err)
	// Output:
	// changed to: Read all films
	// <nil>
}

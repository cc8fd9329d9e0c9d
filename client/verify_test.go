package client_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func TestWhatChangesNothingIsRepeatedUntilItGetsThrough(t *testing.T) {
	t.Parallel()
	later := refuse(http.StatusServiceUnavailable, api.Unavailable, "Retry-After", "3")
	for name, do := range map[string]func(context.Context, *client.Client) error{
		"verify": func(ctx context.Context, c *client.Client) error {
			d, err := c.Verify(ctx, api.VerifyRequest{Credential: "clv_ak_x"})
			if err == nil && !d.Active {
				t.Errorf("the decision was lost: %+v", d)
			}
			return err
		},
		"a dry run of a policy": func(ctx context.Context, c *client.Client) error {
			_, err := c.TryPolicy(ctx, "acc_1", api.UpdatePolicyRequest{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := newFlaky(t, hangUp, later, busy), &clock{}
			f.then = answer(http.StatusOK, `{"active":true,"code":"ok"}`)
			if err := do(t.Context(), f.client(c)); err != nil {
				t.Error(err)
			}
			asked := []time.Duration{3 * time.Second, 7 * time.Second}
			if len(f.keys()) != 4 || len(c.waits) != 3 || !slices.Equal(c.waits[1:], asked) {
				t.Errorf("%d requests, after pauses of %v", len(f.keys()), c.waits)
			}
			if slices.ContainsFunc(f.keys(), func(key string) bool { return key != "" }) {
				t.Errorf("they carried the Idempotency-Keys %q", f.keys())
			}
			refused := newFlaky(t, refuse(http.StatusUnauthorized, api.APIKeyInvalid))
			if err := do(t.Context(), refused.client(&clock{})); err == nil || len(refused.keys()) != 1 {
				t.Errorf("a refusal was repeated: %d requests, %v", len(refused.keys()), err)
			}
		})
	}
}

func TestAPolicyIsNotChangedTwice(t *testing.T) {
	t.Parallel()
	f := newFlaky(t, hangUp)
	_, err := f.client(&clock{}).EditPolicy(t.Context(), "acc_1", api.UpdatePolicyRequest{DryRun: true})
	if err == nil || len(f.keys()) != 1 {
		t.Errorf("%d requests, %v", len(f.keys()), err)
	}
}

func TestTheHeadersOfARequestAreVerifiedAsTheyAre(t *testing.T) {
	t.Parallel()
	var sent struct{ Headers map[string][]string }
	f := newFlaky(t)
	f.then = func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&sent)
		answer(http.StatusOK, `{"active":false,"code":"api_key_invalid"}`)(w, r)
	}
	in, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Header.Add("X-API-Key", "one")
	in.Header.Add("X-API-Key", "two")
	if _, err := newClient(t, f.URL).Verify(t.Context(), api.VerifyRequest{Headers: in.Header}); err != nil {
		t.Fatal(err)
	}
	if got := sent.Headers["X-Api-Key"]; !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("sent %q", sent.Headers)
	}
}

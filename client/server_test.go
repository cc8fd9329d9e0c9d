package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The server that the examples use, and what there is on it.
var (
	serverURL, tenantID      string
	verifierKey, customerKey string
)

const (
	ownerEmail    = "ada@example.com"
	ownerPassword = "a long sentence that only Ada knows"
)

func TestMain(m *testing.M) {
	os.Exit(runWithServer(m))
}

// runWithServer runs the tests beside a server with an account, set up by its link.
func runWithServer(m *testing.M) int {
	folder, err := os.MkdirTemp("", "claviger-client-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	c := config.Default()
	c.Data = folder
	c.Server.Listen = "127.0.0.1:0"
	ctx := context.Background()
	server, err := app.Start(ctx, c, app.Options{
		Log: telemetry.NewLogger(io.Discard, slog.LevelError), PasswordCost: testkit.PasswordCost,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Stop(ctx)
	serverURL = server.URL
	if err := prepare(ctx, server); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// prepare sets the server up and creates what the examples use.
func prepare(ctx context.Context, server *app.App) error {
	link, _, err := server.SetupLink(ctx)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(link.Reveal(), "/setup/")
	owner, _, err := anonymous().SetUp(ctx, api.SetUpRequest{
		Token: token, Account: "Example", Email: ownerEmail, Name: "Ada Lovelace", Password: ownerPassword,
	})
	if err != nil {
		return err
	}
	tenant, err := owner.CreateTenant(ctx, api.CreateTenantRequest{Name: "Production", Preset: api.PresetStandard})
	if err != nil {
		return err
	}
	tenantID = tenant.ID
	_, err = owner.EditTenant(ctx, tenantID, api.UpdateTenantRequest{
		Settings: &api.SettingsPatch{KeysPerUser: api.Cleared[int]()},
	})
	if err != nil {
		return err
	}
	for name, key := range map[string]struct {
		scope string
		value *string
	}{
		"Verifier": {"keys:verify", &verifierKey}, "Customer": {"applications:read", &customerKey},
	} {
		k, err := owner.CreateKey(ctx, tenantID, api.CreateKeyRequest{
			Name: name, Scopes: []string{key.scope}, AllApplications: true,
		})
		if err != nil {
			return err
		}
		*key.value = k.Credential.Value
	}
	return nil
}

// anonymous returns a client of the server without a credential.
func anonymous() *client.Client {
	c, err := client.New(serverURL)
	if err != nil {
		panic(err)
	}
	return c
}

// ownerClient returns a client of the server that is signed in.
func ownerClient() *client.Client {
	c, _, err := anonymous().SignIn(context.Background(), ownerEmail, ownerPassword)
	if err != nil {
		panic(err)
	}
	return c
}

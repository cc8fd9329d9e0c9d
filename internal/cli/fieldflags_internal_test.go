package cli

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// commandsOf returns the command and all commands below it.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, commandsOf(c)...)
	}
	return all
}

func TestEveryFieldOfTheTableLeadsToAnInputOfACommand(t *testing.T) {
	t.Parallel()
	all := commandsOf(newRoot())
	for field, inputs := range fieldInputs {
		for _, input := range inputs {
			found := false
			for _, cmd := range all {
				flag, isFlag := strings.CutPrefix(input, "--")
				found = found || isFlag && cmd.Flag(flag) != nil || !isFlag && takesArgument(cmd, input)
			}
			if !found {
				t.Errorf("%s: no command has %s", field, input)
			}
		}
	}
}

func TestEveryFieldOfARequestOfACommandIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, request := range []any{
		api.SignInRequest{},
		api.SetUpRequest{},
		api.VerifyRequest{},
		api.CreateKeyRequest{},
		api.UpdateKeyRequest{},
		api.RefreshKeyRequest{},
		api.RevokeKeyRequest{},
		api.RequestPasswordResetRequest{},
		api.ResetPasswordRequest{},
		api.CreateAccountRequest{},
		api.UpdateUserRequest{},
		api.RotateKeysRequest{},
		api.RetryNoticesRequest{},
		api.RepairClockRequest{},
		api.UpdateTenantRequest{},
		api.CreateTenantRequest{},
		api.CreateApplicationRequest{},
		api.UpdateApplicationRequest{},
		api.CreateInvitationRequest{},
		api.UpdateMemberRequest{},
		api.UpdatePolicyRequest{},
	} {
		kind := reflect.TypeOf(request)
		for f := range kind.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "settings" && fieldInputs[name] == nil {
				t.Errorf("%s: the field %s has no input", kind, name)
			}
		}
	}
}

func TestAnErrorNamesTheInputOfItsCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ command, field, want string }{
		{"keys create", "expires_at", "--expires"},
		{"keys create", "name", "NAME"},
		{"keys edit", "name", "--name"},
		{"keys create", "scopes.1", "--scope"},
		{"tenants edit", "settings.keys_per_user", "--set keys_per_user"},
		{"policy set", "auto_expiry.days", "--auto-expiry"},
		{"keys create", "allowed_cidrs.1", "--allow-cidr"},
		{"keys edit", "metadata", "--metadata"},
		{"keys edit", "metadata.team", "--metadata"},
		{"version", "expires_at", "expires_at"},
	} {
		root := newRoot()
		cmd, _, err := root.Find(strings.Fields(c.command))
		if err != nil {
			t.Fatal(err)
		}
		if got := inputName(cmd, c.field); got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.command, c.field, got, c.want)
		}
	}
}

func TestAProblemIsPrintedWithTheFlagsOfTheCommand(t *testing.T) {
	t.Parallel()
	cmd, _, err := newRoot().Find([]string{"keys", "create"})
	if err != nil {
		t.Fatal(err)
	}
	problem := &api.Problem{
		Status: 422, Code: api.ValidationFailed, Detail: "Fix `expires_at`, see `keys_per_user`.",
		Errors: []api.FieldError{{Field: "expires_at", Message: "Give a time before `expires_at`."}},
	}
	var out bytes.Buffer
	printError(&out, cmd, nil, runError{problem})
	want := "claviger: Fix --expires, see `keys_per_user`. (validation_failed)\n" +
		"  --expires: Give a time before --expires.\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

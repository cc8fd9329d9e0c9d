package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// Exit codes that commands set themselves. The other codes follow from the HTTP status of an
// answer.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitNotFound    = 5
	exitConflict    = 6
	exitInvalid     = 7
	exitUnavailable = 9
	exitNegative    = 10
)

// exitCodes is the table of exit codes, for the reference and for exitCode.
var exitCodes = []struct {
	code    int
	meaning string
	// statuses are the HTTP statuses that lead to this code.
	statuses []int
}{
	{exitOK, "Success.", nil},
	{exitFailed, "Failure without a code of its own.", nil},
	{exitUsage, "The command line is wrong: an unknown command or flag, a missing or extra argument, " +
		"or a value that cannot be parsed.", nil},
	{
		exitRefused, "The credential is missing or was rejected. Sign in, or check the key.",
		[]int{http.StatusUnauthorized},
	},
	{
		4, "Not allowed: the role or scopes are not sufficient, or a signed-in user is required.",
		[]int{http.StatusForbidden},
	},
	{exitNotFound, "Not found, or you do not have access to it.", []int{http.StatusNotFound}},
	{
		exitConflict, "Conflict with the current state, for example because the key limit is reached.",
		[]int{http.StatusConflict},
	},
	{
		exitInvalid, "The input is invalid. The message names the fields.",
		[]int{http.StatusUnprocessableEntity},
	},
	{8, "Too many requests.", []int{http.StatusTooManyRequests}},
	{
		exitUnavailable, "The server cannot be reached, or it is unavailable.",
		[]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
	},
	{
		exitNegative,
		"`verify`: the credential is not allowed. `audit verify`: the audit trail is damaged. " +
			"`scan`: keys were found. `routes test`: a request does not get what its test expects.",
		nil,
	},
}

// failure is an error with an exit code. next says what to do, or is "".
type failure struct {
	error
	code int
	next string
}

// Unwrap returns the cause.
func (f failure) Unwrap() error { return f.error }

// usage returns the failure of a wrong command line.
func usage(format string, args ...any) error {
	return failure{error: fmt.Errorf(format, args...), code: exitUsage}
}

// runError marks an error that a running command returned. All other errors are about the command
// line.
type runError struct{ error }

// Unwrap returns the error itself.
func (w runError) Unwrap() error { return w.error }

// markRunErrors makes all commands below cmd return their errors as runError.
func markRunErrors(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		markRunErrors(c)
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return runError{err}
			}
			return nil
		}
	}
}

// exitCode returns the exit code for the result of a command after markRunErrors.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[runError](err); !ok {
		return exitUsage
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.code
	}
	return exitFailed
}

// printError prints on one line why a command failed, then the invalid fields, then what to do
// next. args is the command line.
func printError(w io.Writer, cmd *cobra.Command, args []string, err error) {
	text := errorText(err)
	if _, ok := errors.AsType[runError](err); !ok {
		text = redactLongWords(withoutArguments(cmd, text), args) + "; see " + cmd.CommandPath() + " --help"
	}
	if exitCode(err) == exitNegative {
		return // the result was printed, and the command did not fail
	}
	if wantsJSON(cmd, args, err) {
		printErrorJSON(w, text, err)
		return
	}
	fmt.Fprintln(w, "claviger:", oneLine(translateFields(cmd, text)))
	if p, ok := errors.AsType[*api.Problem](err); ok {
		for _, f := range p.Errors {
			fmt.Fprintf(w, "  %s: %s\n", oneLine(inputName(cmd, f.Field)), oneLine(translateFields(cmd, f.Message)))
		}
	}
	if f, ok := errors.AsType[failure](err); ok && f.next != "" {
		fmt.Fprintln(w, "next:", f.next)
	}
}

// commandProblem is the JSON form of a failure: the problem of the server, or one of the command
// itself, with the exit code and what to do next.
type commandProblem struct {
	api.Problem
	// Status, Code and Request replace the fields of the problem, which are empty without an answer
	// of the server.
	Status   int      `json:"status,omitempty"`
	Code     api.Code `json:"code,omitempty"`
	Request  string   `json:"request_id,omitempty"`
	ExitCode int      `json:"exit_code"`
	Next     string   `json:"next,omitempty"`
}

// printErrorJSON prints a failure as one line of JSON. It keeps the field names of the API.
func printErrorJSON(w io.Writer, text string, err error) {
	p := commandProblem{ExitCode: exitCode(err)}
	p.Problem = api.Problem{Type: "about:blank", Title: "The command failed", Detail: oneLine(text)}
	if refusal, ok := errors.AsType[*api.Problem](err); ok {
		p.Problem = *refusal
	} else if p.ExitCode == exitUsage {
		p.Title = "The command line is wrong"
	}
	p.Status = p.Problem.Status
	p.Code = p.Problem.Code
	p.Request = p.RequestID
	if f, ok := errors.AsType[failure](err); ok {
		p.Next = f.next
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(p) // there is no other place to report the error
}

// wantsJSON reports whether the user asked a failed command for JSON. It looks at the words of a
// wrong command line, because its flags may not have been parsed.
func wantsJSON(cmd *cobra.Command, words []string, err error) bool {
	if cmd.Name() == "dev" {
		return false // its standard error is a log
	}
	if _, ok := errors.AsType[runError](err); ok {
		asked, _ := cmd.Flags().GetBool("json") // false if there is no such flag
		format, _ := cmd.Flags().GetString("output")
		return asked || format == "json"
	}
	for i, word := range words {
		switch word {
		case "--":
			return false
		case "--json", "--output=json", "-ojson", "-o=json":
			return true
		case "--output", "-o":
			if i+1 < len(words) && words[i+1] == "json" {
				return true
			}
		}
	}
	return false
}

// withoutArguments says what is wrong where a command that takes no arguments got one. Cobra takes
// it for a command.
func withoutArguments(cmd *cobra.Command, text string) string {
	argument, found := strings.CutPrefix(text, "unknown command ")
	if !found || cmd.HasSubCommands() {
		return text
	}
	argument = strings.TrimSuffix(argument, fmt.Sprintf(" for %q", cmd.CommandPath()))
	return "unexpected argument " + argument + ": this command takes flags, files and standard input, but no arguments"
}

// maxQuotedWord is the maximum length of a word of a wrong command line in an error message. A word
// that is longer than every flag could be a key or a link in the wrong place.
const maxQuotedWord = 32

// redactLongWords replaces the words that are too long by "…", quoted or not.
func redactLongWords(text string, words []string) string {
	for _, word := range words {
		name, value, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		for _, part := range []string{word, name, value} {
			if len(part) > maxQuotedWord {
				text = strings.NewReplacer(strconv.Quote(part), `"…"`, part, "…").Replace(text)
			}
		}
	}
	return text
}

// errorText returns the message of an error for people: for a problem, its detail and code, and for
// an error of the server also the request id, which leads to the entry in the server's log.
func errorText(err error) string {
	p, ok := errors.AsType[*api.Problem](err)
	switch {
	case ok && p.Status >= http.StatusInternalServerError:
		return fmt.Sprintf("%s (%s, request %s)", p.Detail, p.Code, p.RequestID)
	case ok:
		return fmt.Sprintf("%s (%s)", p.Detail, p.Code)
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

// oneLine removes line breaks and control characters from text that others wrote.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(printable, text)), " ")
}

// withExitCode adds the exit code to an error, and what to do next if the cause is known.
func withExitCode(err error, server string, byKey bool) error {
	if _, ok := errors.AsType[failure](err); ok || err == nil {
		return err
	}
	if errors.Is(err, client.ErrCredential) {
		return failure{err, exitUsage, "check the key in CLAVIGER_KEY or CLAVIGER_KEY_FILE: " + credentialForms}
	}
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) {
		return failure{
			err, exitUnavailable,
			"check that Claviger is running at " + server + ", or name another address with --server",
		}
	}
	if p, ok := errors.AsType[*api.Problem](err); ok && !byKey && p.Code == api.APIKeyInvalid {
		told := *p
		told.Detail = "The server does not know your session. The session has ended, or the server has a new database."
		err = &told
	}
	return failure{err, exitByStatus(err), nextStep(err, byKey)}
}

// exitByStatus returns the exit code for the HTTP status of an error.
func exitByStatus(err error) int {
	status := client.Status(err)
	for _, e := range exitCodes {
		if slices.Contains(e.statuses, status) {
			return e.code
		}
	}
	return exitFailed
}

// nextStep returns what to do about a problem, or "" if its detail says everything.
func nextStep(err error, byKey bool) string {
	p, ok := errors.AsType[*api.Problem](err)
	switch {
	case !ok:
		return ""
	case (p.Code == api.RateLimited || p.Code == api.LimitOfChanges) && p.RetryAfter > 0:
		return fmt.Sprintf("wait %.0f seconds, then repeat the command", p.RetryAfter.Seconds())
	case byKey && nextByKey[p.Code] != "":
		return nextByKey[p.Code]
	}
	return nextSteps[p.Code]
}

// nextSteps are for a user who is signed in, or who signs in.
var nextSteps = map[api.Code]string{
	api.APIKeyInvalid:        "claviger login",
	api.SessionEnded:         "claviger login",
	api.SessionRequired:      "claviger login",
	api.SignInAgain:          "claviger login, then repeat the command",
	api.SignInFailed:         "check the e-mail address and the password, then run claviger login again",
	api.SecondFactorRequired: "pass the code of your authenticator app with claviger login --code",
	api.Forbidden:            "run claviger whoami to see your roles, or ask an admin of the tenant",
	api.NotFound:             "check the id, --tenant and --context. claviger whoami shows the current ones",
	api.LinkInvalid:          "ask for a new link",
	api.KeyLimitReached: "run claviger keys list --owner me, then revoke or delete a key. An admin of the account " +
		"can raise the limit: claviger tenants edit TENANT --set keys_per_user=NUMBER",
	api.ValidationFailed: "correct the input. --help lists the flags",
	api.Unavailable:      "try again in a few seconds",
}

// nextByKey are for a program with a key, where they differ from nextSteps.
var nextByKey = map[api.Code]string{
	api.APIKeyInvalid:        "check the key in CLAVIGER_KEY or CLAVIGER_KEY_FILE",
	api.APIKeyExpired:        "ask the owner of the key to run claviger keys refresh",
	api.APIKeyDisabled:       "ask the owner of the key or an admin to run claviger keys enable",
	api.SessionRequired:      "a key cannot do this. Unset CLAVIGER_KEY and CLAVIGER_KEY_FILE, then run claviger login",
	api.InsufficientScope:    "use a key with this scope. claviger whoami shows the scopes of the key",
	api.ApplicationForbidden: "use a key for this application. claviger whoami shows the applications of the key",
	api.TransportForbidden: "the tenant accepts keys in another header. Put the header into CLAVIGER_KEY or its " +
		"file, as in X-API-Key: VALUE",
	api.AddressForbidden: "run the command on a machine whose address the key allows, or ask the owner of the key to " +
		"run claviger keys edit --allow-cidr",
	api.NotFound: "check the id. A key can only access its own tenant",
}

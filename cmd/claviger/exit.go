package main

import (
	"context"
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

// The exit codes that a command gives itself; the others follow from the status of a refusal.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitConflict    = 6
	exitUnavailable = 9
	exitNo          = 10
)

// exits is the one table of exit codes, for the reference and for exitCode.
var exits = []struct {
	code    int
	meaning string
	// statuses of HTTP that end a command so.
	statuses []int
}{
	{exitOK, "It is done.", nil},
	{exitFailed, "It failed for a reason that has no code of its own.", nil},
	{exitUsage, "The command line is wrong: an unknown command or flag, an argument too many or too few, a value that cannot be read.", nil},
	{exitRefused, "The credential was refused, or there is none: sign in, or check the key.", []int{http.StatusUnauthorized}},
	{4, "Not allowed: the role or the scopes do not suffice, or this needs a signed-in person.", []int{http.StatusForbidden}},
	{5, "There is no such thing, or you may not see it.", []int{http.StatusNotFound}},
	{exitConflict, "What is there now does not permit this, as when no more keys are allowed.", []int{http.StatusConflict}},
	{7, "The input breaks a rule; the message names the fields.", []int{http.StatusUnprocessableEntity}},
	{8, "Too many requests.", []int{http.StatusTooManyRequests}},
	{exitUnavailable, "The server cannot be reached or is unavailable.", []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}},
	{exitNo, "`verify`: the decision is no. `audit verify`: the audit trail is damaged.", nil},
}

// failure is an error that knows its exit code, and what to do next.
type failure struct {
	error
	code int
	next string
}

// Unwrap gives the cause.
func (f failure) Unwrap() error { return f.error }

// usage is the failure of a command line that is wrong.
func usage(format string, args ...any) error {
	return failure{error: fmt.Errorf(format, args...), code: exitUsage}
}

// worked marks an error as that of a command at work: any other is one of its command line.
type worked struct{ error }

// Unwrap gives the error itself.
func (w worked) Unwrap() error { return w.error }

// markWork makes the errors of all commands below tell whether the command line was good.
func markWork(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		markWork(c)
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return worked{err}
			}
			return nil
		}
	}
}

// exitCode gives the code for the outcome of a command whose work was marked.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[worked](err); !ok {
		return exitUsage
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.code
	}
	return exitFailed
}

// report says on one line why a command failed, and below it which fields are at fault and what to do next. The words are those of the command line.
func report(w io.Writer, cmd *cobra.Command, words []string, err error) {
	text := message(err)
	if _, ok := errors.AsType[worked](err); !ok {
		text = withoutLong(text, words) + "; see " + cmd.CommandPath() + " --help"
	}
	if exitCode(err) == exitNo {
		return // what was found was printed, and is no failure of the command
	}
	fmt.Fprintln(w, "claviger:", oneLine(text))
	if p, ok := errors.AsType[*api.Problem](err); ok {
		for _, f := range p.Errors {
			fmt.Fprintf(w, "  %s: %s\n", oneLine(f.Field), oneLine(f.Message))
		}
	}
	if f, ok := errors.AsType[failure](err); ok && f.next != "" {
		fmt.Fprintln(w, "next:", f.next)
	}
}

// maxRepeated bounds what is repeated of a command line that is wrong: what is longer than our longest flag might be a key or a link in the wrong place.
const maxRepeated = 32

// withoutLong takes what is too long to be repeated out of a text, quoted or not.
func withoutLong(text string, words []string) string {
	for _, word := range words {
		name, value, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		for _, part := range []string{word, name, value} {
			if len(part) > maxRepeated {
				text = strings.NewReplacer(strconv.Quote(part), `"…"`, part, "…").Replace(text)
			}
		}
	}
	return text
}

// message is what an error says to a person: of a refusal its detail and its code, and the request's id where only the server's log knows more.
func message(err error) string {
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

// oneLine keeps what others wrote from moving the cursor.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(printable, text)), " ")
}

// advise gives an error its exit code, and says what to do next where the cause tells.
func advise(err error, server string, byKey bool) error {
	if _, ok := errors.AsType[failure](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) {
		return failure{err, exitUnavailable, "is Claviger running at " + server + "? Name another address with --server."}
	}
	return failure{err, exitByStatus(err), nextStep(err, byKey)}
}

// exitByStatus gives the exit code of a refusal, by its status.
func exitByStatus(err error) int {
	status := client.Status(err)
	for _, e := range exits {
		if slices.Contains(e.statuses, status) {
			return e.code
		}
	}
	return exitFailed
}

// nextStep says what helps against a refusal; "" where its detail says all there is.
func nextStep(err error, byKey bool) string {
	p, ok := errors.AsType[*api.Problem](err)
	switch {
	case !ok:
		return ""
	case (p.Code == api.RateLimited || p.Code == api.LimitOfChanges) && p.RetryAfter > 0:
		return fmt.Sprintf("wait %.0f seconds and repeat the command", p.RetryAfter.Seconds())
	case byKey && nextByKey[p.Code] != "":
		return nextByKey[p.Code]
	}
	return nextSteps[p.Code]
}

// nextSteps are those of somebody signed in, or signing in.
var nextSteps = map[api.Code]string{
	api.APIKeyInvalid:        "the session has ended: claviger login",
	api.SessionRequired:      "claviger login",
	api.SignInAgain:          "claviger login, then repeat the command",
	api.SignInFailed:         "check e-mail address and password, then: claviger login",
	api.SecondFactorRequired: "sign in with a browser",
	api.Forbidden:            "claviger whoami shows your roles; ask an admin of the tenant",
	api.NotFound:             "check the id, and --tenant and --context: claviger whoami shows where you are",
	api.LinkInvalid:          "ask for another link",
	api.KeyLimitReached:      "claviger keys list --owner me shows your keys; revoke or delete one first",
	api.ValidationFailed:     "mend the input; --help lists the flags",
	api.Unavailable:          "try again shortly",
}

// nextByKey are those of a program with a key, where they differ.
var nextByKey = map[api.Code]string{
	api.APIKeyInvalid:        "check the key in CLAVIGER_KEY or CLAVIGER_KEY_FILE",
	api.APIKeyExpired:        "its owner refreshes it: claviger keys refresh",
	api.APIKeyDisabled:       "its owner or an admin enables it: claviger keys enable",
	api.SessionRequired:      "a key cannot do this: unset CLAVIGER_KEY and CLAVIGER_KEY_FILE, then claviger login",
	api.InsufficientScope:    "claviger whoami shows the key's scopes; use a key that has the scope",
	api.ApplicationForbidden: "claviger whoami shows which applications the key reaches",
	api.TransportForbidden:   "this key may not come as a bearer token, the only way that this command sends it",
	api.NotFound:             "check the id; a key reaches its own tenant alone",
}

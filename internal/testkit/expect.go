package testkit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// Twice runs a job twice. The second run must find nothing to do.
func Twice(t testing.TB, run func(context.Context) error) {
	t.Helper()
	for range 2 {
		NoError(t, run(t.Context()))
	}
}

// FieldErrors returns the fields of a validation_failed as "field code, …"; "code …" of another
// refusal.
func FieldErrors(t testing.TB, err error) string {
	t.Helper()
	if got := Code(t, err); got != api.ValidationFailed {
		return "code " + string(got)
	}
	var parts []string
	for _, f := range err.(*api.Problem).Errors {
		parts = append(parts, f.Field+" "+f.Code)
	}
	return strings.Join(parts, ", ")
}

// Await calls ask until its answer is not "", and returns that. It fails the test after five
// minutes.
func Await(t testing.TB, ask func() string) string {
	t.Helper()
	deadline, turn := time.After(5*time.Minute), time.NewTicker(50*time.Millisecond)
	defer turn.Stop()
	for {
		if answer := ask(); answer != "" {
			return answer
		}
		select {
		case <-turn.C:
		case <-deadline:
			t.Fatal("nothing changed within five minutes")
		}
	}
}

// ExpectCode fails the test unless the refusal has the code; "" stands for success.
func ExpectCode(t testing.TB, what string, err error, want api.Code) {
	t.Helper()
	if got := Code(t, err); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Concurrently runs the acts at the same time, and returns how often each code came.
func Concurrently(t testing.TB, acts ...func() error) map[api.Code]int {
	t.Helper()
	errs := make([]error, len(acts))
	var group sync.WaitGroup
	for i, act := range acts {
		group.Go(func() { errs[i] = act() })
	}
	group.Wait()
	count := map[api.Code]int{}
	for _, err := range errs {
		count[Code(t, err)]++
	}
	return count
}

// NoError ends the test if there is an error.
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Must returns a function that returns the value of a call, and ends the test if the call failed.
func Must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		NoError(t, err)
		return value
	}
}

// ErrorOf returns only the error of a call.
func ErrorOf[T any](_ T, err error) error { return err }

// RetryUnavailable repeats a request while it is refused as unavailable. One change of a person
// runs at a time, and on a busy machine the last of many may wait too long.
func RetryUnavailable[T any](request func() (T, error)) (T, error) {
	for {
		answer, err := request()
		if !errors.Is(err, api.Unavailable) {
			return answer, err
		}
	}
}

// Code returns the code of a refusal; "" for success.
func Code(t testing.TB, err error) api.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		t.Fatalf("not a problem document: %v", err)
	}
	return p.Code
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/claviger-dev/claviger/api"
)

// maxInput bounds a secret that is read, in bytes.
const maxInput = 64 << 10

// console is where a command reads what it is not told by flags.
type console struct {
	in  io.Reader
	err io.Writer
}

// secret reads a secret from the file if one is named, from a prompt without echo on a terminal, or else from standard input. One line end behind it is cut.
func (c console) secret(ctx context.Context, what, file string) (string, error) {
	var text []byte
	var err error
	switch {
	case file != "" && file != "-":
		text, err = readSecretFile(file)
	case isTerminal(c.in):
		text, err = c.hidden(ctx, what)
	default:
		text, err = unlessDone(ctx, func() ([]byte, error) { return limited(c.in) })
	}
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", usage("%s is empty: give it on standard input or in a file", what)
	}
	return secret, nil
}

// readSecretFile reads a file that holds one secret.
func readSecretFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return limited(file)
}

func limited(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("longer than %d bytes", maxInput)
	}
	return text, err
}

// hidden prompts without echo. An interrupt gives the terminal back as it was.
func (c console) hidden(ctx context.Context, what string) ([]byte, error) {
	terminal := int(c.in.(*os.File).Fd())
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.err, "%s: ", what)
	defer fmt.Fprintln(c.err)
	text, err := unlessDone(ctx, func() ([]byte, error) { return term.ReadPassword(terminal) })
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(terminal, before))
	}
	return text, err
}

// line prompts for a line where somebody can answer; "" where nobody can.
func (c console) line(ctx context.Context, what string) (string, error) {
	if !isTerminal(c.in) {
		return "", nil
	}
	fmt.Fprintf(c.err, "%s: ", what)
	text, err := unlessDone(ctx, func() ([]byte, error) { return bufio.NewReader(c.in).ReadBytes('\n') })
	return strings.TrimSpace(string(text)), err
}

// unlessDone reads until the context ends: a read from a terminal does not.
func unlessDone(ctx context.Context, read func() ([]byte, error)) (text []byte, err error) {
	done := make(chan struct{})
	var got []byte
	var failed error
	go func() {
		defer close(done)
		got, failed = read()
	}()
	select {
	case <-done:
		return got, failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expiry reads a time as RFC 3339 writes it, or as so many days from now ("90d").
func expiry(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if days, ok := days(text); ok {
		return now.Add(days).Truncate(time.Second), nil
	}
	return time.Time{}, usage("--expires: give days, as in 90d, or a time, as in 2027-01-31T12:00:00Z")
}

// span reads a duration: "24h", "90m" or "7d".
func span(flag, text string) (time.Duration, error) {
	if days, ok := days(text); ok {
		return days, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, usage("--%s: give a duration, as in 24h or 7d", flag)
	}
	return d, nil
}

func days(text string) (time.Duration, bool) {
	number, ok := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(number, 10, 15)
	return time.Duration(n) * 24 * time.Hour, ok && err == nil
}

// changed gives what a flag says as a member of a PATCH: absent unless the flag was given.
func changed[T any](cmd *cobra.Command, name string, value T) api.Optional[T] {
	if !cmd.Flags().Changed(name) {
		return api.Optional[T]{}
	}
	return api.To(value)
}

// changedText is changed for a text that "--clear-<name>" clears.
func changedText(cmd *cobra.Command, name, value string) api.Optional[string] {
	if cmd.Flags().Changed("clear-" + name) {
		return api.Cleared[string]()
	}
	return changed(cmd, name, value)
}

// changedExpiry is changed for --expires and --clear-expires.
func changedExpiry(cmd *cobra.Command, value string, now time.Time) (o api.Optional[time.Time], err error) {
	switch {
	case cmd.Flags().Changed("clear-expires"):
		return api.Cleared[time.Time](), nil
	case !cmd.Flags().Changed("expires"):
		return o, nil
	}
	at, err := expiry(value, now)
	return api.To(at), err
}

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/config"
)

// terminal is where a command prompts for what the flags do not contain.
type terminal struct {
	in  io.Reader
	err io.Writer
}

// readSecret reads a secret: from the file if one is named, else from a prompt without echo at a
// terminal, else from standard input. Files and standard input must satisfy config.OneSecret. Typed
// text is returned unchanged.
func (c terminal) readSecret(ctx context.Context, what, file string) (string, error) {
	text, place, err := c.readSecretText(ctx, what, file)
	if err != nil {
		return "", err
	}
	if place == fromPrompt && text != "" {
		return text, nil
	}
	secret, err := config.OneSecret(text)
	if err != nil {
		return "", usage("%s: %w", what+place, err)
	}
	return secret, nil
}

// readNewSecret is readSecret for a new secret. At a terminal, it asks twice.
func (c terminal) readNewSecret(ctx context.Context, what, file string) (string, error) {
	secret, err := c.readSecret(ctx, what, file)
	if err != nil || file != "" && file != "-" || !isTerminal(c.in) {
		return secret, err
	}
	again, err := c.readSecret(ctx, what+" again", "")
	if err == nil && again != secret {
		err = usage("the two %ss are different", strings.ToLower(what))
	}
	return secret, err
}

// readCredential reads a key or an access token like readSecret. It accepts JSON too.
func (c terminal) readCredential(ctx context.Context, what, file string) (keyCredential, error) {
	text, place, err := c.readSecretText(ctx, what, file)
	if err != nil {
		return keyCredential{}, err
	}
	return parseNamedCredential(text, what+place)
}

// parseNamedCredential is parseCredential with an error that names the source of the text.
func parseNamedCredential(text, place string) (keyCredential, error) {
	k, err := parseCredential(text)
	if err != nil {
		return k, usage("%s: %w", place, err)
	}
	return k, nil
}

// fromPrompt is the source of typed text.
const fromPrompt = ""

// readSecretText reads the text of a secret, and returns its source for errors.
func (c terminal) readSecretText(ctx context.Context, what, file string) (text, place string, err error) {
	switch {
	case file != "" && file != "-":
		text, err = c.readSecretFile(file)
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
		return text, " in " + file, err
	case isTerminal(c.in):
		typed, err := c.readHidden(ctx, what)
		return string(typed), fromPrompt, err
	}
	given, err := readUntilDone(ctx, func() ([]byte, error) {
		text, err := config.Limited(c.in)
		return []byte(text), err
	})
	return string(given), " on standard input", err
}

// readSecretFile reads the text of a file that contains one secret. It warns if others can read the
// file.
func (c terminal) readSecretFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, exposed, err := config.ReadSecretText(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if exposed {
		fmt.Fprintf(c.err, "Warning: %s: %s\n", path, config.ExposedWarning)
	}
	return text, nil
}

// readHidden prompts without echo. After an interrupt, it restores the state of the terminal.
func (c terminal) readHidden(ctx context.Context, what string) ([]byte, error) {
	terminal := int(c.in.(*os.File).Fd())
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.err, "%s: ", what)
	defer fmt.Fprintln(c.err)
	text, err := readUntilDone(ctx, func() ([]byte, error) { return term.ReadPassword(terminal) })
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(terminal, before))
	}
	return text, err
}

// readLine prompts for a line. It returns "" without a terminal.
func (c terminal) readLine(ctx context.Context, what string) (string, error) {
	if !isTerminal(c.in) {
		return "", nil
	}
	fmt.Fprintf(c.err, "%s: ", what)
	text, err := readUntilDone(ctx, func() ([]byte, error) { return bufio.NewReader(c.in).ReadBytes('\n') })
	return strings.TrimSpace(string(text)), err
}

// confirm shows the text and asks whether to continue. Without a terminal, it returns an error that
// asks for --yes.
func (c terminal) confirm(ctx context.Context, text string) error {
	if !isTerminal(c.in) {
		return failure{errors.New(text + " Nothing was changed"), exitUsage, "add --yes to continue"}
	}
	answer, err := c.readLine(ctx, text+" Continue? [y/N]")
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return failure{errors.New("nothing was changed"), exitFailed, ""}
	}
	return nil
}

// readUntilDone returns when read returns or the context ends: a read from a terminal cannot be
// interrupted.
func readUntilDone(ctx context.Context, read func() ([]byte, error)) (text []byte, err error) {
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

// changed returns the value of a flag for a PATCH request. It is absent if the flag was not given.
func changed[T any](cmd *cobra.Command, name string, value T) api.Optional[T] {
	if !cmd.Flags().Changed(name) {
		return api.Optional[T]{}
	}
	return api.To(value)
}

// changedText is changed for a text that "--clear-<name>" removes.
func changedText(cmd *cobra.Command, name, value string) api.Optional[string] {
	if cmd.Flags().Changed("clear-" + name) {
		return api.Cleared[string]()
	}
	return changed(cmd, name, value)
}

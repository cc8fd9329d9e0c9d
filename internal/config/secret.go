package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSecretText is the maximum length of the text of one secret, in bytes.
const maxSecretText = 64 << 10

// OneSecret returns the secret in the text of a file, a variable or standard input. It removes a
// byte-order mark and white space around the secret, which editors and shells add. It returns an
// error if the text contains no secret or more than one. Errors do not contain the text. They begin
// with "it", so put the name of the source before them.
func OneSecret(text string) (string, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return "", errors.New("it is UTF-16 text: save it as UTF-8")
	}
	secret := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case secret == "":
		return "", errors.New("it is empty: it must contain one secret")
	case !utf8.ValidString(secret):
		return "", errors.New("it is not UTF-8 text: it must contain one secret as text")
	case strings.ContainsAny(secret, "\r\n"):
		return "", errors.New("it has more than one line: it must contain one secret and nothing else")
	case strings.ContainsFunc(secret, unicode.IsControl):
		return "", errors.New("it contains control characters: it must contain one secret as text")
	}
	return secret, nil
}

// CheckSecretFile returns an error if group or others can write the file of a secret, because they
// could replace the secret. It reports whether others can read the file. It accepts any owner and
// mode 0644, because container runtimes mount secrets as links to files with mode 0644 that belong
// to root (ADR 32).
func CheckSecretFile(info fs.FileInfo) (exposed bool, err error) {
	mode := info.Mode()
	switch {
	case !mode.IsRegular(), runtime.GOOS == "windows": // Windows has access lists and no modes
		return false, nil
	case mode.Perm()&0o022 != 0:
		return false,
			fmt.Errorf("group or others can write the file (mode %04o) and replace the secret: run chmod 600 on it",
				mode.Perm())
	}
	return mode.Perm()&0o004 != 0, nil
}

// ReadSecretText reads the text of a secret for OneSecret, after CheckSecretFile.
func ReadSecretText(file fs.File) (text string, exposed bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return "", false, err
	}
	exposed, err = CheckSecretFile(info)
	if err != nil {
		return "", false, err
	}
	text, err = Limited(file)
	return text, exposed, err
}

// Limited reads the text of a secret from a reader. It returns an error if the text is too long.
func Limited(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSecretText+1))
	if err == nil && len(text) > maxSecretText {
		err = fmt.Errorf("it is longer than %d bytes: it must contain one secret", maxSecretText)
	}
	return string(text), err
}

package client

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ErrAddress says that a text is not the address of a server. The error that wraps it says why, and
// repeats nothing of the text, which may hold a password.
var ErrAddress = errors.New("use one such as https://claviger.example.com")

// parseAddress returns the base URL of a server, without a slash at its end.
func parseAddress(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && !strings.Contains(text, "://"):
		return "", badAddress("has no http:// or https://")
	case err != nil:
		return "", badAddress("cannot be read as a URL")
	case u.Scheme == "" || u.Opaque != "":
		return "", badAddress("has no http:// or https://")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", badAddress("begins with another scheme than http or https")
	case u.User != nil:
		return "", badAddress("holds a user or a password: give the key to WithKey or WithPair")
	case u.Hostname() == "":
		return "", badAddress("has no host")
	case strings.Contains(text, "?"):
		return "", badAddress("has a query string")
	case strings.Contains(text, "#"):
		return "", badAddress("has a fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", badAddress("has a port that is not 1 to 65535")
		}
	}
	return strings.TrimRight(text, "/"), nil
}

func badAddress(why string) error {
	return fmt.Errorf("the server address %s: %w", why, ErrAddress)
}

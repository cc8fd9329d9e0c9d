package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/client"
)

func TestAnAddressThatCannotBeUsedIsRefusedAtConstruction(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"",
		" ",
		"/",
		"claviger.example.com",
		"claviger.example.com:8080",
		"localhost:8080",
		"127.0.0.1:8080",
		"[::1]:8080",
		"//claviger.example.com",
		"http:",
		"http://",
		"http:///path",
		"http://:8080",
		"https:claviger.example.com",
		"ftp://claviger.example.com",
		"unix:///run/claviger.sock",
		"postgres://claviger.example.com",
		"htp://claviger.example.com",
		"http://hunter2@claviger.example.com",
		"https://user:hunter2@claviger.example.com",
		"https://claviger.example.com?a=b",
		"https://claviger.example.com/?",
		"https://claviger.example.com/#top",
		"https://claviger.example.com#",
		" https://claviger.example.com",
		"https://claviger.example.com ",
		"https://claviger.example.com\n",
		"https://claviger .example.com",
		"https://claviger.example.com:port",
		"https://claviger.example.com:0",
		"https://claviger.example.com:65536",
		"https://[::1",
		"https://claviger.example.com/%zz",
	} {
		c, err := client.New(address)
		if c != nil || !errors.Is(err, client.ErrAddress) {
			t.Errorf("%q: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error repeats the password: %v", address, err)
		}
	}
	for _, address := range []string{
		"http://127.0.0.1:8080",
		"https://claviger.example.com",
		"HTTPS://CLAVIGER.example.com/",
		"http://[::1]:8080/",
		"http://localhost:",
		"https://claviger.example.com/below/a/path",
		"https://claviger.example.com:65535//",
	} {
		if _, err := client.New(address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

package testkit

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// taken are the ports that FreeAddress has returned.
var taken sync.Map

// FreeAddress returns a loopback address for a program that must be told its port. Nothing listens
// there, and nothing else gets it before the program does: the port is below those that the kernel
// hands out on Linux.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 12000 + rand.IntN(20000)
		if _, used := taken.LoadOrStore(port, true); used {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

package main

import (
	"context"
	"path/filepath"
	"strings"
)

// socketScenario is the name of the scenario that compares a Unix socket with TCP. Both sides are
// the same Claviger, so that the ratio is what the socket saves.
const socketScenario = "socket"

// socketPath returns the path of Claviger's local socket.
func (h *harness) socketPath() string { return filepath.Join(h.dir, "api.sock") }

// networkOf returns the network of a host, which is the path of a socket or an address.
func networkOf(host string) string {
	if strings.HasPrefix(host, "/") {
		return "unix"
	}
	return "tcp"
}

// socketLoads compares verify of 10,000 valid keys over the socket with the same over TCP.
func socketLoads(_ context.Context, h *harness) (loads, error) {
	var l load
	l.want = `"active":true`
	for _, c := range h.sample[:min(len(h.sample), manyKeys)] {
		l.requests = append(l.requests, verifyRequest("localhost", "/api/v1/verify", h.dev.Verifier, c))
	}
	overTCP, overSocket := l, l
	overTCP.at = &h.claviger
	overSocket.at = &server{process: h.claviger.process, host: h.socketPath()}
	return loads{baseline: overTCP, claviger: overSocket}, nil
}

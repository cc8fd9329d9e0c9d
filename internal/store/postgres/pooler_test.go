package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// pooler stands in front of PostgreSQL and records the parameters with which connections begin.
type pooler struct {
	mu   sync.Mutex
	seen []string
}

func (p *pooler) parameters() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// serve forwards the start of a connection, and then everything else.
func (p *pooler) serve(client, behind net.Conn) {
	defer client.Close()
	defer behind.Close()
	var length [4]byte
	if _, err := io.ReadFull(client, length[:]); err != nil {
		return
	}
	start := make([]byte, binary.BigEndian.Uint32(length[:])-4)
	if _, err := io.ReadFull(client, start); err != nil {
		return
	}
	if binary.BigEndian.Uint32(start) == 196608 { // version 3.0, not a request to cancel
		fields := bytes.Split(bytes.TrimRight(start[4:], "\x00"), []byte{0})
		p.mu.Lock()
		for i := 0; i < len(fields); i += 2 {
			p.seen = append(p.seen, string(fields[i]))
		}
		p.mu.Unlock()
	}
	_, _ = behind.Write(append(length[:], start...))
	go func() {
		_, _ = io.Copy(behind, client)
		behind.Close()
	}()
	_, _ = io.Copy(client, behind)
}

package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressEvery is the time between two updates of the line.
const progressEvery = time.Second

// progress shows on one line of a terminal how far a command is that reads or writes a long file.
// Without a terminal, it prints nothing.
type progress struct {
	out io.Writer
	// unit is the word for the lines of the file.
	unit string
	// total number of bytes; 0 if it is not known.
	total       int64
	bytes, rows int64
	updatedAt   time.Time
	width       int
}

func (c terminal) progress(total int64, unit string) *progress {
	p := &progress{total: total, unit: unit}
	if isTerminal(c.err) {
		p.out = c.err
	}
	return p
}

// countingReader calls onRead with the bytes that are read.
type countingReader struct {
	reader io.Reader
	onRead func(read []byte)
}

// Read implements io.Reader.
func (c countingReader) Read(into []byte) (int, error) {
	n, err := c.reader.Read(into)
	c.onRead(into[:n])
	return n, err
}

// countBytes counts the bytes that are read.
func (p *progress) countBytes(from io.Reader) io.Reader {
	return countingReader{from, func(read []byte) {
		p.bytes += int64(len(read))
		p.tick()
	}}
}

// countRows counts the lines that are read. Nearly all of them are rows.
func (p *progress) countRows(from io.Reader) io.Reader {
	return countingReader{from, func(read []byte) { p.rows += int64(bytes.Count(read, []byte{'\n'})) }}
}

func (p *progress) tick() {
	now := time.Now()
	if now.Sub(p.updatedAt) >= progressEvery {
		p.updatedAt = now
		p.write("")
	}
}

// write replaces the line by the current progress.
func (p *progress) write(end string) {
	if p.out == nil {
		return
	}
	line := megabytes(p.bytes)
	if p.total > 0 {
		line += " of " + megabytes(p.total)
	}
	p.show(fmt.Sprintf("%s, %d %s", line, p.rows, p.unit), end)
}

// show replaces the line.
func (p *progress) show(line, end string) {
	fmt.Fprintf(p.out, "\r%s%s%s", line, strings.Repeat(" ", max(p.width-len(line), 0)), end)
	p.width = len(line)
}

// finish prints the final state and ends the line.
func (p *progress) finish() { p.write("\n") }

// waiting shows on a terminal for how many seconds a server has been at work that does not say how
// far it is. The caller must call stop.
func (c terminal) waiting(what string) (stop func()) {
	p := c.progress(0, "")
	if p.out == nil {
		return func() {}
	}
	began, ended := time.Now(), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			p.show(fmt.Sprintf("%s, %d s", what, int(time.Since(began).Seconds())), "")
			select {
			case <-tick.C:
			case <-ended:
				p.show("", "\r")
				return
			}
		}
	})
	return func() {
		close(ended)
		group.Wait()
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

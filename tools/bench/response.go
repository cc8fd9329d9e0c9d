package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// readResponse reads one HTTP/1.1 response with a Content-Length. The body is valid until the next
// read, and must fit into the buffer of the reader.
func readResponse(r *bufio.Reader) (status int, body []byte, err error) {
	status, err = readStatus(r)
	if err != nil {
		return 0, nil, err
	}
	length, err := readLength(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = r.Peek(length)
	if err != nil {
		return 0, nil, fmt.Errorf("body of %d bytes: %w", length, unexpected(err))
	}
	_, err = r.Discard(length)
	return status, body, err
}

func readStatus(r *bufio.Reader) (int, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, unexpected(err)
	}
	const at = len("HTTP/1.1 ")
	if len(line) < at+3 || string(line[:at]) != "HTTP/1.1 " {
		return 0, fmt.Errorf("not an HTTP/1.1 status line: %q", line)
	}
	return strconv.Atoi(string(line[at : at+3]))
}

// readLength reads the header to its end and returns the Content-Length.
func readLength(r *bufio.Reader) (int, error) {
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, unexpected(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := cutField(line, "content-length"); ok {
			length, err = strconv.Atoi(string(value))
			if err != nil {
				return 0, fmt.Errorf("content length: %w", err)
			}
		}
	}
	if length < 0 {
		return 0, errors.New("response without a Content-Length")
	}
	return length, nil
}

// cutField returns the value of a header line if the line has the given lower-case name.
func cutField(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if line[i]|0x20 != name[i] && line[i] != name[i] {
			return nil, false
		}
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

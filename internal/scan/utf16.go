package scan

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// decodeUTF16 returns a reader of one byte for each unit of a text in UTF-16, as PowerShell's
// redirection writes it, and of any other text as it is. A unit that is no ASCII becomes a byte
// that no key has.
func decodeUTF16(r io.Reader) io.Reader {
	buffered := bufio.NewReaderSize(r, chunk)
	mark, _ := buffered.Peek(2) // what fails here fails again when it is read
	little, big := bytes.Equal(mark, []byte{0xff, 0xfe}), bytes.Equal(mark, []byte{0xfe, 0xff})
	if !little && !big {
		return buffered
	}
	_, _ = buffered.Discard(len(mark)) // it is there
	return &utf16Reader{r: buffered, high: big}
}

// utf16Reader reads UTF-16.
type utf16Reader struct {
	r *bufio.Reader
	// high says that the high byte of a unit comes first.
	high bool
}

// Read reads one byte for each unit.
func (u *utf16Reader) Read(into []byte) (n int, err error) {
	for n < len(into) {
		var unit [2]byte
		_, err = io.ReadFull(u.r, unit[:])
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF // half a unit is no text
			}
			return n, err
		}
		low, high := unit[0], unit[1]
		if u.high {
			low, high = high, low
		}
		into[n] = low
		if high != 0 {
			into[n] = 0xff
		}
		n++
	}
	return n, nil
}

package notice

import (
	"io"
	"time"
)

const (
	// maxAttempts with the pauses between them take three days.
	maxAttempts = 17
	firstPause  = time.Minute
	longPause   = 8 * time.Hour
)

// pause gives how long to wait after so many attempts: twice as long each time, up to eight hours, a fifth more or less so that what failed together
// is not repeated together.
func pause(attempts int, random io.Reader) (time.Duration, error) {
	p := longPause
	if doubled := firstPause << min(attempts-1, 16); doubled < longPause {
		p = doubled
	}
	var b [1]byte
	_, err := io.ReadFull(random, b[:])
	return p*4/5 + p*2/5*time.Duration(b[0])/255, err
}

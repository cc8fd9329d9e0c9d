package notice

import (
	"io"
	"time"
)

const (
	// maxAttempts attempts, with the delays between them, take three days.
	maxAttempts = 17
	firstDelay  = time.Minute
	maxDelay    = 8 * time.Hour
)

// retryDelay returns how long to wait after that many attempts: twice as long each time, up to
// eight hours. It varies by a fifth, so that notices that failed together are not retried together.
func retryDelay(attempts int, random io.Reader) (time.Duration, error) {
	p := maxDelay
	if doubled := firstDelay << min(attempts-1, 16); doubled < maxDelay {
		p = doubled
	}
	var b [1]byte
	_, err := io.ReadFull(random, b[:])
	return p*4/5 + p*2/5*time.Duration(b[0])/255, err
}

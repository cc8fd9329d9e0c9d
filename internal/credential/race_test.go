//go:build race

package credential

// raceDetector reports whether the tests run under the race detector.
const raceDetector = true

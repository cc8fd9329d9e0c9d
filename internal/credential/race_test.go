//go:build race

package credential

// raceDetector is set where it watches the tests.
const raceDetector = true

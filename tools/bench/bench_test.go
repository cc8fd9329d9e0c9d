package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// valid is a token whose checksum was computed with another implementation
// (Python's zlib.crc32).
const valid = "clv_ak_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0A5AIu"

func TestChecksumIsTheCRC32InSixBase62Digits(t *testing.T) {
	for body, want := range map[string]string{
		"":                                "000000",
		"123456789":                       "3jZRME", // 0xcbf43926, the check value of CRC-32
		valid[:len(valid)-checksumLength]: valid[len(valid)-checksumLength:],
	} {
		if got := checksum(body); got != want {
			t.Errorf("checksum(%q) = %s, want %s", body, got, want)
		}
	}
}

func TestOnlyCompleteTokensAreSplit(t *testing.T) {
	if err := checkToken(valid); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"empty":               "",
		"one character short": valid[1:4] + valid[5:],
		"bad checksum":        badChecksum(valid, 0, 1),
		"no prefix":           valid[len("clv_ak"):],
	} {
		if checkToken(value) == nil {
			t.Errorf("%s: accepted as a token", name)
		}
	}
}

func TestInvalidKeysAreInvalidInOneWay(t *testing.T) {
	secret, id := secretStart(valid), idStart(valid)
	end := len(valid) - checksumLength
	tests := []struct {
		name     string
		kind     func(string, int, int) string
		from, to int // range of the one changed character
		validSum bool
	}{
		{"bad checksum", badChecksum, len(valid) - 1, len(valid), false},
		{"wrong tag", wrongTag, id, id + idLength, true},
		{"wrong secret", wrongSecret, secret, end, true},
	}
	for _, test := range tests {
		for i, value := range makeInvalid([]string{valid}, 61, test.kind) {
			body, sum := splitChecksum(value)
			if (checksum(body) == sum) != test.validSum {
				t.Errorf("%s %d: valid checksum: %v", test.name, i, !test.validSum)
			}
			changed := changes(value, max(end, test.to))
			if len(changed) != 1 || changed[0] < test.from || changed[0] >= test.to {
				t.Errorf("%s %d: changed at %v", test.name, i, changed)
			}
		}
	}
}

// changes returns the positions before `end` where a value differs from valid.
func changes(value string, end int) (at []int) {
	for i := range end {
		if value[i] != valid[i] {
			at = append(at, i)
		}
	}
	return at
}

func TestInvalidKeysAreAllDifferent(t *testing.T) {
	values := []string{valid, wrongSecret(valid, 3, 5), wrongSecret(valid, 4, 5)}
	for name, kind := range map[string]func(string, int, int) string{
		"bad checksum": badChecksum, "wrong tag": wrongTag,
	} {
		seen := map[string]bool{}
		for _, value := range makeInvalid(values, 3*61, kind) {
			seen[value] = true
		}
		if len(seen) != 3*61 {
			t.Errorf("%s: %d different values of %d", name, len(seen), 3*61)
		}
	}
}

func TestPercentilesAreByNearestRank(t *testing.T) {
	var values []time.Duration
	for i := 100; i > 0; i-- {
		values = append(values, time.Duration(i))
	}
	if got := percentiles(values, 50, 99, 100); fmt.Sprint(got) != "[50ns 99ns 100ns]" {
		t.Error(got)
	}
	if got := percentiles([]time.Duration{7}, 0, 50, 99); fmt.Sprint(got) != "[7ns 7ns 7ns]" {
		t.Error(got)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Error(got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Error(got)
	}
	if got := median([]float64{1, math.NaN(), 2}); !math.IsNaN(got) {
		t.Error(got)
	}
}

func TestUnknownValuesArePrintedAsNA(t *testing.T) {
	if got := formatNumber("%.1f", math.NaN()); got != "n/a" {
		t.Error(got)
	}
	if got := valueRange([]float64{1, math.NaN()}); got != "n/a" {
		t.Error(got)
	}
	if got := valueRange([]float64{0.9, 0.8, 1}); got != "0.80–1.00" {
		t.Error(got)
	}
}

func TestTheProcessorTimeOfAProcessIsExact(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("measured on Linux only")
		return
	}
	before := cpuTime(os.Getpid())
	for i := 0; cpuTime(os.Getpid())-before < 0.001; i++ {
		if i == 1e8 {
			t.Fatal("the processor time does not grow")
		}
	}
	if spent := cpuTime(os.Getpid()) - before; spent > 0.009 {
		t.Errorf("a loop until 1 ms took %v s: the clock is too coarse", spent)
	}
	if got := cpuTime(1 << 28); !math.IsNaN(got) {
		t.Error("a process that does not exist took", got)
	}
}

func TestFieldFindsALineByName(t *testing.T) {
	const text = "VmPeak:\t  9 kB\nVmRSS:\t  1234 kB\nmodel name\t: A CPU: fast\n"
	if got, ok := field(text, "VmRSS"); !ok || got != "1234 kB" {
		t.Error(got, ok)
	}
	if got, ok := field(text, "model name"); !ok || got != "A CPU: fast" {
		t.Error(got, ok)
	}
	if got, ok := field(text, "Vm"); ok {
		t.Error(got)
	}
}

func TestResponsesFollowOneAnother(t *testing.T) {
	in := bufio.NewReader(strings.NewReader(
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" +
			"HTTP/1.1 401 Unauthorized\r\ncontent-length:  3\r\nContent-Length-Not: 9\r\n\r\nabc" +
			"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))
	for _, want := range []string{"200 {}", "401 abc", "204 "} {
		status, body, err := readResponse(in)
		if got := fmt.Sprintf("%d %s", status, body); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestResponsesThatCannotBeMeasuredAreErrors(t *testing.T) {
	for name, text := range map[string]string{
		"closed":       "",
		"not HTTP":     "SSH-2.0-x\r\n\r\n",
		"HTTP/1.0":     "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bad length":   "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"minus length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"cut short":    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
		"cut header":   "HTTP/1.1 200 OK\r\nContent-Le",
	} {
		if _, _, err := readResponse(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEveryUnexpectedResponseIsCounted(t *testing.T) {
	wrong := &connection{counts: counts{latencies: make([]time.Duration, 3)}}
	wrong.counts.mismatch(401, []byte("first"))
	wrong.counts.mismatch(500, []byte("second"))
	f := loadgen{load: load{want: "yes"}, connections: []*connection{{}, wrong}}
	_, err := f.collect()
	if err == nil || !strings.HasPrefix(err.Error(), "2 of 3 responses") || !strings.Contains(err.Error(), "first") {
		t.Error(err)
	}
}

// sampleResult returns a result with everything in it.
func sampleResult(ratio float64) result {
	r := result{
		At: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), Machine: machine{"go1", "linux/amd64", "a CPU", 2},
		Start: &startFigures{0.1, 2e7}, RevocationMillis: []float64{1, 2, 40},
	}
	for _, keys := range []int{1, 100, 10_000} {
		r.Scenarios = append(r.Scenarios, scenarioResult{
			Name: "keys-" + fmt.Sprint(keys), Keys: keys, CPURatio: ratio, LeastRatio: ratio - 0.02,
			MostRatio: ratio + 0.02, ResidentBytes: 3e7,
		})
	}
	return r
}

func TestAResultIsKeptAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	if last, err := readResult(path); last != nil || err != nil {
		t.Fatalf("without a file: %v, %v", last, err)
	}
	want := sampleResult(0.9)
	if err := writeResult(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := readResult(path); err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestADifferenceWithinTheRoundsIsNoise(t *testing.T) {
	last := sampleResult(0.9)
	for ratio, want := range map[float64]string{0.93: "within noise", 0.95: "**better**", 0.85: "**worse**"} {
		var out strings.Builder
		sampleResult(ratio).compare(&out, &last)
		if n := strings.Count(out.String(), want); n != len(last.Scenarios) {
			t.Errorf("%v after 0.9 is %d times %s:\n%s", ratio, n, want, out.String())
		}
	}
}

func TestThePlotIsWellFormedAndHasEveryFigure(t *testing.T) {
	for name, r := range map[string]result{"empty": {}, "full": sampleResult(0.9)} {
		text := r.plot()
		for in := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := in.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got, want := bytes.Count(text, []byte("<circle")), 2*len(r.Scenarios)+len(r.RevocationMillis); got != want {
			t.Errorf("%s: %d points, want %d", name, got, want)
		}
	}
}

func TestARequestIsTheSameInBothForms(t *testing.T) {
	l, err := verifyLoad("host", "/verify", "verifier", []string{"one", "two"}, "yes")
	if err != nil {
		t.Fatal(err)
	}
	var buffer []byte
	for i, credential := range l.values {
		buffer = l.request(i, buffer)
		if want := verifyRequest("host", "/verify", "verifier", credential); !bytes.Equal(buffer, want) {
			t.Errorf("%q, want %q", buffer, want)
		}
	}
	if _, err := verifyLoad("host", "/verify", "verifier", []string{"one", "three"}, "yes"); err == nil {
		t.Error("credentials of different lengths are accepted: the Content-Length would be wrong")
	}
}

// A client that waits for the response before it sends the next request would not see how long
// requests wait that are due meanwhile.
func TestALatencyCountsFromWhenTheRequestWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			in := bufio.NewReader(server)
			for {
				if _, err := in.ReadString('.'); err != nil {
					return
				}
				<-time.After(50 * time.Millisecond)
				io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
			}
		}()
		c := &connection{Conn: client, in: bufio.NewReader(client), random: rand.New(rand.NewPCG(1, 1))}
		f := loadgen{connections: []*connection{c}, load: load{requests: [][]byte{[]byte("request.")}, want: "yes"}}
		done := make(chan struct{})
		time.AfterFunc(130*time.Millisecond, func() { close(done) })
		if err := f.runAtRate(t.Context(), 50, done); err != nil {
			t.Fatal(err)
		}
		got, err := f.collect()
		if want := "[50ms 80ms 110ms]"; err != nil || fmt.Sprint(got[:3]) != want {
			t.Errorf("latencies %v (%v), want %s", got, err, want)
		}
		client.Close()
	})
}

package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is USER_HZ, the unit of /proc/<pid>/stat. It is 100 on every Linux that Go
// supports.
const ticksPerSecond = 100

// cpuTime returns the processor time of a process in seconds, or NaN without /proc.
func cpuTime(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return math.NaN()
	}
	ticks, err := parseStat(string(text))
	if err != nil {
		return math.NaN()
	}
	return float64(ticks) / ticksPerSecond
}

// cpuTimes returns the processor time of several processes.
func cpuTimes(pids []int) (sum float64) {
	for _, pid := range pids {
		sum += cpuTime(pid)
	}
	return sum
}

// parseStat returns utime + stime of a /proc/<pid>/stat line (proc(5): fields 14 and 15). The
// command name, field 2, may contain spaces and parentheses.
func parseStat(line string) (ticks int64, err error) {
	_, rest, found := cutLast(line, ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, errors.New("not a stat line")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return user + system, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// residentBytes returns the resident memory of a process, or NaN without /proc.
func residentBytes(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return math.NaN()
	}
	value, _ := field(string(text), "VmRSS")
	kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(value, " kB"), 64)
	if err != nil {
		return math.NaN()
	}
	return kilobytes * 1024
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "n/a"
	}
	if model, ok := field(string(text), "model name"); ok {
		return model
	}
	return "n/a"
}

// field returns the value of the first "name: value" line of a /proc file.
func field(text, name string) (string, bool) {
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

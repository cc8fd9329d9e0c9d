package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

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

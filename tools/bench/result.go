package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"time"
)

// result is the machine-readable result of a run. What was not measured is missing.
type result struct {
	At        time.Time        `json:"at"`
	Machine   machine          `json:"machine"`
	Scenarios []scenarioResult `json:"scenarios,omitempty"`
	Start     *startFigures    `json:"start,omitempty"`
	// RevocationMillis are the times from the response to a revocation until another node rejects
	// the key, sorted.
	RevocationMillis []float64 `json:"revocation_ms,omitempty"`
}

// machine is what figures depend on besides the program.
type machine struct {
	Go    string `json:"go"`
	OS    string `json:"os"`
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
}

type scenarioResult struct {
	Name string `json:"name"`
	// Keys is the number of different keys, for a scenario that shows what more keys cost.
	Keys int `json:"keys,omitempty"`
	// CPURatio is the CPU time of a request to the baseline, divided by that of one to Claviger:
	// the median of all rounds, with the least and the greatest.
	CPURatio   float64 `json:"cpu_ratio"`
	LeastRatio float64 `json:"cpu_ratio_least"`
	MostRatio  float64 `json:"cpu_ratio_most"`
	CPUMicros  float64 `json:"cpu_us"`
	FloorCPU   float64 `json:"baseline_cpu_us"`
	P99Millis  float64 `json:"p99_ms"`
	FloorP99   float64 `json:"baseline_p99_ms"`
	// ResidentBytes is the memory of Claviger afterwards.
	ResidentBytes float64 `json:"resident_bytes"`
}

type startFigures struct {
	Seconds   float64 `json:"seconds"`
	IdleBytes float64 `json:"idle_bytes"`
}

// result returns the machine-readable result. Figures that are not known make it incomplete: they
// are left out with their scenario.
func (r *report) result() result {
	out := result{
		At: time.Now().UTC().Truncate(time.Second),
		Machine: machine{
			Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuModel(), Cores: runtime.NumCPU(),
		},
	}
	for _, o := range r.outcomes {
		if s := o.result(); !math.IsNaN(s.CPURatio) && !math.IsInf(s.CPURatio, 0) && !math.IsNaN(s.ResidentBytes) {
			out.Scenarios = append(out.Scenarios, s)
		}
	}
	if r.start.measured && !math.IsNaN(r.start.idle) {
		out.Start = &startFigures{Seconds: median(r.start.seconds), IdleBytes: r.start.idle}
	}
	if r.nodes.measured {
		percentiles(r.nodes.sinceResponse, 50) // which sorts them
		for _, took := range r.nodes.sinceResponse {
			out.RevocationMillis = append(out.RevocationMillis, took.Seconds()*1e3)
		}
	}
	return out
}

func (o outcome) result() scenarioResult {
	work := ratios(values(o.baseline, serverCPU), values(o.claviger, serverCPU))
	s := scenarioResult{
		Name: o.scenario.name, Keys: o.scenario.keys, CPURatio: median(work), LeastRatio: work[0], MostRatio: work[0],
		CPUMicros: medianOf(o.claviger, serverCPU), FloorCPU: medianOf(o.baseline, serverCPU),
		P99Millis: medianOf(o.claviger, p99Millis), FloorP99: medianOf(o.baseline, p99Millis),
		ResidentBytes: o.resident,
	}
	for _, ratio := range work {
		s.LeastRatio, s.MostRatio = min(s.LeastRatio, ratio), max(s.MostRatio, ratio)
	}
	return s
}

// keep compares the result with the last one, writes it in its place, and plots it. An incomplete
// result replaces nothing.
func (r *report) keep(w io.Writer, failure error) error {
	if failure != nil {
		return nil
	}
	now := r.result()
	if r.options.result != "" {
		last, err := readResult(r.options.result)
		if err != nil {
			return err
		}
		if last != nil {
			now.compare(w, last)
		}
		if err := writeResult(r.options.result, now); err != nil {
			return err
		}
	}
	if r.options.plot == "" {
		return nil
	}
	return os.WriteFile(r.options.plot, now.plot(), 0o644)
}

// readResult reads a result; nil if there is none.
func readResult(path string) (*result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s is no result of this tool, move it away: %w", path, err)
	}
	return &r, nil
}

func writeResult(path string, r result) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// compare prints what is different from the last result, scenario by scenario. A difference counts
// only where the ratios of all rounds lie on one side of those of the other result.
func (r result) compare(w io.Writer, last *result) {
	fmt.Fprintf(w, "\n## Compared with the result of %s\n\n", last.At.Format("2 Jan 2006 15:04 UTC"))
	if r.Machine != last.Machine {
		fmt.Fprintf(w, "That was another machine: %s, %s, %s, %d cores.\n\n", last.Machine.Go, last.Machine.OS,
			last.Machine.CPU, last.Machine.Cores)
	}
	before := map[string]scenarioResult{}
	for _, s := range last.Scenarios {
		before[s.Name] = s
	}
	fmt.Fprint(w, "| scenario | CPU ratio | before | |\n|---|---|---|---|\n")
	for _, s := range r.Scenarios {
		b, measured := before[s.Name]
		if !measured {
			continue
		}
		verdict := "within noise"
		switch {
		case s.LeastRatio > b.MostRatio:
			verdict = "**better**"
		case s.MostRatio < b.LeastRatio:
			verdict = "**worse**"
		}
		fmt.Fprintf(w, "| %s | %.2f (%.2f–%.2f) | %.2f (%.2f–%.2f) | %s |\n", s.Name, s.CPURatio, s.LeastRatio,
			s.MostRatio, b.CPURatio, b.LeastRatio, b.MostRatio, verdict)
	}
}

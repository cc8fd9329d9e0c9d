package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report holds all results and prints them as Markdown.
type report struct {
	options     options
	outcomes    []outcome
	start       startResult
	nodes       nodesResult
	binaryBytes int64
	// notes say what was not measured, and why.
	notes []string
}

func (r *report) print(w io.Writer, failure error) {
	fmt.Fprintf(w, "# Claviger compared with the baseline (client and server share %d cores)\n\n", runtime.NumCPU())
	if failure != nil {
		fmt.Fprintf(w, "**FAILED, incomplete**: see the error.\n\n")
	}
	r.printMachine(w)
	if len(r.outcomes) > 0 {
		r.printTable(w)
	}
	for _, note := range r.notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
	r.printStart(w)
	r.printNodes(w)
}

func (r *report) printMachine(w io.Writer) {
	command := strings.Join(append([]string{"go run ./tools/bench"}, os.Args[1:]...), " ")
	fmt.Fprintf(w, "- %s, `%s`\n", time.Now().UTC().Format("2 Jan 2006 15:04 UTC"), command)
	fmt.Fprintf(w, "- %s %s/%s, GOMAXPROCS %d, CPU %s\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), cpuModel())
	fmt.Fprintf(w,
		"- %d connections with one outstanding request each; %d rounds of %v after %v of warm-up, "+
			"baseline and Claviger in turn every %v\n",
		r.options.connections, r.options.rounds, r.options.duration, r.options.warmup, slice)
	fmt.Fprintf(w,
		"- the baseline is a bare net/http server that decodes the same request, computes one HMAC-SHA-256 "+
			"and sends a constant response\n")
	fmt.Fprintf(w, "- invalid keys: %d different values of each kind, %d deleted ids; every response was checked\n",
		r.options.variants, deletedKeys)
}

const tableHead = `
Each value is the median over the rounds. A ratio compares the two measurements of one round. The throughput of both
sides includes the client's own CPU time, which pulls that ratio towards 1. The CPU ratio (baseline / Claviger) does not
include it.

| scenario | Claviger req/s | baseline req/s | of the baseline | min–max | CPU µs Claviger | CPU µs baseline ` +
	`| CPU ratio | min–max | p50 ms | p99 ms | baseline p50 | baseline p99 | client CPU µs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

func (r *report) printTable(w io.Writer) {
	io.WriteString(w, tableHead)
	for _, o := range r.outcomes {
		fmt.Fprintf(w, "| %s |\n", strings.Join(o.cells(), " | "))
	}
}

func (o outcome) cells() []string {
	speed := ratios(values(o.claviger, perSecond), values(o.baseline, perSecond))
	work := ratios(values(o.baseline, serverCPU), values(o.claviger, serverCPU))
	return []string{
		o.scenario.title,
		formatNumber("%.0f", medianOf(o.claviger, perSecond)), formatNumber("%.0f", medianOf(o.baseline, perSecond)),
		formatNumber("**%.2f**", median(speed)), valueRange(speed),
		formatNumber("%.1f", medianOf(o.claviger, serverCPU)), formatNumber("%.1f", medianOf(o.baseline, serverCPU)),
		formatNumber("**%.2f**", median(work)), valueRange(work),
		formatNumber("%.2f", medianOf(o.claviger, p50Millis)), formatNumber("%.2f", medianOf(o.claviger, p99Millis)),
		formatNumber("%.2f", medianOf(o.baseline, p50Millis)), formatNumber("%.2f", medianOf(o.baseline, p99Millis)),
		formatNumber("%.1f", medianOf(o.claviger, clientCPU)),
	}
}

func (r *report) printStart(w io.Writer) {
	fmt.Fprintf(w, "\n| | |\n|---|---|\n")
	if s := r.start; s.measured {
		fmt.Fprintf(w,
			"| start: from exec to the first 200 of /healthz, with %d keys in the data directory, median of %d "+
				"| %s s (%s) |\n",
			r.options.keys, len(s.seconds), formatNumber("%.3f", median(s.seconds)), formatRange("%.3f", s.seconds))
		fmt.Fprintf(w, "| idle memory: VmRSS 2 s after such a start | %s MB |\n", formatNumber("%.1f", s.idle/1e6))
	}
	fmt.Fprintf(w, "| binary | %.1f MB |\n", float64(r.binaryBytes)/1e6)
}

func (r *report) printNodes(w io.Writer) {
	switch {
	case r.nodes.measured:
		r.nodes.print(w)
	case r.options.wantsPart(nodesScenario):
		fmt.Fprintf(w, "\nNot measured: two nodes on one PostgreSQL, which needs the URL of an empty database in %s.\n",
			databaseVariable)
	}
}

func formatNumber(format string, value float64) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return "n/a"
	}
	return fmt.Sprintf(format, value)
}

func valueRange(values []float64) string { return formatRange("%.2f", values) }

func formatRange(format string, values []float64) string {
	low, high := formatNumber(format, slices.Min(values)), formatNumber(format, slices.Max(values))
	if low == "n/a" || high == "n/a" {
		return "n/a"
	}
	return low + "–" + high
}

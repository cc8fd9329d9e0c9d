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

// report is everything measured, ready to print as Markdown.
type report struct {
	options     options
	outcomes    []outcome
	start       startFigures
	nodes       nodesFigures
	binaryBytes int64
}

func (r *report) print(w io.Writer, failure error) {
	fmt.Fprintf(w, "# Claviger against the floor (client and server share %d cores)\n\n", runtime.NumCPU())
	if failure != nil {
		fmt.Fprintf(w, "**FAILED, incomplete**: see the error.\n\n")
	}
	r.printMachine(w)
	if len(r.outcomes) > 0 {
		r.printTable(w)
	}
	r.printStart(w)
	r.printNodes(w)
}

func (r *report) printMachine(w io.Writer) {
	command := strings.Join(append([]string{"go run ./tools/bench"}, os.Args[1:]...), " ")
	fmt.Fprintf(w, "- %s, `%s`\n", time.Now().UTC().Format("2 Jan 2006 15:04 UTC"), command)
	fmt.Fprintf(w, "- %s %s/%s, GOMAXPROCS %d, CPU %s\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), cpuModel())
	fmt.Fprintf(w, "- %d connections, one request outstanding on each; floor and Claviger in turn, %d rounds of %v after %v of warm-up\n",
		r.options.connections, r.options.rounds, r.options.duration, r.options.warmup)
	fmt.Fprintf(w, "- the floor is a bare net/http server that decodes the same request, computes one HMAC-SHA-256 and answers a constant\n")
	fmt.Fprintf(w, "- junk: %d different values a class, %d deleted ids; every answer was checked\n", r.options.variants, deletedKeys)
}

const tableHead = `
Median over the rounds; ratios are of the two measurements of one round. The client's own CPU is in the throughput
of both sides and pulls that ratio towards 1; the CPU ratio (floor / Claviger) has none of it.

| scenario | Claviger req/s | floor req/s | of the floor | min–max | CPU µs Claviger | CPU µs floor | CPU ratio | min–max | p50 ms | p99 ms | floor p50 | floor p99 | client CPU µs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

func (r *report) printTable(w io.Writer) {
	io.WriteString(w, tableHead)
	for _, o := range r.outcomes {
		fmt.Fprintf(w, "| %s |\n", strings.Join(o.cells(), " | "))
	}
}

func (o outcome) cells() []string {
	speed := ratios(figures(o.claviger, perSecond), figures(o.floor, perSecond))
	work := ratios(figures(o.floor, serverCPU), figures(o.claviger, serverCPU))
	return []string{
		o.scenario.title,
		number("%.0f", medianOf(o.claviger, perSecond)), number("%.0f", medianOf(o.floor, perSecond)),
		number("**%.2f**", median(speed)), span(speed),
		number("%.1f", medianOf(o.claviger, serverCPU)), number("%.1f", medianOf(o.floor, serverCPU)),
		number("**%.2f**", median(work)), span(work),
		number("%.2f", medianOf(o.claviger, p50Millis)), number("%.2f", medianOf(o.claviger, p99Millis)),
		number("%.2f", medianOf(o.floor, p50Millis)), number("%.2f", medianOf(o.floor, p99Millis)),
		number("%.1f", medianOf(o.claviger, clientCPU)),
	}
}

func (r *report) printStart(w io.Writer) {
	fmt.Fprintf(w, "\n| | |\n|---|---|\n")
	if s := r.start; s.measured {
		fmt.Fprintf(w, "| start: exec to the first 200 of /healthz, data directory with %d keys, median of %d | %s s (%s) |\n",
			sampleKeys, len(s.seconds), number("%.3f", median(s.seconds)), spanOf("%.3f", s.seconds))
		fmt.Fprintf(w, "| idle memory: VmRSS 2 s after such a start | %s MB |\n", number("%.1f", s.idle/1e6))
	}
	fmt.Fprintf(w, "| binary | %.1f MB |\n", float64(r.binaryBytes)/1e6)
}

func (r *report) printNodes(w io.Writer) {
	switch {
	case r.nodes.measured:
		r.nodes.print(w)
	case r.options.wants(nodesScenario):
		fmt.Fprintf(w, "\nNot measured: two nodes on one PostgreSQL, which needs the URL of an empty database in %s.\n", databaseVariable)
	}
}

func number(format string, value float64) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return "n/a"
	}
	return fmt.Sprintf(format, value)
}

func span(values []float64) string { return spanOf("%.2f", values) }

func spanOf(format string, values []float64) string {
	low, high := number(format, slices.Min(values)), number(format, slices.Max(values))
	if low == "n/a" || high == "n/a" {
		return "n/a"
	}
	return low + "–" + high
}

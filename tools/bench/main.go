// Command bench compares Claviger with a baseline: a bare net/http server that decodes the same
// request, computes one HMAC and sends a response of the same size. A server that verifies keys
// over HTTP has to do at least that.
//
// It builds and starts both servers, sends requests to them in turn with one closed-loop client,
// checks every response, and prints a Markdown report. Compare the ratios, not the absolute
// numbers: client and server share the machine.
//
//	go run ./tools/bench                 everything, about seven minutes
//	go run ./tools/bench -only hot       one scenario
//	go run ./tools/bench -only scale -keys 1000000 -plot bench.svg
//	                                     what more keys cost, up to a million
//	go run ./tools/bench -only start     start time, idle memory, binary size
//
// If CLAVIGER_TEST_POSTGRES holds the URL of an empty database, it also measures how long a second
// node accepts a key after the first node has revoked it:
//
//	scripts/with-postgres go run ./tools/bench -only nodes
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds      int           // number of measurements of each server in each scenario
	duration    time.Duration // length of one measurement
	warmup      time.Duration // time under load before each measurement, not counted
	connections int           // number of connections, each with one outstanding request
	variants    int           // number of different invalid keys of each kind
	only        string        // one scenario, "scale", "start" or "nodes"; empty means all
	binary      string        // path of a built claviger; empty means build one
	keys        int           // number of sample keys
	result      string        // path of the machine-readable result; empty means none
	plot        string        // path of the plot; empty means none
}

func main() {
	if len(os.Args) >= 2 && os.Args[1] == "baseline" {
		exit(serveBaseline(strings.Join(os.Args[2:], ""), os.Stdin, os.Stdout))
	}
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	exit(err)
}

func exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "bench: FAILED:", err)
	os.Exit(1)
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "number of measurements of each server in each scenario")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "length of one measurement")
	f.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "time under load before each measurement, not counted")
	f.IntVar(&o.connections, "connections", 32, "number of connections, each with one outstanding request")
	f.IntVar(&o.variants, "variants", 1000, "number of different invalid keys of each kind, made from sample keys")
	f.IntVar(&o.keys, "keys", 10_000, "number of sample keys, at most 1,000,000")
	f.StringVar(&o.result, "result", "bench-result.json",
		"`path` of the machine-readable result. What is there already is compared with. Empty means none")
	f.StringVar(&o.plot, "plot", "", "`path` of an SVG plot of the result")
	f.StringVar(&o.only, "only", "", "run one of: "+scenarioNames(10_000))
	f.StringVar(&o.binary, "binary", "", "`path` of a claviger to measure instead of building one")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.rounds < 1, o.connections < 1, o.variants < 1, o.duration <= 0, o.warmup <= 0:
		return errors.New("rounds, connections, variants, duration and warmup must be above zero")
	case o.variants > o.keys*(len(base62)-1):
		return fmt.Errorf("at most %d variants of %d keys", o.keys*(len(base62)-1), o.keys)
	case o.keys < 1 || o.keys > maxKeys:
		return fmt.Errorf("-keys must be from 1 to %d", maxKeys)
	case !o.knowsOnly():
		return fmt.Errorf("-only %q: must be one of: %s", o.only, scenarioNames(o.keys))
	}
	return nil
}

// run measures and prints the report. If a scenario fails, it prints the results so far.
func run(ctx context.Context, o options) error {
	h, err := newHarness(ctx, o)
	if err != nil {
		return err
	}
	defer h.close()
	r := report{options: o, binaryBytes: fileSize(h.binary)}
	err = h.measureAll(ctx, &r)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	r.print(os.Stdout, err)
	return errors.Join(err, r.keep(os.Stdout, err))
}

// maxKeys is the largest number of sample keys.
const maxKeys = 1_000_000

// measureAll runs the scenarios, restarts Claviger on its data directory to measure the start, and
// starts two nodes if there is a database for them.
func (h *harness) measureAll(ctx context.Context, r *report) error {
	for _, s := range scenarios(h.options.keys) {
		if !h.options.wants(s) {
			continue
		}
		if s.name == nginxScenario && nginxProgram() == "" {
			progress("%-8s %v", s.name, errNoNginx)
			r.notes = append(r.notes, s.title+": "+errNoNginx.Error())
			continue
		}
		out, err := h.compare(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.outcomes = append(r.outcomes, out)
	}
	if h.options.wantsPart(startScenario) {
		var err error
		r.start, err = h.measureStart(ctx)
		if err != nil {
			return err
		}
	}
	url := os.Getenv(databaseVariable)
	if !h.options.wantsPart(nodesScenario) || url == "" {
		return nil
	}
	var err error
	r.nodes, err = h.measureNodes(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", nodesScenario, err)
	}
	return nil
}

// Command bench measures claviger against the floor: a bare net/http server
// that decodes the same request, computes one HMAC and answers as many bytes,
// which no server of this shape can beat.
//
// It builds and starts both, drives them in turn with one closed-loop client,
// checks every answer, and prints a Markdown report. Read the ratios, not the
// absolute numbers: client and server share the machine.
//
//	go run ./tools/bench                 everything, about five minutes
//	go run ./tools/bench -only hot       one scenario
//	go run ./tools/bench -only start     start time, idle memory, binary size
//
// How soon a key that one node revokes is refused by another is measured where
// CLAVIGER_TEST_POSTGRES holds the URL of an empty database:
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
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds      int           // measurements of each side in each scenario
	duration    time.Duration // of one measurement
	warmup      time.Duration // driven but not counted before each measurement
	connections int           // each with one request outstanding
	variants    int           // different junk values in each class
	only        string        // one scenario, "start" or "nodes"; empty is all
	binary      string        // a claviger already built; empty builds one
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "floor" {
		exit(serveFloor(os.Stdin, os.Stdout))
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
	f.IntVar(&o.rounds, "rounds", 5, "measurements of each side in each scenario")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "length of one measurement")
	f.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "driven but not counted before each measurement")
	f.IntVar(&o.connections, "connections", 32, "connections, each with one request outstanding")
	f.IntVar(&o.variants, "variants", 1000, "different junk values in each class made from sample keys")
	f.StringVar(&o.only, "only", "", "run one of: "+scenarioNames())
	f.StringVar(&o.binary, "binary", "", "measure this claviger instead of building one")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.rounds < 1, o.connections < 1, o.variants < 1, o.duration <= 0, o.warmup <= 0:
		return errors.New("rounds, connections, variants, duration and warmup must be above zero")
	case o.variants > maxVariants:
		return fmt.Errorf("at most %d variants", maxVariants)
	case !knownScenario(o.only):
		return fmt.Errorf("-only %q: must be one of: %s", o.only, scenarioNames())
	}
	return nil
}

// run prints what was measured even when a later scenario fails.
func run(ctx context.Context, o options) error {
	b, err := newBed(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	r := report{options: o, binaryBytes: fileSize(b.binary)}
	err = b.measure(ctx, &r)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	r.print(os.Stdout, err)
	return err
}

// measure drives the scenarios, restarts the loaded server's data directory for
// the start times, and starts two nodes where there is a database for them.
func (b *bed) measure(ctx context.Context, r *report) error {
	for _, s := range scenarios {
		if !b.options.wants(s.name) {
			continue
		}
		out, err := b.compare(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.outcomes = append(r.outcomes, out)
	}
	if b.options.wants(startScenario) {
		var err error
		if r.start, err = b.measureStart(ctx); err != nil {
			return err
		}
	}
	url := os.Getenv(databaseVariable)
	if !b.options.wants(nodesScenario) || url == "" {
		return nil
	}
	var err error
	if r.nodes, err = b.measureNodes(ctx, url); err != nil {
		return fmt.Errorf("%s: %w", nodesScenario, err)
	}
	return nil
}

func (o options) wants(name string) bool { return o.only == "" || o.only == name }

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const sampleKeys = 10_000

// bed is the test bed: both servers running, and the keys to ask about.
type bed struct {
	options  options
	dir      string // temporary, with everything in it
	binary   string
	floor    side
	claviger side
	dev      devOutput
	sample   []string // values of valid keys
}

// side is one of the two servers under load.
type side struct {
	*process
	host string
}

// devOutput is what `claviger dev --output json` prints, as far as used here.
type devOutput struct {
	URL      string `json:"url"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Verifier string `json:"verifier"`
	Tenants  []struct {
		ID     string `json:"id"`
		Preset string `json:"preset"`
		Key    struct {
			ID    string `json:"id"`
			Value string `json:"value"`
		} `json:"key"`
	} `json:"tenants"`
}

func newBed(ctx context.Context, o options) (*bed, error) {
	dir, err := os.MkdirTemp("", "claviger-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{options: o, dir: dir, binary: o.binary}
	if err := b.open(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bed) open(ctx context.Context) (err error) {
	if b.binary == "" {
		progress("building claviger")
		if b.binary, err = build(ctx, b.dir); err != nil {
			return err
		}
	}
	progress("starting the floor and claviger with %d sample keys", sampleKeys)
	if err := b.startFloor(ctx); err != nil {
		return err
	}
	return b.startClaviger(ctx)
}

func (b *bed) startFloor(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var out ready
	if b.floor.process, err = start(ctx, b.dir, &out, nil, self, "floor"); err != nil {
		return err
	}
	if err := b.floor.awaitReady(ctx); err != nil {
		return err
	}
	b.floor.host, err = hostOf(out.URL)
	return err
}

func (b *bed) startClaviger(ctx context.Context) (err error) {
	file := filepath.Join(b.dir, "sample.txt")
	args := b.devArgs("127.0.0.1:0", "--sample-keys", fmt.Sprint(sampleKeys), "--sample-file", file)
	if b.claviger.process, err = start(ctx, b.dir, &b.dev, nil, b.binary, args...); err != nil {
		return err
	}
	if err := b.claviger.awaitReady(ctx); err != nil {
		return err
	}
	if b.claviger.host, err = hostOf(b.dev.URL); err != nil {
		return err
	}
	if b.sample, err = readSample(file); err != nil {
		return err
	}
	return b.check()
}

func (b *bed) devArgs(listen string, more ...string) []string {
	args := []string{"dev", "--output", "json", "--listen", listen, "--data", filepath.Join(b.dir, "data")}
	return append(args, more...)
}

// check refuses keys that this tool would take apart wrongly: its junk would
// then be junk of another class than the report says.
func (b *bed) check() error {
	switch {
	case len(b.sample) != sampleKeys:
		return fmt.Errorf("the sample file holds %d keys instead of %d", len(b.sample), sampleKeys)
	case b.dev.Verifier == "" || len(b.dev.Tenants) == 0:
		return errors.New("claviger dev printed no verifier or no tenant")
	}
	for _, value := range b.sample {
		if err := checkToken(value); err != nil {
			return fmt.Errorf("sample file: %w", err)
		}
	}
	return nil
}

func readSample(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var values []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		values = append(values, lines.Text())
	}
	return values, lines.Err()
}

func (b *bed) close() {
	b.floor.stop()
	b.claviger.stop()
	if err := os.RemoveAll(b.dir); err != nil {
		progress("%v", err)
	}
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// harness holds both running servers and the keys that the requests contain.
type harness struct {
	options  options
	dir      string // temporary folder for all files
	binary   string
	baseline server
	claviger server
	dev      devOutput
	// api is behind the gateway and the proxies that it is compared with. nginx is nil until it
	// runs.
	api, nginx          *process
	apiURL, gatewayHost string
	sample              []string // valid keys
}

// server is one of the two servers that are compared.
type server struct {
	*process
	host string
}

// devOutput is the part of the output of `claviger dev --output json` that is used here.
type devOutput struct {
	URL      string `json:"url"`
	Gateway  string `json:"gateway_url"`
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

func newHarness(ctx context.Context, o options) (*harness, error) {
	dir, err := os.MkdirTemp("", "claviger-bench-")
	if err != nil {
		return nil, err
	}
	h := &harness{options: o, dir: dir, binary: o.binary}
	if err := h.startServers(ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *harness) startServers(ctx context.Context) (err error) {
	if h.binary == "" {
		progress("building claviger")
		h.binary, err = build(ctx, h.dir)
		if err != nil {
			return err
		}
	}
	if err := h.startAPI(ctx); err != nil {
		return err
	}
	progress("starting the baseline and claviger with %d sample keys", h.options.keys)
	if err := h.startBaseline(ctx); err != nil {
		return err
	}
	return h.startClaviger(ctx)
}

func (h *harness) startBaseline(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var out readyOutput
	h.baseline.process, err = start(ctx, h.dir, &out, nil, self, "baseline", h.apiURL)
	if err != nil {
		return err
	}
	if err := h.baseline.awaitReady(ctx); err != nil {
		return err
	}
	h.baseline.host, err = hostOf(out.URL)
	return err
}

// routes are the rules for check requests: every request needs the scope that verify is asked for.
const routes = `entries:
- name: default
  rules:
  - path: /{rest...}
    scopes: [applications:read]
`

// environment returns the settings of Claviger for check requests.
func (h *harness) environment() []string {
	return []string{
		"CLAVIGER_SERVER_ROUTES=" + filepath.Join(h.dir, "routes.yaml"),
		"CLAVIGER_SERVER_TRUSTED_PROXIES=127.0.0.0/8=nginx",
		"CLAVIGER_SERVER_SOCKET=" + h.socketPath(),
		"CLAVIGER_GATEWAY_LISTEN=127.0.0.1:0", "CLAVIGER_GATEWAY_UPSTREAM=" + h.apiURL,
	}
}

func (h *harness) startClaviger(ctx context.Context) (err error) {
	file := filepath.Join(h.dir, "sample.txt")
	if err := os.WriteFile(filepath.Join(h.dir, "routes.yaml"), []byte(routes), 0o600); err != nil {
		return err
	}
	args := h.devArgs("127.0.0.1:0", "--sample-keys", fmt.Sprint(h.options.keys), "--sample-file", file)
	h.claviger.process, err = start(ctx, h.dir, &h.dev, h.environment(), h.binary, args...)
	if err != nil {
		return err
	}
	if err := h.claviger.awaitReady(ctx); err != nil {
		return err
	}
	h.claviger.host, err = hostOf(h.dev.URL)
	if err == nil {
		h.gatewayHost, err = hostOf(h.dev.Gateway)
	}
	if err != nil {
		return err
	}
	h.sample, err = readSample(file)
	if err != nil {
		return err
	}
	return h.checkSample()
}

func (h *harness) devArgs(listen string, more ...string) []string {
	args := []string{"dev", "--output", "json", "--listen", listen, "--data", filepath.Join(h.dir, "data")}
	return append(args, more...)
}

// checkSample returns an error if this tool would split a sample key wrongly. The invalid keys made
// from it would then not be of the kind that the report says.
func (h *harness) checkSample() error {
	switch {
	case len(h.sample) != h.options.keys:
		return fmt.Errorf("the sample file holds %d keys instead of %d", len(h.sample), h.options.keys)
	case h.dev.Verifier == "" || len(h.dev.Tenants) == 0:
		return errors.New("claviger dev printed no verifier or no tenant")
	}
	for _, value := range h.sample {
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

func (h *harness) close() {
	h.baseline.stop()
	h.claviger.stop()
	h.nginx.stop()
	h.api.stop()
	if err := os.RemoveAll(h.dir); err != nil {
		progress("%v", err)
	}
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

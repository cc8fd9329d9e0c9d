package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The gateway is compared with a bare reverse proxy of net/http/httputil that computes one HMAC,
// and with nginx that asks Claviger about each request (auth_request). All of them forward to one
// API, whose CPU time does not count.

// gatewayScenario and nginxScenario are the names of these scenarios.
const (
	gatewayScenario = "gateway"
	nginxScenario   = "nginx"
)

// proxiedPath is the path of the requests to the API.
const proxiedPath = "/orders/17?page=2"

// proxyBaseline returns the bare reverse proxy.
func proxyBaseline(api *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(api)
			r.SetXForwarded()
			r.Out.Header.Del("Authorization")
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest(r.Header.Get("Authorization"))
		proxy.ServeHTTP(w, r)
	})
}

// startAPI starts the API behind the proxies.
func (h *harness) startAPI(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var out readyOutput
	h.api, err = start(ctx, h.dir, &out, nil, self, "baseline")
	if err == nil {
		err = h.api.awaitReady(ctx)
	}
	h.apiURL = out.URL
	return err
}

// gatewayLoads compares the gateway with the bare reverse proxy.
func gatewayLoads(_ context.Context, h *harness) (loads, error) {
	return loads{
		baseline: h.proxiedLoad(h.baseline), claviger: h.proxiedLoad(h.gateway()),
	}, nil
}

// gateway returns the server of the gateway, which is the process of Claviger.
func (h *harness) gateway() server { return server{process: h.claviger.process, host: h.gatewayHost} }

// proxiedLoad returns requests to the API through a server.
func (h *harness) proxiedLoad(at server, more ...*process) load {
	l := load{want: `"principal":`, at: &at, more: more}
	for _, key := range h.sample[:min(len(h.sample), manyKeys)] {
		l.requests = append(l.requests, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n"+
			"Authorization: Bearer %s\r\n\r\n", proxiedPath, at.host, key))
	}
	return l
}

// nginxLoads compares the gateway with nginx, which asks Claviger about each request. The CPU times
// of nginx and Claviger count together.
func nginxLoads(ctx context.Context, h *harness) (loads, error) {
	host, err := h.startNginx(ctx)
	if err != nil {
		return loads{}, err
	}
	return loads{
		baseline: h.proxiedLoad(server{process: h.nginx, host: host}, h.claviger.process),
		claviger: h.proxiedLoad(h.gateway()),
	}, nil
}

// nginxProgram returns the path of nginx; "" if it is not installed.
func nginxProgram() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	return ""
}

// startNginx starts nginx with the configuration of the guide.
func (h *harness) startNginx(ctx context.Context) (host string, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "docs", "integrations", "nginx.conf"))
	if err != nil {
		return "", err
	}
	host, err = freeAddress()
	if err != nil {
		return "", err
	}
	api, err := hostOf(h.apiURL)
	if err != nil {
		return "", err
	}
	guide := strings.NewReplacer("127.0.0.1:8080", h.claviger.host, "listen 8000", "listen "+host,
		"server 127.0.0.1:9001;", "server "+api+"; keepalive 32;", `""      "";`, `"" "";`).Replace(string(text))
	head := "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;\n" +
		"events {}\nhttp {\naccess_log off;\nkeepalive_requests 1000000000;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		head += kind + "_temp_path " + kind + ";\n"
	}
	folder := filepath.Join(h.dir, "nginx")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(head+guide+"}\n"), 0o600); err != nil {
		return "", err
	}
	var none struct{}
	h.nginx, err = start(ctx, h.dir, &none, nil, nginxProgram(), "-p", folder, "-c", "nginx.conf", "-e", "stderr")
	if err != nil {
		return "", err
	}
	return host, awaitListening(ctx, host)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// awaitListening waits until a server accepts connections.
func awaitListening(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", host)
		if err == nil {
			return conn.Close()
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%s: no connection: %w", host, err)
		}
	}
}

// errNoNginx is the reason why a scenario is not measured.
var errNoNginx = errors.New("not measured: nginx is not installed (scripts/need-proxies installs it)")

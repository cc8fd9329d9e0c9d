package guide_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	root = "../.."
	// waitLimit limits every wait.
	waitLimit = 2 * time.Minute
)

// blocks returns the code blocks of a document in one language.
func blocks(t testing.TB, document, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", document))
	must(t, err)
	block := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	for _, found := range block.FindAllStringSubmatch(string(text), -1) {
		all = append(all, found[1])
	}
	return all
}

// onlyBlock returns the code block of a document in one language that contains a text. The test
// fails unless there is exactly one.
func onlyBlock(t testing.TB, document, language, content string) string {
	t.Helper()
	var found []string
	for _, block := range blocks(t, document, language) {
		if strings.Contains(block, content) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s with %q", document, len(found), language, content)
	}
	return found[0]
}

// server is a running `claviger dev`, with a client signed in as the account owner.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	client http.Client
	sample struct {
		URL, Email, Password, Verifier string
		Tenants                        []struct {
			ID  string
			Key struct{ Value string }
		}
	}
}

// buildClaviger builds Claviger and returns the path of the program.
func buildClaviger(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "claviger")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/claviger")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	run(t, build)
	return binary
}

// startBinary starts Claviger with sample data and signs in as the account owner.
func startBinary(t *testing.T, binary string, environment ...string) *server {
	t.Helper()
	return startBinaryFor(t, binary, http.Client{}, environment...)
}

// startBinaryFor is startBinary for a client that trusts the certificate of Claviger.
func startBinaryFor(t *testing.T, binary string, client http.Client, environment ...string) *server {
	t.Helper()
	s := &server{t: t, client: client}
	data := filepath.Join(t.TempDir(), "data")
	s.cmd = exec.Command(binary, "dev", "--output", "json", "--listen", "127.0.0.1:0", "--data", data)
	s.cmd.Env = append(os.Environ(), environment...)
	out, err := s.cmd.StdoutPipe()
	must(t, err)
	start(t, s.cmd)
	must(t, json.NewDecoder(out).Decode(&s.sample))
	s.client.Jar, err = cookiejar.New(nil)
	must(t, err)
	s.call(http.MethodPost, "/api/v1/session", map[string]any{"email": s.sample.Email, "password": s.sample.Password})
	s.call(http.MethodPatch, s.tenant(), map[string]any{"settings": map[string]any{"keys_per_user": nil}})
	return s
}

func (s *server) tenant() string { return "/api/v1/tenants/" + s.sample.Tenants[0].ID }

// call sends a request to the API and returns the response. The test fails if the request does.
func (s *server) call(method, path string, body any) (response struct {
	ID  string
	Key struct {
		ID string `json:"id"`
	} `json:"key"`
	Credential struct {
		ID, Secret, Value string
	} `json:"credential"`
},
) {
	s.t.Helper()
	var text []byte
	if body != nil {
		encoded, err := json.Marshal(body)
		must(s.t, err)
		text = encoded
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.sample.URL+path, bytes.NewReader(text))
	must(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	text = s.send(req)
	if len(text) > 0 {
		must(s.t, json.Unmarshal(text, &response))
	}
	return response
}

// send sends a request and returns the body of the response. The test fails if the request does.
func (s *server) send(req *http.Request) []byte {
	s.t.Helper()
	resp, err := s.client.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	if resp.StatusCode >= http.StatusBadRequest {
		s.t.Fatalf("%s %s: %s: %s", req.Method, req.URL.Path, resp.Status, text)
	}
	return text
}

// run runs a command and returns its standard output. The test fails if the command does.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out.String(), problems.String())
	}
	return out.String()
}

// start starts a process and stops it when the test ends.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { stop(cmd) })
}

// stop kills a process and waits until it has ended.
func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended already
	_ = cmd.Wait()
}

// awaitListener waits until a server listens on an address.
func awaitListener(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("nothing listens on %s: %v", address, err)
		}
	}
}

// write writes a file for a test and returns its path.
func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// replaceAll replaces texts of a document. The test fails if the document lacks one of them.
func replaceAll(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the document does not contain %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// issued is a new key with its secret.
type issued struct{ keyID, id, secret, value string }

func (k issued) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(k.id + ":" + k.secret))
}

func (s *server) newKey(name string, scopes ...string) issued {
	s.t.Helper()
	made := s.call(http.MethodPost, s.tenant()+"/keys", map[string]any{
		"name": name, "scopes": scopes, "all_applications": true,
	})
	return issued{made.Key.ID, made.Credential.ID, made.Credential.Secret, made.Credential.Value}
}

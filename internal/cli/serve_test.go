package cli_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

var (
	readyLine = regexp.MustCompile(`msg="claviger is ready" url=(\S+) `)
	// listenLine matches the listen address, which may differ from the URL.
	listenLine = regexp.MustCompile(`msg="claviger is ready" url=\S+ listen=(\S+) `)
	setupLine  = regexp.MustCompile(`link=(\S+) until=\S+\n`)
)

// offered returns the URL of the server, and the token of the set-up link in its log.
func (p *process) offered() (url, token string) {
	p.t.Helper()
	url, link := p.logged(readyLine), p.logged(setupLine)
	token, ok := strings.CutPrefix(link, url+"/setup/")
	if !ok {
		p.t.Fatalf("the link %s does not lead to %s", link, url)
	}
	return url, token
}

// setUp creates the first account with the token of a link.
func setUp(t testing.TB, url, token string) (*client.Client, api.Code) {
	t.Helper()
	c, _, err := testkit.Client(t, url).SetUp(t.Context(), api.SetUpRequest{
		Token: token, Account: "First account", Email: "first@claviger.example", Name: "First Person",
		Password: testkit.Password,
	})
	return c, testkit.Code(t, err)
}

func TestTheFirstAccountIsMadeOnceAtTheLinkInTheLog(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		first := s.serve(t)
		_, old := first.offered()
		first.term()

		second := s.serve(t)
		url, token := second.offered()
		if token != old {
			t.Error("the link of an earlier start is not shown again")
		}
		for _, try := range []struct {
			what, token string
			want        api.Code
		}{{"the link", old, ""}, {"the link again", token, api.LinkInvalid}} {
			if _, code := setUp(t, url, try.token); code != try.want {
				t.Errorf("%s: %q, want %q", try.what, code, try.want)
			}
		}
		second.term()

		third := s.serve(t)
		_, _, err := testkit.Client(t, third.logged(readyLine)).SignIn(t.Context(), "first@claviger.example",
			testkit.Password)
		must(t, err)
		third.term()
		if log := third.stderr.String(); strings.Contains(log, "/setup/") {
			t.Errorf("there is an account, and a link is offered:\n%s", log)
		}
		for _, p := range []*process{first, second, third} {
			if out := p.stdout.String(); out != "" {
				t.Errorf("standard output is not empty: %s", out)
			}
		}
		s.requireNowhere(t, canary{name: "the link", text: token})
	})
}

func TestNodesThatStartAtOnceOfferOneSetUpLink(t *testing.T) {
	t.Parallel()
	here := newInstallation(t, testkit.Postgres)
	there := newInstallation(t, testkit.SQLite)
	there.engine, there.url = here.engine, here.url
	root := "CLAVIGER_ROOT_SECRET=" + otherRoot()
	here.env, there.env = []string{root}, []string{root}
	p := here.launch(t, "migrate", "up", "--data", here.data)
	if code := p.exit(waitTimeout); code != 0 {
		t.Fatal(p.stderr.String())
	}
	one, other := here.serve(t), there.serve(t)
	url, token := one.offered()
	_, same := other.offered()
	if token != same {
		t.Error("two nodes offer two links")
	}
	if _, code := setUp(t, url, token); code != "" {
		t.Errorf("the link: %s", code)
	}
	one.term()
	other.term()
}

func TestASetUpLinkEndsAfterItsTimeAndTheNextStartMakesAnother(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	first := s.serve(t)
	_, old := first.offered()
	first.term()
	s.exec(t, `UPDATE links SET expires_at = 1 WHERE kind = 'setup'`) // as if it had expired
	second := s.serve(t)
	url, token := second.offered()
	if token == old {
		t.Error("a link whose time is over is offered")
	}
	if _, code := setUp(t, url, old); code != api.LinkInvalid {
		t.Errorf("the old link: %q", code)
	}
	if _, code := setUp(t, url, token); code != "" {
		t.Errorf("the new link: %q", code)
	}
	second.term()
}

// requireNowhere requires that no file and no row contains a canary.
func (s *installation) requireNowhere(t testing.TB, c canary) {
	t.Helper()
	must(t, filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if found := c.find([]byte(readFile(t, path))); found != "" {
			t.Errorf("%s is in %s: %s", c.name, d.Name(), found)
		}
		return nil
	}))
	if found := c.find([]byte(strings.Join(s.rows(t), "\n"))); found != "" {
		t.Errorf("%s is in the database: %s", c.name, found)
	}
}

func TestAStartNeedsNothingButAFolder(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	s.with("CLAVIGER_SERVER_LISTEN=127.0.0.1:0") // another test may use the default port
	p := s.launch(t, "serve")
	url, token := p.offered()
	if _, code := setUp(t, url, token); code != "" {
		t.Errorf("set up: %s", code)
	}
	p.term()
	requirePrivate(t, filepath.Join(s.dir, "claviger-data"))
	if files, err := os.ReadDir(s.dir); err != nil || len(files) != 1 {
		t.Errorf("there is more than the data directory: %v %v", files, err)
	}
}

func TestTheLinkLeadsToTheBaseURL(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	defer s.settings(t, "server:\n  base_url: https://keys.example.com/\nlog:\n  format: json\n", 0o644)()
	p := s.serve(t)
	if link := p.logged(regexp.MustCompile(`"link":"([^"]*)"`)); !strings.HasPrefix(link,
		"https://keys.example.com/setup/") {
		t.Errorf("it leads to %s", link)
	}
	p.term()
}

func TestAHangUpEndsNothing(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	p := s.serve(t)
	url, _ := p.offered()
	must(t, p.cmd.Process.Signal(syscall.SIGHUP))
	resp, err := http.Get(url + "/healthz")
	must(t, err)
	must(t, resp.Body.Close())
	p.term()
}

func TestAnIdleServerIsSmallAlsoAfterASignIn(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	var err error
	s.program, err = released()
	must(t, err)
	p := s.serve(t)
	url, token := p.offered()
	_, code := setUp(t, url, token)
	if code != "" {
		t.Fatal(code)
	}
	const most = 24 << 20 // without the mapped program, which grows with the features
	deadline := time.After(waitTimeout)
	for size := p.memory(); size > most; size = p.memory() {
		select {
		case <-time.After(time.Second):
		case <-deadline:
			t.Fatalf("it takes %d MB", size>>20)
		}
	}
	p.term()
}

// memory returns how many bytes of the resident set of the process come from no file.
func (p *process) memory() int {
	p.t.Helper()
	status := readFile(p.t, fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	size := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindStringSubmatch(status)
	if size == nil {
		p.t.Fatalf("no RssAnon:\n%s", status)
	}
	kilobytes, err := strconv.Atoi(size[1])
	must(p.t, err)
	return kilobytes << 10
}

func TestTheSettingsInForceArePrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	s.with("CLAVIGER_DATABASE_URL=postgres://u:"+urlPassword+"@h/d", "CLAVIGER_LOG_LEVEL=warn")
	defer s.settings(t, "data: elsewhere\nroot_secret: "+malformedRoot+"\n", 0o600)()
	p := s.launch(t, "config", "--listen", "127.0.0.1:1")
	if code := p.exit(waitTimeout); code != 0 || p.stderr.String() != "" {
		t.Fatalf("exit code %d: %s", code, p.stderr.String())
	}
	out := p.stdout.String()
	for _, line := range []string{
		"  listen: 127.0.0.1:1 # --listen\n", "data: elsewhere # claviger.yaml:1\n",
		"  url: '[redacted]' # CLAVIGER_DATABASE_URL\n",
		"root_secret: '[redacted]' # claviger.yaml:2\n", "  level: warn # CLAVIGER_LOG_LEVEL\n",
		"  format: text # default\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in:\n%s", line, out)
		}
	}
	for _, c := range []canary{newCanary("the password", urlPassword), newCanary("the root secret", malformedRoot)} {
		if found := c.find([]byte(out)); found != "" {
			t.Errorf("%s is printed: %s", c.name, found)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "elsewhere")); err == nil {
		t.Error("printing the settings made the data directory")
	}
}

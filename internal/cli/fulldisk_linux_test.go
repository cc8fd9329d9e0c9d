package cli_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// ownDisk is the variable for the directory on which a process of this test mounts its own disk. No
// name of a setting begins like this.
const ownDisk = "TEST_OWN_DISK"

// The test binary mounts the disk, because a mount belongs to a process. See smallDisk.
func init() {
	if dir := os.Getenv(ownDisk); dir != "" {
		os.Exit(onOwnDisk(dir, os.Args[1:]))
	}
}

// onOwnDisk mounts a small disk that only this process sees, runs the command and returns its exit
// code. Both processes end together.
func onOwnDisk(dir string, command []string) int {
	runtime.LockOSThread() // the command ends with the thread that started it
	err := errors.Join(
		os.Unsetenv(ownDisk),
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0700"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if len(command) == 0 {
		return 0
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		<-stop
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}()
	_ = cmd.Wait() // the exit code has the result
	return cmd.ProcessState.ExitCode()
}

// smallDisk makes the command run with a disk of 32 MiB as its data directory: in its own mount
// namespace and, unless it runs as root, in its own user namespace.
func (s *installation) smallDisk(cmd *exec.Cmd) *exec.Cmd {
	own := exec.Command(os.Args[0], cmd.Args...)
	own.Dir, own.Env = cmd.Dir, append(cmd.Env, ownDisk+"="+s.data)
	own.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		own.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		own.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		own.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return own
}

// onSmallDisk is a server whose data directory is on its own small disk, with a signed-in user.
type onSmallDisk struct {
	*testing.T
	installation *installation
	process      *process
	url          string
	// data is the directory as the test sees it.
	data   string
	person *client.Client
	tenant string
}

// startOnSmallDisk returns nil if the kernel does not allow this process to mount a disk.
func startOnSmallDisk(t *testing.T) *onSmallDisk {
	t.Helper()
	d := &onSmallDisk{T: t, installation: newInstallation(t, testkit.SQLite)}
	must(t, os.Mkdir(d.installation.data, 0o700))
	probe := exec.Command("")
	probe.Args = nil
	if out, err := d.installation.smallDisk(probe).CombinedOutput(); err != nil {
		t.Logf("no disk can be mounted: %v %s", err, out)
		return nil
	}
	d.process = launch(t, d.installation.smallDisk(d.installation.command(d.installation.serveArgs()...)))
	url, token := d.process.offered()
	person, code := setUp(t, url, token)
	if code != "" {
		t.Fatal(code)
	}
	d.url, d.person = url, person.WithRetry(client.Retry{})
	d.data = filepath.Join(fmt.Sprintf("/proc/%d/root", d.process.cmd.Process.Pid), d.installation.data)
	tenants, err := d.person.Tenants(t.Context(), client.Page{})
	must(t, err)
	d.tenant = tenants.Items[0].ID
	return d
}

// fill writes to a file until the disk is full.
func (d *onSmallDisk) fill(name string) {
	d.Helper()
	f, err := os.OpenFile(filepath.Join(d.data, name), os.O_CREATE|os.O_WRONLY, 0o600)
	must(d, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.Fatal(err)
	}
}

func (d *onSmallDisk) remove(name string) {
	d.Helper()
	must(d, os.Remove(filepath.Join(d.data, name)))
}

func (d *onSmallDisk) create() (api.IssuedKey, error) {
	n := api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true}
	return d.person.CreateKey(d.Context(), d.tenant, n)
}

func (d *onSmallDisk) revoke(k api.IssuedKey) error {
	_, err := d.person.RevokeKey(d.Context(), d.tenant, k.Key.ID, "leaked")
	return err
}

// answers requires the code for a request with the key; "" for success.
func (d *onSmallDisk) answers(what string, k api.IssuedKey, want api.Code) {
	d.Helper()
	_, err := testkit.Client(d, d.url).WithKey(k.Credential.Value).Whoami(d.Context())
	if got := testkit.Code(d, err); got != want {
		d.Errorf("%s answers %q, want %q", what, got, want)
	}
}

// refuses requires a response with 503 that says what is full.
func (d *onSmallDisk) refuses(what string, err error) {
	d.Helper()
	if testkit.Code(d, err) != api.Unavailable || !strings.Contains(err.Error(), "disk") {
		d.Errorf("%s: %v, want %s for the disk", what, err, api.Unavailable)
	}
}

// awaitReadiness waits until readyz has the status, and returns what it says.
func (d *onSmallDisk) awaitReadiness(status int) string {
	d.Helper()
	deadline, turn := time.After(waitTimeout), time.NewTicker(50*time.Millisecond)
	defer turn.Stop()
	for {
		resp, err := http.Get(d.url + "/readyz")
		must(d, err)
		text, err := io.ReadAll(resp.Body)
		must(d, errors.Join(err, resp.Body.Close()))
		if resp.StatusCode == status {
			return string(text)
		}
		select {
		case <-turn.C:
		case <-deadline:
			d.Fatalf("readyz still says %s: %s", resp.Status, text)
		}
	}
}

// Where no disk can be mounted, only TestAWriteThatFindsNoRoomKeepsNothing in store/sqlite runs.
// There SQLite itself limits the size, without the reserve file.
func TestARevocationFindsRoomOnAFullDisk(t *testing.T) {
	d := startOnSmallDisk(t)
	if d == nil {
		return
	}
	first, err := d.create()
	must(t, err)
	second, err := d.create()
	must(t, err)

	d.fill("filler")
	_, err = d.create()
	d.refuses("a key more", err)
	if said := d.awaitReadiness(http.StatusServiceUnavailable); !strings.Contains(said, "disk") {
		t.Errorf("readyz says %q", said)
	}
	must(t, d.revoke(first))
	d.answers("the revoked key", first, api.APIKeyRevoked)
	d.answers("the other key", second, "")
	if _, err := os.Stat(filepath.Join(d.data, "reserve")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve is kept: %v", err)
	}

	d.fill("what the reserve gave up")
	d.signInUntilFull()
	d.refuses("a revocation without any room", d.revoke(second))
	d.answers("the key whose revocation was refused", second, "")

	d.remove("what the reserve gave up")
	d.remove("filler")
	must(t, d.revoke(second))
	d.answers("the key, once there was room to revoke it,", second, api.APIKeyRevoked)
	d.awaitReadiness(http.StatusOK)
	_, err = d.create()
	must(t, err)
	d.installation.requireExit(t, 0, "audit", "verify", "--data", d.data)
	d.process.term()
}

// signInUntilFull signs in until the database has no free space: at first, it has some in its file.
func (d *onSmallDisk) signInUntilFull() {
	d.Helper()
	for range 1000 {
		anyone := testkit.Client(d, d.url).WithRetry(client.Retry{})
		_, _, err := anyone.SignIn(d.Context(), "first@claviger.example", testkit.Password)
		if err != nil {
			d.refuses("a sign-in without any room", err)
			// the log contains only a few failures per second
			if !strings.Contains(err.Error(), "The disk of the database is full.") {
				d.Errorf("SQLite did not say that the disk is full: %v", err)
			}
			return
		}
	}
	d.Error("a thousand sign-ins found room on a disk that has none")
}

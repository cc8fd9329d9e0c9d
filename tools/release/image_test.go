package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// dockerfile holds what a Dockerfile says about its image.
type dockerfile struct {
	// base is the base image of the last stage, and user runs the program.
	base, user string
	env        []string
	// entrypoint starts the server, and health is the command of the health check.
	entrypoint, health []string
	// make holds the arguments of the make command in the build.
	make []string
}

var makeCommand = regexp.MustCompile(`\bmake (build [^&]*)&&`)

// readDockerfile parses the instructions that our Dockerfile has.
func readDockerfile(t *testing.T) (d dockerfile) {
	t.Helper()
	for line := range strings.Lines(read(t, "Dockerfile")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			d.base, _, _ = strings.Cut(rest, " ")
		case "USER":
			d.user = rest
		case "ENV":
			d.env = strings.Fields(rest)
		case "RUN":
			if m := makeCommand.FindStringSubmatch(rest); m != nil {
				d.make = strings.Fields(strings.NewReplacer(`"$VERSION"`, "v1.2.3", `"$COMMIT"`,
					"0123abc").Replace(m[1]))
			}
		case "ENTRYPOINT", "CMD":
			d.entrypoint = append(d.entrypoint, jsonList(t, rest)...)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			d.health = jsonList(t, command)
		case "", "#", "COPY", "WORKDIR", "ARG", "VOLUME", "EXPOSE":
		default:
			t.Errorf("this test does not know %s", instruction)
		}
	}
	return d
}

// jsonList parses the JSON form of a command.
func jsonList(t *testing.T, text string) (list []string) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &list))
	return list
}

// The tests have no Docker. This test does by hand what the Dockerfile says. It builds with only
// the build context. It runs the program with the environment and the user that the Dockerfile
// names, in a root directory where only /data is writable.
func TestTheImageRunsUnprivilegedOnAReadOnlyRoot(t *testing.T) {
	d := readDockerfile(t)
	if d.base != "scratch" || d.user != fmt.Sprintf("%d:%[1]d", imageUser) {
		t.Errorf("the image has the base %s and runs as %s", d.base, d.user)
	}
	image := d.build(t)
	server := d.command(t, image, d.entrypoint, "CLAVIGER_SERVER_LISTEN=0.0.0.0:0")
	log, err := server.StderrPipe()
	must(t, err)
	must(t, server.Start())
	address, rest := awaitReady(t, log)
	health := func() ([]byte, error) {
		return d.command(t, image, d.health, "CLAVIGER_SERVER_LISTEN="+address).CombinedOutput()
	}
	if out, err := health(); err != nil {
		t.Errorf("a running server is not healthy: %v\n%s", err, out)
	}
	must(t, server.Process.Signal(syscall.SIGTERM))
	last, err := io.ReadAll(rest)
	must(t, err)
	if err := server.Wait(); err != nil {
		t.Errorf("the server does not stop cleanly: %v\n%s", err, last)
	}
	if out, err := health(); err == nil {
		t.Errorf("a stopped server is healthy: %s", out)
	}
}

// build builds the root directory of the image from the context that .dockerignore leaves.
func (d dockerfile) build(t *testing.T) (image string) {
	t.Helper()
	context := t.TempDir()
	image = filepath.Join(t.TempDir(), "image")
	var included []string
	for line := range strings.Lines(read(t, ".dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			included = append(included, name)
		}
	}
	testkit.CopyTree(t, root, context, func(name string) bool {
		top, _, _ := strings.Cut(name, "/")
		return slices.Contains(included, top)
	})
	args := slices.Clone(d.make)
	i := slices.Index(args, "OUT=/image/claviger")
	if i < 0 {
		t.Fatalf("make %q does not write the binary to the path that COPY reads", args)
	}
	args[i] = "OUT=" + image + "/usr/local/bin/claviger"
	_, err := output(t.Context(), context, hostTarget.environment(), "make", args...)
	must(t, err)
	data := filepath.Join(image, "data")
	must(t, os.Mkdir(data, 0o700))
	if os.Getuid() == 0 {
		must(t, os.Chown(data, imageUser, imageUser))
	}
	must(t, os.Chmod(image, 0o555))
	t.Cleanup(func() { _ = os.Chmod(image, 0o755) }) // so that it can be removed
	return image
}

// imageUser is the user id and group id of the image.
const imageUser = 65532

// command returns a command that runs in the root directory of the image, as the user of the image.
// If the tests do not run as root, the user id of the image is mapped to their own in a user
// namespace.
func (d dockerfile) command(t *testing.T, image string, command []string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/local/bin/"+command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", append(d.env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: imageUser, Gid: imageUser}
		return cmd
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: imageUser, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: imageUser, HostID: os.Getgid(), Size: 1}}
	return cmd
}

var readyLine = regexp.MustCompile(`msg="claviger is ready" .* listen=(\S+) version=v1\.2\.3 .* data=/data `)

// awaitReady reads the log until the server is ready. It returns the address of the server and the
// rest of the log.
func awaitReady(t *testing.T, log io.Reader) (address string, rest io.Reader) {
	t.Helper()
	lines := bufio.NewReader(log)
	var before strings.Builder
	for {
		line, err := lines.ReadString('\n')
		before.WriteString(line)
		if m := readyLine.FindStringSubmatch(line); m != nil {
			return m[1], lines
		}
		if err != nil {
			t.Fatalf("the server ended before it was ready:\n%s", before.String())
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	return string(text)
}

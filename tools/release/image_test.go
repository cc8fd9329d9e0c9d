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

// dockerfile is a Dockerfile, as the image that it makes.
type dockerfile struct {
	// base is what the last stage begins with, and user who runs the program.
	base, user string
	env        []string
	// command runs the server, and health asks how it is.
	command, health []string
	// make are the arguments of the one make of the build.
	make []string
}

var makeCommand = regexp.MustCompile(`\bmake (build [^&]*)&&`)

// readDockerfile knows the instructions that ours has.
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
				d.make = strings.Fields(strings.NewReplacer(`"$VERSION"`, "v1.2.3", `"$COMMIT"`, "0123abc").Replace(m[1]))
			}
		case "ENTRYPOINT", "CMD":
			d.command = append(d.command, words(t, rest)...)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			d.health = words(t, command)
		case "", "#", "COPY", "WORKDIR", "ARG", "VOLUME", "EXPOSE":
		default:
			t.Errorf("this test does not know %s", instruction)
		}
	}
	return d
}

// words reads the JSON form of a command.
func words(t *testing.T, text string) (list []string) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &list))
	return list
}

// There is no Docker in the tests. What the Dockerfile says is done by hand: the build with nothing but its context, and the run in a root that
// nobody can write to but for /data, as the user it names, with its environment and nothing else.
func TestTheImageRunsAsNobodyOnAReadOnlyRoot(t *testing.T) {
	d := readDockerfile(t)
	if d.base != "scratch" || d.user != fmt.Sprintf("%d:%[1]d", nobody) {
		t.Errorf("the image is of %s and runs as %s", d.base, d.user)
	}
	image := d.build(t)
	server := d.inside(t, image, d.command, "CLAVIGER_SERVER_LISTEN=0.0.0.0:0")
	log, err := server.StderrPipe()
	must(t, err)
	must(t, server.Start())
	at, rest := awaitReady(t, log)
	health := func() ([]byte, error) {
		return d.inside(t, image, d.health, "CLAVIGER_SERVER_LISTEN="+at).CombinedOutput()
	}
	if out, err := health(); err != nil {
		t.Errorf("a running server is not healthy: %v\n%s", err, out)
	}
	must(t, server.Process.Signal(syscall.SIGTERM))
	last, err := io.ReadAll(rest)
	must(t, err)
	if err := server.Wait(); err != nil {
		t.Errorf("it does not stop well: %v\n%s", err, last)
	}
	if out, err := health(); err == nil {
		t.Errorf("a stopped server is healthy: %s", out)
	}
}

// build makes the root of the image from the context that .dockerignore leaves.
func (d dockerfile) build(t *testing.T) (image string) {
	t.Helper()
	context := t.TempDir()
	image = filepath.Join(t.TempDir(), "image")
	var kept []string
	for line := range strings.Lines(read(t, ".dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			kept = append(kept, name)
		}
	}
	testkit.CopyTree(t, root, context, func(name string) bool {
		top, _, _ := strings.Cut(name, "/")
		return slices.Contains(kept, top)
	})
	args := slices.Clone(d.make)
	i := slices.Index(args, "OUT=/image/claviger")
	if i < 0 {
		t.Fatalf("make %q does not put the binary where COPY takes it", args)
	}
	args[i] = "OUT=" + image + "/usr/local/bin/claviger"
	_, err := output(t.Context(), context, here.environment(), "make", args...)
	must(t, err)
	data := filepath.Join(image, "data")
	must(t, os.Mkdir(data, 0o700))
	if os.Getuid() == 0 {
		must(t, os.Chown(data, nobody, nobody))
	}
	must(t, os.Chmod(image, 0o555))
	t.Cleanup(func() { _ = os.Chmod(image, 0o755) }) // so that it can be removed
	return image
}

// nobody is the user of the image.
const nobody = 65532

// inside is a command with the image as its root and as the image's user: the real one where the tests run as root, else their own by another name.
func (d dockerfile) inside(t *testing.T, image string, command []string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/local/bin/"+command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", append(d.env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		return cmd
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	return cmd
}

var readyLine = regexp.MustCompile(`msg="claviger is ready" .* listen=(\S+) version=v1\.2\.3 .* data=/data `)

// awaitReady reads the log until the server is ready, and gives its address and the rest of the log.
func awaitReady(t *testing.T, log io.Reader) (at string, rest io.Reader) {
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
			t.Fatalf("it ended before it was ready:\n%s", before.String())
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	return string(text)
}

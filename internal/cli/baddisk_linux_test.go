package cli_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// The error about a disk that cannot be written names the cause, with and without a database on it.
func TestADiskThatTakesNothingIsToldAtStart(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	must(t, os.Mkdir(s.data, 0o700))
	probe := exec.Command("")
	probe.Args = nil
	if out, err := s.smallDisk(probe).CombinedOutput(); err != nil {
		t.Logf("no disk can be mounted: %v %s", err, out)
		return
	}
	whole := newSample(t, testkit.SQLite)
	const (
		copied   = `cp -p "$1"/* "$DATA" && rm -f "$DATA/reserve"`
		full     = `head -c 40m /dev/zero >"$DATA/filler" 2>/dev/null; chmod 600 "$DATA/filler"`
		readOnly = `mount -o remount,ro "$DATA"`
	)
	for name, c := range map[string]struct{ arrange, says string }{
		"a full disk, at the first start":      {`mount -o remount,size=8k "$DATA"`, "the disk is full"},
		"a full disk, with a database":         {copied + "; " + full, "the disk is full"},
		"a read-only disk, at the first start": {readOnly, "is mounted read-only"},
		"a read-only disk, with a database":    {copied + " && " + readOnly, "is mounted read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newInstallation(t, testkit.SQLite)
			must(t, os.Mkdir(s.data, 0o700))
			serve := s.command(s.serveArgs()...)
			script := []string{"-c", c.arrange + `; shift; exec "$@"`, "sh", whole.data}
			cmd := s.command()
			cmd.Path, cmd.Args = "/bin/sh", append(append([]string{"/bin/sh"}, script...), serve.Args...)
			cmd.Env = append(cmd.Env, "DATA="+s.data)
			requireOneLine(t, launch(t, s.smallDisk(cmd)), 1, c.says)
		})
	}
}

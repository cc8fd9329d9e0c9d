package cli

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/scan"
)

// errKeysFound makes `claviger scan` exit with exitNegative.
var errKeysFound = failure{errors.New("keys were found"), exitNegative, ""}

func scanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scan [PATH…|-]", Short: "Find keys in files",
		Long: `Searches files and directories for keys, or standard input for "-". Without a
path, searches the current directory. Needs no server, and sends no requests.

Prints one line for each key: file, line and column (in bytes), style, and the
key without its secret. A key of style token is confirmed by its checksum. Keys
of style pair and client are recognized only by their form. Keys of style uuid
look like other UUIDs, and are found only in HTTP Basic credentials. See
docs/scanners.md for the patterns.

All files are read, of any size, including binary files. Symbolic links in a
directory are not followed. Compressed data is not searched, such as archives
and the history in .git. To search a history, pass the output of git log
--patch.

Exit code 10 means that keys were found, and 0 that there are none. 1 means that
something could not be read, and that there are none in the rest.`,
		Example: `  claviger scan src
  git log --patch --all | claviger scan -`,
	}
	o := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		signal.Reset(syscall.SIGINT, syscall.SIGTERM) // there is nothing to clean up, and a read may block
		if len(paths) == 0 {
			paths = []string{"."}
		}
		return (&keyScan{printer: p}).run(cmd.InOrStdin(), paths)
	}
	return cmd
}

// keyScan searches several paths for keys.
type keyScan struct {
	printer
	found, failed int
}

// foundKey is the JSON form of a key that was found.
type foundKey struct {
	Path   string `json:"path"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Style  string `json:"style"`
	// Checksum is false if the key was recognized only by its form.
	Checksum bool   `json:"checksum"`
	Masked   string `json:"masked"`
}

func (s *keyScan) run(stdin io.Reader, paths []string) error {
	for _, path := range paths {
		if path != "-" {
			if err := scan.Files(path, s.show, s.reportUnreadable); err != nil {
				return err
			}
			continue
		}
		if err := scan.Read(stdin, func(f scan.Finding) error { return s.show("-", f) }); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
	switch {
	case s.found > 0:
		return errKeysFound
	case s.failed > 0:
		return fmt.Errorf("could not read %s. There are no keys in the rest", countOf(s.failed, "file"))
	}
	return nil
}

func (s *keyScan) show(path string, f scan.Finding) error {
	s.found++
	if s.json {
		return s.printJSON(foundKey{path, f.Line, f.Column, string(f.Style), f.Checksum, f.Masked})
	}
	evidence := "form only"
	if f.Checksum {
		evidence = "checksum matches"
	}
	_, err := fmt.Fprintf(s.out, "%s:%d:%d: %s %s (%s)\n", sanitized(path), f.Line, f.Column, f.Style,
		sanitized(f.Masked),
		evidence)
	return err
}

func (s *keyScan) reportUnreadable(err error) {
	s.failed++
	s.note("claviger: %s", oneLine(err.Error()))
}

package cli

import (
	"cmp"
	"runtime"

	"github.com/spf13/cobra"
)

// version and commit are set by `make build`.
var (
	version = "dev"
	commit  = ""
)

// release is the output of `claviger version`.
type release struct {
	Version string `json:"version"`
	// Commit is the commit that the binary was built from; "" if the build did not set it.
	Commit string `json:"commit"`
	Go     string `json:"go"`
	System string `json:"system"`
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	o := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		return printOne(p, release{version, commit, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH},
			[]column[release]{
				{"claviger", func(r release) string { return r.Version }},
				{"commit", func(r release) string { return cmp.Or(r.Commit, "unknown") }},
				{"go", func(r release) string { return r.Go }},
				{"system", func(r release) string { return r.System }},
			})
	}
	return cmd
}

package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

// release is what `claviger version` prints.
type release struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	o := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		return printOne(p, release{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, []column[release]{
			{"claviger", func(r release) string { return r.Version }},
			{"go", func(r release) string { return r.Go }},
			{"system", func(r release) string { return r.System }},
		})
	}
	return cmd
}

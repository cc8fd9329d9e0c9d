package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/config"
)

//go:generate sh -c "go run . config reference >../../docs/configuration.md"

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Print the settings in force, without the secrets", Args: cobra.NoArgs,
		Long: "Prints the settings that `claviger serve` would run with, given the same flags, environment and file, and where each of them comes from.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := settings(cmd)
			if err != nil {
				return err
			}
			return set.Print(cmd.OutOrStdout())
		},
	}
	addAllSettings(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "reference", Short: "Print the page about all settings (Markdown)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Reference())
			return err
		},
	})
	return cmd
}

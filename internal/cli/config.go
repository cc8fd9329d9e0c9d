//go:build !clientonly && !windows

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/internal/config"
)

//go:generate sh -c "go run ../../cmd/claviger config reference >../../docs/configuration.md"

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Print the effective settings, without secrets", Args: cobra.NoArgs,
		Long: "Prints the settings that `claviger serve` uses with the same flags, environment and file,\n" +
			"and the source of each setting.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			return set.Print(cmd.OutOrStdout())
		},
	}
	addAllSettings(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "reference", Short: "Print the reference of all settings (Markdown)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Reference())
			return err
		},
	})
	return cmd
}

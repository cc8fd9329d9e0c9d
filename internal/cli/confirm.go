package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// A command that cannot be undone asks for confirmation at a terminal, and needs --yes elsewhere. A
// mistake in a repeated command line must not revoke a key.

// yesFlag adds --yes to a command that asks for confirmation.
func yesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask for confirmation; required without a terminal")
}

// confirmUnless shows the text and asks for confirmation, unless --yes was given.
func (c *call) confirmUnless(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	return c.confirm(c.ctx, oneLine(fmt.Sprintf(format, args...)))
}

// confirmKey is confirmUnless for a change of a key. The verb %s in text stands for the key.
func (c *call) confirmKey(yes bool, tenant, key, text string) error {
	if yes {
		return nil
	}
	k, err := c.Key(c.ctx, tenant, key)
	if err != nil {
		return err
	}
	return c.confirmUnless(false, text, keyText(k))
}

// keyText describes a key in a question.
func keyText(k api.Key) string {
	return fmt.Sprintf("%q (%s, %s, of %s)", k.Name, k.PublicID, k.Status, partyText(k.Owner))
}

package mcp

import (
	"context"

	"github.com/claviger-dev/claviger/internal/guide"
)

// AnswerHelp answers a call of claviger_help.
func AnswerHelp(arguments []byte) ([]string, error) {
	return helper{guide: guide.Load}.call(context.Background(), arguments)
}

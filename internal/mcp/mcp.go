// Package mcp has the tools that Claviger offers to assistants by the Model Context Protocol.
//
//	mcp.go        the server: which tools it has, and which methods of the protocol it accepts
//	arguments.go  reads the arguments of a call
//	help.go       claviger_help, and the same tool by its other name, blazemeter_help
//	session.go    whoami, and the tools about keys
//	usage.go      usage
//
// Every tool only reads. The tools about keys call the API with the credential of the one who asks,
// and nothing here decides what that is allowed to see. No answer has a secret.
//
// `claviger mcp` serves the tools on standard input and output (package cli), and package endpoint
// serves some of them over HTTP.
package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/claviger-dev/claviger/internal/guide"
)

// Options configure a server.
type Options struct {
	// Version is that of Claviger.
	Version string
	// BaseURL is the address of the Claviger server, which the guide names.
	BaseURL string
	// Connect returns the API for one call of whoami or of a tool about keys. Its error is told to
	// the assistant. nil for a server without these tools.
	Connect func(context.Context) (API, error)
	// Keys is set for a server with the tools about keys.
	Keys bool
	// Log gets the stack of a tool that panicked; nil for no log.
	Log *slog.Logger
}

const instructions = "Claviger issues API keys and decides, on every request, whether a key is allowed. " +
	"claviger_help reads its documentation. All tools only read: to create, change or revoke a key, tell the user " +
	"what to do in the console or on the command line."

// NewServer returns a server with the tools.
func NewServer(o Options) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "claviger", Title: "Claviger", Version: o.Version},
		&sdk.ServerOptions{
			Instructions: instructions,
			Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}, // the list never changes
		})
	s.AddReceivingMiddleware(o.guard)
	help := helper{guide: guide.Load, baseURL: o.BaseURL}
	for _, name := range []string{"claviger_help", "blazemeter_help"} {
		add(s, name, "Read Claviger's documentation", help.description(name), helpSchema, help.call)
	}
	if o.Connect != nil {
		for _, t := range sessionTools {
			if t.name == "whoami" || o.Keys {
				add(s, t.name, t.title, t.description, t.schema, t.connected(o.Connect))
			}
		}
	}
	return s
}

// methods are the methods of the protocol that are accepted. The others are for what this server
// does not have, or keep a response open.
var methods = []string{
	"initialize", "server/discover", "ping", "tools/list", "tools/call", "notifications/initialized",
	"notifications/cancelled", "notifications/progress",
}

// guard refuses all other methods. It also returns an error for a tool that panics: the SDK runs
// tools in goroutines of its own, where a panic would end the process.
func (o Options) guard(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, r sdk.Request) (result sdk.Result, err error) {
		defer func() {
			if p := recover(); p != nil { // its value may hold a secret
				if o.Log != nil {
					o.Log.Error("an MCP tool panicked", "stack", string(debug.Stack()))
				}
				result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "The server failed."}
			}
		}()
		if !slices.Contains(methods, method) {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "This server has only tools."}
		}
		return next(ctx, method, r)
	}
}

// tool answers a call with these arguments. An error is the answer to an assistant that can repeat
// the call with other arguments.
type tool func(ctx context.Context, arguments []byte) ([]string, error)

// add adds a tool to the server.
func add(s *sdk.Server, name, title, description, schema string, answer tool) {
	no := false
	s.AddTool(&sdk.Tool{
		Name: name, Title: title, Description: description, InputSchema: rawSchema(schema),
		Annotations: &sdk.ToolAnnotations{
			Title: title, ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &no, OpenWorldHint: &no,
		},
	}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		texts, err := answer(ctx, r.Params.Arguments)
		if err != nil {
			return result(true, err.Error()), nil
		}
		return result(false, texts...), nil
	})
}

// result returns the result of a call: texts of a bounded length.
func result(failed bool, texts ...string) *sdk.CallToolResult {
	r := &sdk.CallToolResult{IsError: failed}
	for _, text := range texts {
		r.Content = append(r.Content, &sdk.TextContent{Text: text})
	}
	return r
}

// quoted returns the values in back quotes, as a list.
func quoted[T ~string](values []T) string {
	var list []string
	for _, v := range values {
		list = append(list, "`"+string(v)+"`")
	}
	return strings.Join(list, ", ")
}

// refusef returns an error for the assistant.
func refusef(format string, values ...any) error { return fmt.Errorf(format, values...) }

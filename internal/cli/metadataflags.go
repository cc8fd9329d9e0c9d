package cli

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// metadataFlags are the flags for the metadata of a key. Their values are strings; programs send
// other values through the API.
type metadataFlags struct{ set, remove []string }

func (f *metadataFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "metadata", nil,
		"a `NAME=VALUE` for your own programs, which verify returns; never a secret; repeat for more")
}

// addRemoval adds the flags that remove metadata.
func (f *metadataFlags) addRemoval(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.remove, "remove-metadata", nil, "remove the metadata `NAME`; repeat for more")
	clearFlags(cmd, "metadata")
	cmd.MarkFlagsMutuallyExclusive("clear-metadata", "remove-metadata")
}

// object returns the JSON object that the flags describe; nil if there are none. A name that is to
// be removed is null.
func (f *metadataFlags) object() (json.RawMessage, error) {
	members := map[string]*string{}
	for _, flag := range f.set {
		name, value, found := strings.Cut(flag, "=")
		if !found || name == "" {
			return nil, usage("--metadata: give NAME=VALUE, such as team=build")
		}
		if _, twice := members[name]; twice {
			return nil, usage("--metadata: give each name once")
		}
		members[name] = &value
	}
	for _, name := range f.remove {
		if _, twice := members[name]; twice {
			return nil, usage("--remove-metadata: give each name once, and none that --metadata sets")
		}
		members[name] = nil
	}
	if len(members) == 0 {
		return nil, nil
	}
	return json.Marshal(members)
}

// patch returns the change of metadata that the flags describe.
func (f *metadataFlags) patch(cmd *cobra.Command) (o api.Optional[json.RawMessage], err error) {
	if cmd.Flags().Changed("clear-metadata") {
		return api.Cleared[json.RawMessage](), nil
	}
	object, err := f.object()
	if err != nil || object == nil {
		return o, err
	}
	return api.To(object), nil
}

// metadataText returns metadata as one line of JSON; "" for an object without members.
func metadataText(object json.RawMessage) string {
	if string(object) == "{}" {
		return ""
	}
	return string(object)
}

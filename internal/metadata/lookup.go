package metadata

import "encoding/json"

// Lookup returns the text of the value to which the path leads: a string, or a number, true or
// false as JSON has it. It returns "" for every other value, and if there is none.
func (m Metadata) Lookup(path ...string) string {
	value := json.RawMessage(m.text)
	for _, name := range path {
		var members map[string]json.RawMessage
		if len(value) == 0 || json.Unmarshal(value, &members) != nil {
			return ""
		}
		value = members[name]
	}
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '"':
		var text string
		_ = json.Unmarshal(value, &text) // it is in canonical form
		return text
	case '{', '[', 'n':
		return ""
	}
	return string(value)
}

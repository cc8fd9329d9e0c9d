package identity

import (
	"slices"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/notice"
)

// preferenceFaults refuses to turn off the kinds of notices that everybody gets.
func preferenceFaults(wanted map[notice.Kind]bool) (faults []fault.Field) {
	for _, kind := range notice.Kinds() {
		if want, said := wanted[kind]; said && !want && kind.Fixed() {
			faults = append(faults, fault.Field{
				Name: "notices." + string(kind), Code: "always_on",
				Message: "Every owner of a key gets notices of this kind. They cannot be turned off: leave this out.",
			})
		}
	}
	return faults
}

// applyPreferences returns the kinds that are muted after the person's choices, sorted.
func applyPreferences(muted []notice.Kind, wanted map[notice.Kind]bool) []notice.Kind {
	after := slices.DeleteFunc(slices.Clone(muted), func(k notice.Kind) bool { return wanted[k] })
	for kind, want := range wanted {
		if !want && !slices.Contains(after, kind) {
			after = append(after, kind)
		}
	}
	slices.Sort(after)
	return after
}

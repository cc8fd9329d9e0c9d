package identity

import (
	"slices"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/notice"
)

// muteFaults refuses to turn off what everybody gets.
func muteFaults(wanted map[notice.Kind]bool) (faults []fault.Field) {
	for _, kind := range notice.Kinds() {
		if want, said := wanted[kind]; said && !want && kind.Fixed() {
			faults = append(faults, fault.Field{
				Name: "notices." + string(kind), Code: "always_on", Message: "Notices of this kind go to every owner of a key and cannot be turned off.",
			})
		}
	}
	return faults
}

// mutedAfter gives what is muted once the choices are made, sorted.
func mutedAfter(muted []notice.Kind, wanted map[notice.Kind]bool) []notice.Kind {
	after := slices.DeleteFunc(slices.Clone(muted), func(k notice.Kind) bool { return wanted[k] })
	for kind, want := range wanted {
		if !want && !slices.Contains(after, kind) {
			after = append(after, kind)
		}
	}
	slices.Sort(after)
	return after
}

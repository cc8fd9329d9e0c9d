package manageapi

import (
	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// patch collects what is wrong with the members of a PATCH.
type patch struct{ faults []fault.Field }

// text returns a member that can be replaced but not cleared; nil if it is absent.
func (p *patch) text(name string, o api.Optional[string]) *string { return word[string](p, name, o) }

// word is text for an enum of package api. It returns the value in the domain's type.
func word[To, From ~string](p *patch, name string, o api.Optional[From]) *To {
	if o.Null {
		p.notNullable(name)
	}
	if !o.Set || o.Null {
		return nil
	}
	value := To(o.Value)
	return &value
}

// notNullable records that a member cannot be null.
func (p *patch) notNullable(name string) {
	p.faults = append(p.faults,
		fault.Field{
			Name: name, Code: "required",
			Message: "This member cannot be null. Leave it out to keep its value.",
		})
}

// valueOrNil returns nil for an absent member. null is the zero value.
func valueOrNil[T any](o api.Optional[T]) *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

// disabled reports whether the status is "disabled"; nil if it is absent.
func (p *patch) disabled(o api.Optional[api.Status]) *bool {
	status := word[api.Status](p, "status", o)
	if status == nil {
		return nil
	}
	off, faults := web.ParseStatus(*status)
	p.faults = append(p.faults, faults...)
	return &off
}

// err returns an error if anything is wrong.
func (p *patch) err() error { return fault.Refuse(p.faults...) }

// typedList returns a list in the domain's type, and nil for nil.
func typedList[To, From ~string](list []From) []To {
	if list == nil {
		return nil
	}
	return web.TextsAs[To](list)
}

// stringList returns a list of the domain's type as strings. It is never nil, which would be null.
func stringList[T ~string](list []T) []string { return web.TextsAs[string](list) }

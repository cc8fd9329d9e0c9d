package manageapi

import (
	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// patch gathers what is wrong with the members of a PATCH.
type patch struct{ faults []fault.Field }

// text gives a member that can be replaced but not cleared; nil for absent.
func (p *patch) text(name string, o api.Optional[string]) *string {
	if o.Null {
		p.cannotClear(name)
	}
	if !o.Set || o.Null {
		return nil
	}
	return &o.Value
}

// cannotClear refuses null for a member.
func (p *patch) cannotClear(name string) {
	p.faults = append(p.faults, fault.Field{Name: name, Code: "required", Message: "Leave it out to keep it; it cannot be cleared."})
}

// given is nil for a member that is absent; null gives the zero value.
func given[T any](o api.Optional[T]) *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

// off gives a status as "is it disabled"; nil for absent.
func (p *patch) off(o api.Optional[string]) *bool {
	status := p.text("status", o)
	if status == nil {
		return nil
	}
	off, faults := web.Off(*status)
	p.faults = append(p.faults, faults...)
	return &off
}

func (p *patch) refuse() error { return fault.Refuse(p.faults...) }

// words gives the domain's type for a list of texts.
func words[T ~string](texts []string) []T {
	if texts == nil {
		return nil
	}
	list := make([]T, len(texts))
	for i, text := range texts {
		list[i] = T(text)
	}
	return list
}

// texts gives a list of words as texts, never null.
func texts[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = string(word)
	}
	return list
}

package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// position of an effect among all effects of a journal: a later one has the last word.
type position struct {
	run    int32 // counts the markers of a start or a restore, after each of which the numbers of changes begin anew
	line   int32
	change int64
}

func (p position) after(q position) bool {
	switch {
	case p.run != q.run:
		return p.run > q.run
	case p.change != q.change:
		return p.change > q.change
	}
	return p.line > q.line
}

// subject is what an effect has the last word on: one aspect of one thing. It is hashed, so that millions take little memory.
type subject [16]byte

func subjectOf(aspect string, f audit.Effect) (s subject) {
	sum := sha256.Sum256([]byte(strings.Join([]string{aspect, string(f.Account), string(f.Tenant), string(f.User), string(f.Key)}, "\x00")))
	copy(s[:], sum[:])
	return s
}

// An aspect says what an effect has the last word on, and what makes it say nothing.
type aspect struct {
	name string
	// until is an aspect whose later effect overrides this one, and forever one that overrides it at any time.
	until, forever string
}

// aspectOf has every kind that is written. It says the same as [State.takeEffect]; a test compares them.
func aspectOf(f audit.Effect) aspect {
	switch f.Kind {
	case audit.EffectKeyRevoked:
		return aspect{name: "key revoked"}
	case audit.EffectKeyDisabled, audit.EffectKeyEnabled:
		return aspect{name: "key disabled", forever: "key revoked"}
	case audit.EffectKeyRefreshed:
		return aspect{name: "key secret", forever: "key revoked"}
	case audit.EffectKeyPreviousEnded:
		return aspect{name: "key previous", forever: "key revoked"}
	case audit.EffectKeyExpirySet:
		return aspect{name: "key expiry", until: "key secret", forever: "key revoked"}
	case audit.EffectMemberDisabled, audit.EffectMemberEnabled:
		return aspect{name: "member disabled", until: "member removed"}
	case audit.EffectMemberRemoved:
		return aspect{name: "member removed"}
	case audit.EffectUserDisabled, audit.EffectUserEnabled:
		return aspect{name: "user disabled", forever: "user deleted"}
	case audit.EffectUserDeleted:
		return aspect{name: "user deleted"}
	case audit.EffectLifetimeSet:
		return aspect{name: "lifetime " + string(f.Reason)}
	case audit.EffectTenantDisabled, audit.EffectTenantEnabled:
		return aspect{name: "tenant disabled"}
	case audit.EffectAccountDisabled, audit.EffectAccountEnabled:
		return aspect{name: "account disabled"}
	case audit.EffectAccountRoleRemoved:
		return aspect{name: "account role"}
	}
	return aspect{name: "other " + string(f.Kind)}
}

// progress is how far a journal has come, as its markers say.
type progress struct {
	upto int64
	id   ident.EventID
	// latest time of all lines.
	latest time.Time
	run    int32
	// begun is set after a start, when the next checkpoint counts whatever its number is.
	begun bool
}

func (p *progress) take(l Line) {
	if l.At.After(p.latest) {
		p.latest = l.At
	}
	switch l.Marker {
	case start:
		p.run++
		p.begun = true
	case restore:
		p.run++
		p.upto, p.id, p.begun = l.Change, "", false
	case checkpoint:
		if p.begun || l.Change >= p.upto {
			p.upto, p.id, p.begun = l.Change, l.ID, false
		}
	}
}

// markerPrefix is how the lines of markers begin, and of earlier versions all lines do: with the first member of [Line].
var markerPrefix = []byte(`{"action":"`)

// takeMarker takes the text of a line. It parses markers alone, of which there are few: the effects are read where they are needed.
func (p *progress) takeMarker(text []byte) error {
	switch {
	case bytes.HasPrefix(text, markerPrefix):
		l, err := parse(text)
		if err != nil {
			return fmt.Errorf("is none of a journal: %w", err)
		}
		p.take(l)
	case !bytes.HasPrefix(text, []byte(`{"`)):
		return errors.New("is none of a journal")
	}
	return nil
}

func (p progress) checkpoint() Line {
	return Line{Marker: checkpoint, Change: p.upto, ID: p.id, At: p.latest}
}

// lastWords has where each subject's last word stands.
type lastWords map[subject]position

// find reads a journal and returns its last words, and how far it has come.
func find(ctx context.Context, from io.Reader) (last lastWords, p progress, err error) {
	last = lastWords{}
	err = numbered(ctx, from, func(n int32, l Line) error {
		p.take(l)
		for _, f := range l.Effects {
			s, at := subjectOf(aspectOf(f).name, f), position{p.run, n, l.Change}
			if before, ok := last[s]; !ok || at.after(before) {
				last[s] = at
			}
		}
		return nil
	})
	return last, p, err
}

// counts reports whether the effect at a position is a last word that still says something.
func (last lastWords) counts(f audit.Effect, at position) bool {
	a := aspectOf(f)
	if last[subjectOf(a.name, f)] != at {
		return false
	}
	if a.forever != "" {
		if _, ok := last[subjectOf(a.forever, f)]; ok {
			return false
		}
	}
	if a.until != "" {
		if over, ok := last[subjectOf(a.until, f)]; ok && over.after(at) {
			return false
		}
	}
	return true
}

// numbered calls take for each line with its number, until the context ends.
func numbered(ctx context.Context, from io.Reader, take func(n int32, l Line) error) error {
	n := int32(0)
	return eachLine(from, func(l Line) error {
		if n++; n%100 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return take(n, l)
	})
}

// compact writes a journal anew with the last word on each subject alone. What it says stays the same, also together with any lines that come after it. It reads
// it twice, from the beginning.
func compact(ctx context.Context, from io.ReadSeeker, to io.Writer) error {
	last, end, err := find(ctx, from)
	if err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out, run := bufio.NewWriter(to), progress{}
	write := func(l Line) error {
		_, err := out.Write(l.Encode())
		return err
	}
	err = numbered(ctx, from, func(n int32, l Line) error {
		run.take(l)
		if l.Marker == start && end.begun && run.run == end.run { // with no checkpoint of its own yet: the one of before stays before it
			if err := write(end.checkpoint()); err != nil {
				return err
			}
		}
		l.Effects = slices.DeleteFunc(l.Effects, func(f audit.Effect) bool { return !last.counts(f, position{run.run, n, l.Change}) })
		if len(l.Effects) == 0 && l.Marker != start && l.Marker != restore {
			return nil
		}
		return write(l)
	})
	if err == nil && !end.begun {
		err = write(end.checkpoint())
	}
	return errors.Join(err, out.Flush())
}

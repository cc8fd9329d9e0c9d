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

// rank orders all effects of a journal. Of two effects the one with the higher rank is the later
// one.
type rank struct {
	sequence int32 // number of the sequence: start and restore markers begin one, with new numbers of changes
	line     int32
	change   int64
}

func (p rank) after(q rank) bool {
	switch {
	case p.sequence != q.sequence:
		return p.sequence > q.sequence
	case p.change != q.change:
		return p.change > q.change
	}
	return p.line > q.line
}

// subject is one aspect of one object, for which the latest effect is valid. It is a hash, so that
// millions of subjects need little memory.
type subject [16]byte

func subjectOf(aspect string, f audit.Effect) (s subject) {
	parts := []string{
		aspect, string(f.Account), string(f.Tenant), string(f.User), string(f.Key), string(f.Application),
		string(f.Owner), string(f.ManagementKey), f.Entry, "",
	}
	if f.Kind == audit.EffectPlanSet || f.Kind == audit.EffectPlanDeleted { // the plan of a subject is its state
		parts[len(parts)-1] = f.Plan
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	copy(s[:], sum[:])
	return s
}

// An aspect says what an effect is the latest state of, and which effects make it meaningless.
type aspect struct {
	name string
	// overriddenBy is an aspect whose later effect overrides this one. endedBy is an aspect whose
	// effect overrides this one at any time.
	overriddenBy, endedBy string
}

// aspectOf handles every kind that is written. It agrees with [State.applyEffect]; a test compares
// the two.
func aspectOf(f audit.Effect) aspect {
	switch f.Kind {
	case audit.EffectKeyRevoked:
		return aspect{name: "key revoked"}
	case audit.EffectKeyDisabled, audit.EffectKeyEnabled:
		return aspect{name: "key disabled", endedBy: "key revoked"}
	case audit.EffectKeyRefreshed:
		return aspect{name: "key secret", endedBy: "key revoked"}
	case audit.EffectKeyPreviousEnded:
		return aspect{name: "key previous", endedBy: "key revoked"}
	case audit.EffectKeyExpirySet:
		return aspect{name: "key expiry", overriddenBy: "key secret", endedBy: "key revoked"}
	case audit.EffectKeyScopesSet:
		return aspect{name: "key scopes", endedBy: "key revoked"}
	case audit.EffectKeyApplicationsSet:
		return aspect{name: "key applications", endedBy: "key revoked"}
	case audit.EffectKeyAddressesSet:
		return aspect{name: "key addresses", endedBy: "key revoked"}
	case audit.EffectManagementKeyRevoked:
		return aspect{name: "management key revoked"}
	case audit.EffectManagementKeyRefreshed:
		return aspect{name: "management key secret", endedBy: "management key revoked"}
	case audit.EffectManagementKeyPreviousEnded:
		return aspect{name: "management key previous", endedBy: "management key revoked"}
	case audit.EffectManagementKeyNarrowed:
		return aspect{name: "management key rights", endedBy: "management key revoked"}
	case audit.EffectMemberDisabled, audit.EffectMemberEnabled:
		return aspect{name: "member disabled", overriddenBy: "member removed"}
	case audit.EffectMemberRemoved:
		return aspect{name: "member removed"}
	case audit.EffectMemberRoleSet:
		return aspect{name: "member role", overriddenBy: "member removed"}
	case audit.EffectUserDisabled, audit.EffectUserEnabled:
		return aspect{name: "user disabled", endedBy: "user deleted"}
	case audit.EffectUserDeleted:
		return aspect{name: "user deleted"}
	case audit.EffectPasswordSet:
		return aspect{name: "user password", endedBy: "user deleted"}
	case audit.EffectEmailSet:
		return aspect{name: "user email", endedBy: "user deleted"}
	case audit.EffectSecondFactorSet, audit.EffectSecondFactorRemoved:
		return aspect{name: "user second factor", endedBy: "user deleted"}
	case audit.EffectRecoveryCodesEnded:
		return aspect{name: "user recovery codes", endedBy: "user deleted"}
	case audit.EffectSecondFactorRequired:
		return aspect{name: "account second factor"}
	case audit.EffectLifetimeSet:
		return aspect{name: "lifetime " + string(f.Reason)}
	case audit.EffectTenantDisabled, audit.EffectTenantEnabled:
		return aspect{name: "tenant disabled"}
	case audit.EffectSettingsSet:
		return aspect{name: "tenant settings"}
	case audit.EffectCopiesForgotten:
		return aspect{name: "tenant copies"}
	case audit.EffectCatalogueSet:
		return aspect{name: "tenant catalogue"}
	case audit.EffectApplicationDisabled, audit.EffectApplicationEnabled:
		return aspect{name: "application disabled", endedBy: "application deleted"}
	case audit.EffectApplicationDeleted:
		return aspect{name: "application deleted"}
	case audit.EffectRoutesSet:
		return aspect{name: "application routes", endedBy: "application deleted"}
	case audit.EffectEntryOtherwiseSet:
		return aspect{name: "entry otherwise", overriddenBy: "entry deleted"}
	case audit.EffectEntryDeleted:
		return aspect{name: "entry deleted"}
	case audit.EffectSubjectDisabled, audit.EffectSubjectEnabled:
		return aspect{name: "subject disabled", endedBy: "subject deleted"}
	case audit.EffectSubjectPlanSet:
		return aspect{name: "subject plan", endedBy: "subject deleted"}
	case audit.EffectSubjectDeleted:
		return aspect{name: "subject deleted"}
	case audit.EffectPlanSet:
		return aspect{name: "plan set", overriddenBy: "plan deleted"}
	case audit.EffectPlanDeleted:
		return aspect{name: "plan deleted"}
	case audit.EffectServiceAccountDisabled, audit.EffectServiceAccountEnabled:
		return aspect{name: "service account disabled", endedBy: "service account deleted"}
	case audit.EffectServiceAccountRoleSet:
		return aspect{name: "service account role", endedBy: "service account deleted"}
	case audit.EffectServiceAccountDeleted:
		return aspect{name: "service account deleted"}
	case audit.EffectAccountDisabled, audit.EffectAccountEnabled:
		return aspect{name: "account disabled"}
	case audit.EffectAccountRoleRemoved:
		return aspect{name: "account role"}
	case audit.EffectAccountRoleSet:
		return aspect{name: "account role set", overriddenBy: "account role"}
	case audit.EffectSessionBoundsSet:
		return aspect{name: "account sessions"}
	}
	return aspect{name: "other " + string(f.Kind)}
}

// progress is how far a journal has come, according to its markers.
type progress struct {
	checkpointAt int64
	id           ident.EventID
	// latest is the latest time of all lines, except those that a repair of the clock replaced.
	latest time.Time
	// repaired is the change of the last repair in this sequence; repairedAt is its time.
	repaired   int64
	repairedAt time.Time
	sequence   int32
	// own is the node of the journal. alive are the live nodes.
	own, alive []Node
	// started is set after a start marker. The next checkpoint then counts whatever its number is.
	started bool
}

func (p *progress) apply(l Line) {
	p.applyTime(l)
	switch l.Marker {
	case startMarker:
		p.startSequence()
		p.started = true
	case restoreMarker:
		p.startSequence()
		p.checkpointAt = l.Change
		p.id = ""
		p.started = false
		p.own, p.alive = nil, nil // the copy that a restore leaves belongs to another node
	case nodeMarker:
		p.own = l.Nodes
	case nodesMarker:
		p.alive = l.Nodes
	case checkpointMarker:
		if p.started || l.Change >= p.checkpointAt {
			p.checkpointAt = l.Change
			p.id = l.ID
			p.started = false
		}
	}
}

func (p *progress) startSequence() {
	p.sequence++
	p.repaired, p.repairedAt = 0, time.Time{}
}

// applyTime applies the time of a line. Changes from before a repair may be written after it;
// markers never are.
func (p *progress) applyTime(l Line) {
	at := l.At
	if l.Marker == "" && l.Change < p.repaired {
		at = earlierTime(at, p.repairedAt)
	}
	if at.After(p.latest) {
		p.latest = at
	}
	if l.Change >= p.repaired && slices.ContainsFunc(l.Effects, repairsTime) {
		p.repaired, p.repairedAt = l.Change, l.At
		p.latest = earlierTime(p.latest, l.At)
	}
}

func repairsTime(f audit.Effect) bool { return f.Kind == audit.EffectTimeRepaired }

// markerPrefix is how lines of markers begin: with the first member of [Line]. All lines of earlier
// versions begin so.
var markerPrefix = []byte(`{"action":"`)

// applyMarker applies the text of a line. It parses only markers, which are few; effects are parsed
// where they are needed.
func (p *progress) applyMarker(text []byte) error {
	switch {
	case bytes.HasPrefix(text, markerPrefix):
		l, err := parse(text)
		if err != nil {
			return fmt.Errorf("is not a line of a journal: %w", err)
		}
		p.apply(l)
	case !bytes.HasPrefix(text, []byte(`{"`)):
		return errors.New("is not a line of a journal")
	}
	return nil
}

func (p progress) checkpoint() Line {
	return Line{Marker: checkpointMarker, Change: p.checkpointAt, ID: p.id, At: p.latest}
}

// nodes returns the latest markers about nodes.
func (p progress) nodes() (lines []Line) {
	if len(p.own) > 0 {
		lines = append(lines, Line{Marker: nodeMarker, Nodes: p.own})
	}
	if len(p.alive) > 0 {
		lines = append(lines, Line{Marker: nodesMarker, Nodes: p.alive})
	}
	return lines
}

// lastRanks holds the rank of each subject's latest effect.
type lastRanks map[subject]rank

// findLast reads a journal and returns the ranks of its latest effects, and its progress.
func findLast(ctx context.Context, from io.Reader) (last lastRanks, p progress, err error) {
	last = lastRanks{}
	err = eachNumbered(ctx, from, func(n int32, l Line) error {
		p.apply(l)
		for _, f := range l.Effects {
			s, at := subjectOf(aspectOf(f).name, f), rank{p.sequence, n, l.Change}
			if before, ok := last[s]; !ok || at.after(before) {
				last[s] = at
			}
		}
		return nil
	})
	return last, p, err
}

// isLast reports whether the effect at a rank is the latest one of its subject and still has a
// meaning.
func (last lastRanks) isLast(f audit.Effect, at rank) bool {
	if repairsTime(f) { // each repair changes the times before it
		return true
	}
	a := aspectOf(f)
	if last[subjectOf(a.name, f)] != at {
		return false
	}
	if a.endedBy != "" {
		if _, ok := last[subjectOf(a.endedBy, f)]; ok {
			return false
		}
	}
	if a.overriddenBy != "" {
		if over, ok := last[subjectOf(a.overriddenBy, f)]; ok && over.after(at) {
			return false
		}
	}
	return true
}

// eachNumbered calls do for each line with its number, until the context ends.
func eachNumbered(ctx context.Context, from io.Reader, do func(n int32, l Line) error) error {
	n := int32(0)
	return eachLine(from, func(l Line) error {
		n++
		if n%100 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return do(n, l)
	})
}

// compact writes a copy of a journal with only the latest effect on each subject, and the first
// checkpoint of each sequence. The copy has the same meaning, also with any lines that follow. It
// reads the journal twice, from the beginning.
func compact(ctx context.Context, from io.ReadSeeker, to io.Writer) error {
	last, end, err := findLast(ctx, from)
	if err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out, run := bufio.NewWriter(to), progress{}
	identified := int32(-1)
	write := func(l Line) error {
		_, err := out.Write(l.Encode())
		return err
	}
	err = eachNumbered(ctx, from, func(n int32, l Line) error {
		run.apply(l)
		// this start has no checkpoint yet, so the earlier checkpoint stays before it
		if l.Marker == startMarker && end.started && run.sequence == end.sequence {
			if err := write(end.checkpoint()); err != nil {
				return err
			}
		}
		l.Effects = slices.DeleteFunc(l.Effects,
			func(f audit.Effect) bool { return !last.isLast(f, rank{run.sequence, n, l.Change}) })
		// The first checkpoint of a sequence identifies the database to a restore ([Traces]).
		identifies := l.Marker == checkpointMarker && l.ID != "" && run.sequence != identified
		if identifies {
			identified = run.sequence
		}
		if len(l.Effects) == 0 && l.Marker != startMarker && l.Marker != restoreMarker && !identifies {
			return nil
		}
		return write(l)
	})
	if err == nil && !end.started {
		err = write(end.checkpoint())
	}
	for _, l := range end.nodes() {
		if err == nil {
			err = write(l)
		}
	}
	return errors.Join(err, out.Flush())
}

package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/store"
)

// maxCommitDelay is how long after its time a change may be committed. A backup that is made
// meanwhile does not hold it.
const maxCommitDelay = 15 * time.Second

// revocations are what the journals of a restore say together.
type revocations struct {
	*journal.State
	// text is that of one journal that says the same; empty where there is no journal.
	text []byte
	// covered is set if the journals, as far as they belong to the database of the backup, hold
	// everything since the backup.
	covered bool
	missing []journal.Node
	// all are the journals, and first is the index of the one that says how far they reach.
	all   []journalCopy
	first int
	// withoutJournal accepts journals that do not cover the backup.
	withoutJournal bool
}

// journalCopy is the journal of one node.
type journalCopy struct {
	*journal.State
	text []byte
}

// reachesBack reports whether the journal reaches back to the backup.
func (j journalCopy) reachesBack(h backup.Header) bool {
	return j.Begin.IsZero() || j.Begin.Before(h.CreatedAt.Add(-maxCommitDelay)) && j.After <= h.Change
}

// covers reports whether the journal holds everything from the backup to its own end.
func (j journalCopy) covers(h backup.Header) bool {
	return j.reachesBack(h) && j.Checkpoint >= h.Change
}

// readRevocations reads the journals. It refuses those that do not reach back to the backup, that
// end before it, or of which one is missing, unless how accepts that.
func readRevocations(d dataDir, h backup.Header, how Restoring) (r revocations, err error) {
	all, err := readJournals(d, how.Journals)
	if err != nil {
		return r, err
	}
	if len(all) == 0 {
		r.State, err = journal.Read(strings.NewReader(""))
		if err == nil && !how.WithoutJournal {
			err = fmt.Errorf("%w since %s, when the backup was made", ErrUncovered, h.CreatedAt.Format(time.RFC3339))
		}
		return r, err
	}
	first := furthest(all, h)
	var others [][]byte
	for i, j := range all {
		if i != first {
			others = append(others, j.text)
		}
	}
	r.text, err = journal.Merge(all[first].text, others...)
	if err != nil {
		return r, fmt.Errorf("journals of revocations: %w", err)
	}
	r.State, err = journal.Read(bytes.NewReader(r.text))
	if err != nil {
		return r, fmt.Errorf("journals of revocations: %w", err)
	}
	r.all, r.first = all, first
	r.withoutJournal = how.WithoutJournal
	r.missing = missing(all)
	why := findGap(all, first, h)
	if why == nil && len(r.missing) > 0 {
		why = fmt.Errorf("%w in the last seconds by %s, which ran beside: give the journal of that, too",
			ErrUncovered, nodeNames(r.missing))
	}
	r.covered = why == nil
	if how.WithoutJournal {
		return r, nil
	}
	return r, why
}

// checkDatabase compares each journal with the database that was just filled, and reports whether
// the journals cover the backup. It returns [journal.ErrOtherBackup] if one of them is of another
// database. If it is not known whether the journal that covers the backup is of this database, it
// returns ErrUncovered, unless the restore accepts that.
func (r revocations) checkDatabase(ctx context.Context, tx *store.Tx, h backup.Header) (covered bool, err error) {
	covered = r.covered
	if h.Change == 0 { // there is nothing to compare, and nothing to revoke
		return covered, nil
	}
	for i, j := range r.all {
		same, known, err := j.compare(ctx, tx, h.Change)
		if err != nil {
			return false, err
		}
		if known && !same {
			return false, journal.ErrOtherBackup
		}
		if i == r.first {
			covered = covered && same
		}
	}
	if r.covered && !covered && !r.withoutJournal {
		err = fmt.Errorf("%w in this database: the journal has no change in common with the backup, "+
			"and may be of another server", ErrUncovered)
	}
	return covered, err
}

// compare reports whether the journal is of the database: one of its traces up to the change is in
// the database. One is enough, because a backup may be older than an earlier restore, which started
// another sequence of changes. known is false if none matches and some could not be compared, for
// example in a journal whose changes are all later.
func (j journalCopy) compare(ctx context.Context, tx *store.Tx, upto int64) (same, known bool, err error) {
	traces, err := journal.Traces(j.text, upto)
	if err != nil {
		return false, false, err
	}
	known = len(traces) > 0
	for _, t := range traces {
		if t == (journal.Trace{}) {
			known = false
			continue
		}
		id, at, err := tx.EventOf(ctx, t.Change)
		switch {
		case errors.Is(err, fault.NotFound):
			known = false
		case err != nil:
			return false, false, err
		case t.Of(id, at):
			return true, true, nil
		}
	}
	return false, known, nil
}

// readJournals reads the journals that are named, or else the one in the data directory if there is
// one.
func readJournals(d dataDir, named []string) (all []journalCopy, err error) {
	paths, err := journalPaths(named)
	if err == nil && len(named) == 0 {
		paths = []string{d.file(JournalFile)}
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && len(named) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("journal of revocations: %w", err)
		}
		j := journalCopy{text: text}
		j.State, err = journal.Read(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("journal of revocations: %s: %w", path, err)
		}
		all = append(all, j)
	}
	return all, err
}

// journalPaths replaces each directory by the journals in it.
func journalPaths(named []string) (paths []string, err error) {
	for _, path := range named {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("journal of revocations: %w", err)
		case !info.IsDir():
			paths = append(paths, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(escapeGlob(path), "*.journal"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("journal of revocations: no file in %s has a name that ends in .journal", path)
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// escapeGlob returns the pattern that matches the path itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// furthest returns the index of the journal with the latest checkpoint, among those that cover the
// backup if any does.
func furthest(all []journalCopy, h backup.Header) (first int) {
	for i, j := range all {
		better := j.Checkpoint > all[first].Checkpoint
		if j.covers(h) != all[first].covers(h) {
			better = j.covers(h)
		}
		if better {
			first = i
		}
	}
	return first
}

// findGap returns an error where the journals do not hold everything since the backup.
func findGap(all []journalCopy, first int, h backup.Header) error {
	j := all[first]
	switch {
	case j.covers(h):
	case j.reachesBack(h):
		return fmt.Errorf("%w since %s, when the journal ends, before the backup was made: "+
			"take that of the node that ran last",
			ErrUncovered, j.Latest.Format(time.RFC3339))
	default:
		return fmt.Errorf("%w from %s, when the backup was made, to %s, when the journal begins",
			ErrUncovered, h.CreatedAt.Format(time.RFC3339), j.Begin.Format(time.RFC3339))
	}
	for _, other := range all {
		if other.Checkpoint > j.Checkpoint && !other.Begin.IsZero() && other.After > j.Checkpoint {
			return fmt.Errorf("%w from %s, when one journal ends, to %s, when the other begins",
				ErrUncovered, j.Latest.Format(time.RFC3339), other.Begin.Format(time.RFC3339))
		}
	}
	return nil
}

// missing returns the nodes that were alive by the journals with the latest checkpoint, and of
// which there is no journal. Where several have that checkpoint, any of them may have looked last.
func missing(all []journalCopy) (nodes []journal.Node) {
	last := slices.MaxFunc(all, func(a, b journalCopy) int { return cmp.Compare(a.Checkpoint, b.Checkpoint) })
	for _, j := range all {
		if j.Checkpoint < last.Checkpoint {
			continue
		}
		for _, n := range j.Alive {
			given := slices.ContainsFunc(all, func(j journalCopy) bool { return j.Node.ID == n.ID })
			if !given && !slices.Contains(nodes, n) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// nodeNames returns ids and machines of the nodes.
func nodeNames(nodes []journal.Node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = fmt.Sprintf("node %s on %s", n.ID, n.Name)
	}
	return strings.Join(names, " and ")
}

// writeAfter writes the journal of the restored database: what was known, the restore, and a new
// start where something is missing before it.
func (r revocations) writeAfter(done Restored, path string) error {
	if len(r.text) == 0 {
		return nil
	}
	marker := journal.RestoreMarker(done.change)
	marker.ID = done.event
	text := append(slices.Clone(r.text), marker.Encode()...)
	if !done.Covered {
		start := journal.StartMarker(done.At, done.change)
		start.ID = done.event
		text = append(text, start.Encode()...)
	}
	return WriteFile(path, text)
}

package app

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/journal"
)

// JournalFile remembers in the data directory what was revoked, for the restore of a backup that is older.
const JournalFile = "revocations.journal"

// note keeps what a change took away from authority in the journal, before the change is answered.
func (a *App) note(change int64, e audit.Event) error {
	return a.journal.Note(journal.Change{Number: change, ID: e.ID, At: e.At, Effects: e.Effects})
}

// catchUp reads into the journal what other nodes took away, and what this one could not note.
func (a *App) catchUp(ctx context.Context) error { return a.journal.CatchUp(ctx, a.Store) }

package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// ErrCompactsItself says that the database is not one that Claviger compacts.
var ErrCompactsItself = errors.New("PostgreSQL compacts itself")

// ErrNoRoom says that the disk has no room for a second copy of the database.
var ErrNoRoom = errors.New("too little room to compact the database")

// Compacted is the result of a compaction.
type Compacted struct {
	// Before and After are the sizes of the database in bytes.
	Before, After int64
}

// Compact rewrites the SQLite database of a data directory without what is left of deleted rows. No
// server may use the directory.
func Compact(ctx context.Context, c config.Config, o Options) (done Compacted, err error) {
	if !c.Database.URL.IsZero() {
		return done, ErrCompactsItself
	}
	if err := CheckData(c.Data); err != nil {
		return done, err
	}
	file := filepath.Join(c.Data, databaseFile)
	done.Before, err = sqlite.Size(file)
	if err != nil {
		return done, fmt.Errorf("no database to compact: %w", err)
	}
	data, err := openData(c.Data)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	// The new file is not larger than the old one with its WAL. Both exist for a moment.
	s, err := spaceFunc(o.Space)(c.Data)
	if err != nil {
		return done, err
	}
	if needed := done.Before + s.low(); s.free < needed {
		return done,
			fmt.Errorf("%w: %d bytes are free on the disk of %s, and %d may be needed for a moment. Make room first",
				ErrNoRoom, s.free, c.Data, needed)
	}
	if err := sqlite.Compact(ctx, file); err != nil {
		return done, err
	}
	done.After, err = sqlite.Size(file)
	return done, err
}

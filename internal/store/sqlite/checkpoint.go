package sqlite

import (
	"context"
	"database/sql"
	"os"
)

// checkpointTimeout is how long a checkpoint waits for readers, and blocks writers, in
// milliseconds.
const checkpointTimeout = "100"

// openCheckpoints opens the pool of one connection that moves the WAL into the file.
func (p *pools) openCheckpoints() {
	if p.err != nil {
		return
	}
	p.checkpointDB, p.err = sql.Open("sqlite", fileURL(p.file, "_pragma=busy_timeout("+checkpointTimeout+")"))
	if p.err == nil {
		p.checkpointDB.SetMaxOpenConns(1)
	}
}

// checkpoint moves the contents of the WAL into the file and truncates the WAL. Before
// that, the WAL may hold pages with rows that were deleted later. While a transaction is open, such
// as a backup, it leaves the rest to the next call.
func (p *pools) checkpoint(ctx context.Context) error {
	if info, err := os.Stat(p.file + "-wal"); err != nil || info.Size() == 0 {
		return nil
	}
	var busy, frames, moved int
	return p.checkpointDB.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
}

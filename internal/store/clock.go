package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/clock"
)

const (
	upsertWatermark query = `INSERT INTO server_settings (name, value) VALUES ('watermark', $1) ON CONFLICT (name)
		DO UPDATE SET value = excluded.value
		WHERE CAST(server_settings.value AS BIGINT) < CAST(excluded.value AS BIGINT)`
	// A time earlier than the stored one is not written. The machine's clock is text and is always
	// replaced.
	upsertMark query = `INSERT INTO server_settings (name, value)
		VALUES ('watermark', $1), ('horizon', $2), ('machine_clock', $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value
		WHERE CASE server_settings.name WHEN 'machine_clock' THEN TRUE
			ELSE CAST(server_settings.value AS BIGINT) < CAST(excluded.value AS BIGINT) END`
	selectLatestEvent query = `SELECT at FROM audit_events ORDER BY change_number DESC LIMIT 1`
	selectLatestUse   query = `SELECT MAX(last_used_at) FROM key_uses`
	selectWatermark   query = `SELECT CAST(value AS BIGINT) FROM server_settings WHERE name = 'watermark'`
	selectHorizon     query = `SELECT CAST(value AS BIGINT) FROM server_settings WHERE name = 'horizon'`
)

// machineClock is the name of the setting that holds the clock readings of the machine that wrote
// last.
const machineClock = "machine_clock"

type storedClock struct {
	Boot    string `json:"boot"`
	Elapsed int64  `json:"elapsed_us"`
	Offset  int64  `json:"offset_us"`
}

// SetMark records the present time, so that no later start and no other node trusts an earlier one.
// Watermark and horizon never go back. Like a last use, the mark is not audited. It is written even
// while the clock is in doubt, because it holds only times that were trusted.
func (s *Store) SetMark(ctx context.Context, m clock.Mark) error {
	if err := s.writesRefused(); err != nil {
		return err
	}
	machine, err := json.Marshal(storedClock{m.Boot, m.Elapsed.Microseconds(), m.Offset.Microseconds()})
	if err != nil {
		return err
	}
	_, err = s.execThrough(ctx, s.gates.own, "", upsertMark, decimal(m.Time), decimal(m.Horizon), string(machine))
	return err
}

// Mark returns what SetMark recorded last. Its Time is the watermark.
func (s *Store) Mark(ctx context.Context) (m clock.Mark, err error) {
	var machine storedClock
	var text []byte
	err = s.control.row(ctx, selectSetting, machineClock).Scan(&text)
	if err == nil {
		err = json.Unmarshal(text, &machine)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return m, s.fault(err)
	}
	m.Boot = machine.Boot
	m.Elapsed, m.Offset = time.Duration(machine.Elapsed)*time.Microsecond,
		time.Duration(machine.Offset)*time.Microsecond
	m.Time, err = s.latestOf(ctx, selectWatermark)
	if err == nil {
		m.Horizon, err = s.latestOf(ctx, selectHorizon)
	}
	return m, err
}

// Latest returns the latest recorded time: of an event, of a last use, or the watermark. It returns
// the zero time if there is none. Time in this database is never before it.
func (s *Store) Latest(ctx context.Context) (time.Time, error) {
	return s.latestOf(ctx, selectLatestEvent, selectWatermark, selectLatestUse)
}

// LatestChange is Latest without last uses. Its cost does not grow with the number of keys.
func (s *Store) LatestChange(ctx context.Context) (time.Time, error) {
	return s.latestOf(ctx, selectLatestEvent, selectWatermark)
}

func (s *Store) latestOf(ctx context.Context, queries ...query) (latest time.Time, err error) {
	for _, q := range queries {
		var at time.Time
		err := s.control.row(ctx, q).Scan(nullTime{&at})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return time.Time{}, s.fault(err)
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest, nil
}

// DatabaseTime returns the time of the database server's clock. It returns the zero time for an
// engine that uses this machine's clock.
func (s *Store) DatabaseTime(ctx context.Context) (time.Time, error) {
	if s.backend.Clock == nil {
		return time.Time{}, nil
	}
	at, err := s.backend.Clock(ctx)
	return at, s.fault(err)
}

func decimal(at time.Time) string { return strconv.FormatInt(at.UnixMicro(), 10) }

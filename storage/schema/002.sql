-- Version 2: what the clock's sources said, beside what came of it; rows in the order in which they were seen.

-- What is made anew with the views, and in the way here.
DROP VIEW IF EXISTS meter_trouble;
DROP VIEW IF EXISTS clock_events;

-- What the clock of the host that wrote the archive said of itself: when it changed, and each minute.
CREATE TABLE clock_2 (
	clock_id INTEGER PRIMARY KEY AUTOINCREMENT, -- ascending as it was seen; times are not, if the clock was set back
	time_ns INTEGER NOT NULL,
	program TEXT NOT NULL,
	source TEXT NOT NULL,     -- what the bound comes from: ptp, gps-pps, chrony, kernel, ...; none
	synchronized INTEGER NOT NULL CHECK (synchronized IN (0, 1)), -- the S bit
	bound_ns INTEGER NOT NULL,
	step_ns INTEGER NOT NULL, -- by which the clock was set since the row before; 0: it was not
	drift_ppb INTEGER,        -- by which the bound grew with age; NULL in rows of version 1
	steered_by TEXT,          -- who set or slewed the clock, as far as could be told; NULL: not asked
	alarm TEXT,               -- who contradicted whom; NULL: nobody
	leap INTEGER,             -- announced for the end of the day: 1 inserted, -1 deleted, 0 none
	tai_utc INTEGER           -- s; NULL: not known
) STRICT;
INSERT INTO clock_2 (time_ns, program, source, synchronized, bound_ns, step_ns)
	SELECT time_ns, program, source, synchronized, bound_ns, step_ns FROM clock ORDER BY time_ns, program;
DROP TABLE clock;
ALTER TABLE clock_2 RENAME TO clock;
CREATE INDEX clock_by_time ON clock (time_ns);
CREATE INDEX clock_by_program ON clock (program, clock_id);
CREATE INDEX clock_steps ON clock (time_ns) WHERE step_ns <> 0;
CREATE INDEX clock_alarms ON clock (time_ns) WHERE alarm IS NOT NULL;

-- What this host's clock did during the session; NULL: not known, or not this host's part.
ALTER TABLE health ADD COLUMN clock_steps INTEGER;         -- times it was set
ALTER TABLE health ADD COLUMN clock_step_ns INTEGER;       -- by how much, in sum
ALTER TABLE health ADD COLUMN clock_bound_max_ns INTEGER;  -- the largest bound of a packet's stamp
ALTER TABLE health ADD COLUMN clock_source TEXT;           -- what the bound came from at the end
ALTER TABLE health ADD COLUMN clock_contradiction INTEGER; -- 1: its sources contradicted each other for a while

-- A source at the time of a row of clock: when its state or use changed, and every ten minutes.
CREATE TABLE clock_sources (
	clock_id INTEGER NOT NULL REFERENCES clock ON DELETE CASCADE,
	program TEXT NOT NULL, -- as there
	name TEXT NOT NULL,    -- as configured
	source TEXT NOT NULL,  -- what it measured with: ptp, gps-pps, chrony, ...
	state TEXT NOT NULL CHECK (state IN ('absent', 'doubtful', 'valid', 'holdover')),
	used INTEGER NOT NULL CHECK (used IN (0, 1)),                 -- the clock's bound was this one's
	contradicted INTEGER NOT NULL CHECK (contradicted IN (0, 1)), -- by another valid source
	steers INTEGER NOT NULL CHECK (steers IN (0, 1)),             -- it set the clock, by its own account
	offset_ns INTEGER,    -- system clock less UTC, as it measured; NULL: it did not
	bound_ns INTEGER,     -- of the system clock, by this source
	age_ns INTEGER,       -- of the measurement
	reason TEXT NOT NULL, -- why it was used, or was not
	PRIMARY KEY (clock_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX clock_sources_by_name ON clock_sources (program, name, clock_id);

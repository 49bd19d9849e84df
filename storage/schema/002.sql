-- Version 2: what the clock's sources said, beside what came of it.

ALTER TABLE clock ADD COLUMN drift_ppb INTEGER; -- by which the bound grew with age; NULL in rows of version 1
ALTER TABLE clock ADD COLUMN steered_by TEXT;   -- who set or slewed the clock, as far as could be told; NULL: not asked
ALTER TABLE clock ADD COLUMN alarm TEXT;        -- who contradicted whom; NULL: nobody
ALTER TABLE clock ADD COLUMN leap INTEGER;      -- announced for the end of the day: 1 inserted, -1 deleted, 0 none
ALTER TABLE clock ADD COLUMN tai_utc INTEGER;   -- s; NULL: not known

-- What this host's clock did during the session; NULL: not known, or not this host's part.
ALTER TABLE health ADD COLUMN clock_steps INTEGER;        -- times it was set
ALTER TABLE health ADD COLUMN clock_step_ns INTEGER;      -- by how much, in sum
ALTER TABLE health ADD COLUMN clock_bound_max_ns INTEGER; -- the largest bound of a packet's stamp
ALTER TABLE health ADD COLUMN clock_source TEXT;          -- what the bound came from at the end

-- A source at the time of a row of clock: when its state or use changed, and every ten minutes.
CREATE TABLE clock_sources (
	time_ns INTEGER NOT NULL,
	program TEXT NOT NULL,
	name TEXT NOT NULL,   -- as configured
	source TEXT NOT NULL, -- what it measured with: ptp, gps-pps, chrony, ...
	state TEXT NOT NULL CHECK (state IN ('absent', 'doubtful', 'valid', 'holdover')),
	used INTEGER NOT NULL CHECK (used IN (0, 1)),                 -- the clock's bound was this one's
	contradicted INTEGER NOT NULL CHECK (contradicted IN (0, 1)), -- by another valid source
	steers INTEGER NOT NULL CHECK (steers IN (0, 1)),             -- it set the clock, by its own account
	offset_ns INTEGER,    -- system clock less UTC, as it measured; NULL: it did not
	bound_ns INTEGER,     -- of the system clock, by this source
	age_ns INTEGER,       -- of the measurement
	reason TEXT NOT NULL, -- why it was used, or was not
	PRIMARY KEY (time_ns, program, name),
	FOREIGN KEY (time_ns, program) REFERENCES clock ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX clock_sources_by_name ON clock_sources (program, name, time_ns);
CREATE INDEX clock_alarms ON clock (time_ns) WHERE alarm IS NOT NULL;

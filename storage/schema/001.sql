-- The archive, version 1. Times are UTC in ns since 1970-01-01, without leap seconds.
-- What each table and column means is in docs/archive.md.

CREATE TABLE endpoints (
	endpoint_id INTEGER PRIMARY KEY,
	address TEXT NOT NULL UNIQUE, -- numeric, without a zone
	name TEXT                     -- as a user called it, if one did
) STRICT;

CREATE TABLE sessions (
	session_id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: others may still read by it
	sid TEXT NOT NULL UNIQUE CHECK (length(sid) = 32), -- lower-case hexadecimal
	sender_id INTEGER NOT NULL REFERENCES endpoints,
	receiver_id INTEGER NOT NULL REFERENCES endpoints,
	sender_port INTEGER NOT NULL,
	receiver_port INTEGER NOT NULL,
	ip_version INTEGER NOT NULL CHECK (ip_version IN (4, 6)),
	direction TEXT NOT NULL CHECK (direction IN ('sent', 'received')), -- by the host that wrote this
	server TEXT NOT NULL CHECK (server IN ('sender', 'receiver')), -- the other one asked for the session
	mode TEXT NOT NULL CHECK (mode IN ('unauthenticated', 'authenticated', 'encrypted')),
	identity TEXT,                -- KeyID, or the IKE identity behind the key; NULL in unauthenticated mode
	class TEXT,                   -- of the server's limits file, whose disk limit the packets are charged to
	peer TEXT NOT NULL,           -- address at the other end of the control connection
	packets INTEGER NOT NULL,     -- in the schedule
	padding_octets INTEGER NOT NULL,
	type_p INTEGER NOT NULL,      -- Type-P descriptor, RFC 4656 section 3.5
	dscp INTEGER GENERATED ALWAYS AS (CASE WHEN type_p & 3238002687 = 0 THEN type_p >> 24 END) VIRTUAL,
	timeout_ntp INTEGER NOT NULL, -- 2^-32 s
	timeout_ns INTEGER GENERATED ALWAYS AS ((timeout_ntp >> 32) * 1000000000
		+ (((timeout_ntp & 4294967295) * 1000000000 + 2147483648) >> 32)) VIRTUAL,
	start_ns INTEGER NOT NULL,    -- of the schedule
	start_residue INTEGER NOT NULL,
	created_ns INTEGER NOT NULL,  -- when the session was agreed on
	end_ns INTEGER,               -- when it ended; NULL: running
	outcome TEXT NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'finished', 'broken', 'invalid')),
	reason TEXT,                  -- why it is not finished, or what is missing although it is
	next_seq INTEGER,             -- packets from here on were never reached by the sender; NULL: it did not say
	records INTEGER NOT NULL DEFAULT 0,             -- rows in packets when it ended
	records_lost INTEGER NOT NULL DEFAULT 0,        -- records that could not be stored
	duplicates_left_out INTEGER NOT NULL DEFAULT 0, -- duplicates beyond what is stored for a session
	packets_kept INTEGER NOT NULL DEFAULT 1 CHECK (packets_kept IN (0, 1)), -- 0: pruned, the summaries remain
	summaries_due INTEGER NOT NULL DEFAULT 1 CHECK (summaries_due IN (0, 1)), -- 1: not all there yet
	removal_due INTEGER NOT NULL DEFAULT 0 CHECK (removal_due IN (0, 1)),   -- 1: all of it is being removed
	program TEXT NOT NULL,        -- that wrote this
	version TEXT NOT NULL         -- of that program
) STRICT;
CREATE INDEX sessions_by_pair ON sessions (sender_id, receiver_id, start_ns);
CREATE INDEX sessions_by_receiver ON sessions (receiver_id);
CREATE INDEX sessions_by_time ON sessions (start_ns);
CREATE INDEX sessions_by_end ON sessions (end_ns);
CREATE INDEX sessions_pruned_next ON sessions (end_ns) WHERE packets_kept;
CREATE INDEX sessions_unsettled ON sessions (session_id) WHERE outcome = 'running' OR summaries_due OR removal_due;

CREATE TABLE slots (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	slot INTEGER NOT NULL, -- 0 up
	distribution TEXT NOT NULL CHECK (distribution IN ('exponential', 'fixed')),
	interval_ntp INTEGER NOT NULL, -- 2^-32 s; the mean if exponential
	interval_ns INTEGER GENERATED ALWAYS AS ((interval_ntp >> 32) * 1000000000
		+ (((interval_ntp & 4294967295) * 1000000000 + 2147483648) >> 32)) VIRTUAL,
	PRIMARY KEY (session_id, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE skip_ranges (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	first_seq INTEGER NOT NULL,
	last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
	PRIMARY KEY (session_id, first_seq)
) STRICT, WITHOUT ROWID;

-- One row for each arrival and each packet that did not arrive, in that order. To be read as the view
-- packets, which has what follows from these columns: SQLite computes generated ones at each INSERT, also if
-- they are VIRTUAL.
CREATE TABLE packet_rows (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	arrival INTEGER NOT NULL,      -- 0 up, ascending; gaps say nothing
	seq INTEGER NOT NULL,
	send_time_ns INTEGER NOT NULL, -- of a lost packet: as scheduled
	delay_ns INTEGER,              -- NULL: lost, or dropped
	marks INTEGER NOT NULL CHECK (marks BETWEEN 0 AND 3), -- duplicate + 2 * dropped, for the sake of the size
	send_error_estimate INTEGER NOT NULL,    -- as in RFC 4656 section 4.1.2
	receive_error_estimate INTEGER NOT NULL,
	ttl INTEGER NOT NULL,          -- 255: maybe unknown
	send_residue INTEGER NOT NULL,    -- 2^-32 s that ns cannot say, so that records keep their last bit
	receive_residue INTEGER NOT NULL,
	PRIMARY KEY (session_id, arrival)
) STRICT, WITHOUT ROWID;

-- By the minute of the send time. Exact; the delays are NULL where nothing was received.
CREATE TABLE minutes (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	minute_ns INTEGER NOT NULL, -- its begin
	sent INTEGER NOT NULL,
	received INTEGER NOT NULL,
	lost INTEGER NOT NULL,      -- by the network
	dropped INTEGER NOT NULL,   -- at our own socket; sent = received + lost + dropped
	duplicates INTEGER NOT NULL,
	reordered INTEGER NOT NULL, -- RFC 4737
	delay_min_ns INTEGER,
	delay_p50_ns INTEGER,
	delay_p95_ns INTEGER,
	delay_p99_ns INTEGER,
	delay_p999_ns INTEGER,
	delay_max_ns INTEGER,
	jitter_ns INTEGER,          -- P95 - P50
	send_error_ns INTEGER,      -- largest bound of the packets received
	receive_error_ns INTEGER,
	synchronized INTEGER,       -- 1: both clocks were, for all packets received
	PRIMARY KEY (session_id, minute_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX minutes_dropped ON minutes (session_id, dropped) WHERE dropped > 0;

-- By the hour of the send time: how many packets had about which delay. Rows can be added up.
CREATE TABLE histograms (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	hour_ns INTEGER NOT NULL,  -- its begin
	delay_ns INTEGER NOT NULL, -- middle of the bucket, within 1 % of each delay in it
	packets INTEGER NOT NULL,
	PRIMARY KEY (session_id, hour_ns, delay_ns)
) STRICT, WITHOUT ROWID;

-- Packets lost in a row, by the network.
CREATE TABLE losses (
	session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
	first_seq INTEGER NOT NULL,
	last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
	begin_ns INTEGER NOT NULL, -- scheduled send time of the first
	end_ns INTEGER NOT NULL,   -- and of the last
	PRIMARY KEY (session_id, first_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX losses_by_time ON losses (begin_ns);

-- What the clock of the host that wrote the archive said of itself: when it changed, and each minute.
CREATE TABLE clock (
	time_ns INTEGER NOT NULL,
	program TEXT NOT NULL,
	source TEXT NOT NULL,     -- what the bound comes from: kernel, ...; none
	synchronized INTEGER NOT NULL CHECK (synchronized IN (0, 1)), -- the S bit
	bound_ns INTEGER NOT NULL,
	step_ns INTEGER NOT NULL, -- by which the clock was set since the row before; 0: it was not
	PRIMARY KEY (time_ns, program)
) STRICT, WITHOUT ROWID;
CREATE INDEX clock_steps ON clock (time_ns) WHERE step_ns <> 0;

-- How well the meter itself did its work. NULL: not this host's part in the session.
CREATE TABLE health (
	session_id INTEGER PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
	sent INTEGER,
	send_errors INTEGER,
	send_error_text TEXT,         -- the last of them
	send_lateness_mean_ns INTEGER,
	send_lateness_p50_ns INTEGER,
	send_lateness_p99_ns INTEGER,
	send_lateness_p999_ns INTEGER,
	send_lateness_max_ns INTEGER,
	send_stamp_gap_max_ns INTEGER, -- from taking the stamp to the end of the send call
	kernel_stamps INTEGER,         -- packets of which the kernel told when it sent them
	kernel_gap_p50_ns INTEGER,     -- of these, from the stamp in the packet to the kernel's
	kernel_gap_p99_ns INTEGER,
	kernel_gap_max_ns INTEGER,
	socket_drops INTEGER,          -- datagrams the kernel dropped at our own socket
	unstamped INTEGER,             -- without a kernel timestamp
	hardware_stamped INTEGER,      -- with one of the interface's own clock
	strangers INTEGER,             -- datagrams from elsewhere
	discarded_short INTEGER,
	discarded_hmac INTEGER,
	discarded_multiplier INTEGER,
	discarded_sequence INTEGER,
	discarded_time INTEGER,
	discarded_schedule INTEGER,
	discarded_late INTEGER
) STRICT;

-- Views; made anew after each migration. docs/archive.md says what is in them.
--
-- They are mostly asked about one pair of endpoints. So sender and receiver are columns of the innermost
-- SELECT and of each GROUP BY and PARTITION BY above it: then SQLite hands a WHERE about them down to where an
-- index helps. It does so through any number of layers with windows, but through one with GROUP BY only if
-- that one reads tables.
--
-- Four percentiles come from one look at the buckets, as a JSON array. The window of the layer that has the
-- array does nothing else than keep SQLite from merging that layer into the one above, which would look
-- again for each element.

DROP VIEW IF EXISTS packets;
DROP VIEW IF EXISTS pair_sessions;
DROP VIEW IF EXISTS pair_minutes;
DROP VIEW IF EXISTS pair_histograms;
DROP VIEW IF EXISTS hourly_percentiles;
DROP VIEW IF EXISTS daily_percentiles;
DROP VIEW IF EXISTS session_totals;
DROP VIEW IF EXISTS latest_results;
DROP VIEW IF EXISTS loss_episodes;
DROP VIEW IF EXISTS doubtful_sessions;
DROP VIEW IF EXISTS meter_trouble;
DROP VIEW IF EXISTS clock_events;
DROP VIEW IF EXISTS clock_now;
DROP VIEW IF EXISTS session_clocks;

-- The table packet_rows with what follows from its columns. CAST makes these compare as integers do.
CREATE VIEW packets AS
SELECT
	session_id,
	arrival,
	seq,
	send_time_ns,
	delay_ns,
	marks,
	CAST(marks & 1 AS INTEGER) AS duplicate, -- a further arrival of the packet
	CAST(marks >> 1 AS INTEGER) AS dropped,  -- not by the network, but at our own socket
	send_error_estimate,
	receive_error_estimate,
	ttl,
	send_residue,
	receive_residue,
	CAST(send_time_ns + delay_ns AS INTEGER) AS receive_time_ns,
	CAST(send_error_estimate >> 15 AS INTEGER) AS send_synchronized,
	CAST(receive_error_estimate >> 15 AS INTEGER) AS receive_synchronized,
	CAST(CASE WHEN (send_error_estimate >> 8 & 63) > 46
		THEN 9223372036854775807 ELSE
		((send_error_estimate & 255) << (send_error_estimate >> 8 & 63) >> 32) * 1000000000
		+ ((((send_error_estimate & 255) << (send_error_estimate >> 8 & 63) & 4294967295) * 1000000000
		+ 4294967295) >> 32) END AS INTEGER) AS send_error_ns,
	CAST(CASE WHEN (receive_error_estimate >> 8 & 63) > 46
		THEN 9223372036854775807 ELSE
		((receive_error_estimate & 255) << (receive_error_estimate >> 8 & 63) >> 32) * 1000000000
		+ ((((receive_error_estimate & 255) << (receive_error_estimate >> 8 & 63) & 4294967295) * 1000000000
		+ 4294967295) >> 32) END AS INTEGER) AS receive_error_ns
FROM packet_rows;

-- A session that is being removed is half gone: it is in none of the views that follow.
CREATE VIEW pair_sessions AS
SELECT
	s.session_id,
	s.sid,
	a.address AS sender,
	a.name AS sender_name,
	b.address AS receiver,
	b.name AS receiver_name,
	s.start_ns,
	strftime('%Y-%m-%dT%H:%M:%S', s.start_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', s.start_ns / 1000000 % 1000) AS start_time,
	s.end_ns,
	strftime('%Y-%m-%dT%H:%M:%S', s.end_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', s.end_ns / 1000000 % 1000) AS end_time,
	s.outcome,
	s.reason,
	s.packets,
	s.records,
	s.packets_kept
FROM sessions s
JOIN endpoints a ON a.endpoint_id = s.sender_id
JOIN endpoints b ON b.endpoint_id = s.receiver_id
WHERE s.removal_due = 0;

CREATE VIEW pair_minutes AS
SELECT
	a.address AS sender,
	b.address AS receiver,
	m.session_id,
	m.minute_ns,
	strftime('%Y-%m-%dT%H:%MZ', m.minute_ns / 1000000000, 'unixepoch') AS minute,
	m.sent,
	m.received,
	m.lost,
	m.dropped,
	m.duplicates,
	m.reordered,
	m.delay_min_ns,
	m.delay_p50_ns,
	m.delay_p95_ns,
	m.delay_p99_ns,
	m.delay_p999_ns,
	m.delay_max_ns,
	m.jitter_ns,
	-- The sum saturates, as each of the two does.
	min(m.send_error_ns, 9223372036854775807 - m.receive_error_ns) + m.receive_error_ns AS clock_error_ns,
	m.synchronized
FROM sessions s
JOIN endpoints a ON a.endpoint_id = s.sender_id
JOIN endpoints b ON b.endpoint_id = s.receiver_id
JOIN minutes m ON m.session_id = s.session_id
WHERE s.removal_due = 0;

CREATE VIEW pair_histograms AS
SELECT
	a.address AS sender,
	b.address AS receiver,
	h.session_id,
	h.hour_ns,
	strftime('%Y-%m-%dT%H:%MZ', h.hour_ns / 1000000000, 'unixepoch') AS hour,
	h.delay_ns,
	h.packets
FROM sessions s
JOIN endpoints a ON a.endpoint_id = s.sender_id
JOIN endpoints b ON b.endpoint_id = s.receiver_id
JOIN histograms h ON h.session_id = s.session_id
WHERE s.removal_due = 0;

CREATE VIEW hourly_percentiles AS
SELECT
	sender,
	receiver,
	hour_ns,
	strftime('%Y-%m-%dT%H:%MZ', hour_ns / 1000000000, 'unixepoch') AS hour,
	sent,
	packets,
	lost,
	dropped,
	delay_min_ns,
	-- The middle of a bucket can lie beyond the exact extremes.
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[0]'))) AS delay_p50_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[1]'))) AS delay_p95_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[2]'))) AS delay_p99_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[3]'))) AS delay_p999_ns,
	delay_max_ns
FROM (
	SELECT *,
		row_number() OVER (PARTITION BY sender, receiver, hour_ns),
		(SELECT json_array(
			min(CASE WHEN rank * 100 >= total * 50 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 95 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 99 THEN delay_ns END),
			min(CASE WHEN rank * 1000 >= total * 999 THEN delay_ns END))
		FROM (
			SELECT
				h.delay_ns,
				sum(h.packets) OVER (ORDER BY h.delay_ns) AS rank,
				sum(h.packets) OVER () AS total
			FROM sessions s
			JOIN histograms h ON h.session_id = s.session_id
			WHERE s.sender_id = sums.sender_id
				AND s.receiver_id = sums.receiver_id
				AND s.start_ns BETWEEN sums.first_start_ns AND sums.last_start_ns
				AND s.removal_due = 0
				AND h.hour_ns = sums.hour_ns
		)) AS percentiles
	FROM (
		SELECT
			a.address AS sender,
			b.address AS receiver,
			s.sender_id,
			s.receiver_id,
			min(s.start_ns) AS first_start_ns,
			max(s.start_ns) AS last_start_ns,
			m.minute_ns - m.minute_ns % 3600000000000 AS hour_ns,
			sum(m.sent) AS sent,
			sum(m.received) AS packets,
			sum(m.lost) AS lost,
			sum(m.dropped) AS dropped,
			min(m.delay_min_ns) AS delay_min_ns,
			max(m.delay_max_ns) AS delay_max_ns
		FROM sessions s
		JOIN endpoints a ON a.endpoint_id = s.sender_id
		JOIN endpoints b ON b.endpoint_id = s.receiver_id
		JOIN minutes m ON m.session_id = s.session_id
		WHERE s.removal_due = 0
		GROUP BY a.address, b.address, m.minute_ns - m.minute_ns % 3600000000000
	) sums
);

CREATE VIEW daily_percentiles AS
SELECT
	sender,
	receiver,
	day_ns,
	strftime('%Y-%m-%d', day_ns / 1000000000, 'unixepoch') AS day,
	sent,
	packets,
	lost,
	dropped,
	delay_min_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[0]'))) AS delay_p50_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[1]'))) AS delay_p95_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[2]'))) AS delay_p99_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[3]'))) AS delay_p999_ns,
	delay_max_ns
FROM (
	SELECT *,
		row_number() OVER (PARTITION BY sender, receiver, day_ns),
		(SELECT json_array(
			min(CASE WHEN rank * 100 >= total * 50 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 95 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 99 THEN delay_ns END),
			min(CASE WHEN rank * 1000 >= total * 999 THEN delay_ns END))
		FROM (
			SELECT
				h.delay_ns,
				sum(h.packets) OVER (ORDER BY h.delay_ns) AS rank,
				sum(h.packets) OVER () AS total
			FROM sessions s
			JOIN histograms h ON h.session_id = s.session_id
			WHERE s.sender_id = sums.sender_id
				AND s.receiver_id = sums.receiver_id
				AND s.start_ns BETWEEN sums.first_start_ns AND sums.last_start_ns
				AND s.removal_due = 0
				AND h.hour_ns >= sums.day_ns
				AND h.hour_ns < sums.day_ns + 86400000000000
		)) AS percentiles
	FROM (
		SELECT
			a.address AS sender,
			b.address AS receiver,
			s.sender_id,
			s.receiver_id,
			min(s.start_ns) AS first_start_ns,
			max(s.start_ns) AS last_start_ns,
			m.minute_ns - m.minute_ns % 86400000000000 AS day_ns,
			sum(m.sent) AS sent,
			sum(m.received) AS packets,
			sum(m.lost) AS lost,
			sum(m.dropped) AS dropped,
			min(m.delay_min_ns) AS delay_min_ns,
			max(m.delay_max_ns) AS delay_max_ns
		FROM sessions s
		JOIN endpoints a ON a.endpoint_id = s.sender_id
		JOIN endpoints b ON b.endpoint_id = s.receiver_id
		JOIN minutes m ON m.session_id = s.session_id
		WHERE s.removal_due = 0
		GROUP BY a.address, b.address, m.minute_ns - m.minute_ns % 86400000000000
	) sums
);

CREATE VIEW session_totals AS
SELECT
	session_id,
	sid,
	sender,
	sender_name,
	receiver,
	receiver_name,
	start_ns,
	strftime('%Y-%m-%dT%H:%M:%S', start_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', start_ns / 1000000 % 1000) AS start_time,
	outcome,
	reason,
	packets,
	sent,
	received,
	lost,
	round(100.0 * lost / sent, 4) AS loss_percent, -- NULL if nothing was sent
	dropped,
	duplicates,
	reordered,
	delay_min_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[0]'))) AS delay_p50_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[1]'))) AS delay_p95_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[2]'))) AS delay_p99_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[3]'))) AS delay_p999_ns,
	delay_max_ns,
	min(send_error_ns, 9223372036854775807 - receive_error_ns) + receive_error_ns AS clock_error_ns,
	synchronized,
	packets_kept,
	summaries_due
FROM (
	SELECT *,
		row_number() OVER (PARTITION BY sender, receiver, session_id, sid, start_ns),
		(SELECT json_array(
			min(CASE WHEN rank * 100 >= total * 50 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 95 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 99 THEN delay_ns END),
			min(CASE WHEN rank * 1000 >= total * 999 THEN delay_ns END))
		FROM (
			SELECT
				h.delay_ns,
				sum(h.packets) OVER (ORDER BY h.delay_ns) AS rank,
				sum(h.packets) OVER () AS total
			FROM histograms h
			WHERE h.session_id = sums.session_id
		)) AS percentiles
	FROM (
		SELECT
			s.session_id,
			s.sid,
			a.address AS sender,
			a.name AS sender_name,
			b.address AS receiver,
			b.name AS receiver_name,
			s.start_ns,
			s.outcome,
			s.reason,
			s.packets,
			coalesce(sum(m.sent), 0) AS sent,
			coalesce(sum(m.received), 0) AS received,
			coalesce(sum(m.lost), 0) AS lost,
			coalesce(sum(m.dropped), 0) AS dropped,
			coalesce(sum(m.duplicates), 0) AS duplicates,
			coalesce(sum(m.reordered), 0) AS reordered,
			min(m.delay_min_ns) AS delay_min_ns,
			max(m.delay_max_ns) AS delay_max_ns,
			max(m.send_error_ns) AS send_error_ns,
			max(m.receive_error_ns) AS receive_error_ns,
			min(m.synchronized) AS synchronized,
			s.packets_kept,
			s.summaries_due
		FROM sessions s
		JOIN endpoints a ON a.endpoint_id = s.sender_id
		JOIN endpoints b ON b.endpoint_id = s.receiver_id
		LEFT JOIN minutes m ON m.session_id = s.session_id
		WHERE s.removal_due = 0
		GROUP BY a.address, b.address, s.session_id, s.sid, s.start_ns
	) sums
);

-- The pairs are found one after the other in the index: there are far fewer of them than sessions.
CREATE VIEW latest_results AS
WITH RECURSIVE pairs (sender_id, receiver_id) AS (
	SELECT * FROM (SELECT sender_id, receiver_id FROM sessions ORDER BY sender_id, receiver_id LIMIT 1)
	UNION ALL
	SELECT s.sender_id, s.receiver_id
	FROM pairs
	JOIN sessions s ON s.session_id = coalesce((
		SELECT session_id FROM sessions
		WHERE sender_id = pairs.sender_id AND receiver_id > pairs.receiver_id
		ORDER BY receiver_id LIMIT 1
	), (
		SELECT session_id FROM sessions
		WHERE sender_id > pairs.sender_id
		ORDER BY sender_id, receiver_id LIMIT 1
	))
)
SELECT
	session_id,
	sid,
	sender,
	sender_name,
	receiver,
	receiver_name,
	start_ns,
	strftime('%Y-%m-%dT%H:%M:%S', start_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', start_ns / 1000000 % 1000) AS start_time,
	outcome,
	reason,
	packets,
	sent,
	received,
	lost,
	round(100.0 * lost / sent, 4) AS loss_percent, -- NULL if nothing was sent
	dropped,
	duplicates,
	reordered,
	delay_min_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[0]'))) AS delay_p50_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[1]'))) AS delay_p95_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[2]'))) AS delay_p99_ns,
	max(delay_min_ns, min(delay_max_ns, json_extract(percentiles, '$[3]'))) AS delay_p999_ns,
	delay_max_ns,
	min(send_error_ns, 9223372036854775807 - receive_error_ns) + receive_error_ns AS clock_error_ns,
	synchronized,
	packets_kept,
	summaries_due
FROM (
	SELECT *,
		row_number() OVER (PARTITION BY sender, receiver),
		(SELECT json_array(
			min(CASE WHEN rank * 100 >= total * 50 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 95 THEN delay_ns END),
			min(CASE WHEN rank * 100 >= total * 99 THEN delay_ns END),
			min(CASE WHEN rank * 1000 >= total * 999 THEN delay_ns END))
		FROM (
			SELECT
				h.delay_ns,
				sum(h.packets) OVER (ORDER BY h.delay_ns) AS rank,
				sum(h.packets) OVER () AS total
			FROM histograms h
			WHERE h.session_id = sums.session_id
		)) AS percentiles
	FROM (
		SELECT
			s.session_id,
			s.sid,
			a.address AS sender,
			a.name AS sender_name,
			b.address AS receiver,
			b.name AS receiver_name,
			s.start_ns,
			s.outcome,
			s.reason,
			s.packets,
			coalesce(sum(m.sent), 0) AS sent,
			coalesce(sum(m.received), 0) AS received,
			coalesce(sum(m.lost), 0) AS lost,
			coalesce(sum(m.dropped), 0) AS dropped,
			coalesce(sum(m.duplicates), 0) AS duplicates,
			coalesce(sum(m.reordered), 0) AS reordered,
			min(m.delay_min_ns) AS delay_min_ns,
			max(m.delay_max_ns) AS delay_max_ns,
			max(m.send_error_ns) AS send_error_ns,
			max(m.receive_error_ns) AS receive_error_ns,
			min(m.synchronized) AS synchronized,
			s.packets_kept,
			s.summaries_due
		FROM pairs
		JOIN endpoints a ON a.endpoint_id = pairs.sender_id
		JOIN endpoints b ON b.endpoint_id = pairs.receiver_id
		JOIN sessions s ON s.session_id = (
			SELECT n.session_id FROM sessions n
			WHERE n.sender_id = pairs.sender_id
				AND n.receiver_id = pairs.receiver_id
				AND n.removal_due = 0
				-- One of which nothing is known yet is no result.
				AND (n.outcome <> 'running' OR EXISTS (
					SELECT 1 FROM minutes m WHERE m.session_id = n.session_id))
			ORDER BY n.start_ns DESC, n.session_id DESC LIMIT 1)
		LEFT JOIN minutes m ON m.session_id = s.session_id
		GROUP BY a.address, b.address
	) sums
);

CREATE VIEW loss_episodes AS
SELECT
	a.address AS sender,
	b.address AS receiver,
	l.session_id,
	l.begin_ns,
	strftime('%Y-%m-%dT%H:%M:%S', l.begin_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', l.begin_ns / 1000000 % 1000) AS begin_time,
	l.end_ns,
	strftime('%Y-%m-%dT%H:%M:%S', l.end_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', l.end_ns / 1000000 % 1000) AS end_time,
	l.end_ns - l.begin_ns AS duration_ns,
	l.first_seq,
	l.last_seq,
	l.last_seq - l.first_seq + 1 AS packets
FROM sessions s
JOIN endpoints a ON a.endpoint_id = s.sender_id
JOIN endpoints b ON b.endpoint_id = s.receiver_id
JOIN losses l ON l.session_id = s.session_id
WHERE s.removal_due = 0;

CREATE VIEW doubtful_sessions AS
SELECT *
FROM (
	SELECT
		a.address AS sender,
		b.address AS receiver,
		s.session_id,
		s.sid,
		s.start_ns,
		strftime('%Y-%m-%dT%H:%M:%S', s.start_ns / 1000000000, 'unixepoch')
			|| printf('.%03dZ', s.start_ns / 1000000 % 1000) AS start_time,
		s.outcome,
		sum(m.received) AS received,
		min(m.delay_min_ns) AS delay_min_ns,
		min(max(m.send_error_ns), 9223372036854775807 - max(m.receive_error_ns))
			+ max(m.receive_error_ns) AS clock_error_ns,
		min(m.synchronized) AS synchronized
	FROM sessions s
	JOIN endpoints a ON a.endpoint_id = s.sender_id
	JOIN endpoints b ON b.endpoint_id = s.receiver_id
	JOIN minutes m ON m.session_id = s.session_id
	WHERE s.removal_due = 0
	GROUP BY a.address, b.address, s.session_id, s.sid, s.start_ns
)
WHERE clock_error_ns > delay_min_ns OR NOT synchronized;

-- NULL is no trouble: it was not this host's part. discarded_time is none either: a packet that the network
-- delayed beyond the timeout counts there.
CREATE VIEW meter_trouble AS
SELECT *
FROM (
	SELECT
		a.address AS sender,
		b.address AS receiver,
		s.session_id,
		s.sid,
		s.start_ns,
		strftime('%Y-%m-%dT%H:%M:%S', s.start_ns / 1000000000, 'unixepoch')
			|| printf('.%03dZ', s.start_ns / 1000000 % 1000) AS start_time,
		s.outcome,
		(SELECT sum(m.dropped) FROM minutes m
			WHERE m.session_id = s.session_id AND m.dropped > 0) AS dropped,
		h.socket_drops,
		h.unstamped,
		h.send_errors,
		h.send_error_text,
		h.send_lateness_mean_ns,
		h.send_lateness_max_ns,
		s.records_lost,
		coalesce(h.clock_steps, (SELECT count(*) FROM clock c -- of version 1, and while it runs
			WHERE c.step_ns <> 0
				AND c.program = s.program
				AND c.time_ns BETWEEN s.start_ns AND coalesce(s.end_ns, 9223372036854775807)
		)) AS clock_steps
	FROM sessions s
	JOIN endpoints a ON a.endpoint_id = s.sender_id
	JOIN endpoints b ON b.endpoint_id = s.receiver_id
	LEFT JOIN health h ON h.session_id = s.session_id
	WHERE s.removal_due = 0
)
WHERE dropped > 0
	OR socket_drops > 0
	OR unstamped > 0
	OR send_errors > 0
	OR send_lateness_mean_ns > 1000000
	OR send_lateness_max_ns > 100000000
	OR records_lost > 0
	OR clock_steps > 0;

-- Rows of clock in which something is other than in the one before.
CREATE VIEW clock_events AS
SELECT
	c.time_ns,
	strftime('%Y-%m-%dT%H:%M:%S', c.time_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', c.time_ns / 1000000 % 1000) AS time,
	c.program,
	c.step_ns,
	p.source AS source_before,
	c.source,
	p.synchronized AS synchronized_before,
	c.synchronized,
	p.bound_ns AS bound_before_ns,
	c.bound_ns,
	p.alarm AS alarm_before,
	c.alarm,
	p.steered_by AS steered_by_before,
	c.steered_by,
	p.leap AS leap_before,
	c.leap
FROM clock c
LEFT JOIN clock p ON p.clock_id = (
	SELECT max(clock_id) FROM clock WHERE program = c.program AND clock_id < c.clock_id)
WHERE c.step_ns <> 0
	OR c.source <> p.source
	OR c.synchronized <> p.synchronized
	OR (c.alarm IS NULL) <> (p.alarm IS NULL)
	OR c.steered_by <> p.steered_by
	OR c.leap <> p.leap;

-- The sources as they were last seen, of each program.
CREATE VIEW clock_now AS
SELECT
	s.program,
	s.name,
	s.source,
	s.state,
	s.used,
	s.contradicted,
	s.steers,
	s.offset_ns,
	s.bound_ns,
	s.age_ns,
	s.reason,
	c.time_ns,
	strftime('%Y-%m-%dT%H:%M:%S', c.time_ns / 1000000000, 'unixepoch')
		|| printf('.%03dZ', c.time_ns / 1000000 % 1000) AS time
FROM (SELECT program, name, max(clock_id) AS clock_id FROM clock_sources GROUP BY program, name) n
JOIN clock_sources s ON s.clock_id = n.clock_id AND s.name = n.name
JOIN clock c ON c.clock_id = n.clock_id;

-- What the clocks were worth in each session: the bounds of both, as the packets had them, and what this host's
-- came from when the session ended.
CREATE VIEW session_clocks AS
SELECT
	sender,
	receiver,
	session_id,
	sid,
	start_ns,
	start_time,
	outcome,
	direction,
	send_error_ns,
	receive_error_ns,
	synchronized,
	delay_min_ns,
	coalesce(clock_source, (SELECT c.source FROM clock c
		WHERE c.program = sums.program AND c.time_ns <= sums.until_ns
		ORDER BY c.time_ns DESC LIMIT 1)) AS source,
	(SELECT c.steered_by FROM clock c
		WHERE c.program = sums.program AND c.time_ns <= sums.until_ns
		ORDER BY c.time_ns DESC LIMIT 1) AS steered_by,
	coalesce(health_steps, (SELECT count(*) FROM clock c
		WHERE c.step_ns <> 0 AND c.program = sums.program
			AND c.time_ns BETWEEN sums.start_ns AND sums.until_ns)) AS clock_steps,
	coalesce(contradiction, 0) AS contradiction,
	-- The alarm may have begun before the session; a client's row is stored a little after it.
	coalesce((SELECT c.alarm FROM clock c
		WHERE c.program = sums.program AND c.time_ns <= sums.start_ns
			AND coalesce(contradiction, 1)
		ORDER BY c.time_ns DESC LIMIT 1),
		(SELECT c.alarm FROM clock c
		WHERE c.alarm IS NOT NULL AND c.program = sums.program
			AND c.time_ns BETWEEN sums.start_ns AND sums.until_ns + coalesce(contradiction, 0) * 60000000000
		ORDER BY c.time_ns LIMIT 1)) AS alarm
FROM (
	SELECT
		a.address AS sender,
		b.address AS receiver,
		s.session_id,
		s.sid,
		s.start_ns,
		strftime('%Y-%m-%dT%H:%M:%S', s.start_ns / 1000000000, 'unixepoch')
			|| printf('.%03dZ', s.start_ns / 1000000 % 1000) AS start_time,
		coalesce(s.end_ns, 9223372036854775807 - 60000000000) AS until_ns,
		s.outcome,
		s.direction,
		s.program,
		h.clock_source,
		h.clock_steps AS health_steps,
		h.clock_contradiction AS contradiction,
		max(m.send_error_ns) AS send_error_ns,
		max(m.receive_error_ns) AS receive_error_ns,
		min(m.synchronized) AS synchronized,
		min(m.delay_min_ns) AS delay_min_ns
	FROM sessions s
	JOIN endpoints a ON a.endpoint_id = s.sender_id
	JOIN endpoints b ON b.endpoint_id = s.receiver_id
	LEFT JOIN health h ON h.session_id = s.session_id
	LEFT JOIN minutes m ON m.session_id = s.session_id
	WHERE s.removal_due = 0
	GROUP BY a.address, b.address, s.session_id, s.sid, s.start_ns
) sums;

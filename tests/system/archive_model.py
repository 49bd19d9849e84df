"""An archive of known content: records from a seed, and the rows that a writer makes of them, computed here.

Nothing of it comes from the suite's programs but the SQL of storage/schema/. Times of records are 32.32
integers as on the wire; everything else follows from them.
"""
import collections
import os
import random
import sqlite3

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCHEMA = os.path.join(ROOT, "storage", "schema")

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
NTP_1970 = 2208988800
INT64_MAX = 2**63 - 1

# A day's begin; "now" for the content.
NOW = 20778 * DAY

PARIS, TOKYO, LIMA = "192.0.2.1", "192.0.2.2", "2001:db8::3"
NAMES = {PARIS: "paris", TOKYO: None, LIMA: "lima"}

# About 9 us and 18 us, synchronized; 1 s, not synchronized; more than an integer has.
FINE, FAIR, POOR, HUGE = 0x8899, 0x8999, 0x1980, 0x3FFF

# dropped: by the receiving host's own socket.
Record = collections.namedtuple("Record", "seq send receive duplicate send_error receive_error ttl dropped",
                                defaults=(0,))


def rounded(numerator, denominator):
    """To the nearest integer, halves away from zero."""
    value = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -value if numerator < 0 else value


def to_ntp(ns):
    """Not wrapped: the era is part of it."""
    return rounded((ns + NTP_1970 * SECOND) << 32, SECOND)


def to_ns(ntp):
    return rounded(ntp * SECOND, 1 << 32) - NTP_1970 * SECOND


def error_ns(estimate):
    return min(-(-((estimate & 255) << (estimate >> 8 & 63)) * SECOND >> 32), INT64_MAX)


def send_ns(record):
    return to_ns(record.send)


def delay_ns(record):
    return None if record.receive is None else rounded((record.receive - record.send) * SECOND, 1 << 32)


def percentile(delays, percent):
    """Nearest rank: the smallest delay that at least percent of all do not exceed."""
    ordered = sorted(delays)
    for rank, delay in enumerate(ordered, 1):
        if rank * 1000 >= len(ordered) * round(percent * 10):
            return delay
    return None


def bucket(delay):
    """The middle of 1/64 of a doubling."""
    if delay < 0:
        return -bucket(-delay)
    shift = max(delay.bit_length() - 7, 0)
    return (delay >> shift << shift) + (1 << shift >> 1)


def first_arrivals(records):
    return [record for record in records if record.receive is not None and not record.duplicate]


def lost(records):
    return [record for record in records if record.receive is None and not record.dropped]


class Figures:
    """What can be said of records, exactly."""

    def __init__(self, records):
        arrived = first_arrivals(records)
        self.delays = [delay_ns(record) for record in arrived]
        self.received = len(arrived)
        self.lost = len(lost(records))
        self.dropped = sum(record.dropped for record in records)
        self.sent = self.received + self.lost + self.dropped
        self.duplicates = sum(record.duplicate for record in records)
        self.min = min(self.delays, default=None)
        self.max = max(self.delays, default=None)
        self.send_error = max((error_ns(record.send_error) for record in arrived), default=None)
        self.receive_error = max((error_ns(record.receive_error) for record in arrived), default=None)
        self.synchronized = None
        self.clock_error = None
        if arrived:
            self.synchronized = int(all(record.send_error & record.receive_error & 0x8000
                                        for record in arrived))
            self.clock_error = min(self.send_error + self.receive_error, INT64_MAX)

    def percentile(self, percent):
        return percentile(self.delays, percent)


def reordered(records):
    """The first arrivals that RFC 4737 calls reordered."""
    found, expected = [], 0
    for record in first_arrivals(records):
        if record.seq < expected:
            found.append(record)
        else:
            expected = record.seq + 1
    return found


def runs(records):
    """Losses in a row, as (first, last) records."""
    found = []
    for record in sorted(lost(records), key=lambda record: record.seq):
        if found and found[-1][1].seq + 1 == record.seq:
            found[-1] = (found[-1][0], record)
        else:
            found.append((record, record))
    return found


def grouped(records, span):
    groups = collections.defaultdict(list)
    for record in records:
        groups[send_ns(record) // span * span].append(record)
    return dict(sorted(groups.items()))


def never_sent(records, skips):
    """The packets in skips as they are stored, like lost ones; and rows of losses of what had arrived."""
    rows = [record._replace(receive=None, receive_error=1, send_error=1, ttl=255)
            if is_skipped(record, skips) else record
            for record in records if not (is_skipped(record, skips) and record.duplicate)]
    return rows + [record._replace(receive=None, duplicate=1) for record in first_arrivals(rows)[::50]]


def is_skipped(record, skips):
    return any(first <= record.seq <= last for first, last in skips)


class Session:
    """stored: all rows; content: those that count. Never sent, and lost although it had arrived, do not."""

    def __init__(self, session_id, pair, start, stored, **columns):
        self.id = session_id
        self.sender, self.receiver = pair
        self.start = start
        self.stored = stored
        self.skips = columns.pop("skips", ())
        self.content = [record for record in stored if not is_skipped(record, self.skips)
                        and not (record.receive is None and record.duplicate)]
        self.health = columns.pop("health", None)
        self.columns = {
            "sid": "%032x" % (session_id * 0x123456789ABCDEF0123456789), "sender_port": 9000,
            "receiver_port": 9001,
            "ip_version": 4, "direction": "received", "server": "receiver", "mode": "unauthenticated",
            "peer": self.sender, "packets": len({record.seq for record in stored}), "padding_octets": 0,
            "type_p": 0,
            "timeout_ntp": 2 << 32, "start_ns": start, "start_residue": 0, "created_ns": start - SECOND,
            "end_ns": start + HOUR, "outcome": "finished", "reason": None, "records": len(stored),
            "records_lost": 0, "packets_kept": 1, "summaries_due": 0, "removal_due": 0, "program": "owampd",
            "version": "0.1.0", **columns}

    def __getattr__(self, name):
        return self.columns[name]


def at(values, seq, count):
    """A value, or of a list the one whose turn it is."""
    return values[seq * len(values) // count] if isinstance(values, list) else values


def make_records(rng, start, count, interval, base, spread, loss=0.01, estimates=(FINE, FAIR), ttl=250, drop=0):
    """Records in the order of arrival. base, estimates and ttl can be lists: values that take turns.

    drop: the share of the missing ones that our own socket dropped.
    """
    events, missing = [], 0
    for seq in range(count):
        send = to_ntp(start + seq * interval) + rng.randrange(4000)
        hops, errors = at(ttl, seq, count), at(estimates, seq, count)
        missing = missing - 1 if missing > 1 else rng.choice((1, 1, 1, 2, 7)) * (rng.random() < loss)
        if missing:
            dropped = int(rng.random() < drop)
            events.append((send + (2 << 32), Record(seq, send, None, 0, 1, errors[1], 255, dropped)))
            continue
        delay = at(base, seq, count) + int(rng.lognormvariate(0, 1.3) * spread)
        receive = send + rounded(delay << 32, SECOND) + rng.randrange(-3, 4)
        events.append((receive, Record(seq, send, receive, 0, *errors, hops)))
        if rng.random() < 0.01:
            later = receive + rng.randrange(1 << 32)
            events.append((later, Record(seq, send, later, 1, *errors, hops)))
    return [record for _, record in sorted(events, key=lambda event: event[0])]


def make_sessions(seed):
    """Each of the cases that views and queries tell apart."""
    rng = random.Random(seed)
    sessions = []

    def add(pair, start, count, interval, base, spread, **options):
        columns = options.pop("columns", {})
        records = make_records(rng, start, count, interval, base, spread, **options)
        if "skips" in columns:
            records = never_sent(records, columns["skips"])
        sessions.append(Session(len(sessions) + 1, pair, start, records, **columns))

    there, back = (PARIS, TOKYO), (TOKYO, PARIS)
    to_lima, from_lima = (PARIS, LIMA), (LIMA, PARIS)
    nothing = {"socket_drops": 0, "unstamped": 0, "strangers": 0, "discarded_time": 0}
    healthy = {"health": nothing}
    # Two weeks, the second one slower. Every third session goes on into the next hour, two run at a time.
    for hours in range(14 * 24 - 7, 0, -9):
        start = NOW - hours * HOUR + (1800 * SECOND if hours % 3 == 0 else 0)
        base = 12000000 if hours > 7 * 24 else 15000000
        add(there, start, 700, 5 * SECOND, base, 400000, columns=healthy)
        add(there, start + 7123456789, 300, 11 * SECOND, base + 3000000, 2500000, loss=0.02, drop=0.5)
        if hours % 2:
            add(back, start, 500, 7 * SECOND, base - 2000000, 900000, ttl=[55, 54, 55], columns=healthy)
    # Two that start at a time: the second is the latest. Another sender to the same receiver.
    add(back, NOW - 5 * HOUR, 50, 7 * SECOND, 13000000, 90000, loss=0.1, drop=0.5,
        columns={"health": {**nothing, "socket_drops": 2}})
    add(from_lima, NOW - 23 * HOUR, 300, 7 * SECOND, 170000000, 200000, loss=0.05, drop=0.5)
    # An hour in which nothing arrived.
    add(there, NOW - 5 * HOUR, 60, 60 * SECOND, 1, 1, loss=2, columns={"reason": "the link was down"})
    # Trouble of each kind; routes that change; packets that overtake one another.
    add(there, NOW - 4 * HOUR, 400, 9 * SECOND, 15000000, 100000, ttl=[250, 249, 250, 251], columns=healthy)
    add(there, NOW - 4 * HOUR + 1234567, 2000, 2000000, 15000000, 2000000,
        columns={"health": {**nothing, "unstamped": 3, "clock_steps": 0, "clock_source": "none"}, "end_ns": NOW - 4 * HOUR + 5678901})
    add(there, NOW - 3 * HOUR, 200, 9 * SECOND, 15000000, 100000,
        columns={"outcome": "broken", "reason": "the control connection broke", "records_lost": 1})
    # Half removed, and worse than all others.
    add(there, NOW - 3 * HOUR + 1, 900, 4 * SECOND, 500000000, 100000, loss=0.2, estimates=(POOR, POOR),
        columns={"health": {**nothing, "socket_drops": 99}, "removal_due": 1})
    add(there, NOW - 3 * HOUR + 345678901, 200, 9 * SECOND, 15000000, 100000,
        columns={"health": {**nothing, "discarded_time": 4, "clock_steps": 2, "clock_step_ns": -5000000000,
                            "clock_bound_max_ns": 5000003200, "clock_source": "ptp", "clock_contradiction": 1}})
    # The latest of which something is known; then those that are no results: nothing yet, and half removed.
    add(there, NOW - 2 * HOUR, 100, 9 * SECOND, 15000000, 100000,
        columns={"outcome": "running", "end_ns": None, "records": 0})
    add(there, NOW - HOUR, 0, SECOND, 1, 1,
        columns={"outcome": "running", "end_ns": None, "summaries_due": 1, "packets": 50})
    add(there, NOW - HOUR // 2, 60, 9 * SECOND, 15000000, 100000, columns={"removal_due": 1})
    # Clocks that do not agree, do not know, or say nothing; one session over midnight, at first slower.
    sender = {"direction": "sent", "server": "receiver", "identity": "joe", "mode": "encrypted",
              "ip_version": 6}
    add(to_lima, NOW - 30 * HOUR, 300, 10 * SECOND, -900000, 200000,
        columns={**sender, "health": {"send_errors": 0, "send_lateness_mean_ns": 1000001,
                                      "send_lateness_max_ns": 5000000}})
    add(to_lima, NOW - 25 * HOUR - 1, 300, 10 * SECOND, 80000000, 200000, estimates=(FINE, FAIR & 0x7FFF),
        columns={**sender, "health": {"send_errors": 1, "send_error_text": "No buffer space available"}})
    add(to_lima, NOW - 24 * HOUR - 1500 * SECOND, 300, 10 * SECOND, [150000000, 30000000], 200000,
        columns=sender)
    add(to_lima, NOW - 20 * HOUR, 300, 10 * SECOND, 80000000, 200000, estimates=(HUGE, HUGE),
        columns={**sender, "health": {"send_errors": 0, "send_lateness_mean_ns": 1000000,
                                      "send_lateness_max_ns": 100000000}})
    add(to_lima, NOW - 10 * HOUR + 987654321, 300, 10 * SECOND, 80000000, 20000000,
        estimates=[(FINE, POOR), (POOR, FINE), (FAIR, FAIR)],
        columns={**sender, "health": {"send_errors": 0, "send_lateness_mean_ns": 9,
                                      "send_lateness_max_ns": 100000001}})
    add(from_lima, NOW - 9 * HOUR, 300, 10 * SECOND, 70000000, 200000, columns=healthy)
    add(from_lima, NOW - 8 * HOUR, 0, SECOND, 1, 1,
        columns={"outcome": "invalid", "reason": "a packet came that was never sent", "packets": 10})
    # All that is missing was dropped, as far as is known.
    add(from_lima, NOW - 7 * HOUR, 300, 10 * SECOND, 70000000, 200000, loss=0.02, drop=1, columns=healthy)
    # Packets that were never sent, and some that arrived and were called lost all the same.
    add(there, NOW - 7 * HOUR + 222222222, 400, 9 * SECOND, 15000000, 100000, loss=0.05, drop=0.5,
        columns={"skips": ((0, 0), (30, 59), (300, 301))})
    return sessions


ClockRow = collections.namedtuple("ClockRow", "time program source synchronized bound step drift steered alarm leap"
                                  " tai")


def make_clock():
    """Rows of clock; those of owfetch are as version 1 of the schema left them."""
    rows, bound, source, synchronized, steered = [], 20000, "kernel", 1, "an NTP daemon"
    for minute in range(12 * 60):
        time = NOW - 12 * HOUR + minute * MINUTE
        step = {3 * 60: -2500000, 8 * 60 + 1: 1000000000}.get(minute, 0)
        if minute == 5 * 60:
            source, synchronized, bound = "none", 0, 16000000000
        if minute == 6 * 60:
            source = "phc"
        if minute == 7 * 60:
            synchronized, bound = 1, 30000
        if minute == 9 * 60:
            steered = "chronyd"
        alarm = "gps and phc contradict each other" if 4 * 60 <= minute < 4 * 60 + 30 else None
        rows.append(ClockRow(time, "owampd", source, synchronized, bound + minute % 7, step, 1000 + minute, steered,
                             alarm, int(minute >= 10 * 60), 37))
        if minute % 10 == 0:
            rows.append(ClockRow(time + 1234567890, "owping", "kernel", 1, 7000, 1 if minute == 8 * 60 else 0, 0,
                                 "chronyd", None, 0, None))
    # A first row that knows of a step all the same.
    rows.append(ClockRow(NOW - 2 * HOUR, "owfetch", "kernel", 1, 5000, 777, None, None, None, None, None))
    return rows


ClockSource = collections.namedtuple("ClockSource", "time program name source state used contradicted steers offset"
                                     " bound age reason")


def make_clock_sources():
    """Rows of clock_sources, each of the time of a row of clock."""
    begin, rows = NOW - 12 * HOUR, []
    for minute in range(0, 12 * 60, 10):
        time = begin + minute * MINUTE
        state = ("valid", "holdover", "doubtful")[minute // 10 % 3]
        rows.append(ClockSource(time, "owampd", "roof", "gps-pps", state, int(state != "doubtful"),
                                int(minute % 70 == 0), 0, minute - 300, 20000 + minute, 5 * minute, "for %d" % minute))
        if minute < 6 * 60:
            rows.append(ClockSource(time, "owampd", "card", "phc", "absent", 0, 0, 0, None, None, None,
                                    "/dev/ptp0: No such file or directory"))
        if minute % 30 == 0:
            rows.append(ClockSource(time + 1234567890, "owping", "roof", "chrony", "valid", 1, 0, 1, -7, 7000, 9,
                                    "used"))
    return rows


def insert(db, table, **columns):
    db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(columns), ", ".join("?" * len(columns))),
               list(columns.values()))


def store_packets(db, session):
    for arrival, record in enumerate(session.stored):
        send, delay = send_ns(record), delay_ns(record)
        receive_residue = 0
        if delay is not None:
            receive_residue = record.receive - record.send - rounded(delay << 32, SECOND)
        insert(db, "packet_rows", session_id=session.id, arrival=2 * arrival, seq=record.seq, send_time_ns=send,
               delay_ns=delay, marks=record.duplicate + 2 * record.dropped,
               send_error_estimate=record.send_error,
               receive_error_estimate=record.receive_error, ttl=record.ttl,
               send_residue=record.send - to_ntp(send), receive_residue=receive_residue)


def store_summaries(db, session):
    late = collections.Counter(send_ns(record) // MINUTE * MINUTE for record in reordered(session.content))
    for minute, records in grouped(session.content, MINUTE).items():
        figures = Figures(records)
        p50, p95 = figures.percentile(50), figures.percentile(95)
        insert(db, "minutes", session_id=session.id, minute_ns=minute, sent=figures.sent,
               received=figures.received, lost=figures.lost, dropped=figures.dropped,
               duplicates=figures.duplicates, reordered=late[minute], delay_min_ns=figures.min,
               delay_p50_ns=p50, delay_p95_ns=p95, delay_p99_ns=figures.percentile(99),
               delay_p999_ns=figures.percentile(99.9), delay_max_ns=figures.max,
               jitter_ns=p95 - p50 if figures.received else None, send_error_ns=figures.send_error,
               receive_error_ns=figures.receive_error, synchronized=figures.synchronized)
    for hour, records in grouped(first_arrivals(session.content), HOUR).items():
        for delay, packets in collections.Counter(bucket(delay_ns(record)) for record in records).items():
            insert(db, "histograms", session_id=session.id, hour_ns=hour, delay_ns=delay, packets=packets)
    for first, last in runs(session.content):
        insert(db, "losses", session_id=session.id, first_seq=first.seq, last_seq=last.seq,
               begin_ns=send_ns(first), end_ns=send_ns(last))


def create(path):
    """An empty archive."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON")
    for name in sorted(os.listdir(SCHEMA)):
        with open(os.path.join(SCHEMA, name), encoding="utf-8") as file:
            db.executescript(file.read())
    return db


def store(db, sessions):
    """All that a writer would have stored of them."""
    ids = {address: number for number, address in enumerate(NAMES, 1)}
    db.execute("BEGIN")
    for address, number in ids.items():
        insert(db, "endpoints", endpoint_id=number, address=address, name=NAMES[address])
    for session in sessions:
        insert(db, "sessions", session_id=session.id, sender_id=ids[session.sender],
               receiver_id=ids[session.receiver], **session.columns)
        for first, last in session.skips:
            insert(db, "skip_ranges", session_id=session.id, first_seq=first, last_seq=last)
        store_packets(db, session)
        store_summaries(db, session)
        if session.health is not None:
            insert(db, "health", session_id=session.id, **session.health)
    db.execute("COMMIT")


def build(path, seed):
    """An archive with all of it; returns the connection and the sessions."""
    db, sessions = create(path), make_sessions(seed)
    store(db, sessions)
    db.execute("BEGIN")
    columns = ("time_ns", "program", "source", "synchronized", "bound_ns", "step_ns", "drift_ppb", "steered_by",
               "alarm", "leap", "tai_utc")
    ids = {}
    for number, row in enumerate(sorted(make_clock(), key=lambda row: row.time), 1):
        insert(db, "clock", clock_id=number, **dict(zip(columns, row)))
        ids[row.time, row.program] = number
    columns = ("clock_id", "program", "name", "source", "state", "used", "contradicted", "steers", "offset_ns",
               "bound_ns", "age_ns", "reason")
    for row in make_clock_sources():
        insert(db, "clock_sources", **dict(zip(columns, (ids[row.time, row.program],) + row[1:])))
    db.execute("COMMIT")
    return db, sessions

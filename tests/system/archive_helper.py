"""What the tests of owampd's archive share: sessions whose packets are known, and what the file says."""
import collections
import ctypes
import hashlib
import os
import shutil
import sqlite3
import subprocess
import time

import archive_model
import owamp

CLONE_NEWNS = 0x00020000
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
WAL_SEQUENCE = slice(12, 16)  # of the log's header: counts how often the log began anew

# One record, as on the wire; receive is 0 if it was lost.
Record = collections.namedtuple("Record", "seq send receive send_error receive_error ttl duplicate dropped")


def connect(path, **options):
    """Read-only: such a connection never moves the log into the file."""
    return sqlite3.connect("file:%s?mode=ro" % path, uri=True, isolation_level=None, **options)


def ask(path, query, *values):
    """All rows, from a connection of their own."""
    db = connect(path)
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.close()


def value(path, query, *values):
    return ask(path, query, *values)[0][0]


def copy(path, folder):
    """The file and its log as they are. Not while this process has it open: its locks would go."""
    target = os.path.join(folder, "copy")
    for suffix in ("", "-wal"):
        if os.path.exists(path + suffix):
            shutil.copyfile(path + suffix, target + suffix)
    return target


def wal_sequence(path):
    with open(path + "-wal", "rb") as file:
        return file.read(32)[WAL_SEQUENCE]


def _record(row):
    (seq, send_ns, delay_ns, duplicate, dropped, send_error, receive_error, ttl, send_residue,
     receive_residue) = row
    send = archive_model.to_ntp(send_ns) + send_residue
    receive = 0
    if delay_ns is not None:
        receive = send + archive_model.rounded(delay_ns << 32, SECOND) + receive_residue
    return Record(seq, send % 2**64, receive % 2**64, send_error, receive_error, ttl, duplicate, dropped)


def all_records(db):
    """Of each session_id, the records by arrival; arrivals are counted from 0 without a gap."""
    found = collections.defaultdict(list)
    for session_id, arrival, *row in db.execute(
            "SELECT session_id, arrival, seq, send_time_ns, delay_ns, duplicate, dropped, send_error_estimate,"
            " receive_error_estimate, ttl, send_residue, receive_residue"
            " FROM packets ORDER BY session_id, arrival"):
        found[session_id].append((arrival, _record(row)))
    return found


def as_fetched(records):
    """Records of the file as a client would have them."""
    return [record[:6] for record in records]


def fetched(answer):
    """And those of an answer to a fetch, to be compared with them."""
    return [(record.seq, record.send_time, record.receive_time, record.send_error, record.receive_error,
             record.ttl) for record in answer.records]


def as_printed(records):
    """Records of the file as owping --json has them."""
    return [(record.seq, archive_model.to_ns(record.send),
             archive_model.to_ns(record.receive) if record.receive else None,
             record.ttl if record.receive else None) for record in records]


def printed(test):
    """And those of its document."""
    return [(record["seq"], record["send_time_ns"], record["receive_time_ns"], record["ttl"])
            for record in test["records"]]


# What is derived from records, once more.

def _send_ns(record):
    return archive_model.to_ns(record.send)


def _delay_ns(record):
    return archive_model.rounded((record.receive - record.send) * SECOND, 1 << 32)


def _minute(records, late):
    arrived = [record for record in records if record.receive and not record.duplicate]
    dropped = sum(record.dropped for record in records)
    lost = sum(not record.receive for record in records) - dropped
    delays = [_delay_ns(record) for record in arrived]
    duplicates = sum(record.duplicate for record in records)
    counts = (len(arrived) + lost + dropped, len(arrived), lost, dropped, duplicates, late)
    if not arrived:
        return counts + (None,) * 10
    p50, p95, p99, p999 = (archive_model.percentile(delays, percent) for percent in (50, 95, 99, 99.9))
    return counts + (min(delays), p50, p95, p99, p999, max(delays), p95 - p50,
                     max(archive_model.error_ns(record.send_error) for record in arrived),
                     max(archive_model.error_ns(record.receive_error) for record in arrived),
                     int(all(record.send_error & record.receive_error & 0x8000 for record in arrived)))


def derived(records, skips=()):
    """minutes, histograms and losses of records by arrival; what is in a skip range was never sent."""
    records = [record for record in records if not any(first <= record.seq <= last for first, last in skips)]
    minutes, late, expected = collections.defaultdict(list), collections.Counter(), 0
    histograms, losses = collections.Counter(), []
    for record in records:
        minute = _send_ns(record) // MINUTE * MINUTE
        minutes[minute].append(record)
        if not record.receive or record.duplicate:
            continue
        late[minute] += record.seq < expected
        expected = max(expected, record.seq + 1)
        histograms[_send_ns(record) // HOUR * HOUR, archive_model.bucket(_delay_ns(record))] += 1
    lost = (record for record in records if not record.receive and not record.dropped)
    for record in sorted(lost, key=lambda record: record.seq):
        if losses and losses[-1][1] + 1 == record.seq:
            losses[-1] = (losses[-1][0], record.seq, losses[-1][2], _send_ns(record))
        else:
            losses.append((record.seq, record.seq, _send_ns(record), _send_ns(record)))
    return {minute: _minute(rows, late[minute]) for minute, rows in minutes.items()}, dict(histograms), losses


def all_derived(db):
    """What the file has of it, of each session_id."""
    found = collections.defaultdict(lambda: ({}, {}, []))
    for session_id, minute, *row in db.execute(
            "SELECT session_id, minute_ns, sent, received, lost, dropped, duplicates, reordered, delay_min_ns,"
            " delay_p50_ns, delay_p95_ns, delay_p99_ns, delay_p999_ns, delay_max_ns, jitter_ns,"
            " send_error_ns, receive_error_ns, synchronized FROM minutes"):
        found[session_id][0][minute] = tuple(row)
    for session_id, hour, delay, packets in db.execute("SELECT * FROM histograms"):
        found[session_id][1][hour, delay] = packets
    for session_id, *row in db.execute("SELECT * FROM losses ORDER BY session_id, first_seq"):
        found[session_id][2].append(tuple(row))
    return found


def damage(db):
    """Why the file is not in order; None if it is."""
    if db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        return "not in WAL mode"
    found = [row[0] for row in db.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        return "integrity_check: %s" % "; ".join(found[:5])
    found = db.execute("PRAGMA foreign_key_check").fetchall()
    return "foreign_key_check: %s" % found[:5] if found else None


class Measurement:
    """A session to the server; which packets were sent is known. Those in omitted never are."""

    def __init__(self, space, address, packets, interval, timeout, user=None, secret=None, omitted=(),
                 twice=()):
        self.control = owamp.Control(space, address)
        self.address = address
        self.packets, self.interval, self.timeout = packets, interval, timeout
        self.omitted, self.twice = omitted, twice
        self.sent = []      # (seq, NTP stamp) in order, further copies too
        self.next_seq = 0
        self.sid = None
        self.started = None
        self.answer = None  # to a complete fetch
        mode = owamp.AUTHENTICATED if user else owamp.OPEN
        if self.control.set_up(mode, user, secret) != owamp.OK:
            raise AssertionError("set-up was refused")

    def start(self, ahead=0.02):
        """The schedule begins so many seconds from now; it may be in the past."""
        self.udp = self.control.udp()
        self.begin = owamp.now() + owamp.interval(ahead)
        accept, port, sid = self.control.request(
            True, self.udp.getsockname()[1], packets=self.packets, start=self.begin,
            slots=[(owamp.FIXED, owamp.interval(self.interval))], timeout=owamp.interval(self.timeout))
        if accept != owamp.OK:
            raise AssertionError("the session was refused: Accept %d" % accept)
        self.sid = sid
        self.target = (self.address, port)
        self.maker = owamp.PacketKeys(self.control.mode, sid, self.control.keys)
        self.started = owamp.now()
        if self.control.start() != owamp.OK:
            raise AssertionError("Start-Sessions was refused")
        return self

    def due(self, seq):
        return self.begin + (seq + 1) * owamp.interval(self.interval)

    def _send(self, seq):
        stamp = owamp.now()
        packet = self.maker.packet(seq, stamp)
        self.sent.append((seq, stamp))
        self.udp.sendto(packet, self.target)

    def send_due(self):
        """All that is due and not so late that it could count as lost. Returns whether more will be due."""
        while self.next_seq < self.packets and self.due(self.next_seq) <= owamp.now():
            seq = self.next_seq
            self.next_seq += 1
            if seq in self.omitted or owamp.now() - self.due(seq) > owamp.interval(self.timeout / 2):
                continue
            self._send(seq)
            if seq in self.twice:
                self._send(seq)
        return self.next_seq < self.packets

    def send_all(self, until=lambda: False):
        while self.send_due() and not until():
            time.sleep(min(self.interval, 0.02))
        return self

    def stop(self, skips=()):
        """Both Stop-Sessions. Returns what the server said."""
        self.control.stop([(self.sid, self.next_seq, list(skips))])
        return self.control.read_stop()

    def fetch(self):
        answer = self.control.fetch(self.sid)
        if answer.accept == owamp.OK:
            self.answer = answer
        return answer

    def close(self):
        self.control.close()


# Mounts of this process and its children only; they go with the last of them.

_libc = ctypes.CDLL(None, use_errno=True)


def own_mounts():
    """Enters a mount namespace. A condition for harness.main(): why there can be none."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        return "no mount namespace: %s" % os.strerror(ctypes.get_errno())
    made = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True, check=False)
    return made.stderr.strip() if made.returncode else None


def mount(*arguments):
    made = subprocess.run(["mount", *arguments], capture_output=True, text=True, timeout=20, check=False)
    if made.returncode:
        raise AssertionError("mount %s: %s" % (" ".join(arguments), made.stderr.strip()))


def unmount(path):
    """At once for whoever looks it up; what is open stays usable."""
    subprocess.run(["umount", "--lazy", path], capture_output=True, timeout=20, check=False)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()

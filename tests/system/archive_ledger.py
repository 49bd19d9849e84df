"""What is known of the sessions of servers that are killed, and what their archive must therefore say."""
import collections
import os
import shutil
import sqlite3

import archive_helper
import owamp

SECOND = 10**9

# Seconds that packets are kept: old ones go while all this happens, but no fetch takes that long.
KEEP = 8

# A transaction is due each second. The rest is for the machine.
TAIL_MAX = 3.0

ENDED = "owampd ended while the session was running"

# owping's user. It does not say what it was doing when it failed.
CAROL = "carol"


class Entry:
    """What is known of one session."""

    def __init__(self, sid, measurement, deleting=False):
        self.sid = sid
        self.measurement = measurement  # None: owping's
        self.deleting = deleting    # the server removes it once it was fetched
        self.fetched = None         # the records of a complete fetch
        self.stored = None          # as of the first look after its server's end
        self.finished = False       # as of then

    def has_all(self):
        """What is stored is what was fetched."""
        if self.measurement:
            return archive_helper.as_fetched(self.stored) == self.fetched
        return archive_helper.as_printed(self.stored) == self.fetched


class Round:
    def __init__(self, number):
        self.number = number
        # Nobody hurries the writer; and sessions grow older than a transaction.
        self.quiet = number % 20 == 10
        self.entries = []
        self.begin_ns = self.kill_ns = 0
        self.ready = False
        self.copy = None


class Checker:
    """Looks at the copies made after each kill, in the background, and knows what each session must be."""

    def __init__(self):
        self.entries = []       # of all rounds looked at
        self.tails = []         # seconds of a running session that are missing
        self.problems = []
        self.outcomes = {"finished": 0, "broken": 0, "absent": 0, "removed": 0, "pruned": 0, "owping": 0}

    def look(self, this):
        self.look_at(this.copy, this)
        shutil.rmtree(os.path.dirname(this.copy))

    def look_at(self, path, this):
        db = archive_helper.connect(path)
        try:
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                self.none(this)
                return
            damage = archive_helper.damage(db)
            if damage:
                self.problem(this, damage)
            else:
                self.sessions(db, this)
        except sqlite3.DatabaseError as error:
            self.problem(this, "the archive cannot be read: %s" % error)
        finally:
            db.close()

    def none(self, this):
        """Killed before there was a schema."""
        if self.entries or any(entry.fetched is not None for entry in this.entries):
            self.problem(this, "the archive is empty")

    def problem(self, this, text):
        self.problems.append("round %d: %s" % (this.number, text))

    def sessions(self, db, this):
        rows = {row["sid"]: row for row in self.dicts(db, "SELECT * FROM sessions")}
        packets = archive_helper.all_records(db)
        for entry in self.entries:
            self.settled(this, entry, rows.get(entry.sid), packets)
        for entry in this.entries:
            self.fresh(this, entry, rows.get(entry.sid), packets)
        self.entries += this.entries
        known = {entry.sid for entry in self.entries}
        for row in rows.values():
            if row["sid"] not in known and row["identity"] != CAROL:
                self.problem(this, "nobody asked for session %s" % row["sid"])

    @staticmethod
    def dicts(db, query):
        cursor = db.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]

    def records(self, this, row, packets):
        found = packets.get(row["session_id"], [])
        # What Stop-Sessions cuts off may leave a gap.
        if row["outcome"] == "running" and [arrival for arrival, _ in found] != list(range(len(found))):
            self.problem(this, "session %s: arrivals have gaps" % row["sid"])
        return [record for _, record in found]

    def fresh(self, this, entry, row, packets):
        """A session of the server that was just killed."""
        if not row or row["removal_due"]:
            if entry.fetched is not None and not entry.deleting:
                self.problem(this, "session %s was fetched and is lost" % entry.sid)
            self.outcomes["removed" if entry.fetched is not None else "absent"] += 1
            if entry.fetched is None and not entry.deleting:
                self.tail(this, entry, [])
            return
        entry.stored = self.records(this, row, packets)
        entry.finished = row["outcome"] == "finished"
        if entry.fetched is not None:
            if row["outcome"] != "finished" or row["reason"] or not entry.has_all():
                self.problem(this, "session %s: %s with %d records, but %d were fetched"
                             % (entry.sid, row["outcome"], len(entry.stored), len(entry.fetched)))
            return
        if row["outcome"] not in ("running", "finished"):
            self.problem(this, "session %s is %s: %s" % (entry.sid, row["outcome"], row["reason"]))
        self.prefix(this, entry)
        if row["outcome"] == "running":
            self.tail(this, entry, entry.stored)

    def prefix(self, this, entry):
        """What arrived is what was sent first, in its order; only what was never sent is lost."""
        sent = entry.measurement.sent
        arrived = [(record.seq, record.send) for record in entry.stored if record.receive]
        if arrived != sent[:len(arrived)]:
            self.problem(this, "session %s: what arrived is not the first that was sent" % entry.sid)
        first = [seq for seq, _ in sent]
        if set(first) & {record.seq for record in entry.stored if not record.receive}:
            self.problem(this, "session %s: packets that were sent are lost" % entry.sid)
        seen = set()
        for record in entry.stored:
            if record.duplicate != (record.seq in seen):
                self.problem(this, "session %s: packet %d as duplicate or not" % (entry.sid, record.seq))
            seen.add(record.seq)

    def tail(self, this, entry, stored):
        """How far back what is missing reaches."""
        measurement = entry.measurement
        arrived = sum(record.receive != 0 for record in stored)
        lost = {record.seq for record in stored if not record.receive}
        missing = [stamp for _, stamp in measurement.sent[arrived:]]
        missing += [max(measurement.due(seq) + owamp.interval(measurement.timeout), measurement.started)
                    for seq in range(measurement.next_seq) if seq in measurement.omitted and seq not in lost]
        tail = max([0, *[(owamp.ntp(this.kill_ns) - at) / owamp.SECOND for at in missing]])
        self.tails.append(tail)
        if tail > TAIL_MAX:
            self.problem(this, "session %s: the last %.1f s are missing" % (entry.sid, tail))

    def settled(self, this, entry, row, packets):
        """A session of an earlier server."""
        if not row or row["removal_due"]:
            if entry.stored is not None and not (entry.deleting and entry.finished):
                self.problem(this, "session %s is gone" % entry.sid)
            entry.stored = None
            return
        if entry.stored is None:
            self.problem(this, "session %s has come back" % entry.sid)
            return
        wanted = ("finished", None) if entry.finished else ("broken", ENDED)
        if (row["outcome"], row["reason"]) != wanted and (this.ready or row["outcome"] != "running"):
            self.problem(this, "session %s: outcome %s, reason %s" % (
                entry.sid, row["outcome"], row["reason"]))
        elif row["outcome"] != "running":
            self.ended(this, entry, row, self.records(this, row, packets))

    def ended(self, this, entry, row, records):
        if row["records"] != len(entry.stored) or row["records_lost"] or row["end_ns"] is None:
            self.problem(this, "session %s: %d records, %d lost, end %s; but there were %d" % (
                entry.sid, row["records"], row["records_lost"], row["end_ns"], len(entry.stored)))
        if row["packets_kept"] and records != entry.stored:
            self.problem(this, "session %s: its records have changed" % entry.sid)
        if not row["packets_kept"] and row["end_ns"] + KEEP * SECOND > this.kill_ns:
            self.problem(this, "session %s was pruned too early" % entry.sid)

    def final(self, path, this):
        """All is summed up, also what was pruned."""
        self.look_at(path, this)
        db = archive_helper.connect(path)
        rows = {row["sid"]: row for row in self.dicts(db, "SELECT * FROM sessions")}
        found = archive_helper.all_derived(db)
        skips = collections.defaultdict(list)
        for session_id, first, last in db.execute("SELECT session_id, first_seq, last_seq FROM skip_ranges"):
            skips[session_id].append((first, last))
        db.close()
        for entry in self.entries:
            row = rows.get(entry.sid)
            if entry.stored is None or not row:
                continue
            self.outcomes[row["outcome"]] += 1
            self.outcomes["pruned"] += not row["packets_kept"]
            self.outcomes["owping"] += not entry.measurement
            wanted = archive_helper.derived(entry.stored, skips[row["session_id"]])
            if found[row["session_id"]] != wanted:
                self.problem(this, "session %s (%s): its summaries are %s, but of its records they are %s" % (
                    entry.sid, row["outcome"], found[row["session_id"]], wanted))

"""owampd killed at random moments, again and again, on one archive: nothing that a client was told of is lost.

OWAMP_KILL_ROUNDS says how often (200), OWAMP_KILL_SEED makes the moments those of another run.
"""
import collections
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

import archive_helper
import harness
import netns
import owamp

ROUNDS = int(os.environ.get("OWAMP_KILL_ROUNDS", "200"))
SEED = int(os.environ.get("OWAMP_KILL_SEED", str(time.time_ns() % 10**9)))

ALICE, BOB, CAROL = harness.ALICE, harness.BOB, "carol"
KEYS = {**harness.KEYS, CAROL: b"of owping"}
LIMITS = """limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, max_timeout=0, max_duration=0
limit deleting with parent=root, delete_on_fetch=on
assign default root
assign user alice root
assign user bob deleting
assign user carol root
"""

SECOND = 10**9
# Old packets go while all this happens; no fetch takes that long.
KEEP = 8
CONF = "keep = %ds\n" % KEEP

# A transaction is due each second. The rest is for the machine.
TAIL_MAX = 3.0

ENDED = "owampd ended while the session was running"


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


class Load:
    """Clients of a server that will not live long; each ends when its server does."""

    GONE = (OSError, owamp.Closed)

    def __init__(self, test, this, before, rng):
        self.test, self.this, self.before = test, this, before
        self.over = threading.Event()
        self.errors = []
        self.seed = rng.random()
        jobs = [self.steady, self.finishing, self.early, self.deleting, self.again]
        if this.quiet:
            jobs = [self.steady] * 3
        if this.number % 3 == 0:
            jobs.append(self.reading)
        if this.number % 4 == 0:
            jobs.append(self.owping)
        if this.number % 4 == 2:
            jobs.append(self.late)
        self.threads = [threading.Thread(target=self.run, args=(job,)) for job in jobs]
        for thread in self.threads:
            thread.start()

    def run(self, job):
        try:
            job()
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append("%s: %r" % (job.__name__, error))

    def end(self):
        """After the kill: no connection is left that a client could wait for."""
        self.over.set()
        for thread in self.threads:
            thread.join(harness.PATIENCE)
            if thread.is_alive():
                self.errors.append("a client hangs")

    def measurement(self, **options):
        """Connects as soon as there is a server."""
        net = self.test.net
        while not self.over.is_set():
            try:
                return archive_helper.Measurement(net.client, net.v4, **options)
            except self.GONE:
                time.sleep(0.005)
        return None

    def session(self, deleting=False, ahead=0.01, **options):
        """A started session, or None if the server is gone."""
        measurement = self.measurement(**options)
        if not measurement:
            return None
        try:
            measurement.start(ahead)
        except self.GONE:
            pass
        if measurement.sid:
            # Also one whose Start-Ack did not come.
            self.this.entries.append(Entry(measurement.sid.hex(), measurement, deleting))
            if not self.over.is_set():
                return measurement
        measurement.close()
        return None

    def steady(self):
        """Runs until the kill, with losses and duplicates."""
        measurement = self.session(packets=100000, interval=0.001, timeout=0.5, omitted=range(5, 100000, 17),
                                   twice=range(3, 100000, 29))
        if measurement:
            measurement.send_all(self.over.is_set)
            measurement.close()

    def late(self):
        """Begins in the past, so that it is over at once: a large transaction, summed up at once over minutes."""
        packets = 12000
        measurement = self.session(ahead=-59, packets=packets, interval=0.0045, timeout=0.1, omitted=range(packets))
        if measurement:
            measurement.send_all(self.over.is_set)
            self.over.wait(harness.PATIENCE)
            measurement.close()

    def whole(self, name, **options):
        """Sessions from begin to fetch, one after the other."""
        rng = random.Random("%s %s" % (name, self.seed))
        while not self.over.is_set():
            packets = rng.randrange(3, 25)
            measurement = self.session(packets=packets, interval=0.002, timeout=0.1,
                                       omitted={rng.randrange(packets)}, **options)
            if not measurement:
                continue
            try:
                yield measurement
            except self.GONE:
                pass
            finally:
                measurement.close()

    def finish(self, measurement, skips=()):
        """Gets the answer that makes the session one which must not be lost."""
        entry = next(entry for entry in self.this.entries if entry.measurement is measurement)
        try:
            measurement.send_all(self.over.is_set)
            measurement.stop(skips)
            answer = measurement.fetch()
        except self.GONE:
            return
        if answer.accept != owamp.OK or not answer.finished:
            raise AssertionError("fetch of %s: Accept %d, Finished %d" % (entry.sid, answer.accept, answer.finished))
        entry.fetched = archive_helper.fetched(answer)

    def finishing(self):
        for measurement in self.whole("finishing", user=ALICE, secret=KEYS[ALICE]):
            self.finish(measurement)

    def early(self):
        """Stopped before all is sent; what was left out was never to be sent, even if it was taken for lost."""
        rng = random.Random("wait %s" % self.seed)
        for measurement in self.whole("early"):
            measurement.packets -= 2
            if rng.random() < 0.2:
                measurement.send_all(self.over.is_set)
                self.over.wait(1.5 * measurement.timeout)
            self.finish(measurement, [(seq, seq) for seq in measurement.omitted if seq < measurement.packets])

    def deleting(self):
        for measurement in self.whole("deleting", deleting=True, user=BOB, secret=KEYS[BOB]):
            self.finish(measurement)

    def again(self):
        """What was fetched from the server before can be fetched from this one, octet for octet."""
        entries = [entry for entry in self.before.entries if entry.fetched and not entry.deleting
                   and entry.measurement and entry.measurement.control.mode != owamp.OPEN]
        measurement = self.measurement(packets=1, interval=1, timeout=1, user=ALICE, secret=KEYS[ALICE])
        if not measurement:
            return
        for entry in entries:
            try:
                answer = measurement.control.fetch(bytes.fromhex(entry.sid))
            except self.GONE:
                break
            if time.time_ns() > self.before.begin_ns + KEEP * SECOND:
                break
            if answer.accept != owamp.OK or archive_helper.fetched(answer) != entry.fetched:
                raise AssertionError("session %s is another one after the restart" % entry.sid)
            self.test.fetched_again += 1
        measurement.close()

    def owping(self):
        """The real client, with what it prints."""
        measurement = self.measurement(packets=1, interval=1, timeout=1)
        if not measurement:
            return
        measurement.close()
        while not self.over.is_set():
            with tempfile.TemporaryFile() as output:
                client = harness.Process(self.test.net.client, [
                    harness.program("owping"), "--json", "--records", "-t", "-c", "20", "-i", "0.001f", "-L", "0.1",
                    "-z", "0.01", "-E", "0.01", "-u", CAROL, "-k", self.test.keys, self.test.net.v4], stdout=output)
                if client.wait() != 0:
                    client.kill()
                    if not self.over.wait(harness.PATIENCE):
                        raise AssertionError("owping failed: %s" % client.log())
                    return
                client.kill()
                output.seek(0)
                test = json.load(output)["tests"][0]
                entry = Entry(test["sid"], None)
                entry.fetched = archive_helper.printed(test)
                self.this.entries.append(entry)

    def reading(self):
        """Anybody may read at any time."""
        while not self.over.is_set():
            try:
                archive_helper.ask(self.test.path, "SELECT outcome, count(*) FROM sessions JOIN packets"
                                   " USING (session_id) GROUP BY 1")
            except archive_helper.sqlite3.OperationalError as error:
                # Not there yet, or for an instant in recovery.
                if "unable to open" not in str(error) and "no such table" not in str(error) \
                        and "locked" not in str(error):
                    raise
            time.sleep(0.03)


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
            damage = archive_helper.damage(db) if db.execute("PRAGMA user_version").fetchone()[0] else None
            if damage:
                self.problem(this, damage)
                return
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                self.none(this)
                return
            self.sessions(db, this)
        except archive_helper.sqlite3.DatabaseError as error:
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
            # owping does not say what it was doing when it failed.
            if row["sid"] not in known and row["identity"] != CAROL:
                self.problem(this, "nobody asked for session %s" % row["sid"])

    @staticmethod
    def dicts(db, query):
        cursor = db.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]

    def records(self, this, row, packets):
        found = packets.get(row["session_id"], [])
        if row["packets_kept"] and [arrival for arrival, _ in found] != list(range(len(found))):
            # What Stop-Sessions cuts off may leave a gap.
            if row["outcome"] == "running":
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
        arrived = sum(record.receive != 0 for record in stored)
        missing = [stamp for _, stamp in entry.measurement.sent[arrived:]]
        lost = {record.seq for record in stored if not record.receive}
        missing += [entry.measurement.due(seq) + owamp.interval(entry.measurement.timeout)
                    for seq in range(entry.measurement.next_seq)
                    if seq in entry.measurement.omitted and seq not in lost]
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
            self.problem(this, "session %s: outcome %s, reason %s" % (entry.sid, row["outcome"], row["reason"]))
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


class Kill(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.folder = self.directory()
        self.path = os.path.join(self.folder, "archive")
        self.rng = random.Random(SEED)
        self.fetched_again = 0

    def serve(self):
        """Not waited for: it may be killed while it starts."""
        server = harness.Process(self.net.server, [
            harness.program("owampd"), "--foreground", "--config", self.conf, "--archive", self.path], "owampd")
        self.processes[:] = [*self.processes[-2:], server]
        return server

    def write_conf(self):
        limits = os.path.join(self.folder, "limits")
        self.keys = os.path.join(self.folder, "keys")
        self.conf = os.path.join(self.folder, "conf")
        with open(limits, "w", encoding="ascii") as file:
            file.write(LIMITS)
        harness.write_keys(self.keys, KEYS)
        with open(self.conf, "w", encoding="ascii") as file:
            file.write('%slimits = "%s"\nkeys = "%s"\npbkdf2_count = 1024\n' % (CONF, limits, self.keys))

    def moment(self, this):
        """Seconds after the start."""
        return self.rng.uniform(1.5, 4) if this.quiet else self.rng.uniform(0, 1)

    def one_round(self, number, before):
        this = Round(number)
        at = self.moment(this)
        begin = time.monotonic()
        this.begin_ns = time.time_ns()
        server = self.serve()
        load = Load(self, this, before, self.rng)
        time.sleep(max(0, begin + at - time.monotonic()))
        self.assertTrue(server.running(), "owampd ended by itself: %s" % server.log()[-2000:])
        this.kill_ns = time.time_ns()
        server.kill()
        load.end()
        this.ready = bool(server.find("owampd .* ready: "))
        self.assertIsNone(harness.SANITIZER.search(server.log()))
        self.assertEqual(load.errors, [], "round %d" % number)
        this.copy = archive_helper.copy(self.path, self.directory())
        return this

    def test_killed_often(self):
        print("OWAMP_KILL_SEED=%d OWAMP_KILL_ROUNDS=%d" % (SEED, ROUNDS), file=sys.stderr)
        self.write_conf()
        checker, this, looking = Checker(), Round(-1), None
        starting = 0
        for number in range(ROUNDS):
            this = self.one_round(number, this)
            starting += not this.ready
            if looking:
                looking.join()
            self.assertEqual(checker.problems, [])
            looking = threading.Thread(target=checker.look, args=(this,))
            looking.start()
        looking.join()
        self.assertEqual(checker.problems, [])
        print("killed while it started: %d of %d" % (starting, ROUNDS), file=sys.stderr)
        self.last(checker)

    def last(self, checker):
        """A server that is not killed has all in order soon."""
        server = self.serve()
        this = Round(ROUNDS)
        try:
            server.wait_log("owampd .* ready: ")
            harness.until(lambda: not archive_helper.value(
                self.path, "SELECT count(*) FROM sessions WHERE summaries_due OR removal_due"),
                          "all sessions are summed up", 4 * harness.PATIENCE)
            this.ready, this.kill_ns = True, time.time_ns()
            server.signal(harness.signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
        finally:
            server.kill()
        self.assertIsNone(harness.SANITIZER.search(server.log()))
        self.assertFalse(os.path.exists(self.path + "-wal"), "the last one leaves no log behind")
        checker.final(self.path, this)
        tails = sorted(checker.tails)
        print("sessions: %s; fetched again: %d; missing of running ones: at most %.2f s, median %.2f s (%d)" % (
            checker.outcomes, self.fetched_again, tails[-1], statistics.median(tails), len(tails)), file=sys.stderr)
        self.assertEqual(checker.problems, [])
        # That the load was one.
        for outcome in ("finished", "broken", "removed"):
            self.assertGreater(checker.outcomes[outcome], ROUNDS // 10, outcome)


if __name__ == "__main__":
    harness.main()

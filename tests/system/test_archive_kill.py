"""owampd killed at random moments, again and again, on one archive: nothing a client was told of is lost.

OWAMP_KILL_ROUNDS says how often (200), OWAMP_KILL_SEED makes the moments those of another run.
"""
import faulthandler
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time

import archive_helper
import harness
import netns
import owamp
from archive_ledger import CAROL, KEEP, SECOND, Checker, Entry, Round

ROUNDS = int(os.environ.get("OWAMP_KILL_ROUNDS", "200"))
SEED = int(os.environ.get("OWAMP_KILL_SEED", str(time.time_ns() % 10**9)))

ALICE, BOB = harness.ALICE, harness.BOB
KEYS = {**harness.KEYS, CAROL: b"of owping"}
LIMITS = """limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, \\
 max_timeout=0, max_duration=0
limit deleting with parent=root, delete_on_fetch=on
assign default root
assign user alice root
assign user bob deleting
assign user carol root
"""


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
                faulthandler.dump_traceback(all_threads=True)
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
        """Begins in the past and is over at once: a large transaction, and a minute that is summed up."""
        packets = 12000
        measurement = self.session(ahead=-59, packets=packets, interval=0.0045, timeout=0.1,
                                   omitted=range(packets))
        if measurement:
            measurement.send_all(self.over.is_set)
            self.over.wait(harness.PATIENCE)
            measurement.close()

    def whole(self, name, **options):
        """Sessions from begin to fetch, one after the other."""
        rng = random.Random("%s %s" % (name, self.seed))
        while not self.over.is_set():
            packets = rng.randrange(3, 25)
            measurement = self.session(packets=packets, interval=0.002, timeout=0.3,
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
            raise AssertionError("fetch of %s: Accept %d, Finished %d" % (
                entry.sid, answer.accept, answer.finished))
        entry.fetched = archive_helper.fetched(answer)

    def finishing(self):
        for measurement in self.whole("finishing", user=ALICE, secret=KEYS[ALICE]):
            self.finish(measurement)

    def early(self):
        """Stopped before all is sent; what was left out does not count, even if it was taken for lost."""
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
                    harness.program("owping"), "--json", "--records", "-t", "-c", "20", "-i", "0.001f",
                    "-L", "0.1", "-z", "0.01", "-E", "0.01", "-u", CAROL, "-k", self.test.keys,
                    self.test.net.v4], stdout=output)
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
            except sqlite3.OperationalError as error:
                # Not there yet, or for an instant in recovery.
                if "unable to open" not in str(error) and "no such table" not in str(error) \
                        and "locked" not in str(error):
                    raise
            time.sleep(0.03)


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
            harness.program("owampd"), "--foreground", "--config", self.conf, "--archive", self.path])
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
            file.write('keep = %ds\nlimits = "%s"\nkeys = "%s"\npbkdf2_count = 1024\n' % (
                KEEP, limits, self.keys))

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
        print("sessions: %s; fetched again: %d" % (checker.outcomes, self.fetched_again), file=sys.stderr)
        print("missing of %d running ones: at most %.2f s, median %.2f s" % (
            len(tails), tails[-1], statistics.median(tails)), file=sys.stderr)
        self.assertEqual(checker.problems, [])
        # That the load was one.
        for outcome in ("finished", "broken", "removed"):
            self.assertGreater(checker.outcomes[outcome], ROUNDS // 10, outcome)


if __name__ == "__main__":
    harness.main()

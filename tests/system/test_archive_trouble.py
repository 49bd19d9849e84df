"""The archive's disk full, read-only, locked, corrupt or gone while owampd measures: the measuring goes on.

OWAMP_READER_SECONDS says how long a reader holds its transaction (10; a minute at night).
"""
import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time

import archive_case
import archive_helper
import harness
import owamp

READER_SECONDS = float(os.environ.get("OWAMP_READER_SECONDS", "10"))

QUEUE = 262144
LONG = 4 * harness.PATIENCE
PAGE = 4096

KEPT = r"archive %s: .*(?:%s).*: results are kept in memory, up to 262144 records"
AGAIN = r"archive %s: results are written again after [\d.]+ s: (.*)"
NOTHING = "nothing was lost"
REPLACED = "the archive was replaced while the session was running: what came before is not in it"


class Stream:
    """A session whose packets are sent in the background until finish()."""

    def __init__(self, test):
        self.measurement = test.measurement(packets=100000, interval=0.005, timeout=1,
                                            omitted=range(7, 100000, 19))
        self.sid = self.measurement.sid.hex()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self.measurement.send_all, args=(self._over.is_set,))
        self._thread.start()
        test.addCleanup(self.end)

    def end(self):
        self._over.set()
        self._thread.join(harness.PATIENCE)

    def sent(self):
        return len(self.measurement.sent)

    def finish(self):
        """Nothing more is sent; when the Timeout of the last packet is over, all of it counts."""
        self.end()
        measurement = self.measurement
        over = measurement.due(measurement.next_seq) + owamp.interval(measurement.timeout + 0.2)
        harness.until(lambda: owamp.now() > over, "the last packet's Timeout")
        assert measurement.stop()[0] == owamp.OK


class Trouble(archive_case.ArchiveTest):
    def stream(self):
        """One that runs, and of which something is in the file."""
        stream = Stream(self)
        harness.until(lambda: self.stored(stream.sid), "the first transaction")
        return stream

    def assert_refused(self, measurement, reason):
        """What is not written cannot be fetched, and the answer comes all the same."""
        mark = self.server.mark()
        self.assertEqual(measurement.control.fetch(measurement.sid).accept, owamp.TEMPORARY)
        self.server.wait_log(r"fetch of %s refused \(Accept 5\): .*(%s)" % (measurement.sid.hex(), reason),
                             mark)

    def assert_served_as_before(self):
        """A session from after the trouble, without a restart."""
        made = self.measure()
        self.assert_whole(made)
        self.assert_fetched(made)
        self.assert_sound()

    def wait_trouble(self, reason, since=0):
        return self.server.wait_log(KEPT % (self.path, reason), since)

    def wait_again(self, since=0):
        """The end of trouble, and what was lost."""
        return self.server.wait_log(AGAIN % self.path, since, LONG)[1]

    def assert_said_once(self, losing=0):
        """The log has a line when trouble begins, when records begin to be lost, and at the end."""
        for text, count in (("results are kept in memory", 1), ("records are being lost", losing),
                            ("results are written again", 1)):
            self.assertEqual(len(self.server.find(text)), count, text)

    # The trouble.

    def mount(self, path, *arguments):
        os.mkdir(path)
        archive_helper.mount(*arguments, path)
        self.addCleanup(archive_helper.unmount, path)

    @contextlib.contextmanager
    def locked(self, path=None):
        """Another process is writing, and does not come to an end."""
        db = sqlite3.connect(path or self.path, isolation_level=None, timeout=harness.PATIENCE)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
        finally:
            db.close()


class Disk(Trouble):
    def flood(self, packets):
        """A session that loses packets faster than any disk writes."""
        made = self.measurement(packets=packets, interval=0.000002, timeout=0.2, omitted=range(packets))
        made.next_seq = packets
        return made

    def test_full(self):
        """A small file system fills up; what does not fit into memory is counted, and marked."""
        folder = os.path.join(self.folder, "small")
        self.mount(folder, "-t", "tmpfs", "-o", "size=1m", "archive")
        self.path = os.path.join(folder, "archive")
        self.serve()
        stream = self.stream()
        flood = self.flood(QUEUE + 150000)
        self.wait_trouble("full")
        self.server.wait_log("database or disk is full: 262144 records wait in memory, no more can,"
                             " and records are being lost", 0, LONG)
        before = stream.sent()
        during = self.measure()
        self.assert_refused(during, "disk is full")
        self.account(during, "broken off")
        flood.stop()
        self.account(flood, "broken off")
        harness.until(lambda: stream.sent() > before + 100, "packets are sent during the trouble")
        archive_helper.mount("-o", "remount,size=512m", folder)
        said = self.wait_again()
        # What comes from now on is stored.
        present = self.stored(stream.sid)
        harness.until(lambda: self.stored(stream.sid) > present + 100, "the session goes on in the file")
        stream.finish()
        total = 0
        for made in (stream.measurement, during, flood):
            missing = self.account(made, "broken off")[2]
            self.assertGreater(missing, 0)
            self.assertEqual(self.row(made), (
                "broken", "%d records could not be stored: database or disk is full" % missing,
                self.due(made) - missing, missing))
            total += missing
        self.assertEqual(said, "%d records of 3 sessions were lost" % total)
        self.assert_served_as_before()
        self.assert_said_once(losing=1)

    def test_read_only(self):
        """The file system is found to be read-only, and is writable again later."""
        inner, outer = os.path.join(self.folder, "inner"), os.path.join(self.folder, "outer")
        self.mount(inner, "-t", "tmpfs", "-o", "size=64m", "archive")
        self.mount(outer, "--bind", inner)
        self.path = os.path.join(outer, "archive")
        self.serve()
        stream = self.stream()
        # What is open for writing keeps a file system writable: owampd must open the file anew.
        with self.locked(os.path.join(inner, "archive")):
            archive_helper.unmount(outer)
            archive_helper.mount("--bind", inner, outer)
            archive_helper.mount("-o", "remount,bind,ro", outer)
            # Another process, for closing a file would take the lock.
            subprocess.run("cp archive-wal new-wal && cp archive new && rm archive-shm &&"
                           " mv new-wal archive-wal && mv new archive",
                           shell=True, cwd=inner, check=True, timeout=harness.PATIENCE)
        self.wait_trouble("[Rr]ead-?only")
        before = stream.sent()
        during = self.measure()
        self.account(during)
        self.assert_refused(during, "[Rr]ead-?only")
        harness.until(lambda: stream.sent() > before + 100, "packets are sent during the trouble")
        archive_helper.mount("-o", "remount,bind,rw", outer)
        self.assertEqual(self.wait_again(), NOTHING)
        stream.finish()
        self.assert_whole(stream.measurement)
        self.assert_whole(during)
        self.assert_served_as_before()
        self.assert_said_once()


class Others(Trouble):
    """Other processes at the same file."""

    def test_locked(self):
        self.serve()
        stream = self.stream()
        begin = time.monotonic()
        with self.locked():
            # Waits for the disk until it is known that there is trouble, and no longer.
            self.assert_refused(self.measure(), "locked")
            self.wait_trouble("locked")
            during = self.measure()
            self.account(during)
            self.assert_refused(during, "locked")
            harness.until(lambda: time.monotonic() > begin + 8, "8 s")
        self.assertEqual(self.wait_again(), NOTHING)
        stream.finish()
        self.assert_whole(stream.measurement)
        self.assert_whole(during)
        self.assert_served_as_before()
        self.assert_said_once()

    def load(self):
        """Enough to fill the log up to the point where it begins anew, if nobody reads."""
        packets = 60000
        made = self.measurement(packets=packets, interval=0.00001, timeout=0.1, omitted=range(packets))
        harness.until(lambda: self.stored(made.sid.hex()) == packets, "all losses are stored", LONG)
        made.next_seq = packets
        made.stop()

    def test_reader(self):
        """One who reads for long sees what there was, and nobody waits; the log does not grow for ever."""
        self.serve()
        stream = self.stream()
        self.load()
        reader = self.keep(archive_helper.connect(self.path))
        reader.execute("BEGIN")
        query = "SELECT count(*), max(session_id) FROM packets"
        seen = reader.execute(query).fetchone()
        over = time.monotonic() + READER_SECONDS
        self.load()
        sequence = archive_helper.wal_sequence(self.path)
        size = os.path.getsize(self.path + "-wal")
        while time.monotonic() < over:
            count = self.stored(stream.sid)
            harness.until(lambda count=count: self.stored(stream.sid) > count + 50, "writing goes on")
            self.assertEqual(reader.execute(query).fetchone(), seen)
        self.load()
        self.assertEqual(archive_helper.wal_sequence(self.path), sequence, "the reader holds the log")
        self.assertGreater(os.path.getsize(self.path + "-wal"), size)
        self.assertEqual(reader.execute(query).fetchone(), seen)
        reader.execute("COMMIT")
        self.assertGreater(reader.execute(query).fetchone(), seen)
        until = time.monotonic() + LONG
        while archive_helper.wal_sequence(self.path) == sequence:
            self.assertLess(time.monotonic(), until, "the log begins anew")
            self.load()
        size = os.path.getsize(self.path + "-wal")
        for _ in range(4):
            self.load()
        self.assertLessEqual(os.path.getsize(self.path + "-wal"), size, "the log has room for what comes")
        stream.finish()
        self.assert_whole(stream.measurement)
        self.assert_served_as_before()
        self.assert_never_logged(self.server, "archive.*(kept in memory|lost)")


class Gone(Trouble):
    """The file itself is lost."""

    def corrupt(self):
        """All pages but the first, and owampd has to read them again."""
        db = sqlite3.connect(self.path, isolation_level=None, timeout=harness.PATIENCE)

        def alone():
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute("BEGIN IMMEDIATE")
            if os.path.getsize(self.path + "-wal") == 0:
                return True
            db.execute("ROLLBACK")
            return False

        harness.until(alone, "the log is empty")
        db.execute("UPDATE endpoints SET name = 'changed'")
        pages = os.path.getsize(self.path) // PAGE
        subprocess.run(["dd", "if=/dev/urandom", "of=" + self.path, "bs=%d" % PAGE, "seek=1",
                        "count=%d" % (pages - 1), "conv=notrunc"],
                       check=True, capture_output=True, timeout=harness.PATIENCE)
        db.execute("COMMIT")
        db.close()

    def move_away(self):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.path + suffix):
                os.rename(self.path + suffix, self.path + ".away" + suffix)

    def test_garbage(self):
        """Until somebody moves the file away."""
        self.serve()
        stream = self.stream()
        self.corrupt()
        self.wait_trouble("malformed")
        before = stream.sent()
        during = self.measure()
        self.account(during)
        self.assert_refused(during, "malformed")
        harness.until(lambda: stream.sent() > before + 100, "packets are sent during the trouble")
        self.move_away()
        self.assertEqual(self.wait_again(), NOTHING)
        self.assert_whole(during)
        self.goes_on(stream)
        self.assert_said_once()

    def test_removed(self):
        self.serve()
        stream = self.stream()
        before = self.measure()
        self.assert_whole(before)
        self.move_away()
        self.server.wait_log("archive %s: the file was removed or replaced: it is opened anew" % self.path)
        self.goes_on(stream)
        self.assert_sound(self.path + ".away")
        self.assertEqual(before.control.fetch(before.sid).accept, owamp.FAILURE)
        self.assert_never_logged(self.server, "archive.*(kept in memory|lost)")

    def goes_on(self, stream):
        """In a new file, which does not have what was written to the other."""
        harness.until(lambda: self.stored(stream.sid), "the session goes on in the new file")
        stream.finish()
        self.account(stream.measurement)
        outcome, reason, records, missing = self.row(stream.measurement)
        self.assertEqual((outcome, reason, missing), ("broken", REPLACED, 0))
        self.assertLess(records, self.due(stream.measurement))
        self.assert_served_as_before()


class End(Trouble):
    def test_ends_in_trouble(self):
        """Soon, and it says what was not written; at the next start that is marked."""
        self.serve()
        stream = self.stream()
        with self.locked():
            self.wait_trouble("locked")
            during = self.measure()
            self.account(during)
            stream.end()
            self.server.signal(signal.SIGTERM)
            self.assertEqual(self.server.wait(), 1)
            self.server.stopped = True
            said = self.server.wait_log("archive %s: .*locked.*: at the end (\\d+) records and the ends of"
                                        " (\\d+) sessions were not written" % self.path)
            measured = sum(self.account(during)[:2])
            measured += sum(self.account(stream.measurement, "broken off")[:2])
            self.assertEqual(int(said[1]), measured - self.stored(stream.sid))
            self.assertEqual(int(said[2]), 2)
        self.serve()
        outcome, reason, _, missing = self.row(stream.measurement)
        self.assertEqual((outcome, reason, missing),
                         ("broken", "owampd ended while the session was running", 0))
        self.assert_served_as_before()


if __name__ == "__main__":
    harness.main(harness.missing("dd", "mount", "umount"), archive_helper.own_mounts)

"""The archive's disk full, read-only, locked, corrupt or gone while owampd measures: the measuring goes on.

OWAMP_READER_SECONDS says how long a reader holds its transaction (10; a minute at night).
"""
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import archive_helper
import harness
import netns
import owamp

READER_SECONDS = float(os.environ.get("OWAMP_READER_SECONDS", "10"))

ALICE = harness.ALICE
QUEUE = 262144
LONG = 4 * harness.PATIENCE
PAGE = 4096

KEPT = r"archive %s: .*%s.*: results are kept in memory, up to 262144 records"
AGAIN = r"archive %s: results are written again after [\d.]+ s: (.*)"
NOTHING = "nothing was lost"
REPLACED = "the archive was replaced while the session was running: what came before is not in it"


class Stream:
    """A session whose packets are sent in the background until finish()."""

    def __init__(self, test, **options):
        self.measurement = test.measurement(packets=100000, interval=0.005, timeout=1, omitted=range(7, 100000, 19),
                                            **options)
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
        """Nothing more is sent; waits until the Timeout of the last packet is over, so that all of it counts."""
        self.end()
        measurement = self.measurement
        over = measurement.due(measurement.next_seq) + owamp.interval(measurement.timeout + 0.2)
        harness.until(lambda: owamp.now() > over, "the last packet's Timeout")
        assert measurement.stop()[0] == owamp.OK


class Trouble(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.folder = self.directory()
        self.path = os.path.join(self.folder, "archive")

    # What is measured.

    def serve(self, **options):
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS,
                                  arguments=("--archive", self.path), **options)
        return self.server

    def measurement(self, **options):
        return self.keep(archive_helper.Measurement(self.net.client, self.net.v4, **options)).start()

    def stream(self):
        """One that runs, and of which something is in the file."""
        stream = Stream(self)
        harness.until(lambda: self.stored(stream.sid), "the first transaction")
        return stream

    def measure(self):
        """A short measurement with its end. The server answers as ever."""
        made = self.measurement(packets=20, interval=0.002, timeout=0.4, omitted=[11])
        made.send_all()
        self.assertEqual(made.stop()[0], owamp.OK)
        return made

    @staticmethod
    def due(measurement):
        """How many records there are of what the client says it reached."""
        return len(measurement.sent) + sum(seq in measurement.omitted for seq in range(measurement.next_seq))

    def account(self, measurement, how="finished"):
        """What the log says of a session: received, lost (also by the schedule only), could not be stored."""
        line = self.server.wait_log(r"session %s (.*): (\d+) packets received, (\d+) lost, 0 duplicates(.*)"
                                    % measurement.sid.hex())
        self.assertEqual(line[1], how)
        self.assertEqual(int(line[2]), len(measurement.sent), "packets received, of all that were sent")
        lost = harness.re.fullmatch(r"(?:; (\d+) records could not be stored)?", line[4])
        self.assertIsNotNone(lost, line[0])
        return int(line[2]), int(line[3]), int(lost[1] or 0)

    def assert_refused(self, measurement, reason):
        """What is not written cannot be fetched, and the answer comes all the same."""
        mark = self.server.mark()
        self.assertEqual(measurement.control.fetch(measurement.sid).accept, owamp.TEMPORARY)
        self.server.wait_log(r"fetch of %s refused \(Accept 5\): .*%s" % (measurement.sid.hex(), reason), mark)

    def assert_fetched(self, measurement, count=20):
        answer = measurement.fetch()
        self.assertEqual((answer.accept, len(answer.records)), (owamp.OK, count))

    # What is in the file.

    def stored(self, sid):
        """How many records; also if there is no such session yet, or no file that is one."""
        try:
            return archive_helper.value(self.path, "SELECT count(*) FROM packets JOIN sessions USING (session_id)"
                                        " WHERE sid = ?", sid)
        except sqlite3.OperationalError as error:
            if str(error) not in ("no such table: packets", "unable to open database file"):
                raise
            return 0

    def row(self, measurement, path=None):
        """Outcome, reason, records, records_lost of a session that has ended."""
        rows = []

        def ended():
            rows[:] = archive_helper.ask(path or self.path, "SELECT outcome, reason, records, records_lost FROM"
                                         " sessions WHERE sid = ? AND outcome <> 'running'", measurement.sid.hex())
            return rows

        harness.until(ended, "the session's end is in the file")
        self.assertEqual(rows[0][2], self.stored(measurement.sid.hex()))
        return rows[0]

    def assert_whole(self, measurement):
        """Finished, with every packet that was sent and every loss."""
        self.account(measurement)
        self.assertEqual(self.row(measurement), ("finished", None, self.due(measurement), 0))

    def assert_sound(self, path=None):
        db = archive_helper.connect(path or self.path)
        try:
            self.assertIsNone(archive_helper.damage(db))
        finally:
            db.close()

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
        """Of the archive, the log has a line when trouble begins, when records begin to be lost, and at the end."""
        lines = [line for line in self.server.log().splitlines() if " archive " in line and "can be fetched" not in line]
        self.assertEqual(len([line for line in lines if "results are kept in memory" in line]), 1, lines)
        self.assertEqual(len([line for line in lines if "records are being lost" in line]), losing, lines)
        self.assertEqual(len([line for line in lines if "results are written again" in line]), 1, lines)
        return lines

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
        """A small file system fills up; what does not fit into memory is counted, and said where it is missing."""
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
            self.assertEqual(self.row(made), ("broken", "%d records could not be stored: database or disk is full"
                                              % missing, self.due(made) - missing, missing))
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
            subprocess.run("cp archive-wal new-wal && cp archive new && rm archive-shm && mv new-wal archive-wal &&"
                           " mv new archive", shell=True, cwd=inner, check=True, timeout=harness.PATIENCE)
        self.wait_trouble("read-?only|unable to open")
        before = stream.sent()
        during = self.measure()
        self.account(during)
        self.assert_refused(during, "read-?only|unable to open")
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
        subprocess.run(["dd", "if=/dev/urandom", "of=" + self.path, "bs=%d" % PAGE, "seek=1", "conv=notrunc",
                        "count=%d" % (pages - 1)], check=True, capture_output=True, timeout=harness.PATIENCE)
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


class Start(Trouble):
    """With an archive that cannot be used: exit status 1, the reason with the file's name, and it is as it was."""

    def made(self):
        """A real one."""
        self.serve()
        self.assert_whole(self.measure())
        self.server.end(self)

    def assert_refuses(self, reason, *arguments, path=None):
        path = path or self.path
        before = archive_helper.digest(path) if os.path.isfile(path) else None
        conf = os.path.join(self.directory(), "conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write("pbkdf2_count = 1024\n")
        server = harness.Process(self.net.server, [harness.program("owampd"), "--foreground", "--config", conf,
                                                   "--archive", path, *arguments], "owampd")
        self.processes.append(server)
        self.addCleanup(server.kill)
        self.assertEqual(server.wait(), 1)
        self.assertEqual(len(server.find("archive %s(-lock)?: .*(%s)" % (path, reason))), 1, server.log())
        self.assertEqual(server.find("ready"), [])
        self.assertIsNone(harness.SANITIZER.search(server.log()))
        if before:
            self.assertEqual(archive_helper.digest(path), before, "the file was changed")

    def test_no_archive(self):
        with open(self.path, "wb") as file:
            file.write(os.urandom(20 * PAGE))
        self.assert_refuses("file is not a database")

    def test_corrupt(self):
        self.made()
        with open(self.path, "r+b") as file:
            file.seek(PAGE)
            file.write(os.urandom(os.path.getsize(self.path) - PAGE))
        self.assert_refuses("malformed")

    def test_cut_off(self):
        self.made()
        os.truncate(self.path, 3 * PAGE)
        self.assert_refuses("malformed")

    def test_newer(self):
        self.made()
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA user_version = 99")
        self.assert_refuses("is of schema version 99, written by a newer release")

    def test_something_else(self):
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("CREATE TABLE recipes (name TEXT)")
        self.assert_refuses("is an SQLite database of something else")

    def test_directory(self):
        self.assert_refuses("not a regular file", path=self.folder)

    def test_no_directory(self):
        self.assert_refuses("unable to open database file", path=os.path.join(self.folder, "nowhere", "archive"))

    def test_no_permission(self):
        """As the user that the server is to run as."""
        self.made()
        os.remove(self.path + "-lock")
        for mode, folder_mode in ((0o600, 0o755), (0o644, 0o755), (0o666, 0o700)):
            with self.subTest(file=oct(mode), folder=oct(folder_mode)):
                os.chmod(self.path, mode)
                os.chmod(self.folder, folder_mode)
                self.assert_refuses("Permission denied|unable to open database file|readonly", "--user", "nobody")

    def test_in_use(self):
        """By another owampd."""
        self.serve()
        self.assert_refuses(r"in use by another owampd \(pid %d\)" % self.server.pid, "--listen", "127.0.0.1:8610")
        self.assert_whole(self.measure())


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
            self.assertEqual(self.server.wait(), 0)
            self.server.stopped = True
            said = self.server.wait_log("archive %s: .*locked.*: at the end (\\d+) records and the ends of"
                                        " (\\d+) sessions were not written" % self.path)
            measured = sum(self.account(during)[:2]) + sum(self.account(stream.measurement, "broken off")[:2])
            self.assertEqual(int(said[1]), measured - self.stored(stream.sid))
            self.assertEqual(int(said[2]), 2)
        self.serve()
        outcome, reason, _, missing = self.row(stream.measurement)
        self.assertEqual((outcome, reason, missing), ("broken", "owampd ended while the session was running", 0))
        self.assert_served_as_before()


if __name__ == "__main__":
    if not shutil.which("dd"):
        raise SystemExit("dd is not installed")
    harness.main(archive_helper.own_mounts)

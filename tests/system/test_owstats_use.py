"""owstats as it is used: exports, pruning, files that are no archives, files in use, terminals."""
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import random
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import unittest

import archive_model as model
import harness
import owstats_helper as helper
from owstats_helper import run

DAY, SECOND = model.DAY, model.SECOND
PARIS, TOKYO = model.PARIS, model.TOKYO
SEED = 7680


def make(number, days_ago, count=200, **columns):
    """A session that ended so long ago."""
    start = time.time_ns() // SECOND * SECOND - days_ago * DAY - model.HOUR
    content = model.make_records(random.Random(SEED + number), start, count, SECOND // 10, 5000000, 300000, loss=0.04,
                                 drop=0.5)
    return model.Session(number, (PARIS, TOKYO), start, content, **columns)


def raw_line(record):
    """As perfSONAR's owping prints a record."""
    def stamp(time, estimate):
        return "%d %d %s" % (time % 2**64, estimate >> 15, "%g" % (model.error_ns(estimate) / 1e9))
    return "%d %s %s %d" % (record.seq, stamp(record.send, record.send_error),
                            stamp(record.receive or 0, record.receive_error), record.ttl)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Export(helper.OwstatsTest):
    def setUp(self):
        self.session = make(1, 1)
        self.archive = self.archive_of([self.session])
        self.lines = [raw_line(record) for record in self.session.content]
        figures = model.Figures(self.session.content)
        self.assertTrue(figures.lost and figures.dropped)

    def test_raw(self):
        self.assertEqual(self.text(self.archive, "export", self.session.sid).splitlines(), self.lines)

    def test_file(self):
        path = self.directory() + "/out"
        self.assertEqual(self.text(self.archive, "export", self.session.sid, "-o", path), "")
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read().splitlines(), self.lines)
        self.text(self.archive, "export", self.session.sid, "-o", path)
        self.assertEqual(run("export", "ffff", "-o", path, archive=self.archive).status, 1)
        with open(path, encoding="ascii") as file:
            self.assertEqual(len(file.readlines()), len(self.lines))

    def test_overwrites_no_database(self):
        """Neither the archive, by whatever name, nor what belongs to it, nor any other."""
        directory = os.path.dirname(self.archive)
        os.symlink(self.archive, directory + "/symbolic")
        os.link(self.archive, directory + "/hard")
        other = directory + "/other.sqlite"
        with contextlib.closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE cakes (name TEXT)")
        with contextlib.closing(sqlite3.connect(self.archive)) as db:
            db.execute("SELECT count(*) FROM sessions").fetchone()
            names = (self.archive, directory + "/./archive.sqlite", directory + "/symbolic", directory + "/hard",
                     self.archive + "-wal", self.archive + "-shm", other)
            before = {name: (os.path.getsize(name), digest(name)) for name in names if not name.endswith("-shm")}
            for archive in (self.archive, directory + "/symbolic"):
                for name in names:
                    answer = run("export", self.session.sid, "-o", name, archive=archive)
                    reason = "is an SQLite database" if name == other else "belongs to the archive"
                    self.assertEqual(answer, (1, "", "owstats: %s: %s: it is not overwritten\n" % (name, reason)))
            self.assertEqual({name: (os.path.getsize(name), digest(name)) for name in before}, before)
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")

    def test_unreadable_records(self):
        """What a file held is there until there are records to replace it."""
        path = self.directory() + "/out"
        with open(path, "w", encoding="ascii") as file:
            file.write("precious")
        self.change(self.archive, "DROP TABLE packet_rows")
        for arguments in ((), ("--json",), ("--csv",)):
            answer = run("export", self.session.sid, "-o", path, *arguments, archive=self.archive)
            self.assertEqual(answer.status, 1)
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), "precious")

    def test_json_and_csv(self):
        found = self.ask(self.archive, "export", self.session.sid)["records"]
        rows = self.rows(self.archive, "export", self.session.sid)
        self.assertEqual((len(found), len(rows)), (len(self.lines), len(self.lines)))
        for record, entry, row in zip(self.session.content, found, rows):
            arrived = record.receive is not None
            self.assertEqual(entry, {
                "seq": record.seq, "send_time_ns": model.send_ns(record),
                "receive_time_ns": model.to_ns(record.receive) if arrived else None, "delay_ns": model.delay_ns(record),
                "send_error_ns": model.error_ns(record.send_error),
                "receive_error_ns": model.error_ns(record.receive_error),
                "send_synchronized": bool(record.send_error >> 15), "receive_synchronized": True,
                "ttl": record.ttl if arrived else None, "duplicate": bool(record.duplicate),
                "dropped": bool(record.dropped)})
            self.assertEqual(row["send_time"], helper.time_text(model.send_ns(record), 9))
            self.assertEqual(row["receive_time"], helper.time_text(entry["receive_time_ns"], 9) if arrived else "")
            for key, value in entry.items():
                self.assertEqual(row[key], {None: "", True: "true", False: "false"}[value]
                                 if value is None or isinstance(value, bool) else str(value))

    def test_beyond_the_end(self):
        """What the sender never reached is not the session's."""
        self.change(self.archive, "UPDATE sessions SET next_seq = 50")
        self.assertEqual(self.text(self.archive, "export", self.session.sid).splitlines(),
                         [raw_line(record) for record in self.session.content if record.seq < 50])

    def test_nothing_to_export(self):
        self.prune(self.archive, 1)
        self.fails(1, "its packets are pruned", "export", self.session.sid, archive=self.archive)
        empty = make(1, 1, count=0, packets=7)
        self.fails(1, "it has no records", "export", empty.sid, archive=self.archive_of([empty]))

    def test_cannot_write(self):
        with open("/dev/full", "wb") as full:
            for arguments in (("export", self.session.sid), ("list",), ("show", self.session.sid, "--json")):
                done = subprocess.run([harness.program("owstats"), *arguments, "-a", self.archive], stdout=full,
                                      stderr=subprocess.PIPE, check=False, timeout=harness.PATIENCE)
                self.assertEqual((done.returncode, done.stderr),
                                 (1, b"owstats: standard output: No space left on device\n"))
        answer = run("export", self.session.sid, "-o", "/dev/full", archive=self.archive)
        self.assertEqual(answer, (1, "", "owstats: /dev/full: No space left on device\n"))
        answer = run("export", self.session.sid, "-o", "/no/such/file", archive=self.archive)
        self.assertEqual(answer, (1, "", "owstats: /no/such/file: No such file or directory\n"))


class Prune(helper.OwstatsTest):
    """Sessions of 1, 10 and 40 days ago, and one that runs since 50 days."""

    KEEP = ("--keep-packets", "7d", "--keep-summaries", "30d")

    def setUp(self):
        self.sessions = [make(1, 1), make(2, 10), make(3, 40),
                         make(4, 50, outcome="running", end_ns=None, records=0)]
        self.archive = self.archive_of(self.sessions)
        self.sids = {session.id: session.sid for session in self.sessions}

    def one(self, sql):
        with contextlib.closing(sqlite3.connect(self.archive)) as db:
            return db.execute(sql).fetchone()[0]

    def removed(self, document):
        return {(entry["sid"], entry["removed"]) for entry in document["removed"]}

    def test_dry_run(self):
        before = digest(self.archive)
        found = self.ask(self.archive, "prune", *self.KEEP, "--dry-run")
        self.assertEqual(self.removed(found), {(self.sids[2], "packets"), (self.sids[3], "session")})
        self.assertEqual((found["dry_run"], found["sessions_removed"], found["packets_removed_of"]), (True, 1, 1))
        self.assertEqual(digest(self.archive), before)
        self.assertEqual(len(self.ask(self.archive)["sessions"]), 4)

    def test_by_age(self):
        before = {row["sid"]: row for row in self.ask(self.archive)["sessions"]}
        found = self.ask(self.archive, "prune", *self.KEEP)
        self.assertEqual(self.removed(found), {(self.sids[2], "packets"), (self.sids[3], "session")})
        self.assertEqual((found["dry_run"], found["sessions_removed"], found["packets_removed_of"]), (False, 1, 1))
        self.assertEqual(found["notes"], ["1 running session is left alone"])
        self.assertEqual(found["octets_after"], os.path.getsize(self.archive))
        after = {row["sid"]: row for row in self.ask(self.archive)["sessions"]}
        self.assertEqual(set(after), {self.sids[1], self.sids[2], self.sids[4]})
        for number in (1, 4):
            self.assertEqual(after[self.sids[number]], before[self.sids[number]])
        for key in ("sent", "lost", "dropped", "duplicates", "reordered", "delay_min_ns", "delay_max_ns",
                    "clock_error_ns"):
            self.assertEqual(after[self.sids[2]][key], before[self.sids[2]][key])
        self.assertEqual(self.one("SELECT count(*) FROM packets WHERE session_id = 2"), 0)
        self.assertEqual(self.one("SELECT count(*) FROM packets WHERE session_id = 4"), len(self.sessions[3].content))
        again = self.ask(self.archive, "prune", *self.KEEP)
        self.assertEqual((again["removed"], again["sessions_removed"]), ([], 0))

    def test_text(self):
        text = self.text(self.archive, "prune", *self.KEEP)
        self.assertEqual(set(text.splitlines()[:2]), {"packets " + self.sids[2], "session " + self.sids[3]})
        self.assertRegex(text, r"removed: the packets of 1 session, and 1 session whole; file \S+ KiB, now \S+ KiB")

    def test_by_size(self):
        """The oldest packets go first, and the file gets shorter."""
        sessions = [make(number, 20 - number, count=6000) for number in range(1, 9)]
        self.archive = self.archive_of(sessions)
        size = os.path.getsize(self.archive)
        found = self.ask(self.archive, "prune", "--max-size", "%dk" % (size // 2048))
        gone = [entry["sid"] for entry in found["removed"]]
        self.assertEqual(gone, [session.sid for session in sessions[:len(gone)]])
        self.assertTrue(3 <= len(gone) <= 5, gone)
        self.assertLess(os.path.getsize(self.archive), size * 0.65)
        self.assertEqual(found["notes"], [])
        found = self.ask(self.archive, "prune", "--max-size", 20000)
        self.assertIn("nothing that has ended is left to remove", " ".join(found["notes"]))
        self.fails(1, "no session yet", "list", archive=self.archive)

    def test_dry_run_by_size(self):
        """An estimate, which says so, of the same sessions."""
        sessions = [make(number, 20 - number, count=3000) for number in range(1, 9)]
        self.archive = self.archive_of(sessions)
        limit = "%dk" % (os.path.getsize(self.archive) // 2048)
        planned = self.ask(self.archive, "prune", "--max-size", limit, "--dry-run")
        done = self.ask(self.archive, "prune", "--max-size", limit)
        self.assertIn("estimates", planned["notes"][0])
        self.assertLessEqual(abs(len(planned["removed"]) - len(done["removed"])), 1)
        shorter = min(len(planned["removed"]), len(done["removed"]))
        self.assertEqual(planned["removed"][:shorter], done["removed"][:shorter])

    def test_locked(self):
        """Somebody who writes is waited for, but not for ever."""
        with contextlib.closing(sqlite3.connect(self.archive, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            self.fails(1, "database is locked", "prune", *self.KEEP, archive=self.archive)
            self.assertEqual(len(self.ask(self.archive)["sessions"]), 4)


class Files(helper.OwstatsTest):
    """What is no archive, and what is in use."""

    def setUp(self):
        self.path = self.directory() + "/file"

    def write(self, octets):
        with open(self.path, "wb") as file:
            file.write(octets)

    def test_not_there(self):
        for command in (("list",), ("prune", "--max-size", "1m"), ("prune", "--max-size", "1m", "--dry-run")):
            self.fails(1, self.path + ": No such file or directory", *command, archive=self.path)
            self.assertFalse(os.path.exists(self.path))
        self.fails(1, "/var/lib/owampd/archive.sqlite: ", "list")

    def test_not_an_archive(self):
        cases = {b"plain text, and more of it than a header has" * 100: "file is not a database", b"": "empty"}
        for octets, reason in cases.items():
            self.write(octets)
            for command in (("list",), ("prune", "--max-size", "1m")):
                self.fails(1, reason, *command, archive=self.path)
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), octets)
        self.fails(1, "is not a regular file", "list", archive=self.directory())
        self.write(b"")
        self.change(self.path, "CREATE TABLE other (x)")
        self.fails(1, "is an SQLite database of something else", "list", archive=self.path)

    def test_newer(self):
        archive = self.archive_of([make(1, 1)])
        self.change(archive, "PRAGMA user_version = 99")
        self.fails(1, "schema version 99, written by a newer release", "list", archive=archive)

    def test_corrupt(self):
        session = make(1, 1, count=3000)
        archive = self.archive_of([session])
        with open(archive, "r+b") as file:
            file.seek(4096 * 40)
            file.write(os.urandom(os.path.getsize(archive) - 4096 * 40))
        for command in ("show", "export"):
            answer = run(command, session.sid, archive=archive)
            self.assertEqual(answer.status, 1)
            self.assertIn("owstats: %s: database disk image is malformed" % archive, answer.stderr)
        answer = run("export", session.sid, "--json", archive=archive)
        document = json.loads(answer.stdout)
        self.assertEqual((answer.status, document["exit_status"]), (1, 1))
        self.assertIn("malformed", document["error"])

    def test_hostile(self):
        """Values that no writer stores: an answer or a refusal, never a crash."""
        session = make(1, 1)
        commands = (("list",), ("show", session.sid, "--minutes"), ("summary", PARIS, TOKYO),
                    ("timeline", PARIS, TOKYO, "--step", "5000w"), ("timeline", PARIS, TOKYO, "--step", "1d"),
                    ("histogram", PARIS, TOKYO), ("histogram", session.sid), ("export", session.sid),
                    ("prune", "--max-size", "1k", "--dry-run"))
        for value in (2**63 - 1, -2**63, -1, 2**62):
            archive = self.archive_of([session])
            self.change(archive, *("UPDATE %s SET %s = %d" % (table, column, value) for table, column in (
                ("sessions", "start_ns"), ("sessions", "end_ns"), ("sessions", "created_ns"), ("sessions", "records"),
                ("minutes", "delay_max_ns"), ("minutes", "send_error_ns"), ("minutes", "receive_error_ns"),
                ("minutes", "sent"), ("losses", "begin_ns"), ("sessions", "timeout_ntp"))))
            self.change(archive, "UPDATE losses SET end_ns = CASE WHEN begin_ns < 0 THEN 5 ELSE -begin_ns END",
                        "UPDATE OR IGNORE histograms SET delay_ns = %d" % value,
                        "UPDATE packet_rows SET send_time_ns = %d WHERE seq = 3" % value)
            for pruned in (False, True):
                if pruned:
                    self.prune(archive, 1)
                for command in commands:
                    self.assertIn(run(*command, archive=archive).status, (0, 1), command)

    def test_option_before_environment(self):
        archive = self.archive_of([make(1, 1)])
        answer = run("list", "-a", archive, archive=self.path)
        self.assertEqual(answer.status, 0, answer.stderr)

    def test_in_use(self):
        """What is committed is seen while somebody writes; the writer does not wait either."""
        archive = self.archive_of([make(1, 1), make(2, 1)])
        with contextlib.closing(sqlite3.connect(archive, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM packet_rows WHERE session_id = 1")
            db.execute("UPDATE sessions SET outcome = 'broken' WHERE session_id = 1")
            found = {row["sid"]: row for row in self.ask(archive)["sessions"]}
            self.assertEqual(found[make(1, 1).sid]["outcome"], "finished")
            db.execute("COMMIT")
        found = {row["sid"]: row for row in self.ask(archive)["sessions"]}
        self.assertEqual(found[make(1, 1).sid]["outcome"], "broken")

    def test_nothing_is_written(self):
        archive = self.archive_of([make(1, 1)])
        before = digest(archive)
        for command in (("list",), ("show", make(1, 1).sid), ("summary", PARIS, TOKYO),
                        ("timeline", PARIS, TOKYO), ("histogram", PARIS, TOKYO), ("export", make(1, 1).sid)):
            self.text(archive, *command)
        self.assertEqual(digest(archive), before)


class Nothing(helper.OwstatsTest):
    """Programs find the list they look for, empty; but none where the archive could not be read."""

    LISTS = {("list", "--from", "192.0.2.99"): "sessions", ("summary", PARIS, "192.0.2.99"): "directions",
             ("timeline", PARIS, "192.0.2.99"): "steps", ("histogram", PARIS, "192.0.2.99"): "buckets",
             ("histogram", "ffff"): "buckets", ("export", "ffff"): "records"}
    SOME = {"list": ("list",), "summary": ("summary", PARIS, TOKYO), "timeline": ("timeline", PARIS, TOKYO)}

    def test_nothing_found(self):
        session = make(1, 1)
        archive = self.archive_of([session])
        for arguments, name in self.LISTS.items():
            answer = run(*arguments, "--json", archive=archive)
            self.assertEqual((answer.status, json.loads(answer.stdout)[name]), (1, []), arguments)
            some = self.SOME.get(arguments[0], (arguments[0], session.sid))
            header = run(*some, "--csv", archive=archive).stdout.split("\r\n", maxsplit=1)[0]
            answer = run(*arguments, "--csv", archive=archive)
            self.assertEqual((answer.status, answer.stdout), (1, header + "\r\n"), arguments)

    def test_cannot_open(self):
        for arguments, name in self.LISTS.items():
            answer = run(*arguments, "--json", archive=self.directory() + "/none")
            document = json.loads(answer.stdout)
            self.assertEqual((answer.status, name in document), (1, False))
            self.assertIn("No such file", document["error"])
            self.assertEqual(run(*arguments, "--csv", archive=self.directory() + "/none")[:2], (1, ""))

    def test_zone(self):
        archive = self.archive_of([make(1, 1)])
        self.change(archive, "UPDATE endpoints SET address = 'fe80::1' WHERE address = '%s'" % PARIS)
        for name in ("fe80::1", "fe80::1%eth0", "[FE80:0::1%eth0]"):
            self.assertEqual(len(self.ask(archive, "list", "--from", name)["sessions"]), 1, name)
        self.fails(1, "no session has an endpoint fe80::2%eth0", "list", "--from", "fe80::2%eth0", archive=archive)

    def test_clipped_timeline(self):
        """Packets count only within what was asked for, though steps are whole."""
        session = make(1, 1, count=2000)
        archive = self.archive_of([session])
        low, high = session.start_ns + 30 * SECOND, session.start_ns + 75 * SECOND
        arguments = ("timeline", PARIS, TOKYO, "--step", "1h", "--since", helper.time_text(low, 9), "--until",
                     helper.time_text(high, 9))
        found = self.ask(archive, *arguments)
        expected = {record.seq for record in helper.within(low, high, session.content)}
        self.assertEqual((sum(step["sent"] for step in found["steps"]), found["notes"]), (len(expected), []))
        self.prune(archive, 1)
        note = "the range was widened to whole steps"
        found = self.ask(archive, *arguments)
        self.assertIn(note, found["notes"][0])
        self.assertGreater(sum(step["sent"] for step in found["steps"]), len(expected))
        self.assertIn("note: " + note, self.text(archive, *arguments))
        self.assertIn("note: " + note, run(*arguments, "--csv", archive=archive).stderr)


class Usage(helper.OwstatsTest):
    def test_spans(self):
        for arguments in (("timeline", PARIS, TOKYO, "--step", "0s"), ("prune", "--keep-packets", "0s")):
            self.fails(2, "0s: expected a span of time above 0, such as", *arguments)

    def test_usage(self):
        for arguments, message in ((("lost",), "lost: no such command"), (("show",), "expected one SID"),
                                   (("list", "--since", "1h", "--until", "2h"), "--since is not before --until"),
                                   (("list", "--since", "noon"), "--since noon: expected a time, such as"),
                                   (("list", "--step", "1h"), "there is no --step here"),
                                   (("--json", "--csv"), "exclude each other")):
            self.fails(2, message, *arguments)

    def test_help(self):
        answer = run("--help")
        self.assertEqual((answer.status, answer.stderr), (0, ""))
        for word in ("list", "show", "summary", "histogram", "timeline", "export", "prune", "--since",
                     "--keep-packets"):
            self.assertIn(word, answer.stdout)
        self.assertRegex(run("--version").stdout, r"^owstats \(owamp-suite\) \S+\n$")


class Terminal(helper.OwstatsTest):
    def on_terminal(self, *arguments, stream="stdout", rows=30, columns=100, **environment):
        """What a terminal of that size gets on one stream."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: slave}
        process = subprocess.Popen([harness.program("owstats"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                   env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm",
                                        **environment}, **streams)
        self.addCleanup(process.wait)
        os.close(slave)
        octets = b""
        # Reading fails when the last writer is gone.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65536):
                octets += chunk
        self.assertEqual(process.wait(harness.PATIENCE), 0, octets)
        return octets.decode().replace("\r\n", "\n")

    def setUp(self):
        self.session = make(1, 1, count=2000)
        self.archive = self.archive_of([self.session, make(2, 1, outcome="broken", reason="it broke")])

    def test_colors(self):
        for arguments in (("list",), ("show", make(2, 1).sid), ("histogram", self.session.sid),
                          ("timeline", PARIS, TOKYO)):
            self.assertIn("\033[", self.on_terminal(*arguments, "-a", self.archive), arguments)
            for setting in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}):
                self.assertNotIn("\033", self.on_terminal(*arguments, "-a", self.archive, **setting), arguments)
            self.assertNotIn("\033", self.on_terminal(*arguments, "-a", self.archive, "--json"))

    def test_size(self):
        for rows, columns in ((14, 60), (24, 80), (60, 160)):
            lines = self.on_terminal("histogram", self.session.sid, "-a", self.archive, rows=rows, columns=columns,
                                     NO_COLOR="1").splitlines()
            self.assertLess(len(lines), rows)
            self.assertEqual(max(map(len, lines[1:-2])), columns)

    def test_progress(self):
        text = self.on_terminal("prune", "-a", self.archive, "--keep-packets", "1h", stream="stderr")
        self.assertIn("\r\033[Kpruning: packets of ", text)
        self.assertTrue(text.endswith("\r\033[K"))


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)

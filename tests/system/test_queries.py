"""docs/archive.md: its queries, and the views, run by the sqlite3 program on an archive of known content.

What they should say is computed here from the records, never from summaries or SQL.
"""
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import archive_model as model
import archive_answers as answers

SEED = 4656
DOCUMENT = os.path.join(model.ROOT, "docs", "archive.md")
PATIENCE = 60
SKIPPED = 77

# Hours before NOW that are asked about; something happens before and after each.
TIMES = ((26, 2), (26, 20), (8, 5), (4, 3))

# What comes from histograms is within this share of the exact value.
TOLERANCE = 0.01
FROM_HISTOGRAMS = re.compile(r"(delay_)?p\d+_(ns|ms)|(there|back)_ms")

PAIRS = ((model.PARIS, model.TOKYO), (model.TOKYO, model.PARIS), (model.PARIS, model.LIMA),
         (model.LIMA, model.PARIS))


def document():
    with open(DOCUMENT, encoding="utf-8") as file:
        return file.read()


def documented_queries():
    """{heading: SQL}"""
    queries = {}
    for section in re.split(r"^### ", document(), flags=re.M)[1:]:
        blocks = re.findall(r"^```sql\n(.*?)^```$", section, flags=re.M | re.S)
        if blocks:
            queries[section.splitlines()[0]] = blocks[0]
    return queries


def sqlite(path, script, *options, user=()):
    return subprocess.run([*user, "sqlite3", "-batch", "-bail", *options, path], input=script,
                          capture_output=True, text=True, timeout=PATIENCE, check=False)


def ask(path, query, **parameters):
    """The rows of a query as dictionaries, through the real program."""
    script = "".join(".parameter set @%s %s\n" % item for item in parameters.items())
    run = sqlite(path, script + query, "-readonly", "-json")
    if run.returncode or run.stderr:
        raise AssertionError("sqlite3: exit status %d: %s\n%s" % (run.returncode, run.stderr, query))
    return json.loads(run.stdout) if run.stdout else []


class Archive(unittest.TestCase):
    maxDiff = 3000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="owamp-queries-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.path = os.path.join(cls.folder, "archive.db")
        cls.db, sessions = model.build(cls.path, SEED)
        cls.addClassCleanup(cls.db.close)
        cls.answers = answers.Answers(sessions)

    def assert_value(self, column, value, wanted):
        if column == "difference_ms" and wanted is not None:
            self.assertLessEqual(abs(value - wanted[0]), wanted[1] * TOLERANCE, column)
        elif FROM_HISTOGRAMS.fullmatch(column) and None not in (value, wanted):
            self.assertLessEqual(abs(value - wanted), abs(wanted) * TOLERANCE, column)
        elif isinstance(wanted, float) and value is not None:
            self.assertAlmostEqual(value, wanted, delta=abs(wanted) * 1e-12, msg=column)
        else:
            self.assertEqual(value, wanted, column)

    def assert_rows(self, rows, wanted):
        self.assertEqual(len(rows), len(wanted), "rows: %r\nwanted: %r" % (rows[:3], wanted[:3]))
        for row, want in zip(rows, wanted):
            self.assertEqual(list(row), list(want), "columns")
            for column, value in row.items():
                with self.subTest(row=str(row)[:200]):
                    self.assert_value(column, value, want[column])


class Views(Archive):
    def views(self):
        names = self.db.execute("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name")
        return [name for name, in names]

    def check_views(self, views):
        for view in views:
            with self.subTest(view=view):
                wanted = getattr(self.answers, view)()
                order = ", ".join(answers.KEYS[view])
                self.assert_rows(ask(self.path, "SELECT * FROM %s ORDER BY %s" % (view, order)), wanted)
                self.check_filters(view, order, wanted)

    def check_filters(self, view, order, wanted):
        """The same rows when one pair is asked for."""
        if not wanted or "sender" not in wanted[0]:
            return
        for sender, receiver in PAIRS:
            rows = ask(self.path,
                       "SELECT * FROM %s WHERE sender = @sender AND receiver = @receiver ORDER BY %s"
                       % (view, order), sender=sender, receiver=receiver)
            self.assert_rows(rows, [row for row in wanted
                                    if (row["sender"], row["receiver"]) == (sender, receiver)])

    def test_views(self):
        """Each column of each view."""
        self.check_views(self.views())

    def test_documented(self):
        """The document knows each column of each table and view."""
        text = document()
        everywhere = ("session_id", "delay_p50_ns", "delay_p95_ns", "delay_p99_ns", "delay_p999_ns")
        query = "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')" \
                " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        for name, kind in self.db.execute(query):
            with self.subTest(name=name):
                self.assertRegex(text, "`%s`" % name)
                for row in self.db.execute("PRAGMA table_xinfo(%s)" % name):
                    if kind == "table" and row[1] in everywhere:
                        continue
                    self.assertRegex(text, r"`(%s\.)?%s`" % (name, row[1]))

    def test_pair_is_pushed_down(self):
        """Asked for one pair, no view looks at the sessions of others."""
        for view in self.views():
            columns = [row[1] for row in self.db.execute("PRAGMA table_xinfo(%s)" % view)]
            if "sender" not in columns:
                continue
            with self.subTest(view=view):
                query = "EXPLAIN QUERY PLAN SELECT * FROM %s WHERE sender = ? AND receiver = ?" % view
                plan = [row[3] for row in self.db.execute(query, (model.PARIS, model.TOKYO))]
                tables = [step for step in plan if re.match(r"SCAN (?!\()", step)
                          and step not in ("SCAN sums", "SCAN pairs")]
                if view == "latest_results":
                    # The one where the walk over the pairs begins.
                    self.assertEqual(tables, ["SCAN sessions USING COVERING INDEX sessions_by_pair"])
                else:
                    self.assertEqual(tables, [])
                self.assertRegex("\n".join(plan), r"sessions_by_pair \(sender_id=\? AND receiver_id=\?")

    def test_times_are_pushed_down(self):
        """And with a time, only the rows of that time, where an index can tell."""
        for view, column, pattern in (
                ("pair_minutes", "minute_ns", r"SEARCH m USING PRIMARY KEY \(session_id=\? AND minute_ns>\?"),
                ("pair_histograms", "hour_ns", r"SEARCH h USING PRIMARY KEY \(session_id=\? AND hour_ns>\?"),
                ("session_totals", "start_ns", r"sessions_by_pair \(.* AND start_ns>\?"),
                ("doubtful_sessions", "start_ns", r"sessions_by_pair \(.* AND start_ns>\?"),
                ("meter_trouble", "start_ns", r"sessions_by_pair \(.* AND start_ns>\?")):
            with self.subTest(view=view):
                query = "EXPLAIN QUERY PLAN SELECT * FROM %s WHERE sender = ? AND receiver = ? AND %s > ?"
                plan = self.db.execute(query % (view, column), (model.PARIS, model.TOKYO, model.NOW))
                self.assertRegex("\n".join(row[3] for row in plan.fetchall()), pattern)
        for view, column, pattern in (
                ("loss_episodes", "begin_ns", r"losses_by_time \(begin_ns>\?"),
                ("clock_events", "time_ns", r"SEARCH c USING INDEX clock_by_time \(time_ns>\?"),
                ("session_totals", "session_id", r"SEARCH s USING INTEGER PRIMARY KEY \(rowid>\?"),
                ("session_totals", "sid", r"SEARCH s USING INDEX \w+ \(sid>\?")):
            with self.subTest(view=view, alone=column):
                query = "EXPLAIN QUERY PLAN SELECT * FROM %s WHERE %s > ?"
                plan = self.db.execute(query % (view, column), (1,))
                self.assertRegex("\n".join(row[3] for row in plan.fetchall()), pattern)

    def test_packets_is_the_table(self):
        """The view packets costs its readers nothing: it is merged into their query, which uses the key."""
        for query, wanted in (
                ("SELECT count(*) FROM packets", "SCAN packet_rows"),
                ("SELECT min(session_id) FROM packets", "SEARCH packet_rows USING PRIMARY KEY"),
                ("SELECT max(arrival) FROM packets WHERE session_id = 3",
                 "SEARCH packet_rows USING PRIMARY KEY (session_id=?)"),
                ("SELECT * FROM packets WHERE session_id = 3 ORDER BY arrival",
                 "SEARCH packet_rows USING PRIMARY KEY (session_id=?)"),
                ("SELECT seq, duplicate FROM packets WHERE session_id = 3 AND arrival BETWEEN 2 AND 9",
                 "SEARCH packet_rows USING PRIMARY KEY (session_id=? AND arrival>? AND arrival<?)"),
                ("SELECT p.delay_ns FROM sessions s JOIN packets p ON p.session_id = s.session_id"
                 " WHERE s.session_id = 3", "SEARCH packet_rows USING PRIMARY KEY (session_id=?)")):
            with self.subTest(query=query):
                plan = [row[3] for row in self.db.execute("EXPLAIN QUERY PLAN " + query)]
                self.assertEqual(plan[-1], wanted)
                self.assertNotRegex("\n".join(plan), "TEMP B-TREE|CO-ROUTINE|MATERIALIZE")

    def test_packets_compares_as_integers(self):
        """As the columns of the table do: a parameter can be a text."""
        query = "SELECT count(*) FROM packets WHERE %s = '%d'"
        for column in [row[1] for row in self.db.execute("PRAGMA table_xinfo(packets)")]:
            with self.subTest(column=column):
                value, count = self.db.execute("SELECT %s, count(*) FROM packets WHERE %s IS NOT NULL"
                                               " GROUP BY 1 LIMIT 1" % (column, column)).fetchone()
                self.assertEqual(self.db.execute(query % (column, value)).fetchone(), (count,))

    def test_after_pruning(self):
        """Without any packets all views say the same."""
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM packet_rows")
        self.db.execute("UPDATE sessions SET packets_kept = 0")
        self.db.execute("COMMIT")
        try:
            self.answers.packets_kept = 0
            self.check_views(self.views())
        finally:
            self.answers.packets_kept = 1
            self.db.execute("BEGIN")
            self.db.execute("UPDATE sessions SET packets_kept = 1")
            for session in self.answers.everything:
                model.store_packets(self.db, session)
            self.db.execute("COMMIT")


class Queries(Archive):
    def test_each(self):
        """Each query of the document, for each pair and some times."""
        queries = documented_queries()
        self.assertGreaterEqual(len(queries), 10)
        self.assertEqual(len(queries), document().count("```sql"))
        self.assertEqual(sorted(queries), sorted(answers.QUERIES))
        for heading, query in queries.items():
            if answers.QUERIES[heading] is None:
                continue
            some = 0
            for (sender, receiver), (begin, end) in itertools.product(PAIRS, TIMES):
                asked = answers.Asked(sender, receiver, model.NOW - begin * model.HOUR,
                                      model.NOW - end * model.HOUR)
                with self.subTest(heading=heading, asked=asked):
                    wanted = answers.QUERIES[heading](self.answers, asked)
                    rows = ask(self.path, query, sender=sender, receiver=receiver,
                               **{"from": asked.begin, "to": asked.end})
                    self.assert_rows(rows, wanted)
                    some += len(wanted)
            self.assertGreater(some, 0, "%s: nothing was compared" % heading)

    def test_sizes(self):
        row, = ask(self.path, documented_queries()["How large is the archive?"])
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.assertEqual(row, {"octets": os.path.getsize(self.path), "free_octets": 0})

    def test_wire(self):
        """The time stamps of each record, bit for bit."""
        query = documented_queries()["What were the time stamps of a session on the wire?"]
        for session in self.answers.sessions[-12:]:
            wanted = [{"seq": record.seq, "send_time": "%016x" % record.send,
                       "receive_time": "%016x" % (record.receive or 0)} for record in session.stored]
            self.assertEqual(ask(self.path, query, sid="\"'%s'\"" % session.sid), wanted)

    def test_wire_after_2036(self):
        """In the next era of the 32 bits of seconds."""
        path = os.path.join(self.folder, "2036.db")
        db = model.create(path)
        self.addCleanup(db.close)
        start = model.to_ns(1 << 64) - 10 * model.SECOND
        records = model.make_records(model.random.Random(1), start, 40, model.SECOND // 2, -100000, 100000)
        model.store(db, [model.Session(1, (model.PARIS, model.LIMA), start, records)])
        wrap = (1 << 64) - 1
        self.assertLess(records[0].send, wrap)
        self.assertGreater(records[-1].send, wrap)
        wanted = [{"seq": record.seq, "send_time": "%016x" % (record.send & wrap),
                   "receive_time": "%016x" % ((record.receive or 0) & wrap)} for record in records]
        query = documented_queries()["What were the time stamps of a session on the wire?"]
        sid, = db.execute("SELECT sid FROM sessions").fetchone()
        self.assertEqual(ask(path, query, sid="\"'%s'\"" % sid), wanted)

    def test_parameters(self):
        """The lines that set them, as they stand."""
        lines = re.findall(r"^    (\.parameter set .*)$", document(), flags=re.M)
        self.assertEqual(len(lines), 4)
        run = sqlite(self.path, "\n".join(lines) + "\nSELECT @sender, @receiver, @to - @from, @to;",
                     "-readonly")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        sender, receiver, span, to = run.stdout.strip().split("|")
        self.assertEqual((sender, receiver, int(span)), ("192.0.2.1", "192.0.2.2", model.DAY))
        self.assertLess(abs(int(to) - time.time_ns()), model.HOUR)

    def test_backup(self):
        """The commands for a copy, as they stand, while the archive is open for writing."""
        commands = re.findall(r"^    sqlite3 (-readonly )?FILE \"(.*COPY.*)\"$", document(), flags=re.M)
        self.assertEqual(len(commands), 2)
        for number, (option, command) in enumerate(commands):
            copy = os.path.join(self.folder, "copy%d.db" % number)
            run = sqlite(self.path, command.replace("COPY", copy), *option.split())
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertEqual(ask(copy, "PRAGMA integrity_check"), [{"integrity_check": "ok"}])
            self.assertEqual(ask(copy, "SELECT count(*) AS n FROM packets"),
                             [{"n": sum(len(session.stored) for session in self.answers.everything)}])


@unittest.skipIf(os.geteuid() or not shutil.which("setpriv"),
                 "reading as another user needs root and setpriv")
class OtherUser(unittest.TestCase):
    """What the document says that another user needs."""

    NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    QUERY = "SELECT count(*) FROM endpoints"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="owamp-queries-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o711)
        self.path = os.path.join(self.folder, "archive.db")

    def open(self):
        db = model.create(self.path)
        os.chmod(self.path, 0o644)
        return db

    def nobody(self, *options, path=None):
        run = sqlite(path or self.path, self.QUERY, *options, user=self.NOBODY)
        return run.stdout.strip() if run.returncode == 0 else run.stderr

    def test_while_open(self):
        db = self.open()
        self.addCleanup(db.close)
        model.insert(db, "endpoints", address=model.PARIS)
        self.assertEqual(self.nobody("-readonly"), "1")
        for name in ("archive.db", "archive.db-wal", "archive.db-shm"):
            with self.subTest(unreadable=name):
                os.chmod(os.path.join(self.folder, name), 0o600)
                self.assertIn("unable to open database file", self.nobody("-readonly"))
                os.chmod(os.path.join(self.folder, name), 0o644)
        os.chmod(self.folder, 0o700)
        self.assertIn("unable to open database", self.nobody("-readonly"))

    def test_after_close(self):
        db = self.open()
        model.insert(db, "endpoints", address=model.PARIS)
        db.close()
        self.assertEqual(os.listdir(self.folder), ["archive.db"])
        self.assertRegex(self.nobody("-readonly"),
                         "attempt to write a readonly database|unable to open database file")
        self.assertEqual(self.nobody(path="file:%s?immutable=1" % self.path), "1")

    def test_group(self):
        """A group that may do both leaves nothing behind that the owner cannot use."""
        self.open().close()
        for path, mode in ((self.folder, 0o2770), (self.path, 0o660)):
            os.chown(path, 1, 65534)
            os.chmod(path, mode)
        self.assertEqual(self.nobody("-readonly"), "0")
        self.assertEqual(len(os.listdir(self.folder)), 3)
        owner = ("setpriv", "--reuid=1", "--regid=1", "--groups=65534")
        run = sqlite(self.path, "INSERT INTO endpoints (address) VALUES ('192.0.2.9')", user=owner)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(self.nobody("-readonly"), "1")


if __name__ == "__main__":
    if not shutil.which("sqlite3"):
        print("SKIPPED, NOTHING WAS TESTED: sqlite3 is not installed", file=sys.stderr)
        sys.exit(SKIPPED)
    program = unittest.main(exit=False, verbosity=2)
    for test, why in program.result.skipped:
        print("SKIPPED: %s: %s" % (test, why), file=sys.stderr)
    sys.exit(0 if program.result.wasSuccessful() else 1)

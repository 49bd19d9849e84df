"""What the tests of owstats share: archives whose content is known, and the program's answers."""
import collections
import contextlib
import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import archive_model as model
import harness

APPLICATION_ID = 0x4F574D50

Answer = collections.namedtuple("Answer", "status stdout stderr")


def run(*arguments, archive=None, **environment):
    """owstats with nothing of our own environment but what is named."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}
    if archive:
        environment["OWAMP_ARCHIVE"] = archive
    done = subprocess.run([harness.program("owstats"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=harness.PATIENCE, check=False, env=environment)
    answer = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
    if harness.SANITIZER.search(answer.stderr):
        raise AssertionError("a sanitizer complains:\n" + answer.stderr)
    return answer


def build(path, sessions):
    """An archive with these sessions, as a writer leaves it."""
    db = model.create(path)
    model.store(db, sessions)
    db.execute("PRAGMA application_id = %d" % APPLICATION_ID)
    db.execute("PRAGMA user_version = 2")
    db.close()


def time_text(ns, decimals):
    whole = sqlite3.connect(":memory:").execute("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch')",
                                                (ns // model.SECOND,)).fetchone()[0]
    return whole + (".%09d" % (ns % model.SECOND))[:decimals + 1 if decimals else 0] + "Z"


def within(low, high, records):
    return [record for record in records if low <= model.send_ns(record) < high]


class OwstatsTest(unittest.TestCase):
    maxDiff = 4000

    def directory(self):
        path = tempfile.mkdtemp(prefix="owamp-owstats-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def archive_of(self, sessions):
        path = os.path.join(self.directory(), "archive.sqlite")
        build(path, sessions)
        return path

    def ask(self, archive, *arguments, **options):
        """The JSON document; the command must succeed."""
        answer = run(*arguments, "--json", archive=archive, **options)
        self.assertEqual((answer.status, answer.stderr), (0, ""), arguments)
        document = json.loads(answer.stdout)
        self.assertEqual((document["format"], document["program"], document["archive"], document["error"],
                          document["exit_status"]), (1, "owstats", archive, None, 0))
        return document

    def rows(self, archive, *arguments):
        """The lines of --csv as dictionaries."""
        answer = run(*arguments, "--csv", archive=archive)
        self.assertEqual(answer.status, 0, answer.stderr)
        self.assertTrue(answer.stdout.endswith("\r\n"))
        self.assertEqual(answer.stdout.count("\n"), answer.stdout.count("\r\n"))
        return list(csv.DictReader(io.StringIO(answer.stdout, newline="")))

    def text(self, archive, *arguments, **options):
        answer = run(*arguments, archive=archive, **options)
        self.assertEqual((answer.status, answer.stderr), (0, ""), arguments)
        self.assertNotIn("\033", answer.stdout)
        return answer.stdout

    def fails(self, status, expected, *arguments, archive=None, **options):
        """A plain message, and with --json a document that says the same."""
        answer = run(*arguments, archive=archive, **options)
        self.assertEqual((answer.status, answer.stdout), (status, ""), answer.stderr)
        self.assertIn(expected, answer.stderr)
        self.assertTrue(all(line.startswith(("owstats: ", "  ", "Try ")) for line in answer.stderr.splitlines()))
        if status == 1:
            answer = run(*arguments, "--json", archive=archive, **options)
            document = json.loads(answer.stdout)
            self.assertEqual((answer.status, document["exit_status"]), (1, 1))
            self.assertIn(expected, document["error"])
        return answer

    def change(self, archive, *statements):
        with contextlib.closing(sqlite3.connect(archive, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)

    def prune(self, archive, *session_ids):
        """As retention leaves a session."""
        for number in session_ids:
            self.change(archive, "DELETE FROM packet_rows WHERE session_id = %d" % number,
                        "UPDATE sessions SET packets_kept = 0 WHERE session_id = %d" % number)

    def near(self, got, exact, share=0.01):
        """Within 1 %, as buckets are."""
        self.assertLessEqual(abs(got - exact), share * abs(exact), (got, exact))

    def check_percentiles(self, found, delays, exact):
        for entry in found:
            if not delays:
                self.assertIsNone(entry["delay_ns"])
                continue
            expected = model.percentile(delays, entry["percent"])
            if exact:
                self.assertEqual(entry["delay_ns"], expected, entry)
            else:
                self.near(entry["delay_ns"], expected)
